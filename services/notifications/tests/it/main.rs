//! The service of notifications as its callers and the outside see it, over the sandbox's providers.

mod contract;
mod desk;
mod events;
mod failures;
mod inbox;
mod kinds;
mod preferences;
mod watchers;
mod webhook;
