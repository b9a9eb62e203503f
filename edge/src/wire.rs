//! The bytes of a client's connection: TCP as it is, or TLS over it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use pingora_core::protocols::tls::SslDigest;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a client sends first that speaks HTTP/2 without having been told that the edge does (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream of bytes from and to a client.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain {
        stream: TcpStream,
        /// Read already, to find out the protocol; comes first.
        ahead: Bytes,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::Plain { stream, ahead: Bytes::new() }
    }

    /// Waits for the first bytes. Gives whether they are the preface of HTTP/2; nothing is lost of them.
    pub(crate) async fn sniff(mut stream: TcpStream) -> io::Result<(Self, bool)> {
        let mut ahead = BytesMut::with_capacity(PREFACE.len());
        while ahead.len() < PREFACE.len() && PREFACE.starts_with(&ahead) {
            if stream.read_buf(&mut ahead).await? == 0 {
                break;
            }
        }
        let is_http2 = ahead.starts_with(PREFACE);
        Ok((Self::Plain { stream, ahead: ahead.freeze() }, is_http2))
    }

    /// Shakes hands. Gives whether HTTP/2 was chosen.
    pub(crate) async fn tls(stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<(Self, bool)> {
        let stream = acceptor.accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Self::Tls(Box::new(stream)), is_http2))
    }

    /// What was agreed on, in pingora's words; `None` without TLS.
    pub(crate) fn digest(&self) -> Option<Arc<SslDigest>> {
        let Self::Tls(stream) = self else {
            return None;
        };
        let session = stream.get_ref().1;
        let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let version = session.protocol_version().and_then(|version| version.as_str());
        let digest =
            SslDigest::new(cipher.unwrap_or_default(), version.unwrap_or_default(), None, None, Vec::new());
        Some(Arc::new(digest))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { ahead, .. } if !ahead.is_empty() => {
                let count = ahead.len().min(buf.remaining());
                buf.put_slice(&ahead[..count]);
                ahead.advance(count);
                Poll::Ready(Ok(()))
            }
            Self::Plain { stream, .. } => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain { stream, .. } => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { stream, .. } => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain { stream, .. } => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain { stream, .. } => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
