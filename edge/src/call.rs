//! The call of a route's rpc: its frame, the way that its kind of body goes, and the reply as HTTP.

use std::future::Future;
use std::time::{Duration, Instant};

use tonic::{Code, Status};
use vitrina_proto::Input;
use vitrina_proto::routes::{Auth, Kind, Route, Service};

use crate::cache::Deps;
use crate::core::{Core, Pending, needs};
use crate::guard::{Caller, signature};
use crate::reply::{Problem, Reply};
use crate::upstream::{Priority, Scope, Trouble};
use crate::{answer, download, page, stream, upload};

/// Set on replies of services: the tags of what changed.
const CHANGED: &str = "x-vitrina-changed";

/// What the time until the first turn is noted under.
const TURN: &str = "turn";

/// One route's rpc, ready to be called once or twice.
struct Call<'c> {
    route: &'static Route,
    scope: &'c Scope,
    is_repeatable: bool,
}

impl Core {
    /// Calls the rpc of a route.
    ///
    /// # Errors
    /// The problem to answer with.
    pub(crate) async fn call(
        &self,
        pending: &Pending<'_>,
        route: &'static Route,
        caller: &Caller,
    ) -> Result<Reply, Problem> {
        self.call_with(pending, route, caller, None).await
    }

    /// Calls it for the cache: as a guest, noting what the answer depends on.
    ///
    /// # Errors
    /// The problem to answer with.
    pub(crate) async fn call_noting(
        &self,
        pending: &Pending<'_>,
        route: &'static Route,
        deps: &Deps,
    ) -> Result<Reply, Problem> {
        self.call_with(pending, route, &Caller::guest(), Some(deps)).await
    }

    async fn call_with(
        &self,
        pending: &Pending<'_>,
        route: &'static Route,
        caller: &Caller,
        deps: Option<&Deps>,
    ) -> Result<Reply, Problem> {
        let Pending { head, admitted, timings, .. } = *pending;
        let deadline = Instant::now() + Duration::from_millis(route.deadline_ms);
        let priority = Priority::of(route.rate_class);
        self.turn(route, priority, deadline).await?;
        let scope = Scope {
            deadline,
            metadata: admitted.metadata(head, caller),
            timings: timings.clone(),
            priority,
            calls: self.calls.clone(),
        };
        let params: Vec<(&str, &str)> =
            admitted.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = upload::content(head, route, pending.body).await?;
        let input = Input { path: &params, query: &head.query, body: &body };
        let clients = if route.service == Service::Storefront {
            page::with_pages(&self.clients, &scope, deps.map(|deps| (self.cache.clone(), deps.clone())))
        } else {
            self.clients.clone()
        };
        // The parts of a page are tried again by themselves.
        let is_repeatable = route.service != Service::Storefront
            && (head.method.is_safe() || admitted.idempotency_key.is_some());
        let call = Call { route, scope: &scope, is_repeatable };
        let answer = match (route.kind, route.auth) {
            (Kind::Events, _) => {
                let open = || vitrina_proto::watch(route, &clients, input, scope.metadata_without_deadline());
                return call.send(open).await.map(stream::reply);
            }
            (Kind::Download, _) => {
                let fetch = || vitrina_proto::download(route, &clients, input, scope.metadata());
                return download::conditioned(download::whole(call.send(fetch).await?), head);
            }
            (Kind::Upload, Auth::Signed) => {
                let fields = signature::fields(head, route.rpc);
                let hand_on =
                    || vitrina_proto::receive(route, &clients, input, fields.clone(), scope.metadata());
                call.send(hand_on).await?
            }
            (Kind::Unary | Kind::Upload | Kind::Csv, _) => {
                call.send(|| vitrina_proto::call(route, &clients, input, scope.metadata())).await?
            }
        };
        if let Some(changed) = answer::text(&answer.metadata, CHANGED) {
            self.note_changes(changed);
        }
        Ok(answer::json(route, caller, &answer))
    }

    /// Waits until the requests that were read before this one have had their first turn on a processor. How long that
    /// takes is how far the edge, with all services that run in its process, is behind.
    ///
    /// # Errors
    /// 503 when too many wait already.
    async fn turn(
        &self,
        route: &'static Route,
        priority: Priority,
        deadline: Instant,
    ) -> Result<(), Problem> {
        // Until then no gate knows of it.
        let _coming = self.calls.gates.announce(needs(route), priority);
        let permit = self.turns.acquire(priority, deadline).await;
        let permit = permit.map_err(|_| Trouble::Overloaded.problem())?;
        let started = Instant::now();
        tokio::task::yield_now().await;
        self.turns.answered(TURN, started.elapsed());
        drop(permit);
        Ok(())
    }

    /// What a write changed: ended sessions are refused and outdated answers dropped, before the writer has its answer.
    fn note_changes(&self, changed: &str) {
        let tags = changed.split(',').map(str::trim);
        for session in tags.clone().filter_map(|tag| tag.strip_prefix("session:")) {
            self.guard.end_session(session);
        }
        self.invalidate(tags.filter(|tag| !tag.starts_with("session:")));
    }
}

impl Call<'_> {
    async fn send<T, F, A>(&self, attempt: F) -> Result<T, Problem>
    where
        F: Fn() -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let rpc = self.route.rpc;
        let answer = if self.is_repeatable {
            self.scope.repeat(rpc, attempt).await
        } else {
            self.scope.once(rpc, attempt).await
        };
        answer.map_err(|fault| {
            log_fault(rpc, &fault);
            Problem::from_status(&fault)
        })
    }
}

/// A fault of a service is logged here, once; refusals are the client's business. Calls that were not made are counted, and
/// the change that led to it is in the log: a line for each would be load on top of too much.
fn log_fault(rpc: &'static str, fault: &Status) {
    match fault.code() {
        Code::Unavailable
            if matches!(Trouble::of(fault), Some(Trouble::BreakerOpen | Trouble::Overloaded)) => {}
        Code::Internal | Code::Unknown | Code::DataLoss => {
            tracing::error!(rpc, code = ?fault.code(), message = fault.message(), "an rpc failed");
        }
        Code::Unavailable | Code::DeadlineExceeded => {
            tracing::warn!(rpc, code = ?fault.code(), message = fault.message(), "an rpc was not answered");
        }
        _ => {}
    }
}
