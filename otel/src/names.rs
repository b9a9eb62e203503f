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

/// Attribute: the address of a server that is called.
pub const SERVER_ADDRESS: &str = "server.address";
/// Attribute: what stands behind the edge, a service or a plain HTTP server; `edge` for its own processors.
pub const UPSTREAM: &str = "vitrina.upstream";
/// Attribute: how much a call matters, `search`, `read`, `write` or `checkout`.
pub const PRIORITY: &str = "vitrina.priority";
/// Attribute: `fresh` or `stale`.
pub const CACHE_STATE: &str = "vitrina.cache.state";
/// Attribute: why the cache did not answer, as RFC 9211 has it.
pub const CACHE_REASON: &str = "vitrina.cache.reason";

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
/// Metric, counter: calls of the edge that found no place, by upstream and priority.
pub const EDGE_SHED: &str = "vitrina.edge.shed";
/// Metric, counter: calls of the edge that were not made because a breaker was open, by upstream.
pub const EDGE_REFUSED: &str = "vitrina.edge.refused";
/// Metric, counter: calls of the edge that were made again, by upstream.
pub const EDGE_RETRIES: &str = "vitrina.edge.retries";
/// Metric, gauge: 0 closed, 1 half-open, 2 open, by upstream.
pub const EDGE_BREAKER_STATE: &str = "vitrina.edge.breaker.state";
/// Metric, counter: how often a breaker has opened, by upstream.
pub const EDGE_BREAKER_OPENED: &str = "vitrina.edge.breaker.opened";
/// Metric, counter: how often an address was ejected, by upstream and address.
pub const EDGE_EJECTIONS: &str = "vitrina.edge.ejections";
/// Metric, gauge: calls that may be in flight, by upstream.
pub const EDGE_CONCURRENCY_LIMIT: &str = "vitrina.edge.concurrency.limit";
/// Metric, gauge: calls that are in flight, by upstream.
pub const EDGE_CONCURRENCY_IN_FLIGHT: &str = "vitrina.edge.concurrency.in_flight";
/// Metric, counter: answers from the edge's cache, by state.
pub const EDGE_CACHE_HITS: &str = "vitrina.edge.cache.hits";
/// Metric, counter: answers that the edge's cache did not have, by reason.
pub const EDGE_CACHE_MISSES: &str = "vitrina.edge.cache.misses";
