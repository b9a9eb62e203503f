//! The spans and metrics of the chassis, named after the OpenTelemetry conventions for RPC and messaging.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use tonic::Code;
use tracing::{Span, field, info_span};
use vitrina_broker::Message;
use vitrina_otel::{metrics, names, propagate};

/// Attribute of [`names::INBOX_HANDLED`]: `done`, `later` or `dead`.
const OUTCOME: &str = "vitrina.outcome";

static RPC_DURATION: LazyLock<Histogram<f64>> =
    LazyLock::new(|| metrics::histogram_seconds(names::RPC_SERVER_DURATION));
static RELAYED: LazyLock<Counter<u64>> = LazyLock::new(|| metrics::counter(names::OUTBOX_RELAYED));
static CONSUMED: LazyLock<Counter<u64>> = LazyLock::new(|| metrics::counter(names::INBOX_HANDLED));

/// The span of an rpc, child of the caller's: `rpc` is `package.Service/Method`.
pub(crate) fn server_span(service: &'static str, rpc: &str, headers: &HeaderMap) -> Span {
    let span = info_span!(
        parent: None,
        "rpc",
        otel.name = rpc,
        otel.kind = "server",
        otel.status_code = field::Empty,
        rpc.system.name = "grpc",
        rpc.method = rpc,
        rpc.response.status_code = field::Empty,
        vitrina.service = service,
    );
    propagate::parent(&span, propagate::extract_http(headers));
    span
}

/// Counts an rpc that was answered.
pub(crate) fn rpc_done(service: &'static str, rpc: &str, code: Code, took: Duration) {
    let attributes = [
        KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"),
        KeyValue::new(names::RPC_METHOD, rpc.to_owned()),
        KeyValue::new(names::RPC_RESPONSE_STATUS_CODE, code_name(code)),
        KeyValue::new(names::SERVICE, service),
    ];
    RPC_DURATION.record(took.as_secs_f64(), &attributes);
}

/// The span of sending an event, child of the request that caused it.
pub(crate) fn publish_span(message: &Message) -> Span {
    let span = info_span!(
        parent: None,
        "outbox.relay",
        otel.name = format!("send {}", message.topic),
        otel.kind = "producer",
        messaging.operation.type = "send",
        messaging.destination.name = message.topic,
        messaging.message.id = message.id,
    );
    propagate::parent(&span, propagate::extract_message(&message.headers));
    span
}

/// The span of handling a message, child of its sending.
pub(crate) fn process_span(queue: &str, message: &Message, attempt: u32) -> Span {
    let span = info_span!(
        parent: None,
        "inbox.handle",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.message.id = message.id,
        vitrina.attempt = attempt,
    );
    propagate::parent(&span, propagate::extract_message(&message.headers));
    span
}

/// Counts events that were relayed.
pub(crate) fn relayed(service: &'static str, count: u64) {
    RELAYED.add(count, &[KeyValue::new(names::SERVICE, service)]);
}

/// The span of writing the effects of several messages at once; it is linked to theirs.
pub(crate) fn round_span(queue: &str, count: usize) -> Span {
    info_span!(
        parent: None,
        "inbox.round",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.batch.message_count = count,
    )
}

/// Counts messages that were settled.
pub(crate) fn consumed(queue: &str, outcome: &'static str, count: u64) {
    CONSUMED.add(
        count,
        &[
            KeyValue::new(names::MESSAGING_DESTINATION_NAME, queue.to_owned()),
            KeyValue::new(OUTCOME, outcome),
        ],
    );
}

/// The status as gRPC spells it.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
