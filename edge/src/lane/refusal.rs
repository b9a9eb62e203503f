//! One refusal: what the long way answers while there is too much to do, at the cost of a hit.

use super::answer::{Exchange, Sink};
use super::request::Method;
use super::write::{fields, number, parts};
use crate::guard::hygiene;
use crate::upstream::Trouble;

/// Writes the answer and gives its status and the bytes of its body.
pub(super) fn write(exchange: &Exchange<'_>, sink: &mut Sink<'_>) -> (u16, usize) {
    let trace_id = std::str::from_utf8(exchange.ids.trace()).unwrap_or_default();
    let mut reply = Trouble::Overloaded.problem().into_reply(trace_id);
    hygiene::secure(&mut reply);
    let out = &mut *sink.output;
    let reason = reply.status.canonical_reason().unwrap_or_default();
    parts(out, &[b"HTTP/1.1 ", reply.status.as_str().as_bytes(), b" ", reason.as_bytes(), b"\r\n"]);
    fields(out, &reply.headers);
    out.extend_from_slice(b"content-length: ");
    number(out, reply.body.len() as u64);
    exchange.write_own(out, sink.clock);
    if exchange.request.method == Method::Get {
        out.extend_from_slice(&reply.body);
    }
    (reply.status.as_u16(), reply.body.len())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use vitrina_proto::routes::by_rpc;

    use super::super::{request, write};
    use super::*;

    fn refused(head: &str) -> (String, usize) {
        let request = request::parse(head.as_bytes()).unwrap();
        let mut clock = write::Clock::default();
        let route = by_rpc("vitrina.publications.v1.Publications/Search").unwrap();
        let exchange = Exchange::begin(&request, route, clock.now_ms(), Instant::now());
        let (mut output, mut key, mut line) = (Vec::new(), Vec::new(), Vec::new());
        let mut sink = Sink { output: &mut output, key: &mut key, line: &mut line, clock: &mut clock };
        let (status, body_bytes) = super::write(&exchange, &mut sink);
        assert_eq!(status, 503);
        (String::from_utf8(output).unwrap(), body_bytes)
    }

    #[test]
    fn a_refusal_is_a_whole_answer() {
        let (answer, body_bytes) = refused("GET /a HTTP/1.1\r\nHost: x\r\nX-Request-Id: r1\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        let wanted = format!("content-length: {body_bytes}");
        for field in [wanted.as_str(), "cache-control: no-store", "x-request-id: r1"] {
            assert!(head.lines().any(|line| line == field), "{field}: {head}");
        }
        for name in ["retry-after", "content-type", "traceresponse", "server-timing", "date"] {
            assert_eq!(head.matches(&format!("\r\n{name}: ")).count(), 1, "{name}: {head}");
        }
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "overloaded");
        assert_eq!(body.len(), body_bytes);
    }

    #[test]
    fn to_head_it_has_no_body() {
        let (answer, body_bytes) = refused("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.ends_with("\r\n\r\n") && body_bytes > 0, "{answer}");
    }
}
