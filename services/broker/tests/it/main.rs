//! The broker as its users see it: one suite for both implementations.

mod conformance;
mod restart;
