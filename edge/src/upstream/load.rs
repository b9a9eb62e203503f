//! How long an address takes to answer, as the load balancer weighs it.
//!
//! A moving mean that jumps up with each slow answer and comes down slowly ("peak EWMA", as Finagle and linkerd do it): an
//! address that becomes slow is avoided at once, and tried again as what it did is forgotten.

use std::time::{Duration, Instant};

/// After as long, about a third of what was measured still counts.
const MEMORY: Duration = Duration::from_secs(10);

/// The usual time to an answer.
#[derive(Debug)]
pub(crate) struct Load {
    seconds: f64,
    at: Instant,
}

impl Load {
    pub(crate) fn new(now: Instant) -> Self {
        Self { seconds: 0.0, at: now }
    }

    /// An answer took so long, or did not come for so long.
    pub(crate) fn note(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        self.seconds = if took > self.seconds {
            took
        } else {
            let kept = self.kept(now);
            self.seconds * kept + took * (1.0 - kept)
        };
        self.at = now;
    }

    /// The cost of one more call beside those in flight, to be compared with that of another address.
    pub(crate) fn cost(&self, in_flight: usize, now: Instant) -> f64 {
        // Without a measurement, or when it is forgotten, what is in flight decides.
        const LEAST: f64 = 1e-6;
        (self.seconds * self.kept(now) + LEAST) * (in_flight as f64 + 1.0)
    }

    fn kept(&self, now: Instant) -> f64 {
        (-now.duration_since(self.at).as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_slowly() {
        let start = Instant::now();
        let (mut fast, mut slow) = (Load::new(start), Load::new(start));
        fast.note(Duration::from_millis(1), start);
        slow.note(Duration::from_millis(1), start);
        slow.note(Duration::from_millis(100), start);
        assert!(fast.cost(50, start) < slow.cost(0, start));
        let later = start + Duration::from_secs(60);
        assert!(slow.cost(0, later) < fast.cost(50, start));
    }

    #[test]
    fn among_equals_the_idle_one_costs_less() {
        let start = Instant::now();
        let load = Load::new(start);
        assert!(load.cost(0, start) < load.cost(1, start));
    }
}
