//! The numbers of breakers, limits, retries and the cache for a collector, when there is one: the same counters that `/metrics`
//! shows, read whenever they are sent. Requests and rpcs are told as they happen (`metrics`).

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::AsyncInstrument;
use vitrina_otel::{metrics, names};

use crate::core::Core;
use crate::upstream::view;
use crate::upstream::{GateView, LimiterView};

/// What is told of the wait for a processor is told under this name.
const EDGE: &str = "edge";

/// Makes the instruments. They keep what they read until telemetry ends.
pub(crate) fn tell(core: &Arc<Core>) {
    if !vitrina_otel::is_exporting() {
        return;
    }
    let of_gates = |number: fn(&GateView) -> u64| {
        observe(core, move |core, told| {
            for gate in core.gates() {
                told.observe(number(&gate.view()), &[KeyValue::new(names::UPSTREAM, gate.name().to_owned())]);
            }
        })
    };
    metrics::observed_gauge(names::EDGE_BREAKER_STATE, of_gates(|view| view::state(view.phase)));
    metrics::observed_counter(names::EDGE_BREAKER_OPENED, of_gates(|view| view.opened));
    metrics::observed_counter(names::EDGE_REFUSED, of_gates(|view| view.refused));
    metrics::observed_counter(names::EDGE_RETRIES, of_gates(|view| view.retries));
    let of_limits = |number: fn(&LimiterView) -> usize| {
        observe(core, move |core, told| {
            for (name, view) in limits(core) {
                told.observe(number(&view) as u64, &[KeyValue::new(names::UPSTREAM, name)]);
            }
        })
    };
    metrics::observed_gauge(names::EDGE_CONCURRENCY_LIMIT, of_limits(|view| view.limit));
    metrics::observed_gauge(names::EDGE_CONCURRENCY_IN_FLIGHT, of_limits(|view| view.in_flight));
    metrics::observed_counter(names::EDGE_SHED, observe(core, shed));
    metrics::observed_counter(names::EDGE_EJECTIONS, observe(core, ejections));
    metrics::observed_counter(names::EDGE_CACHE_HITS, observe(core, hits));
    metrics::observed_counter(names::EDGE_CACHE_MISSES, observe(core, misses));
}

/// A question to this edge, also once it has stopped: what was counted last is sent when telemetry ends.
fn observe(
    core: &Arc<Core>,
    ask: impl Fn(&Core, &dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) -> impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static {
    let core = core.clone();
    move |told| ask(&core, told)
}

fn limits(core: &Core) -> Vec<(String, LimiterView)> {
    let gates = core.gates().into_iter().map(|gate| (gate.name().to_owned(), gate.view().limiter));
    gates.chain([(EDGE.to_owned(), core.turns.view())]).collect()
}

fn shed(core: &Core, told: &dyn AsyncInstrument<u64>) {
    for (name, limiter) in limits(core) {
        for (priority, count) in view::by_priority(&limiter) {
            let of = [KeyValue::new(names::UPSTREAM, name.clone()), KeyValue::new(names::PRIORITY, priority)];
            told.observe(count, &of);
        }
    }
}

fn ejections(core: &Core, told: &dyn AsyncInstrument<u64>) {
    for gate in core.gates() {
        for view in gate.addresses() {
            let of = [
                KeyValue::new(names::UPSTREAM, gate.name().to_owned()),
                KeyValue::new(names::SERVER_ADDRESS, view.address),
            ];
            told.observe(view.ejections as u64, &of);
        }
    }
}

fn hits(core: &Core, told: &dyn AsyncInstrument<u64>) {
    for (state, count) in core.cache.counts.hits_by_state() {
        told.observe(count, &[KeyValue::new(names::CACHE_STATE, state)]);
    }
}

fn misses(core: &Core, told: &dyn AsyncInstrument<u64>) {
    for (reason, count) in core.cache.counts.misses_by_reason() {
        told.observe(count, &[KeyValue::new(names::CACHE_REASON, reason)]);
    }
}
