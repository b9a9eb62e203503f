//! A new configuration while the edge runs: checked whole, then put in force at once, or not at all.
//!
//! Requests that run keep to what they began with, and end with the upstream that they began with. What an open socket, a
//! started thread or the size of a table depends on cannot change: it stays as it was and is named as needing a restart.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::config::{EdgeConfig, SERVICES};
use crate::core::Core;
use crate::error::Error;
use crate::upstream;

/// How reloads went.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Reloads {
    /// Notes a configuration that is not put in force.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// All numbers as Prometheus text.
    pub(crate) fn render(&self, out: &mut String) {
        let name = "vitrina_edge_config_reloads_total";
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# TYPE {name} counter");
        for (outcome, count) in [("applied", &self.applied), ("refused", &self.refused)] {
            let _ = writeln!(out, "{name}{{outcome=\"{outcome}\"}} {}", count.load(Ordering::Relaxed));
        }
    }
}

/// Puts `new` in force. Gives the keys whose change needs a restart.
///
/// # Errors
/// Every mistake; then nothing has changed.
pub(crate) fn apply(core: &Core, mut new: EdgeConfig) -> Result<Vec<&'static str>, Error> {
    let old = core.config();
    let mut mistakes = new.mistakes();
    let mut fixed = Vec::new();
    keep(&mut fixed, "edge.listen", &old.listen, &mut new.listen);
    keep(&mut fixed, "edge.admin_listen", &old.admin_listen, &mut new.admin_listen);
    keep(&mut fixed, "edge.threads", &old.threads, &mut new.threads);
    keep(&mut fixed, "edge.cache", &old.cache, &mut new.cache);
    let (connections, new_connections) = (&old.resilience.connections, &mut new.resilience.connections);
    keep(&mut fixed, "edge.resilience.connections", connections, new_connections);
    keep(&mut fixed, "edge.http2", &old.http2, &mut new.http2);
    let (slots, new_slots) = (&old.limits.connections_max, &mut new.limits.connections_max);
    keep(&mut fixed, "edge.limits.connections_max", slots, new_slots);
    match (&core.certificates, &new.tls) {
        // The last that can fail, so that nothing has changed when it does.
        (Some(certificates), Some(tls)) if mistakes.is_empty() => {
            mistakes.extend(certificates.reload(tls).err().unwrap_or_default());
        }
        (Some(_), Some(_)) | (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            fixed.push("edge.tls");
            new.tls.clone_from(&old.tls);
        }
    }
    if !mistakes.is_empty() {
        return Err(Error::Config(mistakes));
    }
    upstreams(core, &old, &new)?;
    core.set_config(new);
    core.metrics.reloads.applied.fetch_add(1, Ordering::Relaxed);
    Ok(fixed)
}

/// Puts what stands behind the edge in force.
///
/// # Errors
/// When something of it cannot be used, which the check of the configuration has told already; then nothing has changed.
fn upstreams(core: &Core, old: &EdgeConfig, new: &EdgeConfig) -> Result<(), Error> {
    let addresses = |config: &EdgeConfig, name: &str| config.upstreams.get(name).cloned().unwrap_or_default();
    let mut services = Vec::new();
    for name in SERVICES {
        let wanted = addresses(new, name);
        if wanted != addresses(old, name) {
            services.push((name, upstream::parsed(&wanted)?));
        }
    }
    let origins = core.origins.prepare(&new.http, &new.resilience)?;
    for (name, parsed) in services {
        let is_taken = core.transports.get(name).is_some_and(|way| way.replace(&parsed, &new.resilience));
        if !is_taken {
            tracing::warn!(service = name, "the service runs in this process: its addresses are not used");
        }
    }
    if old.resilience != new.resilience {
        core.calls.gates.adjust(&new.resilience);
        core.origins.adjust(&new.resilience);
        core.turns.adjust(new.resilience.edge, Duration::ZERO);
    }
    core.origins.replace(origins);
    Ok(())
}

/// Leaves a value as it was; notes its key when it was to change.
fn keep<T: PartialEq + Clone>(fixed: &mut Vec<&'static str>, key: &'static str, old: &T, new: &mut T) {
    if old != new {
        fixed.push(key);
        new.clone_from(old);
    }
}
