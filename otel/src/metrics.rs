//! Instruments of the global meter.
//!
//! An instrument made before [`crate::start()`] counts for nobody: keep it in a `LazyLock` that is first used later.

use opentelemetry::global;
use opentelemetry::metrics::{AsyncInstrument, Counter, Gauge, Histogram, Meter};

/// Bounds of the histograms in seconds, as the semantic conventions advise for HTTP and RPC durations.
const SECONDS_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// A counter that only grows.
pub fn counter(name: &'static str) -> Counter<u64> {
    meter().u64_counter(name).build()
}

/// A histogram of durations in seconds.
pub fn histogram_seconds(name: &'static str) -> Histogram<f64> {
    meter().f64_histogram(name).with_unit("s").with_boundaries(SECONDS_BOUNDS.to_vec()).build()
}

/// A histogram of durations in milliseconds.
pub fn histogram_ms(name: &'static str) -> Histogram<f64> {
    let bounds = SECONDS_BOUNDS.map(|bound| bound * 1000.0).to_vec();
    meter().f64_histogram(name).with_unit("ms").with_boundaries(bounds).build()
}

/// A value that goes up and down.
pub fn gauge(name: &'static str) -> Gauge<u64> {
    meter().u64_gauge(name).build()
}

/// A counter that is counted elsewhere and read whenever it is sent.
pub fn observed_counter(
    name: &'static str,
    observe: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    // The meter keeps the question; the instrument itself does nothing.
    let _ = meter().u64_observable_counter(name).with_callback(observe).build();
}

/// A value that goes up and down, kept elsewhere and read whenever it is sent.
pub fn observed_gauge(
    name: &'static str,
    observe: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let _ = meter().u64_observable_gauge(name).with_callback(observe).build();
}

fn meter() -> Meter {
    global::meter("vitrina")
}
