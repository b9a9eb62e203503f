//! The sandbox as its clients see it: over HTTP, on files that are opened again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod bench;
mod checkout;
mod faults;
mod keep;
mod mails;
mod notices;
mod objects;
mod pages;
mod payments;
mod pushes;
mod restart;
mod sdks;
