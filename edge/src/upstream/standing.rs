//! How it stands with one address, of a service or of a plain HTTP server: what is under way to it, and whether it is ejected.
//!
//! An address is ejected as soon as nobody is there, or when its breaker finds that it fails too often, and asked in the
//! background until it is well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tonic::transport::Channel;

use super::breaker::{Breaker, Outcome, Phase, Ticket};
use super::gate::Heard;
use super::origin::Checker;
use super::{health, settings};

/// One address.
#[derive(Debug)]
pub(crate) struct Standing {
    address: String,
    asked: Asked,
    breaker: Mutex<Breaker>,
    in_flight: AtomicUsize,
    ejections: AtomicUsize,
}

/// Who is asked how an address is.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Service(Channel),
    Http(Arc<Checker>),
}

/// A call or request to one address. Dropped without a word, it says nothing of the address.
#[derive(Debug)]
pub(crate) struct Flight {
    to: Arc<Standing>,
    ticket: Option<Ticket>,
}

/// How it stands with an address, for the operator.
#[derive(Clone, Debug)]
pub(crate) struct AddressView {
    pub(crate) address: String,
    pub(crate) phase: Phase,
    pub(crate) in_flight: usize,
    /// How often it was ejected.
    pub(crate) ejections: usize,
}

impl Standing {
    /// An address that is held to be well.
    pub(crate) fn new(address: &str, asked: Asked, settings: settings::Breaker) -> Arc<Self> {
        Self::with(address, asked, Breaker::new(settings, Instant::now()))
    }

    /// An address that gets nothing until it says that it is well.
    pub(crate) fn unproven(address: &str, asked: Asked, settings: settings::Breaker) -> Arc<Self> {
        let standing = Self::with(address, asked, Breaker::unproven(settings));
        tokio::spawn(probe(standing.clone()));
        standing
    }

    fn with(address: &str, asked: Asked, breaker: Breaker) -> Arc<Self> {
        Arc::new(Self {
            address: address.to_owned(),
            asked,
            breaker: Mutex::new(breaker),
            in_flight: AtomicUsize::new(0),
            ejections: AtomicUsize::new(0),
        })
    }

    /// As it stands in the configuration.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.breaker().phase() == Phase::Open
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Starts a call or request to it.
    pub(crate) fn start(self: &Arc<Self>) -> Flight {
        let ticket = self.breaker().admit(Instant::now());
        self.flight(ticket)
    }

    /// The same where it is the only address: nobody is there to take what does not go to it, so it is never ejected.
    pub(crate) fn start_at_only(self: &Arc<Self>) -> Flight {
        self.flight(None)
    }

    /// Puts other settings of its breaker in force.
    pub(crate) fn adjust(&self, settings: settings::Breaker) {
        self.breaker().adjust(settings, Instant::now());
    }

    pub(crate) fn view(&self) -> AddressView {
        AddressView {
            address: self.address.clone(),
            phase: self.breaker().phase(),
            in_flight: self.in_flight(),
            ejections: self.ejections.load(Ordering::Relaxed),
        }
    }

    /// Whether it is well now.
    pub(crate) async fn is_well(&self) -> bool {
        self.asked.is_well(&self.address).await
    }

    fn flight(self: &Arc<Self>, ticket: Option<Ticket>) -> Flight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight { to: self.clone(), ticket }
    }

    fn turned(self: &Arc<Self>, phase: Option<Phase>) {
        match phase {
            Some(Phase::Open) => {
                self.ejections.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(server.address = self.address, "an address is ejected: it does not answer");
                tokio::spawn(probe(self.clone()));
            }
            Some(Phase::Closed) => {
                tracing::info!(server.address = self.address, "an address is back: it answers again");
            }
            Some(Phase::HalfOpen) | None => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    async fn is_well(&self, address: &str) -> bool {
        match self {
            Self::Service(channel) => health::is_ready(channel.clone()).await,
            Self::Http(checker) => checker.is_well(address).await,
        }
    }
}

impl Flight {
    pub(crate) fn address(&self) -> &str {
        &self.to.address
    }

    /// Whether it is to that address.
    pub(crate) fn is_to(&self, standing: &Arc<Standing>) -> bool {
        Arc::ptr_eq(&self.to, standing)
    }

    /// What came of it; what comes later does not count.
    pub(crate) fn heard(&mut self, heard: Heard) {
        self.conclude(match heard {
            Heard::Answer => Outcome::Success,
            // Another address may have less to do.
            Heard::TooMuch | Heard::Late | Heard::Nothing => Outcome::Failure,
        });
    }

    /// Nobody was there.
    pub(crate) fn found_nobody(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let phase = self.to.breaker().trip(ticket);
            self.to.turned(phase);
        }
    }

    fn conclude(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let phase = self.to.breaker().record(ticket, outcome, Instant::now());
            self.to.turned(phase);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.to.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.conclude(Outcome::Unknown);
    }
}

/// Asks an address how it is until it is well, or not one of ours any more.
async fn probe(standing: Arc<Standing>) {
    let (address, asked) = (standing.address.clone(), standing.asked.clone());
    let (pause, kept) = (standing.breaker().probe_pause(), Arc::downgrade(&standing));
    drop(standing);
    while health::next(pause, &kept).await {
        if asked.is_well(&address).await {
            if let Some(standing) = kept.upgrade() {
                // The address is tried by a few calls from now on.
                standing.breaker().probed();
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::transport::Endpoint;

    use super::*;

    #[tokio::test]
    async fn nobody_is_asked_about_an_address_that_is_gone() {
        // Nobody is there, so it would be asked for ever.
        let channel = Endpoint::from_static("http://127.0.0.1:9").connect_lazy();
        let settings = settings::Breaker::default();
        let standing = Standing::unproven("127.0.0.1:9", Asked::Service(channel), settings);
        let kept = Arc::downgrade(&standing);
        // The probe is on its way.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(standing.is_ejected());
        drop(standing);
        assert_eq!(kept.strong_count(), 0);
    }
}
