//! What the tests of services share: a context of real parts (a store in a directory of its own, an embedded broker, a clock that
//! the test moves), calls with their metadata, and waits for what must come. All of it panics when a test cannot go on.

use std::time::Duration;

use tempfile::TempDir;
use tonic::{Request, Response, Status};
use vitrina_broker::{Broker, Consumer, Ladder, Message, Queue, QueueKind};
use vitrina_storage::{Options, Store};

use crate::caller::{Caller, metadata};
use crate::clock::Clock;
use crate::context::Context;
use crate::fault::Fault;
use crate::ids::UserId;

/// The time at which a test begins: 2026-01-01T00:00:00Z.
pub const START_MS: u64 = 1_767_225_600_000;

/// How long a test waits for what must come: generous, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Steps of the broker's ladder: enough for a handler that fails twice, so that a test does not wait for hours.
const RETRIES: usize = 3;
/// The length of each step.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// A context whose parts are all real; the directory vanishes with the returned guard.
///
/// # Panics
/// When the machine has no room for a temporary directory. Call it inside a tokio runtime.
pub fn context() -> (Context, TempDir) {
    let dir = TempDir::new().expect("a temporary directory can be made");
    let open =
        |name: &str| Store::open(&dir.path().join(name), Options::default()).expect("an empty store opens");
    let broker = vitrina_broker::embedded_with(open("broker"), Ladder(vec![RETRY_AFTER; RETRIES]));
    (Context::new(open("store"), Clock::manual(START_MS), broker), dir)
}

/// A call of anybody.
pub fn as_caller<T>(caller: Caller, request: T) -> Request<T> {
    let mut request = Request::new(request);
    caller.to_metadata(request.metadata_mut());
    request
}

/// A call of a seller.
pub fn by<T>(seller: UserId, request: T) -> Request<T> {
    as_caller(Caller::seller(seller), request)
}

/// A call with an idempotency key.
pub fn keyed<T>(mut request: Request<T>, key: &str) -> Request<T> {
    request.metadata_mut().insert(metadata::IDEMPOTENCY_KEY, key.parse().expect("a key is ASCII"));
    request
}

/// A call that only fits one version.
pub fn matching<T>(mut request: Request<T>, version: u32) -> Request<T> {
    request.metadata_mut().insert(metadata::IF_MATCH, version.into());
    request
}

/// A word of the answer's metadata.
pub fn said<T>(response: &Response<T>, name: &str) -> Option<String> {
    response.metadata().get(name).map(|value| value.to_str().expect("metadata is ASCII").to_owned())
}

/// The reason that a refused call gave.
#[track_caller]
pub fn reason<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    Fault::from_status(&result.expect_err("it is refused")).reason.into_owned()
}

/// The fields that a refused call named, sorted.
#[track_caller]
pub fn wrong_fields<T: std::fmt::Debug>(result: Result<T, Status>) -> Vec<String> {
    let fault = Fault::from_status(&result.expect_err("it is refused"));
    let mut names: Vec<String> = fault.fields.into_iter().map(|wrong| wrong.field).collect();
    names.sort();
    names
}

/// Publishes an event as another service would; `id` is the message's.
pub async fn publish(broker: &dyn Broker, id: &str, topic: &str, key: &str, payload: &impl prost::Message) {
    let message = Message {
        id: id.to_owned(),
        topic: topic.to_owned(),
        key: key.to_owned(),
        payload: payload.encode_to_vec().into(),
        headers: Vec::new(),
    };
    broker.publish(message).await.expect("the broker takes the event");
}

/// Listens at the broker from now on: a service relays its outbox at once.
pub async fn listen(context: &Context, topics: &[&str]) -> Consumer {
    let queue = Queue {
        name: "test.inbox".to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        kind: QueueKind::Durable,
        prefetch: 100,
    };
    context.broker.consume(queue).await.expect("the broker has a queue")
}

/// The next event, as its topic and payload.
pub async fn next_event<P: prost::Message + Default>(consumer: &mut Consumer) -> (String, P) {
    let delivery = tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("an event comes")
        .expect("the queue is open");
    let payload = P::decode(delivery.message.payload.clone()).expect("it is the expected event");
    let topic = delivery.message.topic.clone();
    delivery.ack().await.expect("the broker takes the acknowledgement");
    (topic, payload)
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let look = async {
        while !holds().await {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, look).await.is_ok(), "not in time: {what}");
}
