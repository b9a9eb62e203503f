//! What RFC 9111 says about an answer: may it be kept, for how long, and may it be used for this request?
//!
//! Pure functions over headers and times. They know nothing of rpcs, routes or sockets, so that pages, rpcs and plain
//! HTTP upstreams go by one policy. Times are milliseconds since 1970; ages and lifetimes whole seconds.
//!
//! The order of use for a proxied request:
//! 1. [`Terms::judge`] of what the [`Store`](super::Store) has: serve, serve and refresh, or ask the upstream first.
//! 2. To ask, add [`conditions`](super::freshen::conditions) of the stored answer. A 304 goes to
//!    [`freshen`](super::freshen::freshen), an error to [`Terms::serves_on_error`].
//! 3. [`Terms::of`] a new answer: `Some` may be stored, with [`kept`](super::freshen::kept) of its headers.
//! 4. After an unsafe method: [`invalidated`](super::freshen::invalidated) names the paths to drop.

use std::time::UNIX_EPOCH;

use http::{HeaderMap, Method, StatusCode, header};

use super::control::{DELTA_MAX_S, Directives, delta, members};

/// Share of the time since the last change for which an answer without any word is taken as fresh, and its bound
/// (RFC 9111, 4.2.2).
const HEURISTIC_SHARE: u64 = 10;
const HEURISTIC_MAX_S: u64 = 24 * 60 * 60;

/// Statuses that may be kept without explicit word (RFC 9110, 15.1), but 206, which is never kept here.
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

/// Statuses whose meaning for caches is known here, for `must-understand`.
const UNDERSTOOD: [u16; 16] =
    [200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 501];

/// What was asked, as far as keeping the answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    pub(crate) headers: &'r HeaderMap,
    /// When the request was sent.
    pub(crate) at_ms: u64,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// When the header was there.
    pub(crate) at_ms: u64,
}

/// On which terms a stored answer may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// When it came.
    pub(crate) received_ms: u64,
    /// How old it was then, in seconds.
    pub(crate) initial_age_s: u64,
    /// Up to which age it is fresh, in seconds.
    pub(crate) lifetime_s: u64,
    /// Seconds past its lifetime in which it may be served while it is refreshed.
    pub(crate) swr_s: u64,
    /// Seconds past its lifetime in which it may be served when the upstream fails.
    pub(crate) sie_s: u64,
    /// Never to be used without asking (`no-cache`).
    pub(crate) is_always_validated: bool,
    /// Never to be used stale (`must-revalidate`, `proxy-revalidate`, `s-maxage`).
    pub(crate) is_never_stale: bool,
}

/// What to do with a stored answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Serve it.
    Serve,
    /// Serve it and refresh it in the background.
    ServeAndRefresh,
    /// Ask the upstream first, since it is stale.
    Stale,
    /// Ask the upstream first, since the request wants so.
    Refused,
}

impl Terms {
    /// The terms of an answer; `None` when it may not be kept (RFC 9111, 3).
    pub(crate) fn of(asked: Asked<'_>, answered: Answered<'_>) -> Option<Self> {
        let Answered { status, headers, .. } = answered;
        let (control, is_targeted) = Directives::of_response(headers);
        let is_understood = UNDERSTOOD.contains(&status.as_u16());
        let no_store = control.no_store && !(control.must_understand && is_understood);
        let is_final = !status.is_informational() && !matches!(status.as_u16(), 206 | 304);
        if asked.method != Method::GET
            || !is_final
            || no_store
            || (control.must_understand && !is_understood)
            || control.private.is_all()
            || varies_on_everything(headers)
            || Directives::of_request(asked.headers).no_store
            || !is_shareable(asked.headers, headers, &control)
        {
            return None;
        }
        let initial_age_s = initial_age_s(asked, answered);
        let is_heuristic = HEURISTIC.contains(&status.as_u16()) || control.public;
        let explicit_s = explicit_lifetime_s(&control, headers, is_targeted);
        let lifetime_s = match explicit_s {
            Some(lifetime_s) => lifetime_s,
            None if is_heuristic => heuristic_lifetime_s(headers, answered.at_ms),
            None => return None,
        };
        let is_always_validated = control.no_cache.is_all();
        let swr_s = control.stale_while_revalidate_s.unwrap_or(0);
        let sie_s = control.stale_if_error_s.unwrap_or(0);
        let has_validator = headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
        let is_usable = !is_always_validated && lifetime_s.max(swr_s).max(sie_s) > 0;
        (is_usable || has_validator).then_some(Self {
            received_ms: answered.at_ms,
            initial_age_s,
            lifetime_s,
            swr_s,
            sie_s,
            is_always_validated,
            is_never_stale: control.must_revalidate
                || control.proxy_revalidate
                || control.s_maxage_s.is_some(),
        })
    }

    /// How old the answer is now, in seconds (RFC 9111, 4.2.3).
    pub(crate) fn age_s(&self, now_ms: u64) -> u64 {
        self.initial_age_s + now_ms.saturating_sub(self.received_ms) / 1_000
    }

    /// For how many seconds it is fresh from now on; negative: for how many it is stale.
    pub(crate) fn ttl_s(&self, now_ms: u64) -> i64 {
        let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        signed(self.lifetime_s) - signed(self.age_s(now_ms))
    }

    /// Whether it is fresh and may be used without asking.
    pub(crate) fn is_fresh(&self, now_ms: u64) -> bool {
        !self.is_always_validated && self.ttl_s(now_ms) > 0
    }

    /// What to do with it for a request with these directives (RFC 9111, 4 and 5.2.1).
    pub(crate) fn judge(&self, request: &Directives, now_ms: u64) -> Use {
        let age_s = self.age_s(now_ms);
        if request.no_cache != Default::default()
            || request.max_age_s.is_some_and(|max_s| age_s > max_s && request.max_stale_s.is_none())
        {
            return Use::Refused;
        }
        if self.is_always_validated {
            return Use::Stale;
        }
        let left_s = self.lifetime_s.saturating_sub(age_s);
        if left_s > 0 {
            let is_refused = request.min_fresh_s.is_some_and(|min_s| left_s < min_s);
            return if is_refused { Use::Refused } else { Use::Serve };
        }
        let stale_s = age_s - self.lifetime_s;
        if self.is_never_stale || request.min_fresh_s.is_some() {
            Use::Stale
        } else if request.max_stale_s.is_some_and(|max_s| stale_s <= max_s) {
            Use::Serve
        } else if stale_s < self.swr_s && request.max_age_s.is_none() {
            Use::ServeAndRefresh
        } else {
            Use::Stale
        }
    }

    /// Whether it may be served in the place of an error (RFC 5861, 4).
    pub(crate) fn serves_on_error(&self, now_ms: u64) -> bool {
        let stale_s = self.age_s(now_ms).saturating_sub(self.lifetime_s);
        !self.is_always_validated && !self.is_never_stale && stale_s < self.sie_s
    }
}

/// Whether a status is an error in whose place something stale may be served (RFC 5861, 4).
pub(crate) fn is_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// The time of a date header in milliseconds since 1970; `None` when it is absent or none.
pub(crate) fn date_ms(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    let at = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// RFC 9111, 4.2.3: the larger of what the answer says of itself and what its way took.
fn initial_age_s(asked: Asked<'_>, answered: Answered<'_>) -> u64 {
    let apparent_s = date_ms(answered.headers, header::DATE)
        .map_or(0, |date_ms| answered.at_ms.saturating_sub(date_ms) / 1_000);
    // Of a list the first counts, and what is no number is ignored (RFC 9111, 5.1).
    let told_s = answered
        .headers
        .get(header::AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| delta(value.split(',').next().unwrap_or_default().trim()))
        .unwrap_or(0);
    let way_s = answered.at_ms.saturating_sub(asked.at_ms) / 1_000;
    apparent_s.max(told_s + way_s)
}

/// RFC 9111, 4.2.1.
fn explicit_lifetime_s(control: &Directives, headers: &HeaderMap, is_targeted: bool) -> Option<u64> {
    if let Some(seconds) = control.s_maxage_s.or(control.max_age_s) {
        return Some(seconds);
    }
    if is_targeted || !headers.contains_key(header::EXPIRES) {
        return None;
    }
    // What is no date, above all `0`, has expired (RFC 9111, 5.3).
    let expires_ms = date_ms(headers, header::EXPIRES).unwrap_or(0);
    // Against the sender's own clock; without a Date, the answer has none to be compared with but ours.
    let date_ms = date_ms(headers, header::DATE).unwrap_or_else(super::now_ms);
    Some((expires_ms.saturating_sub(date_ms) / 1_000).min(DELTA_MAX_S))
}

fn heuristic_lifetime_s(headers: &HeaderMap, now_ms: u64) -> u64 {
    let Some(modified_ms) = date_ms(headers, header::LAST_MODIFIED) else {
        return 0;
    };
    let date_ms = date_ms(headers, header::DATE).unwrap_or(now_ms);
    (date_ms.saturating_sub(modified_ms) / 1_000 / HEURISTIC_SHARE).min(HEURISTIC_MAX_S)
}

/// Whether an answer to one caller may be given to others (RFC 9111, 3.5). A cookie is for one, unless the answer says
/// that it is for all.
fn is_shareable(request: &HeaderMap, response: &HeaderMap, control: &Directives) -> bool {
    let is_for_all = control.public || control.s_maxage_s.is_some();
    let is_authorized = request.contains_key(header::AUTHORIZATION);
    let sets_cookie = response.contains_key(header::SET_COOKIE);
    (!is_authorized || is_for_all || control.must_revalidate) && (!sets_cookie || is_for_all)
}

fn varies_on_everything(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::VARY)
        .iter()
        .any(|value| value.to_str().map_or(true, |value| members(value).any(|member| member.trim() == "*")))
}
