//! Lets few uploads in at once, before their bytes are read.
//!
//! An upload is up to 10 MiB in memory from the moment on in which its message is read, which happens before any code of an
//! rpc runs. So this stands around the server: the body of an upload that waits stays with its sender, held back by the flow
//! control of HTTP/2. Other rpcs pass.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use vitrina_chassis::Fault;

use crate::config::Config;

/// The rpcs that hold a whole picture.
const UPLOADS: [&str; 3] = ["/UploadProductImage", "/PutAvatar", "/CompleteUpload"];
/// Uploads that wait for their turn. An upload takes some 200 ms, so the last of them waits about as long as it may.
const WAITING_MAX: usize = 64;

/// The places of those who upload and of those who wait; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    wait_max: Duration,
}

/// A server behind its gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate<S> {
    server: S,
    places: Places,
}

impl Places {
    pub(crate) fn new(config: &Config) -> Places {
        Places {
            working: Arc::new(Semaphore::new(config.uploads_max.max(1))),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            wait_max: Duration::from_millis(config.upload_wait_ms),
        }
    }

    /// A place to work; none when too many wait, or when it takes too long.
    async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let working = Arc::clone(&self.working);
        if let Ok(place) = Arc::clone(&working).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        tokio::time::timeout(self.wait_max, working.acquire_owned()).await.ok()?.ok()
    }
}

impl<S> Gate<S> {
    pub(crate) fn new(server: S, places: Places) -> Gate<S> {
        Gate { server, places }
    }
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> tower::Service<Request<Body>> for Gate<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.server.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone is a new one to tower; the one that was asked to be ready is the one that is called.
        let fresh = self.server.clone();
        let mut server = std::mem::replace(&mut self.server, fresh);
        if !UPLOADS.iter().any(|rpc| request.uri().path().ends_with(rpc)) {
            return Box::pin(server.call(request));
        }
        let places = self.places.clone();
        Box::pin(async move {
            match places.enter().await {
                Some(_place) => server.call(request).await,
                None => Ok(Status::from(busy()).into_http()),
            }
        })
    }
}

fn busy() -> Fault {
    Fault::unavailable("busy", "too many pictures are being uploaded at the moment")
}
