//! What a service is started with.

use std::sync::Arc;

use vitrina_broker::Broker;
use vitrina_storage::Store;

use crate::clock::Clock;

/// The parts that a service stands on; clones share them.
#[derive(Clone)]
pub struct Context {
    /// The service's own store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The way to the other services.
    pub broker: Arc<dyn Broker>,
}

impl Context {
    /// A context of these parts.
    pub fn new(store: Store, clock: Clock, broker: Arc<dyn Broker>) -> Context {
        Context { store, clock, broker }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("clock", &self.clock).finish_non_exhaustive()
    }
}
