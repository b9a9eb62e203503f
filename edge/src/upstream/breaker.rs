//! A circuit breaker: closed while calls succeed, open when too many fail, half-open while a few of them find out
//! whether it is over. Pure; time comes in, and who is asked whether it is over is decided by `probe`.
//!
//! ```text
//! closed ──failures──▶ open ──a probe succeeds──▶ half-open ──trials succeed──▶ closed
//!                       ▲                              │
//!                       └──────────a trial fails───────┘
//! ```
//!
//! Failures are weighed over a sliding window. As many failures in a row as make the window worth looking at open it as
//! well: after a second of 5,000 good calls a share would take long to notice that the service is gone.

use std::time::{Duration, Instant};

use super::settings;

/// Parts of the window: the oldest tenth is forgotten at once.
const PARTS: usize = 10;

/// A breaker of a service, or of one of its addresses.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: settings::Breaker,
    state: State,
    /// Counts changes of state, so that what a call of an earlier state has to say is not heard.
    generation: u64,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything.
    Closed,
    /// A few trials.
    HalfOpen,
    /// Nothing.
    Open,
}

/// The right to one call; what came of it goes back to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    generation: u64,
    pub(crate) is_trial: bool,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The service answered, be it with a refusal.
    Success,
    /// It was not there, or too late.
    Failure,
    /// The caller went away, or gave too little time: that says nothing of the service.
    Unknown,
}

#[derive(Debug)]
enum State {
    Closed(Window),
    Open,
    HalfOpen { in_flight: u32, succeeded: u32, last: Option<Instant> },
}

#[derive(Debug)]
struct Window {
    part: Duration,
    parts: [Part; PARTS],
    /// Which part of the window is being written, and when it began.
    at: usize,
    began: Instant,
    failures_in_a_row: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    calls: u32,
    failures: u32,
}

impl Breaker {
    pub(crate) fn new(settings: settings::Breaker, now: Instant) -> Self {
        Self { settings, state: State::Closed(Window::new(settings.window(), now)), generation: 0 }
    }

    /// One that lets nothing through until a probe says that somebody is there.
    pub(crate) fn unproven(settings: settings::Breaker) -> Self {
        Self { settings, state: State::Open, generation: 0 }
    }

    /// Puts other settings in force; what they say of calls begins to hold with the next one.
    pub(crate) fn adjust(&mut self, settings: settings::Breaker, now: Instant) {
        let is_other_window = self.settings.window_ms != settings.window_ms;
        self.settings = settings;
        if let State::Closed(window) = &mut self.state
            && is_other_window
        {
            *window = Window::new(settings.window(), now);
        }
    }

    /// How long to wait between two probes.
    pub(crate) fn probe_pause(&self) -> Duration {
        self.settings.probe()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::Closed(_) => Phase::Closed,
            State::Open => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// The right to a call; `None` when it must not be made.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<Ticket> {
        let ticket = |is_trial| Some(Ticket { generation: self.generation, is_trial });
        match &mut self.state {
            State::Closed(_) => ticket(false),
            State::Open => None,
            State::HalfOpen { in_flight, last, .. } => {
                // A trial that hangs must not keep others from finding out that the service is back.
                let is_due = last.is_none_or(|at| now.duration_since(at) >= self.settings.probe());
                if *in_flight >= self.settings.trials && !is_due {
                    return None;
                }
                *in_flight += 1;
                *last = Some(now);
                ticket(true)
            }
        }
    }

    /// Notes what came of a call. Gives the new phase when that changed it.
    pub(crate) fn record(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> Option<Phase> {
        if ticket.generation != self.generation {
            return None;
        }
        match (&mut self.state, outcome) {
            (State::Closed(window), Outcome::Success) => {
                window.add(false, now);
                None
            }
            (State::Closed(window), Outcome::Failure) => {
                window.add(true, now);
                window.is_bad(self.settings).then(|| self.enter(State::Open))
            }
            (State::HalfOpen { in_flight, succeeded, .. }, Outcome::Success) => {
                *in_flight -= 1;
                *succeeded += 1;
                let is_well = *succeeded >= self.settings.trials;
                is_well.then(|| self.enter(State::Closed(Window::new(self.settings.window(), now))))
            }
            (State::HalfOpen { .. }, Outcome::Failure) => Some(self.enter(State::Open)),
            (State::HalfOpen { in_flight, .. }, Outcome::Unknown) => {
                *in_flight -= 1;
                None
            }
            (State::Closed(_), Outcome::Unknown) | (State::Open, _) => None,
        }
    }

    /// Opens at once, for a call that found nobody there at all.
    pub(crate) fn trip(&mut self, ticket: Ticket) -> Option<Phase> {
        (ticket.generation == self.generation).then(|| self.enter(State::Open))
    }

    /// A probe was answered. Gives the new phase when that changed it.
    pub(crate) fn probed(&mut self) -> Option<Phase> {
        match self.state {
            State::Open => Some(self.enter(State::HalfOpen { in_flight: 0, succeeded: 0, last: None })),
            State::Closed(_) | State::HalfOpen { .. } => None,
        }
    }

    fn enter(&mut self, state: State) -> Phase {
        self.state = state;
        self.generation += 1;
        self.phase()
    }
}

impl Phase {
    /// As operators read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Closed => "closed",
            Phase::HalfOpen => "half-open",
            Phase::Open => "open",
        }
    }
}

impl Window {
    fn new(window: Duration, now: Instant) -> Self {
        Self {
            part: window / u32::try_from(PARTS).unwrap_or(1),
            parts: [Part::default(); PARTS],
            at: 0,
            began: now,
            failures_in_a_row: 0,
        }
    }

    fn add(&mut self, is_failure: bool, now: Instant) {
        self.forget(now);
        let part = &mut self.parts[self.at];
        part.calls = part.calls.saturating_add(1);
        if is_failure {
            part.failures = part.failures.saturating_add(1);
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        } else {
            self.failures_in_a_row = 0;
        }
    }

    fn is_bad(&self, settings: settings::Breaker) -> bool {
        let sum = |count: fn(&Part) -> u32| self.parts.iter().map(|part| u64::from(count(part))).sum::<u64>();
        let (calls, failures) = (sum(|part| part.calls), sum(|part| part.failures));
        let is_share_bad = calls >= u64::from(settings.calls_min)
            && failures * 100 >= calls * u64::from(settings.failure_percent);
        is_share_bad || self.failures_in_a_row >= settings.calls_min
    }

    /// Drops the parts that have slid out of the window.
    fn forget(&mut self, now: Instant) {
        for _ in 0..PARTS {
            if now.duration_since(self.began) < self.part {
                return;
            }
            self.began += self.part;
            self.at = (self.at + 1) % PARTS;
            self.parts[self.at] = Part::default();
        }
        // Longer silent than the whole window: all of it is forgotten.
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        breaker: Breaker,
        now: Instant,
    }

    impl Case {
        fn new() -> Self {
            let now = Instant::now();
            Self { breaker: Breaker::new(settings::Breaker::default(), now), now }
        }

        fn calls(&mut self, count: u32, outcome: Outcome) -> Phase {
            for _ in 0..count {
                if let Some(ticket) = self.breaker.admit(self.now) {
                    self.breaker.record(ticket, outcome, self.now);
                }
            }
            self.breaker.phase()
        }
    }

    #[test]
    fn half_of_enough_calls_open_it() {
        let mut case = Case::new();
        for _ in 0..4 {
            case.calls(1, Outcome::Success);
            assert_eq!(case.calls(1, Outcome::Failure), Phase::Closed, "too few to say");
        }
        case.calls(1, Outcome::Success);
        assert_eq!(case.calls(1, Outcome::Failure), Phase::Open);
        assert!(case.breaker.admit(case.now).is_none());
    }

    #[test]
    fn failures_in_a_row_open_it_after_many_good_calls() {
        let mut case = Case::new();
        case.calls(10_000, Outcome::Success);
        assert_eq!(case.calls(9, Outcome::Failure), Phase::Closed);
        assert_eq!(case.calls(1, Outcome::Failure), Phase::Open);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut case = Case::new();
        case.calls(9, Outcome::Failure);
        case.calls(1, Outcome::Unknown);
        case.now += Duration::from_secs(3);
        case.calls(4, Outcome::Success);
        case.now += Duration::from_secs(3);
        case.calls(5, Outcome::Success);
        assert_eq!(case.calls(1, Outcome::Failure), Phase::Closed);
    }

    #[test]
    fn trials_close_it_and_a_failed_one_opens_it_again() {
        let mut case = Case::new();
        case.calls(10, Outcome::Failure);
        assert_eq!(case.breaker.probed(), Some(Phase::HalfOpen));
        case.calls(2, Outcome::Success);
        assert_eq!(case.calls(1, Outcome::Failure), Phase::Open);
        case.breaker.probed();
        assert_eq!(case.calls(3, Outcome::Success), Phase::Closed);
        assert_eq!(case.breaker.probed(), None);
    }

    #[test]
    fn trials_at_a_time_are_few_and_hanging_ones_do_not_block() {
        let mut case = Case::new();
        case.calls(10, Outcome::Failure);
        case.breaker.probed();
        let trials = (0..10).filter(|_| case.breaker.admit(case.now).is_some()).count();
        assert_eq!(trials, 3);
        case.now += Duration::from_millis(200);
        assert!(case.breaker.admit(case.now).is_some());
        assert!(case.breaker.admit(case.now).is_none());
    }

    #[test]
    fn a_call_that_found_nobody_opens_it_at_once() {
        let mut case = Case::new();
        case.calls(100, Outcome::Success);
        let ticket = case.breaker.admit(case.now).unwrap();
        assert_eq!(case.breaker.trip(ticket), Some(Phase::Open));
        assert_eq!(case.breaker.trip(ticket), None);
    }

    #[test]
    fn an_unproven_one_waits_for_a_probe() {
        let mut case = Case::new();
        case.breaker = Breaker::unproven(settings::Breaker::default());
        assert!(case.breaker.admit(case.now).is_none());
        case.breaker.probed();
        assert_eq!(case.calls(3, Outcome::Success), Phase::Closed);
    }

    #[test]
    fn other_settings_hold_from_the_next_call_on() {
        let mut case = Case::new();
        case.calls(4, Outcome::Failure);
        case.breaker.adjust(settings::Breaker { calls_min: 5, ..settings::Breaker::default() }, case.now);
        assert_eq!(case.calls(1, Outcome::Failure), Phase::Open);
    }

    #[test]
    fn a_call_from_before_is_not_heard() {
        let mut case = Case::new();
        let early = case.breaker.admit(case.now).unwrap();
        case.calls(10, Outcome::Failure);
        case.breaker.probed();
        assert_eq!(case.breaker.record(early, Outcome::Failure, case.now), None);
        assert_eq!(case.breaker.phase(), Phase::HalfOpen);
    }
}
