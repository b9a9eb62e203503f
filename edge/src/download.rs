//! Bytes of a service as an HTTP answer: kept for ever, named by their digest, and given in part when asked.
//!
//! A picture that changes is another picture with another id, so the bytes at a path never change (RFC 8246). Of several
//! ranges the whole is given, as RFC 9110, 14.2 allows: nobody asks for several parts of a picture, and many small ones are
//! a known way to make a server work.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use vitrina_proto::Download;

use crate::etag;
use crate::reply::{Problem, Reply};
use crate::request::Head;

/// A year, the longest that caches count with.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// Letters of a SHA-256 in hex.
const DIGEST_LETTERS: usize = 64;

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<usize>),
    /// Nothing that there is.
    Beyond,
}

/// The whole of a download.
pub(crate) fn whole(download: Download) -> Reply {
    let digest = &download.sha256;
    let is_digest = digest.len() == DIGEST_LETTERS && digest.bytes().all(|letter| letter.is_ascii_hexdigit());
    let tag = if is_digest { format!("\"{digest}\"") } else { etag::of(&download.content, None) };
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(header::CONTENT_TYPE, download.content_type);
    reply.set(header::ETAG, tag);
    reply.set(header::CACHE_CONTROL, CACHE_CONTROL);
    reply.set(header::ACCEPT_RANGES, "bytes");
    reply.body = download.content;
    reply
}

/// The answer under the conditions of the request, in the order of RFC 9110, 13.2.2.
///
/// # Errors
/// 412 when `If-Match` names other bytes, 416 when the range lies beyond them.
pub(crate) fn conditioned(mut reply: Reply, head: &Head) -> Result<Reply, Problem> {
    let tag =
        reply.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
    if head.headers.contains_key(header::IF_MATCH) && !names(&head.headers, header::IF_MATCH, &tag) {
        return Err(Problem::new(412, "precondition_failed", "If-Match names other bytes."));
    }
    if etag::is_known(&head.headers, &tag) {
        reply.not_modified();
        return Ok(reply);
    }
    // A range is defined for GET only.
    if head.method != Method::GET || !is_range_current(&head.headers, &tag) {
        return Ok(reply);
    }
    let length = reply.body.len();
    match wanted(&head.headers, length) {
        Wanted::Whole => Ok(reply),
        Wanted::Part(range) => {
            let last = range.end - 1;
            reply.set(header::CONTENT_RANGE, format!("bytes {}-{last}/{length}", range.start));
            reply.body = Bytes::slice(&reply.body, range);
            reply.status = StatusCode::PARTIAL_CONTENT;
            Ok(reply)
        }
        Wanted::Beyond => Err(Problem::new(416, "range_not_satisfiable", "The range lies beyond the bytes.")
            .with(header::CONTENT_RANGE, format!("bytes */{length}"))),
    }
}

/// Whether a list of entity tags names this one, by the strong comparison.
fn names(headers: &HeaderMap, name: HeaderName, tag: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|known| known == "*" || known == tag)
}

/// `If-Range` with another tag, or with a date, of which these bytes have none, asks for the whole.
fn is_range_current(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes().trim_ascii() == tag.as_bytes())
}

fn wanted(headers: &HeaderMap, length: usize) -> Wanted {
    let mut values = headers.get_all(header::RANGE).iter();
    let only = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
    only.and_then(|value| range(value, length)).unwrap_or(Wanted::Whole)
}

/// `None` for what is no single range of bytes: such a field is as good as absent.
fn range(value: &str, length: usize) -> Option<Wanted> {
    let (unit, spec) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => length.saturating_sub(number(suffix)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..length.min(last.saturating_add(1))
        }
    };
    Some(if range.start < range.end { Wanted::Part(range) } else { Wanted::Beyond })
}

/// Digits only; a number too large for us is beyond anything that we have.
fn number(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Option<Wanted> {
        range(value, 10)
    }

    #[test]
    fn a_range_is_cut_to_what_is_there() {
        assert_eq!(asked("bytes=0-3"), Some(Wanted::Part(0..4)));
        assert_eq!(asked("Bytes=4-"), Some(Wanted::Part(4..10)));
        assert_eq!(asked("bytes=-3"), Some(Wanted::Part(7..10)));
        assert_eq!(asked("bytes=-30"), Some(Wanted::Part(0..10)));
        assert_eq!(asked("bytes=9-99999999999999999999999"), Some(Wanted::Part(9..10)));
    }

    #[test]
    fn a_range_beyond_the_end_is_none() {
        for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(value), Some(Wanted::Beyond), "{value}");
        }
        assert_eq!(range("bytes=0-", 0), Some(Wanted::Beyond));
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_not_looked_at() {
        for value in ["bytes=0-1,3-4", "bytes=3-1", "bytes=-", "bytes=a-b", "bytes=+1-2", "lines=0-1", "0-1"]
        {
            assert_eq!(asked(value), None, "{value}");
        }
    }
}
