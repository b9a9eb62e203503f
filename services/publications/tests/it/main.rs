//! The service of publications as its callers see it: a file for each feature, all on a real store, index and broker.

mod events;
mod harness;
mod index;
mod input;
mod lists;
mod publications;
mod questions;
mod rate;
mod search;
