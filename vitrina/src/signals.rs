//! What a running shop does on signals: SIGTERM and Ctrl-C end it, SIGHUP has it read its configuration anew. Without a file
//! SIGHUP ends it, too: then it comes from a terminal that was closed.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, from the moment they were asked for on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("can't listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("can't listen for Ctrl-C")?,
            hang_up: signal(SignalKind::hangup()).context("can't listen for SIGHUP")?,
        })
    }

    /// Until the shop is to end. `reload` is absent when there is nothing to read.
    pub(crate) async fn obey(&mut self, reload: Option<impl Fn()>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => match &reload {
                    Some(reload) => reload(),
                    None => return,
                },
            }
        }
    }
}
