//! The service as the edge sees it: its rpcs in process, on a real store, with a real broker behind it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod account;
mod bank;
mod contact;
mod contract;
mod faults;
mod heard;
mod lists;
mod mail;
mod register;
mod secrets;
mod seller;
mod session;
mod shop;
