//! The service of products as its callers see it: a file for each feature, all on a real store.

mod availability;
mod faults;
mod harness;
mod import;
mod offers;
mod products;
mod reservations;
mod stock;
