//! What all stand-ins share.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::config::SandboxConfig;
use crate::fcm::Tokens;
use crate::knobs::{Gate, Knobs, Provider};
use crate::ledger::Ledger;
use crate::sendgrid::MailSigner;

/// The running sandbox, seen from a request.
pub(crate) struct App {
    pub(crate) config: SandboxConfig,
    /// Base of links, without a trailing slash.
    pub(crate) base_url: String,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) knobs: Arc<Knobs>,
    pub(crate) mail_signer: MailSigner,
    pub(crate) tokens: Tokens,
    pub(crate) stop: CancellationToken,
    mail_events_url: RwLock<Option<String>>,
}

/// The parts of an [`App`] that were opened for it.
pub(crate) struct Parts {
    pub(crate) base_url: String,
    pub(crate) ledger: Ledger,
    pub(crate) mail_signer: MailSigner,
    pub(crate) tokens: Tokens,
}

impl App {
    pub(crate) fn new(config: SandboxConfig, parts: Parts) -> Self {
        let mail_events_url = RwLock::new(config.sendgrid_events_url.clone());
        Self {
            config,
            base_url: parts.base_url,
            ledger: Arc::new(parts.ledger),
            knobs: Arc::default(),
            mail_signer: parts.mail_signer,
            tokens: parts.tokens,
            stop: CancellationToken::new(),
            mail_events_url,
        }
    }

    /// What the knobs of one provider need.
    pub(crate) fn gate(&self, provider: Provider) -> Gate {
        Gate { provider, knobs: Arc::clone(&self.knobs), stop: self.stop.clone() }
    }

    pub(crate) fn mail_events_url(&self) -> Option<String> {
        self.mail_events_url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_mail_events_url(&self, url: Option<String>) {
        *self.mail_events_url.write().unwrap_or_else(PoisonError::into_inner) = url;
    }
}
