//! The rows of the embedded broker.

use vitrina_storage::Table;

use crate::{DeadLetter, Message};

/// queue → its topics
pub(super) const BINDINGS: Table<String, Binding> = Table::new(0x10, "bindings");
/// (queue, sequence) → message
pub(super) const QUEUED: Table<(String, u64), QueuedRow> = Table::new(0x11, "queued");
/// (queue, message id) → message
pub(super) const DEAD: Table<(String, String), QueuedRow> = Table::new(0x12, "dead");

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Binding {
    #[prost(string, repeated, tag = "1")]
    pub(super) topics: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct QueuedRow {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    topic: String,
    #[prost(string, tag = "3")]
    key: String,
    #[prost(bytes = "bytes", tag = "4")]
    payload: bytes::Bytes,
    #[prost(message, repeated, tag = "5")]
    headers: Vec<HeaderRow>,
    /// From 1.
    #[prost(uint32, tag = "6")]
    pub(super) attempt: u32,
    /// 0 when it is ready.
    #[prost(uint64, tag = "7")]
    pub(super) due_ms: u64,
    #[prost(string, tag = "8")]
    pub(super) cause: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderRow {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl QueuedRow {
    pub(super) fn new(message: &Message) -> QueuedRow {
        let header =
            |(name, value): &(String, String)| HeaderRow { name: name.clone(), value: value.clone() };
        QueuedRow {
            id: message.id.clone(),
            topic: message.topic.clone(),
            key: message.key.clone(),
            payload: message.payload.clone(),
            headers: message.headers.iter().map(header).collect(),
            attempt: 1,
            due_ms: 0,
            cause: String::new(),
        }
    }

    pub(super) fn into_message(self) -> Message {
        Message {
            id: self.id,
            topic: self.topic,
            key: self.key,
            payload: self.payload,
            headers: self.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        }
    }

    pub(super) fn into_dead_letter(mut self) -> DeadLetter {
        let (cause, attempts) = (std::mem::take(&mut self.cause), self.attempt);
        DeadLetter { message: self.into_message(), cause, attempts }
    }
}
