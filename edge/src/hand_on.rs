//! Requests that go on to plain HTTP servers: how they are taken in, how they fail, what is noted of them.
//!
//! The phases between are pingora's; see [`crate::upstream::origin`] for what happens in them.

use std::sync::Arc;

use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tracing::Instrument as _;
use vitrina_otel::propagate;

use crate::core;
use crate::gateway::{self, Exchange, Gateway};
use crate::guard::hygiene;
use crate::reply::{Problem, Reply};
use crate::request::Head;
use crate::upstream::origin::{Incomer, Origin, Passage, Verdict};

impl Gateway {
    /// Takes in a request for an upstream. `false` lets pingora go on with it; `true` tells that it is answered.
    pub(crate) async fn hand_on(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        head: Head,
        origin: Arc<Origin>,
    ) -> Result<bool> {
        exchange.route = origin.label;
        exchange.client = head.client.to_string();
        exchange.request_id.clone_from(&head.request_id);
        let span = gateway::span(&head, origin.label, &head.path);
        propagate::parent(&span, propagate::extract(|name| head.text(name).map(str::to_owned)));
        exchange.trace_id = span.in_scope(core::trace_id);
        let raw = session.to_h1_raw();
        let checked = hygiene::check(&raw, session.req_header(), &self.core.config().limits);
        let admitted = match checked {
            Ok(()) => {
                let config = self.core.config();
                let shared = (&**config, &self.core.buckets);
                span.in_scope(|| Passage::admit(session, head, origin, shared))
            }
            Err(problem) => Err(Box::new((head, problem))),
        };
        match admitted {
            Ok(passage) => self.go(session, exchange, passage).await,
            Err(refused) => {
                let (head, problem) = *refused;
                self.refuse(session, exchange, &head, problem).instrument(span).await?;
                Ok(true)
            }
        }
    }

    /// Answers from the cache where it can, and by what is fetched for it; else the passage goes on.
    async fn go(&self, session: &mut Session, exchange: &mut Exchange, mut passage: Passage) -> Result<bool> {
        let span = passage.span.clone();
        let verdict = passage.ask_cache(&self.core.cache).instrument(span.clone()).await;
        match verdict {
            Ok(Verdict::Pass(_)) => match passage.enter().instrument(span.clone()).await {
                Ok(()) => {
                    exchange.passage = Some(passage);
                    return Ok(false);
                }
                Err(problem) => {
                    self.refuse(session, exchange, &passage.head, problem).instrument(span).await?;
                }
            },
            Ok(Verdict::Reply(mut reply)) => {
                passage.allow(&mut reply);
                self.reply(session, exchange, &passage.head, reply).instrument(span).await?;
            }
            Ok(Verdict::Incomer(incomer, status)) => {
                let version = session.req_header().version;
                let header = passage.header_of(&incomer, status, version)?;
                exchange.status = incomer.status.as_u16();
                span.in_scope(|| gateway::record_status(exchange.status));
                exchange.body_bytes = stream(session, header, incomer).await?;
            }
            Err(problem) => {
                self.refuse(session, exchange, &passage.head, problem).instrument(span).await?;
            }
        }
        Ok(true)
    }

    /// Tells the client of a failure in a later phase. Gives the status that it was told, 0 when it could not be told.
    pub(crate) async fn tell_failure(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> u16 {
        // Without a passage the answer was written already, or its writing failed.
        let Some(mut passage) = exchange.passage.take() else {
            return 0;
        };
        let problem = passage.problem(error);
        let is_begun = session.response_written().is_some_and(|answer| !answer.status.is_informational());
        let Some(problem) = problem.filter(|_| !is_begun) else {
            exchange.note_status(session);
            return 0;
        };
        // pingora closes the connection after a failure, so the client is told not to use it again.
        session.set_keepalive(None);
        let span = passage.span.clone();
        let told = self.refuse(session, exchange, &passage.head, problem).instrument(span).await;
        if told.is_ok() { exchange.status } else { 0 }
    }

    /// Answers with a problem.
    async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        head: &Head,
        problem: Problem,
    ) -> Result<()> {
        let mut reply = problem.into_reply(&exchange.trace_id);
        self.core.mark_origin(&mut reply, head);
        hygiene::secure(&mut reply);
        self.reply(session, exchange, head, reply).await
    }

    async fn reply(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        head: &Head,
        mut reply: Reply,
    ) -> Result<()> {
        exchange.status = reply.status.as_u16();
        exchange.body_bytes = reply.body.len();
        gateway::record_status(exchange.status);
        let version = session.req_header().version;
        let header = gateway::header(head, version, &reply, exchange, propagate::current_traceparent())?;
        // It is no stream of events.
        gateway::write(session, header, &mut reply).await.map(drop)
    }
}

/// Writes an answer while it comes; gives the bytes of its body.
async fn stream(session: &mut Session, header: ResponseHeader, mut incomer: Incomer) -> Result<usize> {
    session.write_response_header(Box::new(header), false).await?;
    let mut written = 0;
    while let Some(part) = incomer.body.recv().await {
        let Ok(part) = part else {
            // The client must not take what it has for the whole.
            session.set_keepalive(None);
            return Error::e_explain(ErrorType::ConnectionClosed, "the upstream broke off")
                .map_err(Error::into_up);
        };
        written += part.len();
        session.write_response_body(Some(part), false).await?;
    }
    session.write_response_body(None, true).await?;
    Ok(written)
}

impl Exchange {
    /// The passage that the phases after `request_filter` belong to.
    pub(crate) fn passage(&mut self) -> Result<&mut Passage> {
        let missing = || Error::explain(ErrorType::InternalError, "nothing is handed on without a passage");
        self.passage.as_mut().ok_or_else(missing)
    }

    /// Takes over for log and numbers what pingora knows of an answer that was handed on.
    pub(crate) fn note_passage(&mut self, session: &Session) {
        if let Some(passage) = self.passage.take() {
            self.note_status(session);
            self.body_bytes = session.body_bytes_sent();
            passage.span.in_scope(|| gateway::record_status(self.status));
        }
    }

    fn note_status(&mut self, session: &Session) {
        self.status = session.response_written().map_or(0, |answer| answer.status.as_u16());
    }
}
