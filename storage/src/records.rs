//! The values that the store keeps for itself, and how they are encoded: outbox messages, idempotency records, the head.

use bytes::Bytes;
use prost::Message;

use crate::error::Error;

/// What is to be told to others once the commit is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Routing key, such as `publications.changed`.
    pub topic: String,
    /// Id of the entity that it is about; messages of one key keep their order.
    pub key: String,
    /// The body.
    pub payload: Bytes,
    /// Names and values in this order; names may repeat.
    pub headers: Vec<(String, String)>,
}

/// What a request is recognised by when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Who called, so that two callers cannot meet under one key.
    pub caller: String,
    /// Full name of the rpc.
    pub rpc: String,
    /// The key that the caller chose.
    pub key: String,
}

/// What was answered to the first request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the request, by which another request under the same key is found out.
    pub fingerprint: [u8; 32],
    /// The encoded reply; at most about 500 KiB.
    pub reply: Bytes,
    /// Unix time in milliseconds; the record is swept 24 h later.
    pub created_at_ms: u64,
}

/// The counters of a store, in one row that every group of commits rewrites.
///
/// `digest` is the wrapping sum of the checksums of all other rows. Together with `rows` it shows at the start whether a row
/// is missing or older than the last commit, which the checksum of the row by itself cannot show.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Head {
    #[prost(uint64, tag = "1")]
    pub(crate) commit_seq: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) outbox_seq: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) outbox_pending: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) rows: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) live_bytes: u64,
    #[prost(fixed64, tag = "6")]
    pub(crate) digest: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredMessage {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(bytes = "bytes", tag = "3")]
    payload: Bytes,
    #[prost(string, repeated, tag = "4")]
    header_names: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    header_values: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredRecord {
    #[prost(bytes = "bytes", tag = "1")]
    fingerprint: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    reply: Bytes,
    #[prost(uint64, tag = "3")]
    created_at_ms: u64,
}

impl OutboxMessage {
    /// Upper bound of the encoded length: each field with its tag and length takes at most 7 bytes more.
    pub(crate) fn stored_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 14).sum();
        self.topic.len() + self.key.len() + self.payload.len() + 21 + headers
    }
}

pub(crate) fn encode_message(message: OutboxMessage) -> Bytes {
    let OutboxMessage { topic, key, payload, headers } = message;
    let (header_names, header_values) = headers.into_iter().unzip();
    StoredMessage { topic, key, payload, header_names, header_values }.encode_to_vec().into()
}

pub(crate) fn decode_message(row: &[u8], value: Bytes) -> Result<OutboxMessage, Error> {
    let stored = StoredMessage::decode(value).map_err(|error| Error::corrupt(row, error.to_string()))?;
    Ok(OutboxMessage {
        topic: stored.topic,
        key: stored.key,
        payload: stored.payload,
        headers: stored.header_names.into_iter().zip(stored.header_values).collect(),
    })
}

pub(crate) fn encode_record(record: IdempotencyRecord) -> Bytes {
    StoredRecord {
        fingerprint: Bytes::copy_from_slice(&record.fingerprint),
        reply: record.reply,
        created_at_ms: record.created_at_ms,
    }
    .encode_to_vec()
    .into()
}

pub(crate) fn decode_record(row: &[u8], value: Bytes) -> Result<IdempotencyRecord, Error> {
    let stored = StoredRecord::decode(value).map_err(|error| Error::corrupt(row, error.to_string()))?;
    let fingerprint = stored.fingerprint.as_ref().try_into();
    Ok(IdempotencyRecord {
        fingerprint: fingerprint.map_err(|_| Error::corrupt(row, "the fingerprint is not 32 bytes long"))?,
        reply: stored.reply,
        created_at_ms: stored.created_at_ms,
    })
}
