//! The service of images as its callers see it: a file for each feature, all on a real store and a real bucket.

mod albums;
mod checks;
mod contract;
mod corpus;
mod faults;
mod harness;
mod outage;
mod presigned;
mod upload;
