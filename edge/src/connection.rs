//! A client's connection as pingora sees it: buffered, and with a total deadline for a request's header.
//!
//! pingora bounds each single read of a header, not the header as a whole, so a client that sends a byte now and then
//! would hold its connection for ever. This stream counts from the first byte of a header and ends the connection when
//! the header is not complete in time. Of HTTP/2 it times the preface; there the headers of all requests come through one
//! stream, and pingora ends a connection on which no request has come for the idle time. What pingora says to a request that
//! it could not read becomes a problem document on its way out. Nothing is kept; a crash closes
//! the sockets.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::Either;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::activity::{Activity, Cut};
use crate::core::Core;
use crate::refusal;
use crate::wire::Wire;

/// Bytes buffered before a write reaches the socket. With pingora's default of 1,460 the header and the body of an
/// ordinary answer go out in two sends, a third of the cost of the answer (measured, `design/edge.md`).
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Bytes of the preface of HTTP/2 (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufWriter<Wire>,
    unread: Bytes,
    id: UniqueIDType,
    established: SystemTime,
    socket: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    /// Holds the activity: the one thing of ours that pingora hands to the requests of HTTP/1 and of HTTP/2.
    shared: Arc<ProxyDigest>,
    activity: Arc<Activity>,
    header_timeout: Duration,
    /// Which request the clock belongs to, counted as in [`Activity::done`].
    clocked: u32,
    header_clock: HeaderClock,
    bytes_read: usize,
}

/// Where the time for a header stands.
#[derive(Debug)]
enum HeaderClock {
    /// No byte of the next header has come: only the keep-alive time-out runs.
    Idle,
    /// The first byte came at this instant. Most headers come whole, so no timer is armed yet.
    Started(Instant),
    /// The header came in pieces.
    Armed(Pin<Box<Sleep>>),
}

impl Connection {
    /// Takes over an accepted socket; shakes hands when the edge speaks TLS.
    ///
    /// # Errors
    /// When the socket is broken already, the handshake fails or takes longer than a header may, or the slot is needed.
    pub(crate) async fn open(
        stream: TcpStream,
        peer: SocketAddr,
        core: &Core,
        activity: Arc<Activity>,
    ) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        stream.set_nodelay(true)?;
        let fd = stream.as_raw_fd();
        let socket = SocketDigest::from_raw_fd(fd);
        // A set cell stays as it is; it is new here, so this cannot fail.
        let _ = socket.peer_addr.set(Some(pingora_core::protocols::l4::socket::SocketAddr::Inet(peer)));
        let header_timeout = core.config().limits.header_timeout();
        let wire = shake_hands(stream, core, &activity).await?;
        let header_clock =
            if activity.is_http2() { HeaderClock::Started(Instant::now()) } else { HeaderClock::Idle };
        // The header means nothing: no proxy was asked for this connection.
        let unused = ResponseHeader::build(200, Some(0)).map_err(io::Error::other)?;
        Ok(Self {
            tls: wire.digest(),
            stream: BufWriter::with_capacity(WRITE_BUFFER_BYTES, wire),
            unread: Bytes::new(),
            id: fd,
            established: SystemTime::now(),
            socket: Arc::new(socket),
            shared: Arc::new(ProxyDigest::new(Box::new(unused), Some(Box::new(activity.clone())))),
            activity,
            header_timeout,
            clocked: 0,
            header_clock,
            bytes_read: 0,
        })
    }

    /// The stream itself, past the buffer, which is empty between two requests.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        self.stream.get_mut()
    }

    /// Puts back what was read past [`Self::wire`]; it is read again before anything else.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.unread = bytes;
    }

    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer_addr()?.as_inet().copied()
    }

    fn note_bytes(&mut self, count: usize) {
        self.bytes_read = self.bytes_read.saturating_add(count);
        if self.activity.is_http2() {
            if self.bytes_read >= PREFACE_BYTES {
                self.header_clock = HeaderClock::Idle;
            }
        } else if self.activity.is_busy() {
            self.header_clock = HeaderClock::Idle;
        } else if matches!(self.header_clock, HeaderClock::Idle) {
            self.header_clock = HeaderClock::Started(Instant::now());
        }
    }

    /// Ready when the time for the header is over.
    fn poll_header_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let done = self.activity.done();
        if self.activity.is_busy() || self.clocked != done {
            self.clocked = done;
            self.header_clock = HeaderClock::Idle;
            return Poll::Pending;
        }
        if let HeaderClock::Started(at) = self.header_clock {
            self.header_clock =
                HeaderClock::Armed(Box::pin(tokio::time::sleep_until(at + self.header_timeout)));
        }
        match &mut self.header_clock {
            HeaderClock::Armed(timer) => timer.as_mut().poll(cx),
            HeaderClock::Idle | HeaderClock::Started(_) => Poll::Pending,
        }
    }
}

/// What the connection of a request is doing.
pub(crate) fn activity(session: &Session) -> Option<&Arc<Activity>> {
    let shared = session.digest()?.proxy_digest.as_ref()?;
    shared.user_data.as_ref()?.downcast_ref()
}

/// Finds out what is spoken, within the time for a header.
async fn shake_hands(stream: TcpStream, core: &Core, activity: &Activity) -> io::Result<Wire> {
    let (header, idle, may_be_http2) = {
        let config = core.config();
        let idle = Duration::from_secs(config.limits.keepalive_s);
        (config.limits.header_timeout(), idle, config.http2.cleartext)
    };
    let (shaken, limit) = match &core.certificates {
        Some(certificates) => {
            activity.set_tls();
            (Either::Left(Wire::tls(stream, certificates.acceptor())), header)
        }
        // The first byte may come as late as that of a later request.
        None if may_be_http2 => (Either::Right(Wire::sniff(stream)), idle),
        None => return Ok(Wire::plain(stream)),
    };
    let (wire, is_http2) = tokio::select! {
        shaken = tokio::time::timeout(limit, shaken) => shaken.map_err(|_| {
            activity.cut(Cut::Slow);
            io::Error::from(io::ErrorKind::TimedOut)
        })??,
        () = poll_fn(|cx| activity.poll_cut(cx)) => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    if is_http2 {
        activity.set_http2();
    }
    Ok(wire)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_header_deadline(cx).is_ready() {
            self.activity.cut(Cut::Slow);
        }
        if self.activity.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !self.unread.is_empty() {
            let count = self.unread.len().min(buf.remaining());
            let bytes = self.unread.split_to(count);
            buf.put_slice(&bytes);
            self.note_bytes(count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let count = buf.filled().len() - before;
        if count > 0 {
            self.note_bytes(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.activity.is_busy()
            && !self.activity.is_http2()
            && let Some(refusal) = refusal::in_place_of(buf)
        {
            // The buffer is empty between two requests and takes it whole.
            return Pin::new(&mut self.stream).poll_write(cx, &refusal).map_ok(|_| buf.len());
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // The client may be gone already; then there is nobody to tell.
        let _ = self.stream.shutdown().await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for Connection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }

    /// Also without TLS: it is by this that pingora tells the protocols apart.
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.activity.is_http2().then_some(ALPN::H2)
    }
}

impl Peek for Connection {}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.established, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.shared.clone())
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}
