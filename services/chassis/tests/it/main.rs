//! The chassis as its services see it: with a real store, a real broker and real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod drain;
mod events;
mod faults;
mod faulty;
mod notes;
mod traces;
mod transports;
mod unit;
