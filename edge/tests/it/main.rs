//! The edge as its clients, services and operators see it, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod buyer;
mod cache;
mod cache_changes;
mod downloads;
mod fills;
mod form;
mod guard;
mod http2;
mod origin;
mod pages;
mod refresh;
mod reload;
mod resilience;
mod rfc9111;
mod shop;
mod slots;
mod streams;
mod support;
mod tls;
mod traces;
mod upgrade;
mod uploads;
mod upstreams;
mod upstreams_tls;
mod wire;
