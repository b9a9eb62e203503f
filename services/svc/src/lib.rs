//! The services by name: which there are, where each listens, and how each is built on its store.
//!
//! *Duty*: what running one service has in common with running all of them. `vitrina-svc NAME` is the one, `vitrina up` the
//! other. *Flow*: [`Name`] and [`Parts`] go in, a context and a service for the chassis to start come out. *It is not* a place for
//! rules: what a service can be told is its own `config`.

mod build;
mod name;
mod outside;

pub use build::{Parts, build, clients};
pub use name::Name;
pub use outside::{Outside, Sections};
