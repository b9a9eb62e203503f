//! Answers of the contract's routes by way of the cache.
//!
//! Only routes that are the same for everybody come here (public, with cache options). An answer is made by a guest's call
//! without language or headers, as a task of its own, so it cannot depend on whoever asked first. Problems and pages that lack
//! a part are given to those who waited for them and not kept.

mod hot;
mod serve;
mod source;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;
use vitrina_proto::routes::{Auth, Kind, Route};

use crate::cache::control::Directives;
use crate::cache::entry::{Draft, Entry};
use crate::cache::epochs::{Epoch, Tags};
use crate::cache::fill::Outcome;
use crate::cache::policy::{Answered, Asked, Terms, Use};
use crate::cache::status::{CacheStatus, Forward};
use crate::cache::store::Found;
use crate::cache::{self, Deps, freshen, key};
use crate::core::{Core, Pending};
use crate::reply::{Problem, Reply};
use crate::request::Head;
use crate::upstream::{Timings, Trouble};

pub(crate) use hot::{Hot, keep_hot};
use serve::serve;
pub(crate) use source::Source;

/// Fills that a request waits for before it calls by itself: each was overtaken by a write.
const ROUNDS_MAX: usize = 3;

/// What came and could not be kept; for those who wait for it.
#[derive(Debug)]
pub(crate) struct Unstored {
    answer: Result<(StatusCode, HeaderMap, Bytes), Problem>,
    tags: Tags,
    begun: Epoch,
}

/// A request on its way through the cache.
struct Lookup<'r> {
    head: &'r Head,
    key: Vec<u8>,
    forward: Forward,
    /// What is stored and may be served when nothing better comes.
    stale: Option<Arc<Entry>>,
    now_ms: u64,
}

/// Whether answers of a route are kept.
pub(crate) fn is_kept(route: &Route) -> bool {
    route.cache.is_some() && route.auth == Auth::Public && route.kind == Kind::Unary
}

impl Core {
    /// The answer of a route that is kept: from the store, or made now and stored.
    ///
    /// # Errors
    /// The problem to answer with.
    pub(crate) async fn cached(
        self: &Arc<Self>,
        pending: &Pending<'_>,
        route: &'static Route,
    ) -> Result<Reply, Problem> {
        let Pending { head, admitted, timings, .. } = *pending;
        let now_ms = cache::now_ms();
        let request = Directives::of_request(&head.headers);
        let mut key = Vec::with_capacity(128);
        key::generated(&mut key, route, &head.path, &head.query);
        let source = || Source::new(route, head, &admitted.params);
        let (forward, stale) = match self.cache.store.find(&key, &head.headers, &self.cache.epochs, now_ms) {
            Found::Answer(entry) => match entry.terms.judge(&request, now_ms) {
                Use::Serve => return Ok(self.hit(&entry, head, &key, source)),
                Use::ServeAndRefresh => return Ok(self.stale_hit(&entry, head, key, source)),
                Use::Stale => (Forward::Stale, Some(entry)),
                Use::Refused => (Forward::Request, Some(entry)),
            },
            missed => (missed.missed(), None),
        };
        self.cache.counts.miss(forward);
        if request.only_if_cached {
            return Err(Problem::new(504, "not_cached", "No stored answer may be used for this request."));
        }
        let lookup = Lookup { head, key, forward, stale, now_ms };
        self.filled(lookup, source(), timings).await
    }

    /// Drops what a write changed, before its writer has the answer.
    pub(crate) fn invalidate<'t>(&self, tags: impl IntoIterator<Item = &'t str>) {
        self.cache.invalidate(tags);
        self.hot.changed();
    }

    fn hit(&self, entry: &Arc<Entry>, head: &Head, key: &[u8], source: impl Fn() -> Source) -> Reply {
        let now_ms = cache::now_ms();
        let ttl_s = entry.terms.ttl_s(now_ms);
        self.cache.counts.hit();
        self.hot.note(entry, key, source);
        serve(entry, head, CacheStatus::hit(ttl_s), now_ms)
    }

    /// Something stale, and the one background fill that renews it.
    fn stale_hit(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        head: &Head,
        key: Vec<u8>,
        source: impl Fn() -> Source,
    ) -> Reply {
        self.cache.counts.stale_hit();
        if entry.begin_refresh() {
            self.cache.counts.refresh();
            let wait = self.fill_once(&key, source(), Timings::default());
            let deadline = Instant::now() + Duration::from_millis(source().route.deadline_ms);
            let entry = entry.clone();
            tokio::spawn(async move {
                if !matches!(wait.outcome(deadline).await, Some(Outcome::Stored(_))) {
                    entry.refresh_failed();
                }
            });
        }
        let now_ms = cache::now_ms();
        let status = CacheStatus {
            detail: Some("stale-while-revalidate"),
            ..CacheStatus::hit(entry.terms.ttl_s(now_ms))
        };
        serve(entry, head, status, now_ms)
    }

    /// Waits for a fill that no write overtook.
    async fn filled(
        self: &Arc<Self>,
        lookup: Lookup<'_>,
        source: Source,
        timings: &Timings,
    ) -> Result<Reply, Problem> {
        if self.turns_away(source.route, &lookup.key) {
            return lookup.failed(Trouble::Overloaded.problem());
        }
        let deadline = Instant::now() + Duration::from_millis(source.route.deadline_ms);
        if lookup.forward != Forward::Bypass {
            for _ in 0..ROUNDS_MAX {
                let wait = self.fill_once(&lookup.key, source.clone(), timings.clone());
                let is_collapsed = wait.is_collapsed;
                if is_collapsed {
                    self.cache.counts.collapsed();
                } else {
                    self.cache.counts.fill();
                }
                match wait.outcome(deadline).await {
                    None => {
                        let late = Problem::new(504, "deadline_exceeded", "The answer did not come in time.");
                        return lookup.failed(late);
                    }
                    Some(Outcome::Stored(entry)) if !is_collapsed || self.holds(&entry.tags, entry.begun) => {
                        return Ok(lookup.stored(&entry, is_collapsed));
                    }
                    Some(Outcome::NotStorable(it)) if !is_collapsed || self.holds(&it.tags, it.begun) => {
                        return lookup.unstored(&it, is_collapsed);
                    }
                    Some(_) => {}
                }
            }
        }
        self.cache.counts.fill();
        match self.make(&source, timings.clone()).await {
            Outcome::Stored(entry) => Ok(lookup.stored(&entry, false)),
            Outcome::NotStorable(it) => lookup.unstored(&it, false),
            Outcome::Abandoned => {
                Err(Problem::new(503, "unavailable", "The answer was lost.").retry_after(1))
            }
        }
    }

    fn holds(&self, tags: &Tags, begun: Epoch) -> bool {
        self.cache.epochs.holds(tags, begun)
    }

    fn fill_once(
        self: &Arc<Self>,
        key: &[u8],
        source: Source,
        timings: Timings,
    ) -> cache::fill::Wait<Arc<Unstored>> {
        let core = self.clone();
        self.fills.once(key, || async move { core.make(&source, timings).await })
    }

    /// Makes an answer and stores it when it may be.
    async fn make(&self, source: &Source, timings: Timings) -> Outcome<Arc<Unstored>> {
        let deps = Deps::default();
        // Before anything is asked: a write from here on outdates the answer.
        let begun = self.cache.epochs.now();
        let asked_ms = cache::now_ms();
        let (head, admitted) = source.as_guest();
        let body = Bytes::new();
        let pending = Pending { head: &head, admitted: &admitted, body: &body, timings: &timings };
        for tag in source.tags() {
            deps.tag(tag);
        }
        let answer = self.call_noting(&pending, source.route, &deps).await;
        let Some((tags, ends_ms)) = deps.noted() else {
            return Outcome::NotStorable(Arc::new(Unstored::new(answer, Tags::default(), begun)));
        };
        let tags = self.cache.epochs.tags(tags.iter().map(String::as_str));
        let mut reply = match answer {
            Ok(reply) if reply.status == StatusCode::OK => reply,
            answer => return Outcome::NotStorable(Arc::new(Unstored::new(answer, tags, begun))),
        };
        if reply.is_partial {
            return Outcome::NotStorable(Arc::new(Unstored::new(Ok(reply), tags, begun)));
        }
        let now_ms = cache::now_ms();
        serve::bound(&mut reply, source.route, ends_ms, now_ms);
        let request = HeaderMap::new();
        let asked = Asked { method: &Method::GET, headers: &request, at_ms: asked_ms };
        let answered = Answered { status: reply.status, headers: &reply.headers, at_ms: now_ms };
        let Some(terms) = Terms::of(asked, answered).filter(|_| now_ms < ends_ms) else {
            return Outcome::NotStorable(Arc::new(Unstored::new(Ok(reply), tags, begun)));
        };
        let mut key = Vec::with_capacity(128);
        key::generated(&mut key, source.route, &source.path, &source.query);
        let draft = Draft {
            status: reply.status,
            headers: freshen::kept(&reply.headers),
            body: reply.body.clone(),
            terms,
            path: source.target().into(),
            tags: tags.clone(),
            begun,
            ends_ms,
        };
        match self.cache.store.put(&key, &[], &request, draft) {
            Some(entry) => Outcome::Stored(entry),
            None => Outcome::NotStorable(Arc::new(Unstored::new(Ok(reply), tags, begun))),
        }
    }
}

impl Unstored {
    fn new(answer: Result<Reply, Problem>, tags: Tags, begun: Epoch) -> Self {
        let answer = answer.map(|reply| (reply.status, reply.headers, reply.body));
        Self { answer, tags, begun }
    }
}

impl Lookup<'_> {
    /// The answer that is stored now.
    fn stored(&self, entry: &Entry, is_collapsed: bool) -> Reply {
        let now_ms = cache::now_ms();
        let status = CacheStatus {
            forward_status: Some(entry.status.as_u16()),
            ttl_s: Some(entry.terms.ttl_s(now_ms)),
            is_stored: true,
            is_collapsed,
            ..CacheStatus::forwarded(self.forward)
        };
        serve(entry, self.head, status, now_ms)
    }

    /// What came and was not stored: a partial page, or a problem.
    fn unstored(&self, unstored: &Unstored, is_collapsed: bool) -> Result<Reply, Problem> {
        let (status, headers, body) = match &unstored.answer {
            Ok(answer) => answer.clone(),
            Err(problem) => return self.failed(problem.clone()),
        };
        let forward_status = Some(status.as_u16());
        let forwarded = CacheStatus { forward_status, is_collapsed, ..CacheStatus::forwarded(self.forward) };
        Ok(serve::unstored(status, headers, body, forwarded))
    }

    /// A problem, or in its place what is stored, as long as the contract allows it.
    fn failed(&self, problem: Problem) -> Result<Reply, Problem> {
        let now_ms = cache::now_ms();
        let stale = self.stale.as_ref().filter(|entry| {
            problem.is_failure() && entry.terms.serves_on_error(now_ms) && now_ms < entry.ends_ms
        });
        let Some(entry) = stale else {
            return Err(problem);
        };
        let status = CacheStatus {
            forward_status: Some(problem.status()),
            ttl_s: Some(entry.terms.ttl_s(self.now_ms)),
            detail: Some("stale-if-error"),
            ..CacheStatus::forwarded(self.forward)
        };
        Ok(serve(entry, self.head, status, now_ms))
    }
}
