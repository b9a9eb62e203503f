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

mod app;
mod book;
mod clock;
mod config;
mod console;
mod disk;
mod error;
mod fcm;
mod journal;
mod keep;
mod knobs;
mod ledger;
mod mercadopago;
mod notice;
mod page;
mod run;
mod s3;
mod sendgrid;

/// Names in the data folder: the journal, the key of mail events, and the folder of S3's buckets.
const JOURNAL: &str = "journal.jsonl";
const MAIL_KEY: &str = "mail-events.pk8";
const OBJECTS: &str = "s3";

pub use crate::config::SandboxConfig;
pub use crate::error::Error;
pub use crate::keep::Kept;
pub use crate::run::{Running, Sandbox};
