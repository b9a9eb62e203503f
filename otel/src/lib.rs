//! Telemetry: how Vitrina's processes tell what they do.
//!
//! [`start()`] sets traces, logs and metrics up: logs go to standard error, and all three to an OTLP collector when one
//! listens. Trace ids exist with and without a collector, since a client is told the id of its trace. The crate keeps
//! every name ([`names`]) and carries the W3C trace context over HTTP, gRPC and messages ([`propagate`]).
//!
//! Invariants: a missing or dying collector never fails, slows or fills the log of the process. Not here: which spans
//! and metrics there are; each part makes its own.

pub mod access;
mod error;
mod line;
pub mod metrics;
pub mod names;
pub mod propagate;
mod start;
pub mod testing;

pub use crate::error::Error;
pub use crate::start::{Config, LogFormat, Telemetry, check_log_filter, is_exporting, start};
