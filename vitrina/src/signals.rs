//! What a running shop does on signals: SIGTERM and Ctrl-C end it, SIGHUP has it read its configuration anew.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use vitrina_edge::{EdgeConfig, Running};

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

    /// Until the shop is to end.
    pub(crate) async fn obey(&mut self, edge: &Running, reread: impl Fn() -> Result<EdgeConfig>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // What was wrong is in the log and in the numbers.
                _ = self.hang_up.recv() => match reread() {
                    Ok(config) => drop(edge.reload(config)),
                    Err(error) => edge.refuse(&format!("{error:#}")),
                },
            }
        }
    }
}
