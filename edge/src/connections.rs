//! How many connections are open, by protocol, and how many the edge ended by itself.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::activity::{Activity, Cut};

/// The labels of what is counted in `by_protocol`.
const PROTOCOLS: [(&str, bool); 4] =
    [("http/1.1", false), ("http/1.1", true), ("http/2", false), ("http/2", true)];

/// Counts of the connections of one edge.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    all: AtomicI64,
    by_protocol: [AtomicI64; PROTOCOLS.len()],
    slow: AtomicU64,
    evicted: AtomicU64,
    flood: AtomicU64,
}

/// Counts a connection as long as it lives, also when its task panics.
pub(crate) struct Open {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
    protocol: Option<usize>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    /// HTTP/1.1 without TLS.
    PlainHttp1,
    Other,
}

impl Connections {
    /// Counts a new connection; its protocol is not known yet.
    pub(crate) fn open(self: &Arc<Self>, activity: Arc<Activity>) -> Open {
        self.all.fetch_add(1, Ordering::Relaxed);
        Open { connections: self.clone(), activity, protocol: None }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> i64 {
        self.all.load(Ordering::Relaxed)
    }

    /// All numbers as Prometheus text.
    pub(crate) fn render(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# TYPE vitrina_edge_connections gauge");
        for ((protocol, tls), count) in PROTOCOLS.iter().zip(&self.by_protocol) {
            let count = count.load(Ordering::Relaxed);
            let _ =
                writeln!(out, "vitrina_edge_connections{{protocol=\"{protocol}\",tls=\"{tls}\"}} {count}");
        }
        let _ = writeln!(out, "# TYPE vitrina_edge_connections_cut_total counter");
        for (reason, count) in [("slow", &self.slow), ("evicted", &self.evicted), ("flood", &self.flood)] {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(out, "vitrina_edge_connections_cut_total{{reason=\"{reason}\"}} {count}");
        }
    }
}

impl Open {
    /// Tells that it is known by now what is spoken, and gives it.
    pub(crate) fn agreed(&mut self) -> Agreed {
        let protocol = usize::from(self.activity.is_http2()) * 2 + usize::from(self.activity.is_tls());
        self.connections.by_protocol[protocol].fetch_add(1, Ordering::Relaxed);
        self.protocol = Some(protocol);
        if protocol == 0 { Agreed::PlainHttp1 } else { Agreed::Other }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let connections = &self.connections;
        connections.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(protocol) = self.protocol {
            connections.by_protocol[protocol].fetch_sub(1, Ordering::Relaxed);
        }
        let cut = match self.activity.why_cut() {
            Some(Cut::Slow) => &connections.slow,
            Some(Cut::Evicted) => &connections.evicted,
            Some(Cut::Flood) => &connections.flood,
            None => return,
        };
        cut.fetch_add(1, Ordering::Relaxed);
    }
}
