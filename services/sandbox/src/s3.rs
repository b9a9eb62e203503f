//! S3: the part of it that keeps images, on files that survive a crash.
//!
//! `s3s` speaks the protocol (signatures, presigned URLs, XML); what an object is and how it gets on disk is in
//! [`shelf`]. No versions, no multipart uploads, no ACLs: those are answered by `NotImplemented`.

mod api;
mod digest;
mod list;
mod object;
mod shelf;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

use self::shelf::Shelf;
use crate::config::SandboxConfig;
use crate::error::Error;
use crate::knobs::{self, Gate};

/// Opens the objects of a data folder; the caller's thread may block.
pub(crate) fn open(dir: &Path, config: &SandboxConfig) -> Result<S3Service, Error> {
    let shelf = Shelf::open(dir)?;
    shelf.make_bucket(&config.s3_bucket).map_err(crate::disk::failed(dir))?;
    let mut builder = S3ServiceBuilder::new(api::Api::new(Arc::new(shelf)));
    builder.set_auth(SimpleAuth::from_single(config.s3_access_key.clone(), config.s3_secret_key.clone()));
    Ok(builder.build())
}

/// The files of all objects, in order; those of uploads under way are not among them.
pub(crate) fn objects(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for bucket in fs::read_dir(dir)? {
        for object in fs::read_dir(shelf::objects_of(&bucket?.path()))? {
            files.push(object?.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether the content of an object's file is what was put.
pub(crate) fn is_whole(file: &Path) -> bool {
    object::is_whole(file).unwrap_or(false)
}

/// Serves them, as the knobs say.
pub(crate) fn router(service: S3Service, gate: Gate) -> Router {
    Router::new().fallback(serve).layer(middleware::from_fn_with_state(gate, knobs::gate)).with_state(service)
}

async fn serve(State(service): State<S3Service>, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::warn!(?error, "the sandbox's S3 could not answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
