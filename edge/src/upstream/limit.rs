//! An adaptive limit: how many calls may be in flight, found out from how long they take.
//!
//! Additive increase, multiplicative decrease on delay. Each rpc has its own usual time, the shortest seen; a call is
//! slowed down when it took more than twice that and some ms. When half of the calls of a tenth of a second were slowed
//! down, there is a queue somewhere behind, and the limit falls by a fifth; when they were not and the limit was nearly
//! reached, it rises.
//!
//! Compared with what others do: TCP Vegas and Netflix's gradient limits measure one time for everything, which fails
//! when a service answers some rpcs in 0.2 ms and others, such as a payment, in 2 s. Envoy lets next to nothing through
//! now and then to measure the usual time; here it is the shortest time seen, forgotten by 0.1 % a second. Half of the
//! calls and not their mean, so that a few very slow ones do not count for many.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ahash::RandomState;

use super::settings::Concurrency;

/// How long calls are looked at before the limit moves.
const WINDOW: Duration = Duration::from_millis(100);

/// Calls below which a window is too short to judge.
const SAMPLES_MIN: u32 = 10;

/// What is left of the limit when half of the calls were slowed down.
const DECREASE: f64 = 0.8;

/// Share of the limit by which it rises; from 64 to 512 in 3.5 s of demand.
const INCREASE: f64 = 1.0 / 16.0;

/// Share of the limit that must have been in use for it to rise: a limit that nobody reached has not been tested.
const USED: f64 = 0.6;

/// By how much a usual time is forgotten in each window: twice as long after 11 min of calls that were all slower.
const FORGETTING: f64 = 1.000_1;

/// Rpcs whose times are kept. They come from the contract, so this is never reached.
const RPCS_MAX: usize = 1_000;

/// A limit and what it is judged by.
#[derive(Debug)]
pub(super) struct Limit {
    bounds: Concurrency,
    value: f64,
    /// The shortest time of each rpc in seconds.
    usual: HashMap<&'static str, f64, RandomState>,
    began: Instant,
    samples: u32,
    slowed: u32,
    /// Most calls in flight at a time in this window.
    peak: usize,
}

impl Limit {
    pub(super) fn new(bounds: Concurrency, now: Instant) -> Self {
        Self {
            bounds,
            value: to_f64(bounds.max),
            usual: HashMap::default(),
            began: now,
            samples: 0,
            slowed: 0,
            peak: 0,
        }
    }

    /// Puts other bounds in force. A limit that stood at its upper bound goes on there.
    pub(super) fn adjust(&mut self, bounds: Concurrency) {
        if self.value >= to_f64(self.bounds.max) {
            self.value = to_f64(bounds.max);
        }
        self.bounds = bounds;
        self.value = self.value.clamp(to_f64(bounds.min), to_f64(bounds.max));
    }

    /// Calls that may be in flight, at least 1.
    pub(super) fn value(&self) -> usize {
        // Within its bounds, which are small; a fraction does not count.
        (self.value as usize).max(1)
    }

    /// That many are in flight now.
    pub(super) fn note_in_flight(&mut self, in_flight: usize) {
        self.peak = self.peak.max(in_flight);
    }

    /// An rpc was answered after that time.
    pub(super) fn answered(&mut self, rpc: &'static str, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let usual = if self.usual.len() >= RPCS_MAX && !self.usual.contains_key(rpc) {
            took
        } else {
            let usual = self.usual.entry(rpc).or_insert(took);
            *usual = usual.min(took);
            *usual
        };
        self.sample(took > 2.0 * usual + self.bounds.delay().as_secs_f64(), now);
    }

    /// Something whose usual time nobody knows was answered.
    pub(super) fn answered_somehow(&mut self, now: Instant) {
        self.sample(false, now);
    }

    /// A call was not answered in time, or refused because there is too much to do.
    pub(super) fn overloaded(&mut self, now: Instant) {
        self.sample(true, now);
    }

    fn sample(&mut self, is_slowed: bool, now: Instant) {
        self.samples += 1;
        self.slowed += u32::from(is_slowed);
        if self.samples < SAMPLES_MIN || now.duration_since(self.began) < WINDOW {
            return;
        }
        if self.slowed * 2 >= self.samples {
            self.value *= DECREASE;
        } else if to_f64(self.peak) >= self.value * USED {
            self.value += (self.value * INCREASE).max(1.0);
        }
        self.value = self.value.clamp(to_f64(self.bounds.min), to_f64(self.bounds.max));
        for usual in self.usual.values_mut() {
            *usual *= FORGETTING;
        }
        (self.began, self.samples, self.slowed, self.peak) = (now, 0, 0, 0);
    }
}

fn to_f64(count: usize) -> f64 {
    // Bounds are below 65,537.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Concurrency = Concurrency { min: 10, max: 100, delay_ms: 20 };

    struct Case {
        limit: Limit,
        now: Instant,
    }

    impl Case {
        fn new() -> Self {
            let now = Instant::now();
            Self { limit: Limit::new(BOUNDS, now), now }
        }

        /// A second of calls that take so long.
        fn second(&mut self, rpc: &'static str, took_ms: u64, in_flight: usize) -> usize {
            for _ in 0..200 {
                self.now += Duration::from_millis(5);
                self.limit.note_in_flight(in_flight);
                self.limit.answered(rpc, Duration::from_millis(took_ms), self.now);
            }
            self.limit.value()
        }
    }

    #[test]
    fn it_falls_while_calls_are_slowed_down_and_rises_when_they_are_not() {
        let mut case = Case::new();
        assert_eq!(case.second("get", 1, 5), 100);
        assert!(case.second("get", 40, 100) < 20);
        assert_eq!(case.second("get", 40, 100), 10, "never below its bound");
        assert!(case.second("get", 2, 9) > 10);
        for _ in 0..5 {
            let in_flight = case.limit.value();
            case.second("get", 2, in_flight);
        }
        assert_eq!(case.limit.value(), 100);
    }

    #[test]
    fn an_rpc_that_always_takes_long_is_not_slowed_down() {
        let mut case = Case::new();
        case.second("get", 1, 50);
        assert_eq!(case.second("pay", 2_000, 90), 100);
    }

    #[test]
    fn it_does_not_rise_unused() {
        let mut case = Case::new();
        case.second("get", 1, 5);
        case.second("get", 40, 100);
        let low = case.second("get", 40, 100);
        assert_eq!(case.second("get", 1, 1), low);
    }

    #[test]
    fn other_bounds_hold_at_once() {
        let mut case = Case::new();
        case.limit.adjust(Concurrency { max: 200, ..BOUNDS });
        assert_eq!(case.limit.value(), 200);
        case.limit.adjust(Concurrency { max: 50, ..BOUNDS });
        assert_eq!(case.limit.value(), 50);
    }

    #[test]
    fn calls_that_got_no_answer_lower_it() {
        let mut case = Case::new();
        for _ in 0..100 {
            case.now += Duration::from_millis(10);
            case.limit.overloaded(case.now);
        }
        assert!(case.limit.value() < 20);
    }
}
