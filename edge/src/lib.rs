//! The gateway of Vitrina: the one door through which clients reach the services.
//!
//! Duty: to take HTTP/1.1 and HTTP/2 from anybody, with TLS or without, let pass what may pass, call the services over
//! gRPC and give back JSON; to join the parts of a page; to say in one form what went wrong.
//!
//! Flow: a connection (`listen`, `slots`, `connection`) is read by the `lane`, which answers plain hits, then by pingora,
//! which calls the `gateway`; the `guard` checks form, caller and rate; `routes` finds what answers; `cached` asks the
//! `cache` where the contract allows it; `call` sends an rpc through `upstream`, a page through `page`, what was sent in as
//! bytes through `upload`; `answer`, `download`, `stream` and `reply` make it HTTP. Routes, their demands and their JSON come from the contract (`vitrina-proto`).
//!
//! Invariants: the edge has no store, and everything it remembers may vanish at any time; a service is told who calls by
//! the edge alone; the text of an internal error never leaves; every wait has a deadline and every buffer a bound.
//!
//! What it is not: no rule of the shop lives here, and no service depends on it.

mod activity;
mod admin;
mod answer;
mod cache;
mod cached;
mod call;
mod collected;
mod config;
mod connection;
mod connections;
mod core;
mod download;
mod edge;
mod error;
mod etag;
mod events;
mod gateway;
mod guard;
mod hand_on;
mod http2;
mod lane;
mod listen;
mod metrics;
mod own;
mod page;
mod refusal;
mod reload;
mod reply;
mod request;
mod routes;
mod slots;
mod slow;
mod stream;
mod tls;
mod upgrade;
mod upload;
mod upstream;
mod wire;

pub use crate::cache::CacheConfig;
pub use crate::config::{
    ConfigFile, Cors, EdgeConfig, HttpUpstream, Limits, Rate, Rates, SERVICES, TelemetryConfig,
};
pub use crate::edge::{Edge, Running};
pub use crate::error::Error;
pub use crate::http2::Http2;
pub use crate::slow::Traces;
pub use crate::tls::{Tls, TlsVersion};
pub use crate::upgrade::{Inherited, Waiting};
pub use crate::upstream::{Breaker, Concurrency, InProcess, Resilience, Upstreams};
