//! What came over HTTP, and how it becomes a request message. Every mistake is reported at once.

use std::borrow::Cow;

/// The parts of an HTTP request that a message is made of, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// Path parameters by the names of [`Route::path_params`](crate::routes::Route::path_params); values still
    /// percent-encoded.
    pub path: &'a [(&'a str, &'a str)],
    /// The query without its question mark; empty when there is none.
    pub query: &'a str,
    /// The body; empty when there is none.
    pub body: &'a [u8],
}

/// The pairs of a query in their order, percent-decoded, `+` as space. What is no UTF-8 is replaced.
pub fn query(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (lossy(percent_decode(name, Plus::IsSpace)), lossy(percent_decode(value, Plus::IsSpace)))
    })
}

/// A path segment, percent-decoded; `None` when it is no UTF-8.
pub(crate) fn decode_path(raw: &str) -> Option<String> {
    match percent_decode(raw, Plus::IsPlus) {
        Cow::Borrowed(_) => Some(raw.to_owned()),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok(),
    }
}

/// `publication_id` → `publicationId`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_upper_next = false;
    for letter in name.chars() {
        match letter {
            '_' => is_upper_next = true,
            _ if is_upper_next => {
                out.push(letter.to_ascii_uppercase());
                is_upper_next = false;
            }
            _ => out.push(letter),
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    IsSpace,
    IsPlus,
}

fn percent_decode(text: &str, plus: Plus) -> Cow<'_, [u8]> {
    let needs_work = |byte: u8| byte == b'%' || (byte == b'+' && plus == Plus::IsSpace);
    let bytes = text.as_bytes();
    if !bytes.iter().copied().any(needs_work) {
        return Cow::Borrowed(bytes);
    }
    let hex = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hex digits are at most 255.
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                at += 2;
            }
            (b'+', _, _) if plus == Plus::IsSpace => out.push(b' '),
            // A lone percent sign stands for itself.
            _ => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(out)
}

fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
