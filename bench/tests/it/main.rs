//! The shop as a whole, from outside. A file a promise.

mod catalogue;
mod crash;
mod crowd;
mod dead_letters;
mod degraded;
mod demo;
mod freshness;
mod fuzz;
mod https;
mod notifications;
mod operations;
mod promises;
mod purchase;
mod restarts;
mod saga;
mod secrets;
mod tour;
mod traces;
mod walk;
