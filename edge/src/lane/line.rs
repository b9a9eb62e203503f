//! The line of an answer in the access log, with the fields of the long way's in their order.

use std::time::Duration;

use vitrina_otel::{LogFormat, access};
use vitrina_proto::routes::Route;

use super::answer::Peer;
use super::write::{Clock, Ids, milliseconds, number, parts, six_digits};

/// What the log tells of an answer.
pub(super) struct Seen<'s> {
    pub(super) route: &'static Route,
    pub(super) peer: &'s Peer,
    pub(super) method: &'static str,
    pub(super) status: u16,
    pub(super) body_bytes: usize,
    pub(super) request_id: &'s [u8],
    pub(super) ids: &'s Ids,
    pub(super) now_ms: u64,
    pub(super) took: Duration,
}

impl Seen<'_> {
    /// Writes the line; `line` is what it is put together in.
    pub(super) fn log(&self, line: &mut Vec<u8>, clock: &Clock) {
        let Some(format) = access::format() else {
            return;
        };
        line.clear();
        let us = self.now_ms % 1_000 * 1_000;
        let stamp = clock.stamp().as_bytes();
        // How text and numbers are told apart, and what stands between two fields and in front of a value.
        let (between, assign): (&[u8], &[u8]) = match format {
            LogFormat::Text => (b" ", b"="),
            LogFormat::Json => (b",\"", b"\":"),
        };
        match format {
            LogFormat::Text => {
                parts(line, &[stamp, b"."]);
                six_digits(line, us);
                parts(line, &[b"Z  INFO ", access::TARGET.as_bytes(), b": request"]);
            }
            LogFormat::Json => {
                parts(line, &[b"{\"timestamp\":\"", stamp, b"."]);
                six_digits(line, us);
                line.extend_from_slice(b"Z\",\"level\":\"INFO\",\"fields\":{\"message\":\"request\"");
            }
        }
        let quoted = |line: &mut Vec<u8>, name: &str, value: &[u8]| {
            parts(line, &[between, name.as_bytes(), assign, b"\"", value, b"\""]);
        };
        let plain = |line: &mut Vec<u8>, name: &str| parts(line, &[between, name.as_bytes(), assign]);
        quoted(line, "http.request.method", self.method.as_bytes());
        quoted(line, "http.route", self.route.path.as_bytes());
        plain(line, "http.response.status_code");
        number(line, self.status.into());
        plain(line, "http.response.body.size");
        number(line, self.body_bytes as u64);
        quoted(line, "client.address", self.peer.text().as_bytes());
        quoted(line, "request_id", self.request_id);
        quoted(line, "trace_id", self.ids.trace());
        plain(line, "duration_ms");
        milliseconds(line, self.took);
        plain(line, "is_broken_off");
        line.extend_from_slice(b"false");
        match format {
            LogFormat::Text => line.push(b'\n'),
            LogFormat::Json => parts(line, &[b"},\"target\":\"", access::TARGET.as_bytes(), b"\"}\n"]),
        }
        access::write(line);
    }
}
