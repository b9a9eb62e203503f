//! How often a caller may call: a token bucket for each caller and rate class.
//!
//! A bucket is one number, the time at which it would be full again (the generic cell rate algorithm), so that a check
//! is one compare-and-swap. The buckets of callers long unseen are dropped first; a dropped bucket is a full one. A
//! restart forgets all of them: the limits protect the shop, they are no bill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ahash::RandomState;
use http::HeaderName;
use quick_cache::sync::Cache;

use crate::config::Rate;
use crate::reply::{Problem, Reply};

/// Callers remembered at a time; at about 100 bytes each, 10 MB.
const CALLERS_MAX: usize = 100_000;

/// The buckets of all callers.
#[derive(Debug)]
pub(crate) struct Buckets {
    full_at_us: Cache<u64, Arc<AtomicU64>>,
    hasher: RandomState,
    started: Instant,
}

/// What a check found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    class: &'static str,
    burst: u64,
    window_s: u64,
    remaining: u64,
    reset_s: u64,
    is_allowed: bool,
}

impl Buckets {
    pub(crate) fn new() -> Self {
        Self { full_at_us: Cache::new(CALLERS_MAX), hasher: RandomState::new(), started: Instant::now() }
    }

    /// Takes one token of the caller; `None` when the class has no limit.
    pub(crate) fn take(&self, class: &'static str, rate: Rate, caller: &str) -> Option<Allowance> {
        let now_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.take_at(class, rate, caller, now_us)
    }

    fn take_at(&self, class: &'static str, rate: Rate, caller: &str, now_us: u64) -> Option<Allowance> {
        if rate.per_s == 0 {
            return None;
        }
        let step_us = (1_000_000 / u64::from(rate.per_s)).max(1);
        let burst = u64::from(rate.burst.max(1));
        let depth_us = step_us * burst;
        let key = self.hasher.hash_one((class, caller));
        let bucket = match self.full_at_us.get(&key) {
            Some(bucket) => bucket,
            None => {
                let fresh = Arc::new(AtomicU64::new(0));
                self.full_at_us
                    .get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(fresh.clone()))
                    .unwrap_or(fresh)
            }
        };
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let next = full_at.max(now_us) + step_us;
            (next - now_us <= depth_us).then_some(next)
        });
        let full_at = match taken {
            Ok(before) => before.max(now_us) + step_us,
            Err(unchanged) => unchanged,
        };
        let missing_us = full_at.saturating_sub(now_us);
        Some(Allowance {
            class,
            burst,
            window_s: depth_us.div_ceil(1_000_000),
            remaining: (depth_us.saturating_sub(missing_us)) / step_us,
            reset_s: missing_us.div_ceil(1_000_000),
            is_allowed: taken.is_ok(),
        })
    }
}

impl Allowance {
    /// # Errors
    /// 429 when the bucket is empty.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.is_allowed {
            return Ok(());
        }
        let detail = "You call more often than is allowed; see the RateLimit headers.";
        let problem = Problem::new(429, "too_many_requests", detail).retry_after(1);
        Err(self.headers().into_iter().fold(problem, |problem, (name, value)| problem.with(name, value)))
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    /// The values of `RateLimit-Policy` and `RateLimit`.
    pub(crate) fn values(&self) -> (String, String) {
        let [(_, policy), (_, state)] = self.headers();
        (policy, state)
    }

    /// Adds the RateLimit headers.
    pub(crate) fn mark(&self, reply: &mut Reply) {
        for (name, value) in self.headers() {
            reply.set(name, value);
        }
    }

    /// As in draft-ietf-httpapi-ratelimit-headers-10.
    fn headers(&self) -> [(HeaderName, String); 2] {
        let Self { class, burst, window_s, remaining, reset_s, .. } = self;
        [
            (HeaderName::from_static("ratelimit-policy"), format!("\"{class}\";q={burst};w={window_s}")),
            (HeaderName::from_static("ratelimit"), format!("\"{class}\";r={remaining};t={reset_s}")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 10, burst: 3 };

    fn allowed(buckets: &Buckets, caller: &str, now_us: u64) -> bool {
        buckets.take_at("read", RATE, caller, now_us).unwrap().is_allowed
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let buckets = Buckets::new();
        assert!((0..3).all(|_| allowed(&buckets, "a", 0)));
        assert!(!allowed(&buckets, "a", 0));
        assert!(!allowed(&buckets, "a", 99_999));
        assert!(allowed(&buckets, "a", 100_000));
        assert!(!allowed(&buckets, "a", 100_000));
    }

    #[test]
    fn callers_do_not_share_a_bucket() {
        let buckets = Buckets::new();
        assert!((0..3).all(|_| allowed(&buckets, "a", 0)));
        assert!(allowed(&buckets, "b", 0));
    }

    #[test]
    fn what_is_left_is_told() {
        let buckets = Buckets::new();
        let allowance = buckets.take_at("read", RATE, "a", 0).unwrap();
        assert_eq!((allowance.remaining, allowance.reset_s), (2, 1));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let rate = Rate { per_s: 0, burst: 1 };
        assert!(Buckets::new().take("read", rate, "a").is_none());
    }
}
