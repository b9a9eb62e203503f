//! A call as `app` sees it, and the answer it gives: the wire's metadata ends here.

use std::error::Error;

use tonic::metadata::{MetadataMap, MetadataValue};

use crate::caller::{Caller, metadata, text};
use crate::clock::Clock;
use crate::fault::{Code, Fault, IntoFault};

/// Most bytes of tags in one answer; an rpc that changes more has to name a coarser tag.
const CHANGED_BYTES_MAX: usize = 6 * 1024;

/// A request with everything around it that may matter.
#[derive(Clone, Debug)]
pub struct Call<T> {
    /// Who calls.
    pub caller: Caller,
    /// What is asked.
    pub request: T,
    /// Key under which the request is answered once.
    pub idempotency_key: Option<String>,
    /// Version that the entity must have; 0, which none has, when the client sent something else than a version.
    pub if_match: Option<u64>,
    /// When the call came in, Unix milliseconds: the one "now" of the whole call.
    pub now_ms: u64,
    /// Language that the client prefers, such as `es`.
    pub language: Option<String>,
    /// Id of the request at the edge.
    pub request_id: Option<String>,
}

/// A reply with what the edge needs to know beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The message that is sent.
    pub reply: T,
    /// Tags of what was changed, `publication:pub_…`: the edge lets go of what it caches under them.
    pub changed: Vec<String>,
    /// Version of the entity, which becomes its `ETag`.
    pub version: Option<u64>,
    /// Whether this is the stored answer to an earlier request with the same key.
    pub is_replayed: bool,
}

impl<T> Call<T> {
    /// Takes a request of tonic apart.
    pub fn from_request(request: tonic::Request<T>, clock: &Clock) -> Call<T> {
        let (map, _, request) = request.into_parts();
        let owned = |name| text(&map, name).map(str::to_owned);
        Call {
            caller: Caller::from_metadata(&map),
            request,
            idempotency_key: owned(metadata::IDEMPOTENCY_KEY),
            if_match: text(&map, metadata::IF_MATCH).map(|version| version.parse().unwrap_or(0)),
            now_ms: clock.now_ms(),
            language: owned(metadata::LANGUAGE),
            request_id: owned(metadata::REQUEST_ID),
        }
    }

    /// A call without metadata, for tests and for work that a service gives itself.
    pub fn new(caller: Caller, request: T, now_ms: u64) -> Call<T> {
        Call {
            caller,
            request,
            idempotency_key: None,
            if_match: None,
            now_ms,
            language: None,
            request_id: None,
        }
    }

    /// Sets the idempotency key.
    pub fn keyed(self, key: impl Into<String>) -> Call<T> {
        Call { idempotency_key: Some(key.into()), ..self }
    }

    /// The same call with another request: the parsed one, or one without what must not be kept as a fingerprint
    /// (a password).
    pub fn with<U>(&self, request: U) -> Call<U> {
        Call {
            caller: self.caller.clone(),
            request,
            idempotency_key: self.idempotency_key.clone(),
            if_match: self.if_match,
            now_ms: self.now_ms,
            language: self.language.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// Checks `If-Match` against the current version; passes when the client sent none.
    ///
    /// # Errors
    /// [`Fault::version_mismatch`].
    pub fn check_version(&self, current: u64) -> Result<(), Fault> {
        if self.if_match.is_none_or(|wanted| wanted == current) {
            Ok(())
        } else {
            Err(Fault::version_mismatch())
        }
    }
}

impl<T> Answer<T> {
    /// An answer that changed nothing.
    pub fn new(reply: T) -> Answer<T> {
        Answer { reply, changed: Vec::new(), version: None, is_replayed: false }
    }

    /// Names something that was changed: `kind:id`.
    pub fn changed(mut self, tag: impl Into<String>) -> Answer<T> {
        self.changed.push(tag.into());
        self
    }

    /// Gives the entity's version.
    pub fn version(self, version: u64) -> Answer<T> {
        Answer { version: Some(version), ..self }
    }

    /// The same answer with another message.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Answer<U> {
        let Answer { reply, changed, version, is_replayed } = self;
        Answer { reply: map(reply), changed, version, is_replayed }
    }

    /// The response of tonic, with the metadata that the edge reads.
    pub fn into_response(self) -> tonic::Response<T> {
        let mut response = tonic::Response::new(self.reply);
        let map = response.metadata_mut();
        if !self.changed.is_empty() {
            set(map, metadata::CHANGED, &joined(&self.changed));
        }
        if let Some(version) = self.version {
            map.insert(metadata::VERSION, MetadataValue::from(version));
        }
        if self.is_replayed {
            map.insert(metadata::REPLAYED, MetadataValue::from_static("true"));
        }
        response
    }
}

/// Ends an rpc: the answer becomes a response, the error a status; a defect of ours is logged here, once, with its sources.
///
/// # Errors
/// The fault of the error, as a status.
pub fn respond<T, E: IntoFault + Error>(
    result: Result<Answer<T>, E>,
) -> Result<tonic::Response<T>, tonic::Status> {
    match result {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) => {
            let fault = error.fault();
            match fault.code {
                Code::Internal => tracing::error!(error = chain(&error), "an rpc failed by a defect"),
                Code::Unavailable => {
                    tracing::warn!(error = chain(&error), reason = %fault.reason, "an rpc could not be served")
                }
                _ => tracing::debug!(error = chain(&error), reason = %fault.reason, "an rpc was refused"),
            }
            Err(fault.into())
        }
    }
}

/// An error and its sources in one line, for the log.
pub(crate) fn chain(error: &(impl Error + ?Sized)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn set(map: &mut MetadataMap, name: &'static str, value: &str) {
    match value.parse() {
        Ok(value) => {
            map.insert(name, value);
        }
        Err(_) => tracing::error!(name, "a value does not fit into the metadata"),
    }
}

fn joined(tags: &[String]) -> String {
    let mut text = String::new();
    for tag in tags {
        if text.len() + tag.len() + 1 > CHANGED_BYTES_MAX {
            tracing::error!(
                tags = tags.len(),
                "too many tags for one answer; caches stay stale until their time is over"
            );
            break;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(tag);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_the_edge_what_changed() {
        let response = Answer::new(()).changed("a:1").changed("b:2").version(7).into_response();
        let map = response.metadata();
        assert_eq!(text(map, metadata::CHANGED), Some("a:1,b:2"));
        assert_eq!(text(map, metadata::VERSION), Some("7"));
        assert_eq!(text(map, metadata::REPLAYED), None);
    }

    #[test]
    fn a_version_that_is_none_never_matches() {
        let mut request = tonic::Request::new(());
        request.metadata_mut().insert(metadata::IF_MATCH, "abc".parse().unwrap());
        let call = Call::from_request(request, &Clock::manual(9));
        assert_eq!((call.if_match, call.now_ms), (Some(0), 9));
        assert!(call.check_version(1).is_err());
        assert!(call.with(()).check_version(0).is_ok());
    }
}
