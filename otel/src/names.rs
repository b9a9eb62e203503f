//! The names of spans, attributes and metrics.
//!
//! They follow the OpenTelemetry semantic conventions where there is one; Vitrina's own begin with `vitrina.`.

/// Attribute: method of an HTTP request.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// Attribute: route template of an HTTP request.
pub const HTTP_ROUTE: &str = "http.route";
/// Attribute: status of an HTTP answer.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Attribute: the RPC system, always `grpc`.
pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
/// Attribute: `package.Service/Method`.
pub const RPC_METHOD: &str = "rpc.method";
/// Attribute: gRPC status as it is spelled, `NOT_FOUND`.
pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";
/// Attribute: `rabbitmq` or `embedded`.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// Attribute: queue or topic.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
/// Attribute: id of the message.
pub const MESSAGING_MESSAGE_ID: &str = "messaging.message.id";
/// Attribute: `send`, `receive`, `process` or `settle`.
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
/// Attribute: the service of Vitrina that works.
pub const SERVICE: &str = "vitrina.service";
/// Attribute: which delivery of a message this is, from 1.
pub const ATTEMPT: &str = "vitrina.attempt";

/// Span: one durable commit of a store.
pub const SPAN_STORAGE_COMMIT: &str = "storage.commit";

/// Metric, histogram in s: an HTTP request until its answer is sent.
pub const HTTP_SERVER_DURATION: &str = "http.server.request.duration";
/// Metric, histogram in s: an rpc until its answer.
pub const RPC_SERVER_DURATION: &str = "rpc.server.call.duration";
/// Metric, histogram in s: an rpc as its client sees it.
pub const RPC_CLIENT_DURATION: &str = "rpc.client.call.duration";
/// Metric, counter: events that the broker confirmed.
pub const OUTBOX_RELAYED: &str = "vitrina.outbox.relayed";
/// Metric, counter: messages that were settled, by outcome.
pub const INBOX_HANDLED: &str = "vitrina.inbox.handled";
