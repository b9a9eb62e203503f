//! A small service to test with: notes that are put, counted and told to others.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic_prost::ProstCodec;
use vitrina_broker::{Message, Queue, QueueKind};
use vitrina_chassis::{
    Answer, Call, Context, Decision, Fault, FieldError, IntoFault, Refused, Service, event, respond, unit,
};
use vitrina_storage::{Commit, Store, Table};

pub(crate) const PUT: &str = "vitrina.test.v1.Notes/Put";
pub(crate) const TOPIC: &str = "notes.put";
pub(crate) const NOTES: Table<String, Note> = Table::new(0x10, "notes");
pub(crate) const COUNTS: Table<String, Count> = Table::new(0x11, "counts");

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Count {
    #[prost(uint64, tag = "1")]
    pub(crate) count: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the store failed")]
    Store(#[from] vitrina_storage::Error),
    #[error("refused")]
    Refused(#[from] Refused),
    #[error("refused")]
    Fault(#[from] Fault),
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Store(error) => error.fault(),
            Error::Refused(error) => error.fault(),
            Error::Fault(fault) => fault.clone(),
        }
    }
}

/// The service, with a gate that holds the calls named `wait` until the test opens it.
#[derive(Clone)]
pub(crate) struct Notes {
    pub(crate) ctx: Context,
    pub(crate) gate: Arc<Semaphore>,
}

impl Notes {
    pub(crate) fn new(ctx: Context) -> Notes {
        Notes { ctx, gate: Arc::new(Semaphore::new(0)) }
    }

    /// The service as it is started: its rpc, and an inbox that counts the notes by name.
    pub(crate) fn service(&self) -> Service {
        let store = self.ctx.store.clone();
        Service::new("notes")
            .grpc(self.clone())
            .inbox(inbox_queue(), move |message: &Message| count_up(&store, message).map(Some))
    }

    async fn put(self, request: tonic::Request<Note>) -> Result<tonic::Response<Count>, tonic::Status> {
        let call = Call::from_request(request, &self.ctx.clock);
        match call.request.name.as_str() {
            "wait" => drop(self.gate.acquire().await.unwrap()),
            "panic" => panic!("a defect, as asked for"),
            "hang" => std::future::pending().await,
            _ => {}
        }
        respond(put(&self.ctx.store, &call).await)
    }
}

pub(crate) fn inbox_queue() -> Queue {
    Queue {
        name: "notes.inbox".to_owned(),
        topics: vec!["notes.*".to_owned()],
        kind: QueueKind::Durable,
        prefetch: 16,
    }
}

/// Puts a note and counts up how many there are of its name; tells it to others.
pub(crate) async fn put(store: &Store, call: &Call<Note>) -> Result<Answer<Count>, Error> {
    let note = &call.request;
    if note.name.is_empty() {
        let field = FieldError::new("name", "required", "must not be empty");
        return Err(Fault::invalid(vec![field]).into());
    }
    if note.name == "taken" {
        return Err(Fault::conflict("name_taken", "the name is taken").retry_after_ms(1500).into());
    }
    unit(store, call, PUT, || {
        let row = NOTES.get(store, &note.name)?;
        let mut commit = Commit::new();
        match &row {
            Some(row) => commit.expect(&NOTES, &note.name, row.version),
            None => commit.expect_absent(&NOTES, &note.name),
        };
        let version = row.map_or(1, |row| row.version + 1);
        commit.put(&NOTES, &note.name, note);
        commit.emit(event(TOPIC, &note.name, note));
        let answer =
            Answer::new(Count { count: version }).changed(format!("note:{}", note.name)).version(version);
        Ok(Decision::new(commit, answer))
    })
    .await
}

/// The effect of a message: one more for the note's name.
pub(crate) fn count_up(store: &Store, message: &Message) -> Result<Commit, Error> {
    let note: Note = vitrina_chassis::decode(message)?;
    let mut commit = Commit::new();
    let count = match COUNTS.get(store, &note.name)? {
        Some(row) => {
            commit.expect(&COUNTS, &note.name, row.version);
            row.value.count + 1
        }
        None => {
            commit.expect_absent(&COUNTS, &note.name);
            1
        }
    };
    commit.put(&COUNTS, &note.name, &Count { count });
    Ok(commit)
}

pub(crate) fn counted(store: &Store, name: &str) -> u64 {
    COUNTS.get(store, &name.to_owned()).unwrap().map_or(0, |row| row.value.count)
}

pub(crate) fn note(name: &str, text: &str) -> Note {
    Note { name: name.to_owned(), text: text.to_owned() }
}

/// Waits until something holds; fails the test after a minute.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Calls `Put` the way a generated client does.
pub(crate) async fn call_put<T>(
    transport: T,
    request: tonic::Request<Note>,
) -> Result<tonic::Response<Count>, tonic::Status>
where
    T: tonic::client::GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: tonic::transport::Body<Data = bytes::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::transport::Body>::Error: Into<StdError> + Send,
{
    let mut client = tonic::client::Grpc::new(transport);
    client.ready().await.map_err(|error| tonic::Status::unavailable(error.into().to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/vitrina.test.v1.Notes/Put");
    client.unary(request, path, ProstCodec::default()).await
}

pub(crate) fn metadata(pairs: &[(&'static str, &str)]) -> MetadataMap {
    let mut map = MetadataMap::new();
    for (name, value) in pairs {
        map.insert(*name, value.parse().unwrap());
    }
    map
}

// What tonic-build would generate for `service Notes { rpc Put(Note) returns (Count); }`.

impl NamedService for Notes {
    const NAME: &'static str = "vitrina.test.v1.Notes";
}

struct Put(Notes);

impl UnaryService<Note> for Put {
    type Response = Count;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Count>, tonic::Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Note>) -> Self::Future {
        Box::pin(self.0.clone().put(request))
    }
}

impl tower::Service<Request<Body>> for Notes {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let put = Put(self.clone());
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(put, request).await) })
    }
}
