//! Messages as AMQP has them: the topic, key, attempt and cause ride in headers, since the routing key of a message that
//! is put off is the name of its queue.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::{DeadLetter, Message};

const TOPIC: &str = "x-vitrina-topic";
const KEY: &str = "x-vitrina-key";
const ATTEMPT: &str = "x-vitrina-attempt";
const CAUSE: &str = "x-vitrina-cause";
const QUEUE: &str = "x-vitrina-queue";
/// Bytes of a cause that are kept: headers travel in one frame.
const CAUSE_BYTES_MAX: usize = 1000;
/// AMQP's number for a message that is written to disk.
const PERSISTENT: u8 = 2;

pub(super) struct Outgoing<'a> {
    pub(super) message: &'a Message,
    pub(super) attempt: u32,
    pub(super) cause: Option<&'a str>,
    /// The queue that gave it up.
    pub(super) queue: Option<&'a str>,
}

pub(super) struct Incoming {
    pub(super) letter: DeadLetter,
    pub(super) queue: Option<String>,
}

impl Outgoing<'_> {
    pub(super) fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut put = |name: &str, value: &str| {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        };
        for (name, value) in &self.message.headers {
            put(name, value);
        }
        put(TOPIC, &self.message.topic);
        put(KEY, &self.message.key);
        put(ATTEMPT, &self.attempt.to_string());
        if let Some(cause) = self.cause {
            put(CAUSE, &cause[..cause.floor_char_boundary(CAUSE_BYTES_MAX)]);
        }
        if let Some(queue) = self.queue {
            put(QUEUE, queue);
        }
        BasicProperties::default()
            .with_message_id(self.message.id.as_str().into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers)
    }
}

/// Reads what arrived, whoever sent it: absent headers are empty.
pub(super) fn read(properties: &BasicProperties, routing_key: &str, data: Vec<u8>) -> Incoming {
    let mut message = Message {
        id: properties.message_id().as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        topic: routing_key.to_owned(),
        payload: Bytes::from(data),
        ..Message::default()
    };
    let (mut attempts, mut cause, mut queue) = (1, "the delivery limit was reached".to_owned(), None);
    for (name, value) in properties.headers().iter().flat_map(|headers| headers.inner()) {
        let AMQPValue::LongString(value) = value else { continue };
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match name.as_str() {
            TOPIC => message.topic = value,
            KEY => message.key = value,
            ATTEMPT => attempts = value.parse().unwrap_or(1),
            CAUSE => cause = value,
            QUEUE => queue = Some(value),
            // What the server adds (`x-first-death-queue` …) is not the publisher's.
            name if name.starts_with("x-") && !name.starts_with("x-vitrina-") => {}
            name => message.headers.push((name.to_owned(), value)),
        }
    }
    Incoming { letter: DeadLetter { message, cause, attempts }, queue }
}
