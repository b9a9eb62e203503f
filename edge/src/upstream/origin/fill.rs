//! Fetching an answer for the cache.
//!
//! A fill is a task of its own: the client whose request began it may hang up, and the others who wait for it still get
//! what it fetches. The first client gets the answer while it comes; the others when it is stored.
//!
//! It goes through the gate of the upstream, once for all who wait for it. A stored answer that went stale is asked for with its validators (RFC 9111, 4.3). What comes back is either a 304, which
//! renews what is stored, or a new answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::Instrument as _;
use vitrina_otel::propagate;

use super::client::Client;
use super::passage::TRIES_MAX;
use super::{Origin, fault};
use crate::cache::entry::{Draft, Entry};
use crate::cache::epochs::Epoch;
use crate::cache::fill::{Lead, Outcome};
use crate::cache::policy::{self, Answered, Asked, Terms};
use crate::cache::{Cache, freshen, now_ms, vary};
use crate::upstream::gate::{Heard, Pass};
use crate::upstream::standing::Flight;
use crate::upstream::{Priority, Trouble};

/// Parts of a body that may lie between the upstream and a client that reads slowly, when the body is not stored.
const PARTS_AHEAD: usize = 8;

/// The same for a body that is stored. It is in memory anyway, so the fill need not wait for its first client, on whom
/// others would wait then.
const STORED_PARTS_AHEAD: usize = 1_024;

/// What is to be fetched, and for whom.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) cache: Arc<Cache>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) key: Vec<u8>,
    /// Path with query as the client sees it.
    pub(crate) path: String,
    pub(crate) priority: Priority,
    /// The client's headers: what an answer varies on, and what may forbid to store it.
    pub(crate) asked: HeaderMap,
    /// The headers for the upstream, with `Host`.
    pub(crate) headers: HeaderMap,
    /// What is stored and needs to be validated.
    pub(crate) stale: Option<Arc<Entry>>,
}

/// Why there is nothing to give to those who waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unstored {
    /// The answer went to the first client alone.
    Passed,
    /// The upstream failed.
    Failed(Failure),
}

/// How an upstream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It failed too often just now, or has too much to do: it was not asked.
    Refused(Trouble),
    /// Every address fails its health check.
    NoAddress,
    /// No connection, or one that broke off.
    Broken,
    /// No answer in time.
    TimedOut,
    /// An answer that is an error of its own.
    Error(StatusCode),
}

/// What the first client gets.
#[derive(Debug)]
pub(crate) enum Came {
    /// What is stored holds still: the upstream said so.
    Validated(Arc<Entry>),
    /// A new answer.
    Answer(Incomer),
    /// Nothing.
    Failed(Failure),
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub(crate) struct Incomer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Its terms, when it may be stored.
    pub(crate) terms: Option<Terms>,
    /// The parts of the body; an error when it broke off.
    pub(crate) body: mpsc::Receiver<Result<Bytes, Failure>>,
}

/// An answer's parts on their way to the first client.
struct Parts {
    sender: mpsc::Sender<Result<Bytes, Failure>>,
    ahead: usize,
}

/// Fetches in a task of its own, which continues the current trace. What came goes to `first`, if anybody is there.
pub(crate) fn spawn(order: Order, lead: Lead<Unstored>, first: Option<oneshot::Sender<Came>>) {
    tokio::spawn(async move { order.fill(lead, first).await }.in_current_span());
}

impl Order {
    async fn fill(self, lead: Lead<Unstored>, first: Option<oneshot::Sender<Came>>) {
        self.cache.counts.fill();
        let begun = self.cache.epochs.now();
        let asked_ms = now_ms();
        let conditions =
            self.stale.as_ref().map(|entry| freshen::conditions(&entry.headers)).unwrap_or_default();
        let deadline = Instant::now() + wait_max(&self.origin);
        let mut pass = match self.origin.gate.enter(self.priority, deadline).await {
            Ok(pass) => pass,
            Err(trouble) => return self.failed(Failure::Refused(trouble), lead, first),
        };
        let mut came = self.fetch(conditions, &mut pass).await;
        if let (Ok((answer, _)), Some(entry)) = (&came, &self.stale)
            && answer.status() == StatusCode::NOT_MODIFIED
        {
            if let Some(headers) = freshen::freshen(&entry.headers, answer.headers()) {
                let age = answer.headers().get(header::AGE).cloned();
                let renewed = self.renew(entry, (headers, age), (begun, asked_ms));
                finish(lead, first, renewed);
                return;
            }
            // It speaks of an answer that is not stored here: ask anew, without conditions.
            came = self.fetch(Vec::new(), &mut pass).await;
        }
        match came {
            // Its place and its address are taken until the body is there.
            Ok((answer, _flight)) => self.take(answer, (begun, asked_ms), lead, first).await,
            Err(failure) => self.failed(failure, lead, first),
        }
    }

    /// Tells all who wait that there is nothing.
    fn failed(&self, failure: Failure, lead: Lead<Unstored>, first: Option<oneshot::Sender<Came>>) {
        if let Some(first) = first {
            // The client may be gone.
            let _ = first.send(Came::Failed(failure));
        }
        self.fail(lead, failure);
    }

    /// Ends a fill that brought nothing. What is stored stays, and may be refreshed again.
    fn fail(&self, lead: Lead<Unstored>, failure: Failure) {
        if let Some(entry) = &self.stale {
            entry.refresh_failed();
        }
        lead.finish(Outcome::NotStorable(Unstored::Failed(failure)));
    }

    /// Stores anew what a 304 has confirmed. An answer that may not be kept on its new terms is given once more.
    pub(super) fn renew(
        &self,
        entry: &Arc<Entry>,
        (mut headers, age): (HeaderMap, Option<http::HeaderValue>),
        (begun, asked_ms): (Epoch, u64),
    ) -> (Arc<Entry>, bool) {
        if let Some(age) = age {
            headers.insert(header::AGE, age);
        }
        let terms = self.terms(entry.status, &headers, asked_ms);
        headers.remove(header::AGE);
        let may_be_kept = terms.is_some();
        let terms = terms.unwrap_or(Terms { received_ms: now_ms(), initial_age_s: 0, ..entry.terms });
        let draft = self.draft(entry.status, headers, entry.body.clone(), (terms, begun));
        if may_be_kept {
            let names = vary::names(&draft.headers);
            if let Some(renewed) = self.cache.store.put(&self.key, &names, &self.asked, draft) {
                return (renewed, true);
            }
            return (entry.clone(), false);
        }
        self.cache.store.remove(&self.key);
        (Arc::new(Entry::new(draft)), false)
    }

    /// Takes a new answer in: gives it on while it comes, and stores it when that is allowed.
    async fn take(
        &self,
        answer: http::Response<Incoming>,
        (begun, asked_ms): (Epoch, u64),
        lead: Lead<Unstored>,
        first: Option<oneshot::Sender<Came>>,
    ) {
        let (head, mut body) = answer.into_parts();
        let bytes_max = self.origin.config.object_bytes_max;
        let is_too_large = body.size_hint().lower() > bytes_max as u64;
        // An error does not take the place of something that may be given in its place.
        let is_error = policy::is_error(head.status);
        let has_better =
            is_error && self.stale.as_ref().is_some_and(|entry| entry.terms.serves_on_error(asked_ms));
        let terms = self.terms(head.status, &head.headers, asked_ms).filter(|_| !is_too_large && !has_better);
        let (mut parts, receiver) = Parts::new(terms.is_some());
        if let Some(first) = first {
            let headers = head.headers.clone();
            let incomer = Incomer { status: head.status, headers, terms, body: receiver };
            // The client may be gone; what can be stored is fetched nevertheless.
            let _ = first.send(Came::Answer(incomer));
        } else {
            drop(receiver);
        }
        let Some(terms) = terms else {
            if has_better {
                self.fail(lead, Failure::Error(head.status));
            } else {
                self.not_storable(lead);
            }
            self.pass(&mut body, &parts).await;
            return;
        };
        let mut whole = BytesMut::new();
        while let Some(part) = self.next(&mut body).await {
            if let Ok(part) = &part {
                whole.extend_from_slice(part);
            }
            let failure = part.as_ref().err().copied();
            let _ = parts.send(part).await;
            if let Some(failure) = failure {
                // What is not whole is not stored (RFC 9111, 3.3).
                self.fail(lead, failure);
                return;
            }
            if whole.len() > bytes_max {
                self.not_storable(lead);
                drop(whole);
                parts.ahead = PARTS_AHEAD;
                self.pass(&mut body, &parts).await;
                return;
            }
        }
        let draft = self.draft(head.status, freshen::kept(&head.headers), whole.freeze(), (terms, begun));
        let names = vary::names(&draft.headers);
        let stored = self.cache.store.put(&self.key, &names, &self.asked, draft);
        lead.finish(stored.map_or(Outcome::NotStorable(Unstored::Passed), Outcome::Stored));
    }

    /// Tells those who wait that they have to go by themselves, and remembers that they should not wait again.
    fn not_storable(&self, lead: Lead<Unstored>) {
        self.cache.store.pass(&self.key, now_ms());
        lead.finish(Outcome::NotStorable(Unstored::Passed));
    }

    /// Gives a body on that is not stored, for as long as its client is there.
    async fn pass(&self, body: &mut Incoming, parts: &Parts) {
        while let Some(part) = self.next(body).await {
            let is_broken = part.is_err();
            if !parts.send(part).await || is_broken {
                return;
            }
        }
    }

    /// The next part of a body; `None` at its end.
    async fn next(&self, body: &mut Incoming) -> Option<Result<Bytes, Failure>> {
        loop {
            let frame = match timeout(self.origin.config.read_timeout(), body.frame()).await {
                Ok(frame) => frame?,
                Err(_) => return Some(Err(Failure::TimedOut)),
            };
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                // Trailers are not handed on.
                Ok(Err(_)) => {}
                Err(_) => return Some(Err(Failure::Broken)),
            }
        }
    }

    fn terms(&self, status: StatusCode, headers: &HeaderMap, asked_ms: u64) -> Option<Terms> {
        let asked = Asked { method: &Method::GET, headers: &self.asked, at_ms: asked_ms };
        Terms::of(asked, Answered { status, headers, at_ms: now_ms() })
    }

    fn draft(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        (terms, begun): (Terms, Epoch),
    ) -> Draft {
        let tag = self.origin.tag(&self.path);
        Draft {
            status,
            headers,
            body,
            terms,
            path: self.path.as_str().into(),
            tags: self.cache.epochs.tags([tag.as_str()]),
            begun,
            ends_ms: u64::MAX,
        }
    }

    /// Asks the upstream, at another address when one fails before it answers, and tells the gate what came of it.
    async fn fetch(
        &self,
        conditions: Vec<(http::HeaderName, http::HeaderValue)>,
        pass: &mut Pass,
    ) -> Result<(http::Response<Incoming>, Flight), Failure> {
        let tries_max = self.origin.config.addresses.len().min(TRIES_MAX);
        for tries in 1.. {
            let Some(mut flight) = self.origin.balance.take() else {
                break;
            };
            match self.ask(flight.address(), &conditions).await {
                Ok(answer) => {
                    self.origin.heard(&mut flight, pass, fault::heard_of(answer.status()));
                    return Ok((answer, flight));
                }
                // The time is over for this request, whoever would be next.
                Err(Failure::TimedOut) => {
                    self.origin.heard(&mut flight, pass, Heard::Late);
                    return Err(Failure::TimedOut);
                }
                Err(failure) => {
                    flight.found_nobody();
                    if tries >= tries_max || !self.origin.gate.may_ask_again() {
                        self.origin.heard(&mut flight, pass, Heard::Nothing);
                        return Err(failure);
                    }
                }
            }
        }
        Err(Failure::NoAddress)
    }

    async fn ask(
        &self,
        address: &str,
        conditions: &[(http::HeaderName, http::HeaderValue)],
    ) -> Result<http::Response<Incoming>, Failure> {
        let span = super::call_span("GET", self.origin.label, address);
        let target = self.origin.target(&self.path, "");
        let mut request = http::Request::get(self.origin.url(address, &target))
            .body(http_body_util::Empty::new())
            .map_err(|_| Failure::Broken)?;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        if !headers.contains_key(header::HOST)
            && let Ok(host) = address.try_into()
        {
            headers.insert(header::HOST, host);
        }
        headers.extend(conditions.iter().cloned());
        span.in_scope(|| propagate::inject_http(headers));
        let client: &Client = &self.origin.client;
        let answer = timeout(self.origin.config.read_timeout(), client.request(request))
            .instrument(span.clone())
            .await
            .map_err(|_| Failure::TimedOut)?
            .map_err(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "an upstream did not answer");
                Failure::Broken
            })?;
        span.record("http.response.status_code", answer.status().as_u16());
        Ok(answer)
    }
}

impl Parts {
    fn new(is_stored: bool) -> (Self, mpsc::Receiver<Result<Bytes, Failure>>) {
        let ahead = if is_stored { STORED_PARTS_AHEAD } else { PARTS_AHEAD };
        let (sender, receiver) = mpsc::channel(ahead);
        (Self { sender, ahead }, receiver)
    }

    /// Gives a part on, waiting while the client has more than its share before it; `false` when the client is gone.
    async fn send(&self, part: Result<Bytes, Failure>) -> bool {
        let free = self.sender.max_capacity() - self.ahead + 1;
        match self.sender.reserve_many(free).await {
            Ok(mut permits) => {
                if let Some(permit) = permits.next() {
                    permit.send(part);
                }
                true
            }
            Err(_) => false,
        }
    }
}

/// How long a request waits for the fill that another one began: as long as that may be silent.
pub(crate) fn wait_max(origin: &Origin) -> Duration {
    origin.config.connect_timeout() + origin.config.read_timeout()
}

fn finish(
    lead: Lead<Unstored>,
    first: Option<oneshot::Sender<Came>>,
    (entry, is_stored): (Arc<Entry>, bool),
) {
    if let Some(first) = first {
        // The client may be gone.
        let _ = first.send(Came::Validated(entry.clone()));
    }
    lead.finish(if is_stored { Outcome::Stored(entry) } else { Outcome::NotStorable(Unstored::Passed) });
}
