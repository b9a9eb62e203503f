//! What every service shares at run time.
//!
//! *Duty*: everything between a service's own rooms and the outside: calls and answers, faults, the unit of work, events out
//! and in, serving, draining. *Flow*: [`start`] takes a [`Context`] and a [`Service`] and gives a [`Running`], which is called in
//! process ([`InProcess`]) or over TCP with the same behaviour, relays the outbox and feeds the inboxes until it is drained.
//!
//! *Invariants*: an answer of success means that the fact, its events and the record of the answer are on disk; an event that
//! is on disk reaches the broker at least once and takes effect once; the text of an internal error leaves the service in the
//! log only. *It is not* a framework: a service is plain functions that call these.

mod call;
mod caller;
pub mod check;
pub mod clock;
mod context;
pub mod environment;
mod event;
pub mod fault;
pub mod ids;
mod inbox;
mod lifecycle;
pub mod page;
mod relay;
mod round;
pub mod rows;
mod rpc;
mod service;
mod signal;
mod telemetry;
pub mod testing;
mod transport;
pub mod vault;
mod waits;
pub mod work;

pub use call::{Answer, Call, respond};
pub use caller::{Caller, CallerKind, metadata};
pub use clock::Clock;
pub use context::Context;
pub use event::{decode, event};
pub use fault::{Code, DOMAIN, Fault, FieldError, IntoFault};
pub use ids::UserId;
pub use lifecycle::{Drained, Running, StartError, start};
pub use rows::BadRow;
pub use rpc::InProcess;
pub use service::{Limits, Service};
pub use signal::stop_signal;
pub use transport::Transport;
pub use vault::Vault;
pub use waits::Waits;
pub use work::{Decision, Refused, unit};

// What a service needs of others' crates to say what it listens to, so that it names this one only.
pub use tokio_util::sync::CancellationToken;
pub use vitrina_broker::{Message, Queue, QueueKind};
