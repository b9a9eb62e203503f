//! The bytes of an answer and of its line in the access log, written without the machinery of formatting: at this rate each
//! `format!` would show.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use rand::RngCore as _;
use vitrina_proto::Timestamp;

/// The time of day as text, made once a second.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: u64,
    date: String,
    stamp: String,
}

/// Ids of one request: its own, its trace's, its span's; lower-case hexadecimal.
#[derive(Debug)]
pub(super) struct Ids {
    hex: [u8; 80],
}

impl Clock {
    /// Now in milliseconds since 1970, with the text kept up to date.
    pub(super) fn now_ms(&mut self) -> u64 {
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.date = httpdate::fmt_http_date(now);
            let stamp = Timestamp::from_unix_ms(self.second * 1_000).to_string();
            self.stamp = stamp.split(['.', 'Z']).next().unwrap_or_default().to_owned();
        }
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// As in the header `Date`.
    pub(super) fn date(&self) -> &str {
        &self.date
    }

    /// Such as `2026-01-02T03:04:05`, UTC.
    pub(super) fn stamp(&self) -> &str {
        &self.stamp
    }
}

impl Ids {
    pub(super) fn new() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";

        let mut random = [0_u8; 40];
        rand::thread_rng().fill_bytes(&mut random);
        let mut hex = [0; 80];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(random) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { hex }
    }

    pub(super) fn request(&self) -> &[u8] {
        &self.hex[..32]
    }

    pub(super) fn trace(&self) -> &[u8] {
        &self.hex[32..64]
    }

    pub(super) fn span(&self) -> &[u8] {
        &self.hex[64..]
    }
}

/// Appends all parts.
pub(super) fn parts(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends the lines of these fields.
pub(super) fn fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        parts(out, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
}

/// Appends a number in decimal.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        // A digit is less than ten.
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a time in milliseconds with three decimals.
pub(super) fn milliseconds(out: &mut Vec<u8>, took: Duration) {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    number(out, us / 1_000);
    let below = us % 1_000;
    out.push(b'.');
    for digit in [below / 100, below / 10 % 10, below % 10] {
        out.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }
}

/// Appends a number below a million with all its six digits.
pub(super) fn six_digits(out: &mut Vec<u8>, number: u64) {
    let mut unit = 100_000;
    while unit > 0 {
        out.push(b'0' + u8::try_from(number / unit % 10).unwrap_or_default());
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for (value, expected) in [(0, "0"), (7, "7"), (1_234, "1234"), (u64::MAX, "18446744073709551615")] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        milliseconds(&mut out, Duration::from_micros(12_034));
        assert_eq!(String::from_utf8(out).unwrap(), "12.034");
    }
}
