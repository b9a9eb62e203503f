//! Permits for what may be in flight at a time, by priority.
//!
//! Lower priorities may use a part of the limit only, so that what matters more finds a place at once. Who finds none
//! waits for a short time, in the order of priorities, in a queue with room for as many as the limit lets through. A queue
//! that has not been empty for a while is not a burst but too much load, and then waiting only makes answers late: there the
//! room is cut to a tenth. CoDel as Facebook uses it ("Fail at Scale", ACM Queue 13(8), 2015) cuts the time to wait instead,
//! which comes to the same for those who are served; but the others are refused here when they come, when nothing was done
//! for them yet, and not after their time. When there is no room, who matters least has to go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::limit::Limit;
use super::priority::Priority;
use super::settings::Concurrency;

/// A queue that has not been empty for as long stands.
const STANDING: Duration = Duration::from_millis(100);

/// A standing queue has this part of the usual room.
const PART: usize = 10;

/// A limit with its permits.
#[derive(Debug)]
pub(crate) struct Limiter {
    inner: Mutex<Inner>,
}

/// The right to be in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Limiter>);

/// Somebody is on the way here, until dropped.
#[derive(Debug)]
pub(crate) struct Coming {
    to: Arc<Limiter>,
    priority: Priority,
}

/// There was no place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed;

/// How it stands with a limiter, for the operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimiterView {
    pub(crate) limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) queued: usize,
    /// Refused so far, by priority.
    pub(crate) shed: [u64; Priority::ALL.len()],
}

#[derive(Debug)]
struct Inner {
    limit: Limit,
    patience: Duration,
    in_flight: usize,
    queues: [Queue; Priority::ALL.len()],
    /// On the way here, by priority.
    coming: [usize; Priority::ALL.len()],
    shed: [u64; Priority::ALL.len()],
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<oneshot::Sender<Permit>>,
    /// Since when somebody has been waiting all the time.
    busy_since: Instant,
}

impl Limiter {
    /// A limiter in front of which everybody waits so long for a place; with no time to wait there is no queue.
    pub(crate) fn new(bounds: Concurrency, patience: Duration) -> Self {
        let now = Instant::now();
        let queue = || Queue { waiting: VecDeque::new(), busy_since: now };
        let inner = Inner {
            limit: Limit::new(bounds, now),
            patience,
            in_flight: 0,
            queues: [queue(), queue(), queue(), queue()],
            coming: [0; Priority::ALL.len()],
            shed: [0; Priority::ALL.len()],
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Puts other bounds in force. What is in flight above a lower one runs to its end.
    pub(crate) fn adjust(self: &Arc<Self>, bounds: Concurrency, patience: Duration) {
        {
            let mut inner = self.lock();
            inner.limit.adjust(bounds);
            inner.patience = patience;
        }
        self.hand_on();
    }

    /// A permit, at once or after a short wait that never goes on past the deadline.
    ///
    /// # Errors
    /// When there was no place in time.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Permit, Shed> {
        let now = Instant::now();
        let (granted, until) = {
            let mut inner = self.lock();
            if inner.has_place(priority) {
                inner.take();
                return Ok(Permit(self.clone()));
            }
            let Some(granted) = inner.enqueue(priority, now) else {
                inner.shed[priority as usize] += 1;
                return Err(Shed);
            };
            (granted, deadline.min(now + inner.patience))
        };
        match tokio::time::timeout_at(until.into(), granted).await {
            Ok(Ok(permit)) => Ok(permit),
            // Pushed out by who matters more, or too late; the queue drops who has gone when it is next looked at.
            Ok(Err(_)) | Err(_) => {
                self.lock().shed[priority as usize] += 1;
                Err(Shed)
            }
        }
    }

    /// Tells that somebody will ask for a permit in a moment.
    pub(crate) fn announce(self: &Arc<Self>, priority: Priority) -> Coming {
        self.lock().coming[priority as usize] += 1;
        Coming { to: self.clone(), priority }
    }

    /// Whether somebody who comes now, behind those who are on their way and matter as much, finds neither a place nor one to
    /// wait in; counted as turned away then.
    pub(crate) fn turns_away(&self, priority: Priority) -> bool {
        let mut inner = self.lock();
        let coming: usize = inner.coming[priority as usize..].iter().sum();
        let left = inner.places(priority).saturating_sub(inner.in_flight);
        let is_full = left <= coming && !inner.has_room(priority, coming - left, Instant::now());
        if is_full {
            inner.shed[priority as usize] += 1;
        }
        is_full
    }

    /// What was let through got its answer after that time.
    pub(crate) fn answered(&self, rpc: &'static str, took: Duration) {
        self.lock().limit.answered(rpc, took, Instant::now());
    }

    /// What was let through got an answer, of which nobody knows how long it takes usually.
    pub(crate) fn answered_somehow(&self) {
        self.lock().limit.answered_somehow(Instant::now());
    }

    /// What was let through got no answer in time, or was refused because there is too much to do.
    pub(crate) fn overloaded(&self) {
        self.lock().limit.overloaded(Instant::now());
    }

    pub(crate) fn view(&self) -> LimiterView {
        let inner = self.lock();
        LimiterView {
            limit: inner.limit.value(),
            in_flight: inner.in_flight,
            queued: inner.queues.iter().map(|queue| queue.waiting.len()).sum(),
            shed: inner.shed,
        }
    }

    /// Gives free places to those who wait.
    fn hand_on(self: &Arc<Self>) {
        // The lock is not held while a permit is handed over: who gave up meanwhile gives it back by dropping it.
        while let Some(next) = self.next() {
            let _ = next.send(Permit(self.clone()));
        }
    }

    fn next(&self) -> Option<oneshot::Sender<Permit>> {
        self.lock().next()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
        self.0.hand_on();
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.to.lock().coming[self.priority as usize] -= 1;
    }
}

impl Inner {
    fn has_place(&self, priority: Priority) -> bool {
        self.in_flight < self.places(priority)
    }

    /// Places that may be taken when one more of that priority comes.
    fn places(&self, priority: Priority) -> usize {
        (self.limit.value() * priority.share() / 100).max(1)
    }

    fn take(&mut self) {
        self.in_flight += 1;
        self.limit.note_in_flight(self.in_flight);
    }

    /// How many may wait when one more of that priority comes.
    fn room(&self, priority: Priority, now: Instant) -> usize {
        let is_standing = self.queues[priority as usize].is_standing(now);
        if is_standing { self.limit.value().div_ceil(PART) } else { self.limit.value() }
    }

    fn queued(&mut self) -> usize {
        self.queues.iter_mut().map(Queue::length).sum()
    }

    /// Whether one more may wait behind `coming` others, be it in the place of somebody who matters less.
    fn has_room(&mut self, priority: Priority, coming: usize, now: Instant) -> bool {
        let lower: usize = self.queues[..priority as usize].iter_mut().map(Queue::length).sum();
        !self.patience.is_zero() && (self.queued() + coming < self.room(priority, now) || coming < lower)
    }

    /// Those who matter less and wait; of several kinds, those who matter least.
    fn lower(&mut self, priority: Priority) -> Option<&mut Queue> {
        self.queues[..priority as usize].iter_mut().find(|queue| !queue.waiting.is_empty())
    }

    /// A place in the queue; `None` when there is none.
    fn enqueue(&mut self, priority: Priority, now: Instant) -> Option<oneshot::Receiver<Permit>> {
        if self.patience.is_zero() {
            return None;
        }
        if self.queued() >= self.room(priority, now) {
            // The sender's end tells the one who waits.
            self.lower(priority)?.waiting.pop_back();
        }
        let queue = &mut self.queues[priority as usize];
        if queue.waiting.is_empty() {
            queue.busy_since = now;
        }
        let (grant, granted) = oneshot::channel();
        queue.waiting.push_back(grant);
        Some(granted)
    }

    /// Who is let through next, with the place taken for it.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        for priority in Priority::ALL.into_iter().rev() {
            if !self.has_place(priority) {
                continue;
            }
            while let Some(grant) = self.queues[priority as usize].waiting.pop_front() {
                if !grant.is_closed() {
                    self.take();
                    return Some(grant);
                }
            }
        }
        None
    }
}

impl Queue {
    /// How many wait. Those in front that have given up are dropped first: all have about the same patience.
    fn length(&mut self) -> usize {
        while self.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            self.waiting.pop_front();
        }
        self.waiting.len()
    }

    fn is_standing(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && now.duration_since(self.busy_since) > STANDING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any of these tests takes.
    const LONG: Duration = Duration::from_secs(30);

    fn limiter(places: usize, queue_ms: u64) -> Arc<Limiter> {
        let bounds = Concurrency { min: places, max: places, ..Concurrency::default() };
        Arc::new(Limiter::new(bounds, Duration::from_millis(queue_ms)))
    }

    fn deadline() -> Instant {
        Instant::now() + LONG
    }

    async fn waits(limiter: &Arc<Limiter>, count: usize) {
        while limiter.view().queued != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_matters_less_leaves_places_free() {
        let limiter = limiter(20, 0);
        let mut permits = Vec::new();
        for (priority, so_far) in Priority::ALL.into_iter().zip([14, 17, 19, 20]) {
            while let Ok(permit) = limiter.acquire(priority, deadline()).await {
                permits.push(permit);
            }
            assert_eq!(permits.len(), so_far, "{priority:?}");
        }
        assert_eq!(limiter.view().shed, [1, 1, 1, 1]);
        drop(permits);
        assert_eq!(limiter.view().in_flight, 0);
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_a_higher_limit_gives() {
        let limiter = limiter(1, 60_000);
        let _held = limiter.acquire(Priority::Read, deadline()).await.unwrap();
        let waiting = {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(Priority::Checkout, deadline()).await })
        };
        waits(&limiter, 1).await;
        limiter.adjust(Concurrency { min: 2, max: 2, ..Concurrency::default() }, LONG);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_free_place_goes_to_who_matters_most() {
        let limiter = limiter(2, 60_000);
        let first = limiter.acquire(Priority::Checkout, deadline()).await.unwrap();
        let second = limiter.acquire(Priority::Checkout, deadline()).await.unwrap();
        let wait = |priority| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(priority, deadline()).await })
        };
        let read = wait(Priority::Read);
        waits(&limiter, 1).await;
        let checkout = wait(Priority::Checkout);
        waits(&limiter, 2).await;
        drop(first);
        let permit = checkout.await.unwrap().unwrap();
        assert!(!read.is_finished());
        drop((second, permit));
        assert!(read.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn in_a_full_queue_who_matters_least_goes() {
        let limiter = limiter(1, 60_000);
        let held = limiter.acquire(Priority::Read, deadline()).await.unwrap();
        let waiting = {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(Priority::Search, deadline()).await })
        };
        waits(&limiter, 1).await;
        assert_eq!(limiter.acquire(Priority::Search, deadline()).await.err(), Some(Shed));
        let checkout = {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(Priority::Checkout, deadline()).await })
        };
        assert_eq!(waiting.await.unwrap().err(), Some(Shed));
        drop(held);
        assert!(checkout.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_queue_that_stands_takes_few() {
        let limiter = limiter(20, 60_000);
        let mut held = Vec::new();
        for _ in 0..14 {
            held.push(limiter.acquire(Priority::Search, deadline()).await.unwrap());
        }
        for _ in 0..5 {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(Priority::Search, deadline()).await });
        }
        waits(&limiter, 5).await;
        // A burst of twenty would find room.
        while !limiter.turns_away(Priority::Search) {
            tokio::time::sleep(STANDING / 4).await;
        }
        assert_eq!(limiter.acquire(Priority::Search, deadline()).await.err(), Some(Shed));
        assert!(!limiter.turns_away(Priority::Read), "a place of its own is free");
        assert_eq!(limiter.view().shed, [2, 0, 0, 0]);
    }

    #[tokio::test]
    async fn those_on_their_way_count_if_they_matter_as_much() {
        let (impatient, patient) = (limiter(20, 0), limiter(20, 60_000));
        for (limiter, places) in [(impatient, 14), (patient, 34)] {
            let mut coming: Vec<Coming> = (1..places).map(|_| limiter.announce(Priority::Search)).collect();
            assert!(!limiter.turns_away(Priority::Search));
            coming.push(limiter.announce(Priority::Checkout));
            assert!(limiter.turns_away(Priority::Search));
            assert!(!limiter.turns_away(Priority::Read));
            drop(coming);
            assert!(!limiter.turns_away(Priority::Search));
        }
    }

    #[tokio::test]
    async fn one_who_matters_less_makes_room_for_one_only() {
        let limiter = limiter(2, 60_000);
        let _first = limiter.acquire(Priority::Checkout, deadline()).await.unwrap();
        let _second = limiter.acquire(Priority::Checkout, deadline()).await.unwrap();
        for _ in 0..2 {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(Priority::Search, deadline()).await });
        }
        waits(&limiter, 2).await;
        let coming = [limiter.announce(Priority::Read), limiter.announce(Priority::Read)];
        assert!(limiter.turns_away(Priority::Read));
        drop(coming);
        assert!(!limiter.turns_away(Priority::Read));
    }

    #[tokio::test]
    async fn nobody_waits_past_its_deadline() {
        let limiter = limiter(1, 60_000);
        let _held = limiter.acquire(Priority::Read, deadline()).await.unwrap();
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(limiter.acquire(Priority::Read, soon).await.err(), Some(Shed));
    }
}
