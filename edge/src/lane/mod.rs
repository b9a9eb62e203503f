//! The short way of a plain hit: from the bytes of a request to the bytes of a stored answer, without pingora.
//!
//! A cached answer costs little beside its two system calls, so every allocation and each pass over the header shows. The lane
//! reads a connection first. A plain request (see `request`) that the store can answer fresh is answered here in one write,
//! and one that is too much for the edge is refused here: otherwise the refusals would take the time of what is served.
//! At the first other one, the connection with what was read goes to pingora for one request and comes back. All rules of
//! the long way hold: rate limits, security headers, metrics, access log, tags. Only a refusal for want of room takes nothing of
//! its client's rate, and comes before a refusal for that. With a collector of traces the lane is closed, so
//! that every request has its span.
//!
//! Only plain HTTP/1.1 connections come here.

mod answer;
mod hit;
mod line;
mod refusal;
mod request;
mod write;

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp as _};
use pingora_core::protocols::http::ServerSession;
use pingora_proxy::HttpProxy;
use tokio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::core::Core;
use crate::gateway::Gateway;
use answer::{Peer, Sink};

/// Bytes read at once: more than the header of any plain request.
const READ_BYTES: usize = 16 * 1024;

/// Answers to pipelined requests that are gathered before they are sent.
const GATHERED_BYTES_MAX: usize = 256 * 1024;

/// What a worker thread needs for one request at a time.
struct Scratch {
    input: Box<[u8]>,
    output: Vec<u8>,
    key: Vec<u8>,
    line: Vec<u8>,
    clock: write::Clock,
}

/// What came of one read.
enum Step {
    /// Everything that was read is answered; this part is still to be sent.
    Answered(Vec<u8>),
    /// What was read and not answered, after this part is sent.
    Pass(Bytes, Vec<u8>),
    /// There will be no further request.
    Closed,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; READ_BYTES].into(),
        output: Vec::new(),
        key: Vec::new(),
        line: Vec::new(),
        clock: write::Clock::default(),
    });
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    connection: Connection,
    proxy: &Arc<HttpProxy<Gateway>>,
    core: &Arc<Core>,
    shutdown: &watch::Receiver<bool>,
) {
    let peer = Peer::of(&connection);
    let mut connection = Box::new(connection);
    let mut settings: Option<HttpPersistentSettings> = None;
    loop {
        if is_open(core) && !answers(&mut connection, core, &peer).await {
            // The client is gone, or told to go: there is nobody to tell how that went.
            let _ = tokio::io::AsyncWriteExt::shutdown(connection.wire()).await;
            return;
        }
        let mut session = ServerSession::new_http1(connection);
        match settings.take() {
            Some(settings) => settings.apply_to_session(&mut session),
            None => session.set_keepalive(Some(core.config().limits.keepalive_s)),
        }
        let Some(reused) = proxy.process_new_http(session, shutdown).await else {
            return;
        };
        let (stream, persistent) = reused.consume();
        settings = persistent;
        connection = match stream.into_any().downcast() {
            Ok(connection) => connection,
            // It went in as one.
            Err(_) => return,
        };
    }
}

/// Whether anything may be answered here at all.
fn is_open(core: &Core) -> bool {
    let config = core.config();
    config.cache.enabled
        && config.cors.origins.is_empty()
        && !core.is_draining()
        && !vitrina_otel::is_exporting()
}

/// Answers what it can; `true` once there is something else to be done, `false` when the connection is over.
async fn answers(connection: &mut Connection, core: &Arc<Core>, peer: &Peer) -> bool {
    let keepalive = Duration::from_secs(core.config().limits.keepalive_s);
    let mut draining = pin!(core.draining.cancelled());
    let mut idle = pin!(tokio::time::sleep(keepalive));
    let mut last = Instant::now();
    loop {
        let step = poll_fn(|cx| {
            if let Poll::Ready(step) = poll_step(cx, connection, core, peer) {
                return Poll::Ready(step);
            }
            if connection.activity().poll_cut(cx).is_ready() {
                return Poll::Ready(Step::Closed);
            }
            // One timer for the life of the connection: it is set anew only when it goes off too early.
            while idle.as_mut().poll(cx).is_ready() {
                if last + keepalive <= Instant::now() {
                    return Poll::Ready(Step::Closed);
                }
                idle.as_mut().reset(last + keepalive);
            }
            // A request may be on its way: pingora answers it and tells the client to connect anew.
            draining.as_mut().poll(cx).map(|()| Step::Pass(Bytes::new(), Vec::new()))
        })
        .await;
        let (rest, unread) = match step {
            Step::Answered(rest) => (rest, None),
            Step::Pass(unread, rest) => (rest, Some(unread)),
            Step::Closed => return false,
        };
        if !rest.is_empty() {
            let limit = core.config().limits.write_timeout();
            let sending = connection.wire().write_all(&rest);
            let sent = tokio::time::timeout(limit, sending).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
        if let Some(unread) = unread {
            connection.unread(unread);
            return true;
        }
        last = Instant::now();
        connection.activity().touch();
    }
}

/// Reads, answers and sends without a pause when the socket lets it.
fn poll_step(cx: &mut Context<'_>, connection: &mut Connection, core: &Arc<Core>, peer: &Peer) -> Poll<Step> {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { input, output, key, line, clock } = scratch;
        let mut buffer = ReadBuf::new(input);
        if ready!(Pin::new(connection.wire()).poll_read(cx, &mut buffer)).is_err() {
            return Poll::Ready(Step::Closed);
        }
        let read = buffer.filled();
        if read.is_empty() {
            return Poll::Ready(Step::Closed);
        }
        output.clear();
        let mut at = 0;
        while at < read.len() && output.len() < GATHERED_BYTES_MAX {
            let Some(request) = request::parse(&read[at..]) else { break };
            if !answer::answer(core, peer, &request, &mut Sink { output, key, line, clock }) {
                break;
            }
            at += request.length;
        }
        let sent = match Pin::new(connection.wire()).poll_write(cx, output) {
            _ if output.is_empty() => 0,
            Poll::Ready(Ok(sent)) => sent,
            Poll::Ready(Err(_)) => return Poll::Ready(Step::Closed),
            Poll::Pending => 0,
        };
        let rest = output[sent..].to_vec();
        Poll::Ready(if at == read.len() {
            Step::Answered(rest)
        } else {
            Step::Pass(Bytes::copy_from_slice(&read[at..]), rest)
        })
    })
}
