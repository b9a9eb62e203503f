//! The sandbox: stand-ins for the services outside.
//!
//! *Duty*: MercadoPago, SendGrid, Firebase Cloud Messaging and S3, each honouring the contract of `providers.md`, so that the
//! whole shop runs with nothing installed and no account anywhere, and so that tests meet what they will meet outside:
//! idempotency keys, signed notifications that come twice, late or in the wrong order, time-outs on either side of the effect.
//! *Flow*: one listener for the three HTTP providers, the knobs and the pages for people; one for S3. What a stand-in accepts
//! is a line in the journal before it is answered; what has to be notified is in the same line.
//!
//! *Invariants*
//! - An answer of success means that the fact is on disk; killing the sandbox loses nothing that was answered.
//! - The same idempotency key gets the same answer, also after a restart.
//! - An object of S3 is visible whole or not at all, and only after its digests were checked.
//! - A notification is sent until it is answered by 2xx or its ladder ends, also across a restart.
//!
//! *It is not* a bank, nor meant to be reached by others than the shop and who tries it out: its keys are documented.

mod config;
mod error;

use std::net::SocketAddr;

pub use crate::config::SandboxConfig;
pub use crate::error::Error;

/// The stand-ins, before they run.
pub struct Sandbox;

impl Sandbox {
    /// Opens what is kept, binds both listeners and serves on the current tokio runtime until [`Running::stop`].
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn start(config: SandboxConfig) -> Result<Running, Error> {
        let _ = config;
        Err(Error::Broken)
    }
}

/// A sandbox that serves. Dropping it leaves it running until the runtime ends.
#[derive(Debug)]
pub struct Running {
    /// Address of MercadoPago, SendGrid, FCM, the knobs and the pages.
    pub addr: SocketAddr,
    /// Address of S3.
    pub s3_addr: SocketAddr,
}

impl Running {
    /// Base URL of MercadoPago, SendGrid and FCM, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Endpoint URL of S3 (path addressing, any region).
    pub fn s3_url(&self) -> String {
        format!("http://{}", self.s3_addr)
    }

    /// The key that verifies mail events: base64 of its SPKI DER, as SendGrid shows it. It stays the same for a data folder.
    pub fn mail_events_key(&self) -> &str {
        ""
    }

    /// A service account's JSON, as Firebase gives it out, whose `token_uri` is this sandbox.
    pub fn service_account(&self) -> String {
        String::new()
    }

    /// Sends SendGrid's events there from now on; `None` is nowhere.
    pub fn send_mail_events_to(&self, _url: Option<String>) {}

    /// Answers what is under way, then ends. What was not notified yet is notified after the next start.
    pub async fn stop(self) {}
}
