//! Events: what others are told once the fact is on disk.
//!
//! An event gets its id here, before the commit, so that it keeps it however often the relay sends it; the trace context of
//! the request that caused it rides along in the headers.

use bytes::Bytes;
use vitrina_broker::Message;
use vitrina_storage::OutboxMessage;

use crate::fault::{Code, Fault};

/// The header that holds the id of the event; the relay makes it the id of the broker's message.
pub(crate) const ID_HEADER: &str = "x-vitrina-message-id";

/// An event for the outbox: `topic` is the routing key (`products.stock_changed`), `key` the id of the entity that it is
/// about; events of one key keep their order.
pub fn event<P: prost::Message>(topic: &str, key: &str, payload: &P) -> OutboxMessage {
    let mut headers = vec![(ID_HEADER.to_owned(), uuid::Uuid::now_v7().to_string())];
    vitrina_otel::propagate::inject_message(&mut headers);
    OutboxMessage {
        topic: topic.to_owned(),
        key: key.to_owned(),
        payload: Bytes::from(payload.encode_to_vec()),
        headers,
    }
}

/// Reads the payload of a message.
///
/// # Errors
/// A fault of [`Code::InvalidInput`], on which the inbox parks the message as a dead letter.
pub fn decode<P: prost::Message + Default>(message: &Message) -> Result<P, Fault> {
    P::decode(message.payload.clone()).map_err(|error| {
        Fault::new(Code::InvalidInput, "undecodable", format!("the payload does not decode: {error}"))
    })
}
