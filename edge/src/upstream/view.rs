//! What operators see of the services: `/admin/upstreams` as JSON, and the numbers as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use serde::Serialize;

use super::breaker::Phase;
use super::gate::{Gate, GateView, Gates};
use super::limiter::LimiterView;
use super::priority::Priority;
use super::transport::Transport;
use super::{health, standing};

/// A service as operators see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpstreamView {
    name: String,
    /// Whether it says that it serves.
    ready: bool,
    /// `tcp` or `in-process`.
    transport: &'static str,
    addresses: Vec<AddressView>,
    calls: u64,
    failures: u64,
    failures_in_a_row: u64,
    #[serde(flatten)]
    gate: GateNumbers,
}

/// A gate as operators see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GateNumbers {
    /// `closed`, `half-open` or `open`.
    breaker: &'static str,
    /// How often the breaker opened.
    opened: u64,
    /// Calls not made because it was open.
    refused: u64,
    /// Calls that were made again.
    retries: u64,
    /// Calls that may be in flight now.
    limit: usize,
    in_flight: usize,
    /// Calls that wait for a place.
    queued: usize,
    /// Calls that found no place, by priority.
    shed: BTreeMap<&'static str, u64>,
}

/// An address as operators see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddressView {
    address: String,
    /// `open`: it is ejected. An only address is never.
    breaker: &'static str,
    in_flight: usize,
    ejections: usize,
}

/// All services.
pub(crate) async fn upstreams(transports: &BTreeMap<String, Transport>, gates: &Gates) -> Vec<UpstreamView> {
    let views = gates.iter().filter_map(|gate| Some(upstream(transports.get(gate.name())?, gate.view())));
    join_all(views).await
}

async fn upstream(transport: &Transport, gate: GateView) -> UpstreamView {
    let counts = transport.counts();
    UpstreamView {
        name: transport.name().to_owned(),
        ready: health::is_ready(transport.clone()).await,
        transport: transport.kind(),
        addresses: transport.addresses().into_iter().map(AddressView::from).collect(),
        calls: counts.calls.load(Ordering::Relaxed),
        failures: counts.failures.load(Ordering::Relaxed),
        failures_in_a_row: counts.failures_in_a_row.load(Ordering::Relaxed),
        gate: gate.into(),
    }
}

impl From<standing::AddressView> for AddressView {
    fn from(view: standing::AddressView) -> Self {
        let standing::AddressView { address, phase, in_flight, ejections } = view;
        Self { address, breaker: phase.name(), in_flight, ejections }
    }
}

impl From<GateView> for GateNumbers {
    fn from(gate: GateView) -> Self {
        Self {
            breaker: gate.phase.name(),
            opened: gate.opened,
            refused: gate.refused,
            retries: gate.retries,
            limit: gate.limiter.limit,
            in_flight: gate.limiter.in_flight,
            queued: gate.limiter.queued,
            shed: by_priority(&gate.limiter).collect(),
        }
    }
}

/// The numbers of all gates, and of the wait for a processor under the service `edge`.
pub(crate) fn render(out: &mut String, gates: &[Arc<Gate>], turns: &LimiterView) {
    let views: Vec<(&str, GateView)> = gates.iter().map(|gate| (gate.name(), gate.view())).collect();
    let each = |number: fn(&GateView) -> u64| {
        views
            .iter()
            .map(move |(name, view)| (format!("service=\"{name}\""), number(view)))
            .collect::<Vec<_>>()
    };
    family(out, "vitrina_edge_breaker_state", "gauge", each(|view| state(view.phase)));
    family(out, "vitrina_edge_breaker_opened_total", "counter", each(|view| view.opened));
    family(out, "vitrina_edge_calls_refused_total", "counter", each(|view| view.refused));
    family(out, "vitrina_edge_retries_total", "counter", each(|view| view.retries));

    let edge = [("edge", *turns)];
    let limiters: Vec<(&str, LimiterView)> =
        views.iter().map(|(name, view)| (*name, view.limiter)).chain(edge).collect();
    let each = |number: fn(&LimiterView) -> usize| {
        let line = |(name, view): &(&str, LimiterView)| (format!("service=\"{name}\""), number(view) as u64);
        limiters.iter().map(line).collect::<Vec<_>>()
    };
    family(out, "vitrina_edge_concurrency_limit", "gauge", each(|view| view.limit));
    family(out, "vitrina_edge_concurrency_in_flight", "gauge", each(|view| view.in_flight));
    family(out, "vitrina_edge_concurrency_queued", "gauge", each(|view| view.queued));
    let shed = limiters.iter().flat_map(|(name, view)| {
        let line = |(priority, count)| (format!("service=\"{name}\",priority=\"{priority}\""), count);
        by_priority(view).map(line).collect::<Vec<_>>()
    });
    family(out, "vitrina_edge_shed_total", "counter", shed.collect());

    let ejections = gates.iter().flat_map(|gate| {
        let labels = |address: &str| format!("service=\"{}\",address=\"{address}\"", gate.name());
        let line = |view: standing::AddressView| (labels(&view.address), view.ejections as u64);
        gate.addresses().into_iter().map(line).collect::<Vec<_>>()
    });
    family(out, "vitrina_edge_ejections_total", "counter", ejections.collect());
}

/// What was shed, by priority.
pub(crate) fn by_priority(view: &LimiterView) -> impl Iterator<Item = (&'static str, u64)> {
    Priority::ALL.map(Priority::name).into_iter().zip(view.shed)
}

/// A phase as a number: 0 closed, 1 half-open, 2 open.
pub(crate) fn state(phase: Phase) -> u64 {
    match phase {
        Phase::Closed => 0,
        Phase::HalfOpen => 1,
        Phase::Open => 2,
    }
}

fn family(out: &mut String, name: &str, kind: &str, lines: Vec<(String, u64)>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# TYPE {name} {kind}");
    for (labels, value) in lines {
        let _ = writeln!(out, "{name}{{{labels}}} {value}");
    }
}
