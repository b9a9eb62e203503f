//! Answering from the cache: what is stored, what is fetched for it, and what goes to the upstream by itself.
//!
//! The order is that of [`policy`]. GET goes through the store and, where that has nothing to give,
//! through one fill for all who ask. HEAD is answered from the store and never fills it. Everything else, and a GET that
//! the store cannot help (a part of what is not stored, a condition for the upstream, an answer that could not be stored
//! lately), goes on as a passage.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fill::{self, Came, Failure, Incomer, Order, Unstored};
use super::{Origin, fault, forward};
use crate::cache::conditions::{self, Part};
use crate::cache::control::Directives;
use crate::cache::entry::Entry;
use crate::cache::fill::{Outcome, Place};
use crate::cache::policy::{self, Use};
use crate::cache::status::{CACHE_STATUS, CacheStatus, Forward};
use crate::cache::store::Found;
use crate::cache::{Cache, freshen, key, now_ms};
use crate::reply::{Problem, Reply};
use crate::request::Head;
use crate::upstream::{Priority, Trouble};

/// How often a request looks into the store: once more after waiting for another's fill, and once after that.
const LOOKS_MAX: usize = 3;

/// A request that the cache may answer.
pub(crate) struct Question<'r> {
    pub(crate) cache: &'r Arc<Cache>,
    pub(crate) origin: &'r Arc<Origin>,
    pub(crate) head: &'r Head,
    pub(crate) priority: Priority,
    /// What the upstream would get, without `Host`.
    pub(crate) outgoing: &'r HeaderMap,
    /// The host that is asked, as the upstream sees it.
    pub(crate) host: Option<&'r HeaderValue>,
}

/// What becomes of it.
pub(crate) enum Verdict {
    /// An answer from the store, or a problem.
    Reply(Reply),
    /// An answer that is coming, with what the cache did.
    Incomer(Incomer, CacheStatus),
    /// It goes to the upstream by itself, with what the cache did.
    Pass(CacheStatus),
}

impl Question<'_> {
    /// Answers from the store, or by a fill, or not at all.
    ///
    /// # Errors
    /// The problem to answer with: nothing stored and `only-if-cached`, or an upstream that failed.
    pub(crate) async fn answer(&self) -> Result<Verdict, Problem> {
        let directives = Directives::of_request(&self.head.headers);
        if conditions::are_for_upstream(&self.head.headers) {
            return Ok(self.pass(Forward::Request));
        }
        let key = self.key();
        let mut is_collapsed = false;
        for _ in 0..LOOKS_MAX {
            let now = now_ms();
            let found = self.cache.store.find(&key, &self.head.headers, &self.cache.epochs, now);
            let (reason, stale) = match found {
                Found::Answer(entry) => match entry.terms.judge(&directives, now) {
                    Use::Serve => return Ok(self.hit(&entry, is_collapsed)),
                    Use::ServeAndRefresh => {
                        self.refresh(&key, &entry);
                        return Ok(self.hit(&entry, is_collapsed));
                    }
                    Use::Stale => (Forward::Stale, Some(entry)),
                    Use::Refused => (Forward::Request, Some(entry)),
                },
                missed => (missed.missed(), None),
            };
            if directives.only_if_cached {
                return Err(not_stored());
            }
            if reason == Forward::Bypass || self.goes_by_itself(&directives, stale.is_some()) {
                return Ok(self.pass(reason));
            }
            match self.origin.fills.join(&key) {
                Place::Leader(lead) => {
                    self.cache.counts.miss(reason);
                    let (first, came) = oneshot::channel();
                    fill::spawn(self.order(key.clone(), stale.clone()), lead, Some(first));
                    // The task always says something, unless it panics.
                    let came = came.await.unwrap_or(Came::Failed(Failure::Broken));
                    return self.came(came, reason, stale.as_ref());
                }
                Place::Waiter(wait) => {
                    let deadline = Instant::now() + fill::wait_max(self.origin);
                    match wait.outcome(deadline).await {
                        Some(Outcome::Stored(_)) => is_collapsed = true,
                        Some(Outcome::NotStorable(Unstored::Failed(failure))) => {
                            return self.failed(failure, reason, stale.as_ref());
                        }
                        Some(Outcome::NotStorable(Unstored::Passed)) | None => return Ok(self.pass(reason)),
                        Some(Outcome::Abandoned) => {}
                    }
                }
            }
        }
        Ok(self.pass(Forward::Bypass))
    }

    /// What is asked of the upstream by itself: HEAD, what is not to be stored, and a part of what is not stored.
    fn goes_by_itself(&self, directives: &Directives, is_stored: bool) -> bool {
        let wants_part = self.head.headers.contains_key(header::RANGE);
        self.head.method == Method::HEAD || directives.no_store || (wants_part && !is_stored)
    }

    fn pass(&self, reason: Forward) -> Verdict {
        self.cache.counts.miss(reason);
        Verdict::Pass(CacheStatus::forwarded(reason))
    }

    fn hit(&self, entry: &Arc<Entry>, is_collapsed: bool) -> Verdict {
        let now = now_ms();
        if is_collapsed {
            self.cache.counts.collapsed();
            let status = CacheStatus { is_collapsed, ..CacheStatus::forwarded(Forward::UriMiss) };
            return Verdict::Reply(self.serve(entry, status));
        }
        if entry.terms.is_fresh(now) {
            self.cache.counts.hit();
        } else {
            self.cache.counts.stale_hit();
        }
        entry.note_hit();
        Verdict::Reply(self.serve(entry, CacheStatus::hit(entry.terms.ttl_s(now))))
    }

    /// Refreshes in the background, once for all who are served meanwhile.
    fn refresh(&self, key: &[u8], entry: &Arc<Entry>) {
        if !entry.begin_refresh() {
            return;
        }
        match self.origin.fills.join(key) {
            Place::Leader(lead) => {
                self.cache.counts.refresh();
                fill::spawn(self.order(key.to_vec(), Some(entry.clone())), lead, None);
            }
            // Another request is fetching it already.
            Place::Waiter(_) => entry.refresh_failed(),
        }
    }

    fn came(&self, came: Came, reason: Forward, stale: Option<&Arc<Entry>>) -> Result<Verdict, Problem> {
        let forwarded = CacheStatus::forwarded(reason);
        match came {
            Came::Validated(entry) => {
                let status = CacheStatus { forward_status: Some(304), is_stored: true, ..forwarded };
                Ok(Verdict::Reply(self.serve(&entry, status)))
            }
            Came::Failed(failure) => self.failed(failure, reason, stale),
            Came::Answer(incomer) => {
                if policy::is_error(incomer.status)
                    && let Some(reply) = self.in_place_of(Failure::Error(incomer.status), stale)
                {
                    return Ok(Verdict::Reply(reply));
                }
                let status = CacheStatus {
                    forward_status: Some(incomer.status.as_u16()),
                    is_stored: incomer.terms.is_some(),
                    ..forwarded
                };
                if incomer.status == StatusCode::OK
                    && conditions::is_not_modified(&self.head.headers, &incomer.headers)
                {
                    let mut reply = Reply::empty(StatusCode::NOT_MODIFIED);
                    reply.headers = not_modified(forward::incoming(&incomer.headers));
                    reply.headers.append(CACHE_STATUS, status.value());
                    return Ok(Verdict::Reply(reply));
                }
                Ok(Verdict::Incomer(incomer, status))
            }
        }
    }

    /// The upstream failed: something stale in its place, where that is allowed (RFC 5861, 4).
    fn failed(
        &self,
        failure: Failure,
        reason: Forward,
        stale: Option<&Arc<Entry>>,
    ) -> Result<Verdict, Problem> {
        if let Some(reply) = self.in_place_of(failure, stale) {
            return Ok(Verdict::Reply(reply));
        }
        // Cut off from the upstream, what must be revalidated is answered by a 504 (RFC 9111, 5.2.2.2).
        let must_be_validated =
            stale.is_some_and(|entry| entry.terms.is_never_stale || entry.terms.is_always_validated);
        match failure {
            Failure::Error(_) => Ok(self.pass(reason)),
            Failure::Broken | Failure::NoAddress | Failure::Refused(Trouble::BreakerOpen)
                if must_be_validated =>
            {
                Err(fault::timed_out())
            }
            Failure::Broken => Err(fault::broken()),
            Failure::NoAddress => Err(fault::unavailable()),
            Failure::TimedOut => Err(fault::timed_out()),
            Failure::Refused(trouble) => Err(trouble.problem()),
        }
    }

    fn in_place_of(&self, failure: Failure, stale: Option<&Arc<Entry>>) -> Option<Reply> {
        let entry = stale.filter(|entry| entry.terms.serves_on_error(now_ms()))?;
        self.cache.counts.stale_hit();
        let forward_status = match failure {
            Failure::Error(status) => Some(status.as_u16()),
            Failure::NoAddress | Failure::Broken | Failure::TimedOut | Failure::Refused(_) => None,
        };
        let status = CacheStatus {
            forward_status,
            detail: Some("stale-if-error"),
            ..CacheStatus::forwarded(Forward::Stale)
        };
        Some(self.serve(entry, status))
    }

    /// A stored answer as this request wants it: as a whole, a part of it, or that the client has it already.
    fn serve(&self, entry: &Entry, status: CacheStatus) -> Reply {
        let mut reply = Reply::empty(entry.status);
        reply.headers = entry.headers.clone();
        let request = &self.head.headers;
        if entry.status == StatusCode::OK && conditions::is_not_modified(request, &entry.headers) {
            reply.status = StatusCode::NOT_MODIFIED;
            reply.headers = not_modified(reply.headers);
        } else {
            let length = entry.body.len();
            let part = match entry.status {
                StatusCode::OK => conditions::part(&self.head.method, request, &entry.headers, length),
                _ => Part::Whole,
            };
            reply.body = match part {
                Part::Whole => entry.body.clone(),
                Part::Range(first, last) => {
                    reply.status = StatusCode::PARTIAL_CONTENT;
                    entry.body.slice(first..=last)
                }
                Part::Unsatisfiable => {
                    reply.status = StatusCode::RANGE_NOT_SATISFIABLE;
                    bytes::Bytes::new()
                }
            };
            if let Some(range) = conditions::content_range(part, length) {
                reply.headers.insert(header::CONTENT_RANGE, range);
            }
        }
        reply.set(header::AGE, entry.terms.age_s(now_ms()));
        reply.headers.append(CACHE_STATUS, status.value());
        reply.headers.append(header::VIA, HeaderValue::from_static(forward::VIA));
        reply
    }

    fn order(&self, key: Vec<u8>, stale: Option<Arc<Entry>>) -> Order {
        let mut headers = self.outgoing.clone();
        if let Some(host) = self.host {
            headers.insert(header::HOST, host.clone());
        }
        for condition in CONDITIONS {
            headers.remove(condition);
        }
        Order {
            cache: self.cache.clone(),
            origin: self.origin.clone(),
            key,
            path: self.path(),
            priority: self.priority,
            asked: self.head.headers.clone(),
            headers,
            stale,
        }
    }

    /// A HEAD was answered by the upstream: what is stored for GET is renewed by it, or does not hold any more (RFC 9111,
    /// 4.3.5).
    pub(crate) fn freshen_by_head(&self, answered: &HeaderMap) {
        let (key, now) = (self.key(), now_ms());
        let found = self.cache.store.find(&key, &self.head.headers, &self.cache.epochs, now);
        let Found::Answer(entry) = found else {
            return;
        };
        match freshen::freshen_by_head(&entry.headers, answered) {
            Some(headers) => {
                let age = answered.get(header::AGE).cloned();
                // What was stored held before this HEAD was asked, so its epoch is still the right one.
                let begun = entry.begun;
                self.order(key, None).renew(&entry, (headers, age), (begun, now));
            }
            None => self.cache.store.remove(&key),
        }
    }

    /// Scheme and authority are those that the upstream is told of, since its answers may name them: what one client got
    /// by a made-up host must not be given to others.
    fn key(&self) -> Vec<u8> {
        let told = |name| self.outgoing.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let site = format!("{}://{}", told(forward::X_FORWARDED_PROTO), told(forward::X_FORWARDED_HOST));
        key::proxied(&self.origin.config.name, &site, &self.path())
    }

    fn path(&self) -> String {
        let Head { path, query, .. } = self.head;
        if query.is_empty() { path.clone() } else { format!("{path}?{query}") }
    }
}

/// What a client says for itself alone: a fill is for all, so it asks for the whole.
const CONDITIONS: [header::HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// The headers of a 304: without what tells of a body that is not there (RFC 9110, 15.4.5).
fn not_modified(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::LAST_MODIFIED,
    ] {
        if name != header::LAST_MODIFIED || headers.contains_key(header::ETAG) {
            headers.remove(name);
        }
    }
    headers
}

/// Nothing that may be used is stored, and the request wants nothing else (RFC 9111, 5.2.1.7).
fn not_stored() -> Problem {
    Problem::new(504, "not_cached", "Nothing is stored that may be used, and only that was asked for.")
}
