//! Starts the shop as its users do, from the built programs, and talks to it over HTTP.
//!
//! Duty: what the whole-system tests share. Flow: [`Shop`] starts processes in a temporary directory on free ports,
//! [`Client`] sends JSON, [`story`] does what every test needs first (a seller, a product, a publication). Nothing here
//! knows the inside of the shop: what these tests see is what a user sees.

mod client;
pub mod freshness;
pub mod load;
pub mod process;
mod shop;
pub mod story;

pub use client::{Answer, Client};
pub use shop::{Options, SERVICES, Shop, Way, catalogue, free_port, programs};
