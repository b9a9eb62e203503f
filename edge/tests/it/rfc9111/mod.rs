//! RFC 9111 (HTTP Caching), section by section, against a plain HTTP upstream whose answers each case scripts; and what
//! belongs to it: RFC 9211 (`Cache-Status`), RFC 9213 (`CDN-Cache-Control`), RFC 5861 (stale answers).
//!
//! A case names its section and says in the RFC's own words what it shows. It is a list of steps on one path: what a
//! client asks, what the upstream answers if it is asked, what the client gets. A step without an answer of the upstream
//! shows that the cache answered by itself.
//!
//! Known limits, each for a reason:
//! - `Date` of an answer from the store is the time of sending, not that of its making, since pingora writes it anew in
//!   every answer and offers no way around. A cache further on still computes the right age, as `Age` is right; one that
//!   goes by `Expires` alone takes the answer for shorter-lived than it is, never for longer.
//! - Parts (206) are not stored, and an incomplete answer is dropped instead of completed (3.3, 3.4): both are optional.
//! - `Warning` is obsolete (5.5): what an upstream sends passes, none is generated.

#![allow(
    clippy::too_many_lines,
    reason = "a table of cases is as long as its section, and is read row by row"
)]

mod generated;
mod invalidation;
mod requests;
mod responses;
mod reusing;
mod stale;
mod status;
mod storing;
mod targeted;
mod validation;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method};
use vitrina_edge::HttpUpstream;

use crate::origin::{Origin, answer, behind};
use crate::support::{LIMIT, Shop};

/// One statement of an RFC.
pub(crate) struct Case {
    /// Such as `4.2.1`.
    section: &'static str,
    /// In the RFC's words.
    says: &'static str,
    steps: Vec<Step>,
}

/// One exchange.
#[derive(Clone, Default)]
pub(crate) struct Step {
    method: Method,
    /// Header lines of the request.
    asks: Vec<String>,
    /// Added to the case's path.
    suffix: &'static str,
    /// What the upstream answers to this step, if it is asked.
    upstream: Option<Scripted>,
    /// Header lines that the upstream must be sent; with `!` in front: names that it must not.
    sees: Vec<&'static str>,
    /// What the upstream answers afterwards, when the cache refreshes by itself.
    background: Option<Scripted>,
    status: u16,
    body: Option<String>,
    /// Header lines of the answer; with `!` in front: names that are not there.
    has: Vec<String>,
    is_eventual: bool,
}

#[derive(Clone)]
struct Scripted {
    status: u16,
    headers: &'static [&'static str],
    body: &'static str,
}

type Scripts = Arc<Mutex<HashMap<String, VecDeque<Scripted>>>>;

pub(crate) fn case<const N: usize>(section: &'static str, says: &'static str, steps: [Step; N]) -> Case {
    Case { section, says, steps: steps.into() }
}

/// A GET; so far it expects a 200 from the store.
pub(crate) fn get() -> Step {
    Step { method: Method::GET, status: 200, ..Step::default() }
}

pub(crate) fn method(name: &str) -> Step {
    Step { method: Method::from_bytes(name.as_bytes()).unwrap(), status: 200, ..Step::default() }
}

impl Step {
    /// Adds a header line to the request.
    pub(crate) fn asks(mut self, line: &str) -> Self {
        self.asks.push(line.to_owned());
        self
    }

    /// Asks for another path, below that of the case.
    pub(crate) fn below(mut self, suffix: &'static str) -> Self {
        self.suffix = suffix;
        self
    }

    /// The upstream is asked and answers 200, and so does the edge.
    pub(crate) fn fetches(self, headers: &'static [&'static str], body: &'static str) -> Self {
        self.upstream(200, headers, body).gets(200, body)
    }

    /// The upstream is asked and says that what is stored holds still.
    pub(crate) fn validates(self, headers: &'static [&'static str], body: &str) -> Self {
        self.upstream(304, headers, "").gets(200, body)
    }

    /// What the upstream answers.
    pub(crate) fn upstream(
        mut self,
        status: u16,
        headers: &'static [&'static str],
        body: &'static str,
    ) -> Self {
        self.upstream = Some(Scripted { status, headers, body });
        self.status = status;
        self
    }

    /// A line that the upstream is sent; with `!` in front a name that it is not.
    pub(crate) fn sees(mut self, line: &'static str) -> Self {
        self.sees.push(line);
        self
    }

    /// The cache asks by itself after its answer.
    pub(crate) fn then_refreshes(
        mut self,
        status: u16,
        headers: &'static [&'static str],
        body: &'static str,
    ) -> Self {
        self.background = Some(Scripted { status, headers, body });
        self
    }

    /// What the client gets.
    pub(crate) fn gets(mut self, status: u16, body: &str) -> Self {
        self.status = status;
        self.body = Some(body.to_owned());
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// A line that the answer has; with `!` in front a name that it has not.
    pub(crate) fn has(mut self, line: &str) -> Self {
        self.has.push(line.to_owned());
        self
    }

    /// What happens in the background may take a moment: ask until it is as expected.
    pub(crate) fn eventually(mut self) -> Self {
        self.is_eventual = true;
        self
    }
}

/// Runs all cases at an edge that stores what its upstream allows, and tells every one that failed.
pub(crate) async fn check(cases: Vec<Case>) {
    check_with(cases, |_| {}).await;
}

pub(crate) async fn check_with(cases: Vec<Case>, change: impl FnOnce(&mut HttpUpstream)) {
    let origin = Origin::start().await;
    let scripts = Scripts::default();
    let told = scripts.clone();
    origin.on(move |seen| {
        let next = told.lock().unwrap().get_mut(&seen.target).and_then(VecDeque::pop_front);
        let Some(Scripted { status, headers, body }) = next else {
            return answer(418, &[], "nothing should have been asked");
        };
        let headers: Vec<(String, String)> = headers.iter().map(|line| split(line)).collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = if seen.method == Method::HEAD { "" } else { body };
        answer(status, &headers, body)
    });
    let mut upstream = HttpUpstream { cache: true, ..origin.upstream() };
    change(&mut upstream);
    let shop = behind(upstream).await;
    let http = vitrina_outgoing::client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut failures = Vec::new();
    for (index, case) in cases.into_iter().enumerate() {
        let path = format!("/old/{index}");
        let bench = Bench { http: &http, origin: &origin, shop: &shop, scripts: &scripts, path };
        for (at, step) in case.steps.iter().enumerate() {
            if let Err(what) = bench.run(step).await {
                failures.push(format!("{} “{}”, step {}: {what}", case.section, case.says, at + 1));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

struct Bench<'b> {
    http: &'b reqwest::Client,
    origin: &'b Origin,
    shop: &'b Shop,
    scripts: &'b Scripts,
    path: String,
}

impl Bench<'_> {
    async fn run(&self, step: &Step) -> Result<(), String> {
        let path = format!("{}{}", self.path, step.suffix);
        let before = self.count(&path);
        let script: VecDeque<Scripted> = step.upstream.iter().chain(&step.background).cloned().collect();
        let asked = before + script.len();
        self.scripts.lock().unwrap().insert(path.clone(), script);
        let trying = async {
            loop {
                let outcome = self.ask(step, &path).await;
                if outcome.is_ok() || !step.is_eventual {
                    return outcome;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, trying)
            .await
            .map_err(|_| "it did not come to that in time".to_owned())??;
        let waiting = async {
            while self.count(&path) < asked {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let seen = |count: usize| {
            format!("the upstream was asked {} times instead of {}", count - before, asked - before)
        };
        if step.background.is_some() {
            let _ = tokio::time::timeout(LIMIT, waiting).await;
        }
        let count = self.count(&path);
        if count != asked {
            return Err(seen(count));
        }
        if let (Some(_), Some(last)) = (&step.upstream, self.seen(&path).get(before)) {
            check_lines(&last.headers, &step.sees, "the upstream")?;
        }
        Ok(())
    }

    async fn ask(&self, step: &Step, path: &str) -> Result<(), String> {
        let mut request = self.http.request(step.method.clone(), self.shop.url(path)).timeout(LIMIT);
        for line in &step.asks {
            let (name, value) = split(line);
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.text().await.map_err(|error| error.to_string())?;
        if status != step.status {
            return Err(format!("status {status} instead of {}: {headers:?} {body}", step.status));
        }
        if let Some(expected) = step.body.as_ref().filter(|expected| **expected != body) {
            return Err(format!("body `{body}` instead of `{expected}`: {headers:?}"));
        }
        let has: Vec<&str> = step.has.iter().map(String::as_str).collect();
        check_lines(&headers, &has, "the answer")
    }

    fn seen(&self, path: &str) -> Vec<crate::origin::Seen> {
        self.origin.seen().into_iter().filter(|seen| seen.target == path).collect()
    }

    fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }
}

/// Checks lines `name: value` (or the beginning of the value, with `…` at the end) and absent names `!name`.
fn check_lines(headers: &HeaderMap, lines: &[&str], whose: &str) -> Result<(), String> {
    for line in lines {
        if let Some(name) = line.strip_prefix('!') {
            if headers.contains_key(name) {
                return Err(format!("{whose} has {name}: {headers:?}"));
            }
            continue;
        }
        let (name, value) = split(line);
        let is_there = headers.get_all(&name).iter().filter_map(|found| found.to_str().ok()).any(|found| {
            value.strip_suffix('…').map_or(found == value, |beginning| found.starts_with(beginning))
        });
        if !is_there {
            return Err(format!("{whose} has no `{line}`: {headers:?}"));
        }
    }
    Ok(())
}

/// A header line, in which `{now}`, `{now-60}` and the like are dates.
fn split(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
    let Some((before, rest)) = value.split_once("{now") else {
        return (name.to_owned(), value.to_owned());
    };
    let (offset, after) = rest.split_once('}').expect("a date ends with }");
    let seconds: i64 = if offset.is_empty() { 0 } else { offset.parse().expect("a number of seconds") };
    let shift = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    let at = if seconds < 0 { now - shift } else { now + shift };
    (name.to_owned(), format!("{before}{}{after}", httpdate::fmt_http_date(at)))
}
