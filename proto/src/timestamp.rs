//! A point in time that prints as storefronts expect it.
//!
//! prost-types' own has no JSON form, and pbjson's prints `+00:00`; on the wire all three are the same message.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time in UTC; `google.protobuf.Timestamp` on the wire, `2026-11-28T20:00:00Z` in JSON.
///
/// Text carries milliseconds when they are not zero (`2026-11-28T20:00:00.250Z`); finer parts are cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999; they count forward before 1970 too.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// The text is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotATime;

impl Timestamp {
    /// From milliseconds since 1970.
    #[must_use]
    pub fn from_unix_ms(ms: u64) -> Self {
        let nanos = (ms % 1000) as i32 * 1_000_000;
        Self { seconds: i64::try_from(ms / 1000).unwrap_or(i64::MAX), nanos }
    }

    /// Milliseconds since 1970, cut; what lies before is 0, what is too late is the maximum.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        let ms = u64::try_from(self.nanos / 1_000_000).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(ms)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only years 0 to 9999 can be written; what lies outside shows as the beginning of time.
        let at = OffsetDateTime::from_unix_timestamp(self.seconds)
            .ok()
            .filter(|at| (0..=9999).contains(&at.year()))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, clock) = (at.date(), at.time());
        write!(out, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())?;
        write!(out, "T{:02}:{:02}:{:02}", clock.hour(), clock.minute(), clock.second())?;
        match self.nanos / 1_000_000 {
            ms @ 1..=999 => write!(out, ".{ms:03}Z"),
            _ => out.write_str("Z"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| NotATime)?;
        let nanos = i32::try_from(at.nanosecond()).map_err(|_| NotATime)?;
        Ok(Self { seconds: at.unix_timestamp(), nanos })
    }
}

impl fmt::Display for NotATime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("must be a time such as 2026-11-28T20:00:00Z")
    }
}

impl std::error::Error for NotATime {}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_prints(ms: u64, text: &str) {
        let at = Timestamp::from_unix_ms(ms);
        assert_eq!(at.to_string(), text);
        assert_eq!(text.parse(), Ok(at));
        assert_eq!(at.unix_ms(), ms);
    }

    #[test]
    fn a_time_prints_as_utc_and_reads_back() {
        check_prints(0, "1970-01-01T00:00:00Z");
        check_prints(1_795_896_000_000, "2026-11-28T20:00:00Z");
        check_prints(1_795_896_000_250, "2026-11-28T20:00:00.250Z");
    }

    #[test]
    fn another_zone_is_read_and_nonsense_refused() {
        assert_eq!("2026-11-28T17:00:00-03:00".parse(), Ok(Timestamp::from_unix_ms(1_795_896_000_000)));
        assert_eq!("yesterday".parse::<Timestamp>(), Err(NotATime));
    }

    #[test]
    fn a_time_outside_of_the_calendar_does_not_panic() {
        assert_eq!(Timestamp { seconds: i64::MAX, nanos: -7 }.to_string(), "1970-01-01T00:00:00Z");
    }
}
