//! The end of a program, asked for from outside.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ends with SIGTERM or Ctrl-C. Ask for it before anything is opened, so that a signal during the start is not lost.
///
/// # Errors
/// When the system does not let this process listen for signals.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
