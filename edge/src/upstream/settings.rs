//! `[edge.resilience]`: how much is let through at a time, when a service is given up and when it is tried again.

use std::time::Duration;

use serde::Deserialize;

/// Most calls or requests that may be let through at a time: each holds some KB.
const CONCURRENCY_MAX: usize = 65_536;

/// What keeps the edge and the services behind it standing when there is too much to do or something does not answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resilience {
    /// Requests at a time that wait for a processor of the edge. Answers from the cache need no wait and are not counted.
    pub edge: Concurrency,
    /// Calls at a time to each service.
    pub service: Concurrency,
    /// Milliseconds that a call waits at most when too many are in flight to its service already. Once that has gone on for a
    /// while, only few may wait, and the others are refused at once. 0: none waits.
    pub queue_ms: u64,
    /// When a service, or one of its addresses, is given up.
    pub breaker: Breaker,
    /// Retries to a service in percent of the calls to it; 0: none.
    pub retry_percent: u32,
    /// Connections to each address of a service.
    pub connections: usize,
}

/// Bounds of an adaptive limit. It starts at the upper one, falls while what it lets through is slowed down, and rises
/// again when it is not and there is demand.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Concurrency {
    /// The limit never falls below.
    pub min: usize,
    /// The limit never rises above.
    pub max: usize,
    /// Milliseconds on top of twice the usual time above which a call counts as slowed down.
    pub delay_ms: u64,
}

/// When a breaker opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Milliseconds over which failures are weighed against calls.
    pub window_ms: u64,
    /// Calls in the window below which their share says nothing; as many failures in a row open it too.
    pub calls_min: u32,
    /// Percent of failures in the window from which it opens.
    pub failure_percent: u32,
    /// Milliseconds between two questions to an open one whether it is well again, with a quarter of it at random.
    pub probe_ms: u64,
    /// Calls that must succeed before it is closed, and that are let through at a time until then.
    pub trials: u32,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            edge: Concurrency::default(),
            service: Concurrency::default(),
            queue_ms: 50,
            breaker: Breaker::default(),
            retry_percent: 10,
            connections: 1,
        }
    }
}

impl Default for Concurrency {
    /// Sixty-four at a time keep a small machine busy, also with calls that mostly wait for a disk, and at 1 ms of work each
    /// are over in 32 ms on two cores; 512 are half of what a service takes by itself before it refuses.
    fn default() -> Self {
        Self { min: 64, max: 512, delay_ms: 30 }
    }
}

impl Default for Breaker {
    /// The probe's time keeps the promise that a service is served again within a second of its return.
    fn default() -> Self {
        Self { window_ms: 5_000, calls_min: 10, failure_percent: 50, probe_ms: 200, trials: 3 }
    }
}

impl Resilience {
    /// Every mistake at once, named by its place.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |is_right: bool, place: &str, rule: &str| {
            if !is_right {
                mistakes.push(format!("edge.resilience.{place} {rule}"));
            }
        };
        for (name, bounds) in [("edge", self.edge), ("service", self.service)] {
            check(bounds.min >= 1, &format!("{name}.min"), "must be at least 1");
            check(bounds.min <= bounds.max, &format!("{name}.min"), "must not be above max");
            let rule = format!("must not be above {CONCURRENCY_MAX}");
            check(bounds.max <= CONCURRENCY_MAX, &format!("{name}.max"), &rule);
        }
        let Breaker { window_ms, calls_min, failure_percent, probe_ms, trials } = self.breaker;
        check(window_ms >= 100, "breaker.window_ms", "must be at least 100");
        check(calls_min >= 1, "breaker.calls_min", "must be at least 1");
        check((1..=100).contains(&failure_percent), "breaker.failure_percent", "must be 1 to 100");
        check(probe_ms >= 10, "breaker.probe_ms", "must be at least 10");
        check(trials >= 1, "breaker.trials", "must be at least 1");
        check(self.retry_percent <= 100, "retry_percent", "must be 0 to 100");
        check((1..=64).contains(&self.connections), "connections", "must be 1 to 64");
        mistakes
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.queue_ms)
    }
}

impl Concurrency {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

impl Breaker {
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    pub(crate) fn probe(&self) -> Duration {
        Duration::from_millis(self.probe_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_without_mistakes() {
        assert_eq!(Resilience::default().mistakes(), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong: Resilience = toml::from_str(
            "retry_percent = 101\nedge = { min = 9, max = 8 }\nservice = { min = 0 }\n\
             breaker = { failure_percent = 0, probe_ms = 0, trials = 0 }",
        )
        .unwrap();
        let mistakes = wrong.mistakes();
        assert_eq!(mistakes.len(), 6, "{mistakes:?}");
        assert!(mistakes.contains(&"edge.resilience.edge.min must not be above max".to_owned()));
    }
}
