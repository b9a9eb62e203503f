//! The broker as its users see it: one suite for both implementations.

#![expect(clippy::unwrap_used, reason = "a failed test is the right answer to what must not fail")]

mod conformance;
mod restart;
