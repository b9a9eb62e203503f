//! The edge as its clients, services and operators see it, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod form;
mod guard;
mod pages;
mod shop;
mod support;
mod traces;
mod wire;
