//! Server-sent events (HTML standard, 9.2): the messages of a streaming rpc as lines of a response without an end.
//!
//! A stream has no deadline. It ends when the service ends it, when the client goes, or when the edge drains; a browser
//! then connects anew by itself and gets from the service whatever it missed. A comment now and then keeps proxies between
//! from taking the silence for death, and shows the edge a client that vanished without a word.
//!
//! Known limit: who may listen is decided at the start. A session that ends meanwhile does not end its streams, which show
//! no more than the moves of one order to a party of it.

use std::fmt;
use std::pin::Pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{StatusCode, header};
use pingora_core::Result;
use pingora_proxy::Session;
use tokio::time::{Duration, Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::reply::Reply;

/// A comment line: clients skip it.
const HEARTBEAT: &[u8] = b":\n\n";

/// Events to come.
pub(crate) struct EventStream(Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>);

/// What happened to a stream that is being written.
enum Turn {
    Send(Bytes),
    /// The service or the edge ends it.
    End,
    ClientGone,
}

/// The answer that starts a stream.
pub(crate) fn reply(events: vitrina_proto::Events) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(header::CONTENT_TYPE, "text/event-stream");
    reply.set(header::CACHE_CONTROL, "no-store");
    reply.events = Some(EventStream(events.stream));
    reply
}

impl EventStream {
    /// Writes the events until the stream ends; the header is written already. Gives the bytes of the body.
    ///
    /// # Errors
    /// When the client does not read for as long as a write may take.
    pub(crate) async fn write(
        mut self,
        session: &mut Session,
        heartbeat: Duration,
        draining: &CancellationToken,
    ) -> Result<usize> {
        let mut ticks = tokio::time::interval_at(Instant::now() + heartbeat, heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = 0;
        loop {
            let turn = tokio::select! {
                () = draining.cancelled() => Turn::End,
                // Nothing may come from the client now; whatever does, its end above all, ends the stream.
                _ = session.as_downstream_mut().read_body_or_idle(true) => Turn::ClientGone,
                event = self.0.next() => turn(event),
                _ = ticks.tick() => Turn::Send(Bytes::from_static(HEARTBEAT)),
            };
            match turn {
                Turn::Send(chunk) => {
                    written += chunk.len();
                    session.write_response_body(Some(chunk), false).await?;
                    ticks.reset();
                }
                Turn::End => {
                    session.write_response_body(None, true).await?;
                    return Ok(written);
                }
                Turn::ClientGone => {
                    session.set_keepalive(None);
                    return Ok(written);
                }
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EventStream")
    }
}

fn turn(event: Option<Result<Bytes, Status>>) -> Turn {
    match event {
        Some(Ok(json)) => Turn::Send(line(&json)),
        Some(Err(fault)) => {
            tracing::debug!(code = ?fault.code(), "a stream of events broke off");
            Turn::End
        }
        None => Turn::End,
    }
}

/// One event. JSON has no line end outside of strings and none unescaped within, so it is one line.
fn line(json: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(json.len() + 8);
    line.put_slice(b"data: ");
    line.put_slice(json);
    line.put_slice(b"\n\n");
    line.freeze()
}
