//! A client's connection as pingora sees it: buffered, and with a total deadline for a request's header.
//!
//! pingora bounds each single read of a header, not the header as a whole, so a client that sends a byte now and then
//! would hold its connection for ever. This stream counts from the first byte of a header and ends the connection when
//! the header is not complete in time. Nothing is kept; a crash closes the sockets.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Bytes buffered before a write reaches the socket. With pingora's default of 1,460 the header and the body of an
/// ordinary answer go out in two sends, a third of the cost of the answer (measured, `design/edge.md`).
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// A client's TCP connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufWriter<TcpStream>,
    unread: Bytes,
    id: UniqueIDType,
    established: SystemTime,
    socket: Arc<SocketDigest>,
    header_timeout: Duration,
    is_header_read: AtomicBool,
    requests_done: AtomicU32,
    /// Which request the clock belongs to, counted as in `requests_done`.
    clocked: u32,
    header_clock: HeaderClock,
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
    /// Takes over an accepted socket.
    ///
    /// # Errors
    /// When the socket is broken already.
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, header_timeout: Duration) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        stream.set_nodelay(true)?;
        let fd = stream.as_raw_fd();
        let socket = SocketDigest::from_raw_fd(fd);
        // A set cell stays as it is; it is new here, so this cannot fail.
        let _ = socket.peer_addr.set(Some(pingora_core::protocols::l4::socket::SocketAddr::Inet(peer)));
        Ok(Self {
            stream: BufWriter::with_capacity(WRITE_BUFFER_BYTES, stream),
            unread: Bytes::new(),
            id: fd,
            established: SystemTime::now(),
            socket: Arc::new(socket),
            header_timeout,
            is_header_read: AtomicBool::new(false),
            requests_done: AtomicU32::new(0),
            clocked: 0,
            header_clock: HeaderClock::Idle,
        })
    }

    /// The socket itself, past the buffer, which is empty between two requests.
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    /// Puts back what was read past [`Self::tcp`]; it is read again before anything else.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.unread = bytes;
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer_addr()?.as_inet().copied()
    }

    /// Tells that the header of the current request is complete: what follows is its body, under the body's deadline.
    pub(crate) fn header_read(&self) {
        self.is_header_read.store(true, Ordering::Relaxed);
    }

    /// Tells that the current request is answered: what follows is the next header.
    pub(crate) fn request_done(&self) {
        self.is_header_read.store(false, Ordering::Relaxed);
        self.requests_done.fetch_add(1, Ordering::Relaxed);
    }

    fn note_bytes(&mut self) {
        if *self.is_header_read.get_mut() {
            self.header_clock = HeaderClock::Idle;
        } else if matches!(self.header_clock, HeaderClock::Idle) {
            self.header_clock = HeaderClock::Started(Instant::now());
        }
    }

    /// Ready when the time for the header is over.
    fn poll_header_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let requests_done = *self.requests_done.get_mut();
        if *self.is_header_read.get_mut() || self.clocked != requests_done {
            self.clocked = requests_done;
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

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_header_deadline(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the header did not come in time",
            )));
        }
        if !self.unread.is_empty() {
            let count = self.unread.len().min(buf.remaining());
            buf.put_slice(&self.unread.split_to(count));
            self.note_bytes();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.note_bytes();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
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

impl Ssl for Connection {}

impl Peek for Connection {}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.established, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}
