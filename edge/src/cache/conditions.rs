//! What a client asks of a stored answer: whether it has it already (RFC 9110, 13), and which part of it (RFC 9110, 14).

use http::{HeaderMap, HeaderValue, Method, header};

use super::policy::date_ms;
use crate::etag;

/// The part of a body that a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, as no part is asked for or the ask is not to be followed.
    Whole,
    /// From the first to the last byte, both included.
    Range(usize, usize),
    /// A part that does not exist: 416.
    Unsatisfiable,
}

/// Whether the client has these bytes already: 304 instead of the answer. `If-Modified-Since` counts only without
/// `If-None-Match`, and against `Date` where the answer has no `Last-Modified`.
pub(crate) fn is_not_modified(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let tag = stored.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        return tag.is_some_and(|tag| etag::is_known(request, tag));
    }
    let changed_ms = date_ms(stored, header::LAST_MODIFIED).or_else(|| date_ms(stored, header::DATE));
    match (date_ms(request, header::IF_MODIFIED_SINCE), changed_ms) {
        (Some(since_ms), Some(changed_ms)) => changed_ms <= since_ms,
        _ => false,
    }
}

/// Whether the conditions are for the upstream alone: `If-Match` and `If-Unmodified-Since` (RFC 9111, 4.3.2).
pub(crate) fn are_for_upstream(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// The part of a stored 200 of `length` bytes that a request asks for. Several ranges at once are answered with the whole,
/// as RFC 9110 (14.2) allows: they are mostly an attack.
pub(crate) fn part(method: &Method, request: &HeaderMap, stored: &HeaderMap, length: usize) -> Part {
    let range = request.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some(range) = range.filter(|_| method == Method::GET && is_if_range_met(request, stored)) else {
        return Part::Whole;
    };
    let Some((unit, spec)) = range.split_once('=') else {
        return Part::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Part::Whole;
    };
    bounds(first.trim(), last.trim(), length)
}

/// `Content-Range` of a part; of one that does not exist, without bounds.
pub(crate) fn content_range(part: Part, length: usize) -> Option<HeaderValue> {
    let text = match part {
        Part::Whole => return None,
        Part::Range(first, last) => format!("bytes {first}-{last}/{length}"),
        Part::Unsatisfiable => format!("bytes */{length}"),
    };
    text.try_into().ok()
}

fn bounds(first: &str, last: &str, length: usize) -> Part {
    let number =
        |text: &str| text.parse::<usize>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => Part::Unsatisfiable,
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() && length > 0 => {
            Part::Range(length.saturating_sub(count), length - 1)
        }
        (Some(from), None) if last.is_empty() && from < length => Part::Range(from, length - 1),
        (Some(from), Some(to)) if from <= to && from < length => Part::Range(from, to.min(length - 1)),
        (Some(from), _)
            if from >= length && (last.is_empty() || number(last).is_some_and(|to| to >= from)) =>
        {
            Part::Unsatisfiable
        }
        _ => Part::Whole,
    }
}

/// `If-Range` compares strongly: a weak tag is never met, a date only to the second and against `Last-Modified`.
fn is_if_range_met(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else {
        return true;
    };
    if condition.as_bytes().starts_with(b"\"") {
        return stored.get(header::ETAG) == Some(condition);
    }
    match (date_ms(request, header::IF_RANGE), date_ms(stored, header::LAST_MODIFIED)) {
        (Some(condition_ms), Some(modified_ms)) => condition_ms == modified_ms,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        let stored = HeaderMap::new();
        for (asked, expected) in [
            ("bytes=0-4", Part::Range(0, 4)),
            ("bytes=5-", Part::Range(5, 9)),
            ("bytes=-3", Part::Range(7, 9)),
            ("bytes=-30", Part::Range(0, 9)),
            ("bytes=8-99", Part::Range(8, 9)),
            ("Bytes = 1-1", Part::Range(1, 1)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("items=0-1", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=-", Part::Whole),
        ] {
            let request = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(asked))]);
            assert_eq!(part(&Method::GET, &request, &stored, 10), expected, "{asked}");
        }
    }
}
