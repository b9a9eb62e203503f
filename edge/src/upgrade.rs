//! A new process takes the listeners over from the old one, so that the program is replaced without refusing a client.
//!
//! The sockets themselves are handed over, by a Unix socket: a connection that waits in their backlog is accepted by the
//! one process or the other. (Two sockets on one port, `SO_REUSEPORT`, would lose what waits at the old one when it
//! closes.) The new process waits at the Unix socket; told by SIGQUIT, the old one connects, hands over, and goes on
//! serving until the new one says that it serves: when that fails to start, nothing has happened.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::error::Error;

/// How long the old process waits for the new one to serve: it fetches keys and certificates first.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What the new process says once it serves.
const READY: &[u8] = b"ready";

/// Bytes of the two addresses and what parts them.
const ADDRESSES_BYTES_MAX: usize = 256;

/// The listeners of an edge: clients, then operators. Each with the address as it was configured, by which the new
/// process tells whether it is the one that it was going to listen on.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) clients: (SocketAddr, TcpListener),
    pub(crate) operators: (SocketAddr, TcpListener),
}

/// A new process that can be handed listeners over to.
#[derive(Debug)]
pub struct Waiting {
    socket: PathBuf,
    listener: UnixListener,
}

/// Listeners from an old process, which stops once it is told that this one serves.
#[derive(Debug)]
pub struct Inherited {
    pub(crate) listeners: Listeners,
    old: UnixStream,
}

impl Waiting {
    /// Takes its place at `socket`: from now on an old process finds this one there.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn at(socket: &Path) -> Result<Self, Error> {
        let listener =
            bind(socket).map_err(|source| Error::HandOver { socket: socket.to_owned(), source })?;
        Ok(Self { socket: socket.to_owned(), listener })
    }

    /// Waits until an old process hands its listeners over. Blocks; it ends with the process only.
    ///
    /// # Errors
    /// When what comes is no pair of listeners.
    pub fn wait(self) -> Result<Inherited, Error> {
        let accepted = self.listener.accept().and_then(|(old, _)| inherit(old));
        // One that is left behind is removed by the next to wait.
        let _ = std::fs::remove_file(&self.socket);
        accepted.map_err(|source| Error::HandOver { socket: self.socket, source })
    }
}

impl Inherited {
    /// Tells the old process that this one serves: it then drains.
    ///
    /// # Errors
    /// When the old process is gone, which does no harm.
    pub(crate) fn confirm(mut self) -> io::Result<()> {
        self.old.write_all(READY)
    }
}

impl Listeners {
    /// The same sockets again, to be handed over later.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let again = |(address, listener): &(SocketAddr, TcpListener)| {
            listener.try_clone().map(|listener| (*address, listener))
        };
        Ok(Self { clients: again(&self.clients)?, operators: again(&self.operators)? })
    }

    /// Hands the listeners over to the process that waits at `socket`. Blocks until that one serves.
    ///
    /// # Errors
    /// When nobody waits there, or does not serve in time; then this process is to go on.
    pub(crate) fn hand_over(&self, socket: &Path) -> io::Result<()> {
        let mut new = UnixStream::connect(socket)?;
        new.set_read_timeout(Some(READY_WITHIN))?;
        let addresses = format!("{} {}", self.clients.0, self.operators.0);
        let fds = [self.clients.1.as_fd(), self.operators.1.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(&new, &[IoSlice::new(addresses.as_bytes())], &mut control, SendFlags::empty())?;
        let mut answer = [0; READY.len()];
        new.read_exact(&mut answer)?;
        if answer == READY { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

fn bind(socket: &Path) -> io::Result<UnixListener> {
    // What an earlier attempt left.
    if socket.exists() {
        std::fs::remove_file(socket)?;
    }
    let listener = UnixListener::bind(socket)?;
    // Who hands listeners over decides what this process serves.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn inherit(old: UnixStream) -> io::Result<Inherited> {
    let mut text = [0; ADDRESSES_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    let received = rustix::net::recvmsg(&old, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let listeners = listeners(&text[..received.bytes], fds)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no pair of listeners was handed over"))?;
    Ok(Inherited { listeners, old })
}

fn listeners(addresses: &[u8], fds: Vec<OwnedFd>) -> Option<Listeners> {
    let (clients, operators) = std::str::from_utf8(addresses).ok()?.split_once(' ')?;
    let [clients_fd, operators_fd] = <[OwnedFd; 2]>::try_from(fds).ok()?;
    Some(Listeners {
        clients: (clients.parse().ok()?, clients_fd.into()),
        operators: (operators.parse().ok()?, operators_fd.into()),
    })
}
