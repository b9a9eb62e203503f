//! The time, and how vendors write it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Milliseconds since 1970, UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-11-28T20:13:00.123+00:00`, as MercadoPago writes times; empty for a time outside years 0 to 9999.
pub(crate) fn iso(at_ms: u64) -> String {
    let form = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3][offset_hour sign:mandatory]:[offset_minute]"
    );
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    at.ok().and_then(|at| at.format(&form).ok()).unwrap_or_default()
}

/// The other way round; `None` if it is no RFC 3339 time after 1970.
pub(crate) fn parse_iso(text: &str) -> Option<u64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_being_written() {
        let at_ms = 1_796_000_000_123;
        assert_eq!(parse_iso(&iso(at_ms)), Some(at_ms));
        assert!(iso(at_ms).ends_with("+00:00"));
    }
}
