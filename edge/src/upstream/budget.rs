//! The budget of retries to one service: a share of the calls to it, so that retries cannot multiply the load on a
//! service in trouble (Google SRE book, "Handling Overload": 10 %).

use std::sync::atomic::{AtomicU64, Ordering};

/// Retries that may come at once: enough for a service that is restarted, not for an outage.
const AT_ONCE: u64 = 50;

/// A retry costs as many tokens as a hundred calls earn at 1 %.
const RETRY_COST: u64 = 100;

/// What is left for retries.
#[derive(Debug)]
pub(crate) struct Budget {
    tokens: AtomicU64,
    /// Earned by each call.
    percent: AtomicU64,
}

impl Budget {
    /// A full budget of that many retries for a hundred calls.
    pub(crate) fn new(percent: u32) -> Self {
        let budget = Self { tokens: AtomicU64::new(0), percent: AtomicU64::new(0) };
        budget.adjust(percent);
        budget
    }

    /// Changes how many retries a hundred calls earn. A budget without any is emptied, a new one full.
    pub(crate) fn adjust(&self, percent: u32) {
        let before = self.percent.swap(percent.into(), Ordering::Relaxed);
        if percent == 0 {
            self.tokens.store(0, Ordering::Relaxed);
        } else if before == 0 {
            self.tokens.store(AT_ONCE * RETRY_COST, Ordering::Relaxed);
        }
    }

    /// A call was made.
    pub(crate) fn earn(&self) {
        let percent = self.percent.load(Ordering::Relaxed);
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left < AT_ONCE * RETRY_COST).then_some(left + percent)
        });
    }

    /// Whether a retry may be made; it is then paid.
    pub(crate) fn spend(&self) -> bool {
        let paid = |left: u64| left.checked_sub(RETRY_COST);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_calls() {
        let budget = Budget::new(10);
        let at_once = std::iter::repeat_with(|| budget.spend()).take_while(|is_allowed| *is_allowed).count();
        assert_eq!(at_once, 50);
        (0..10).for_each(|_| budget.earn());
        assert!(budget.spend() && !budget.spend());
    }

    #[test]
    fn without_a_share_there_are_none() {
        let budget = Budget::new(0);
        (0..1_000).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.adjust(10);
        assert!(budget.spend());
        budget.adjust(0);
        assert!(!budget.spend());
    }
}
