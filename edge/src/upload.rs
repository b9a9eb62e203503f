//! The bytes of an upload: the body as it came, or the one file of a form.
//!
//! The body is read whole before it is looked at, within the bound of its route, so a form is parsed in memory. The
//! service finds out by itself what the bytes are: neither a declared type nor a file's name is believed.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream;
use http::header;
use multer::Multipart;
use vitrina_proto::routes::{Auth, Kind, Route};

use crate::reply::Problem;
use crate::request::Head;

/// What a form may add to its file: boundaries and the header of the part. Browsers need less than 300 bytes.
const FORM_BYTES_MAX: usize = 8 * 1024;

/// Bytes that the body of a route may have as it comes.
pub(crate) fn body_bytes_max(head: &Head, route: &Route) -> usize {
    if takes_files(route) && is_form(head) {
        route.body_bytes_max + FORM_BYTES_MAX
    } else {
        route.body_bytes_max
    }
}

/// Whether a client may send a file to the route in any form.
pub(crate) fn takes_files(route: &Route) -> bool {
    route.kind == Kind::Upload && route.auth != Auth::Signed
}

/// What the service gets of a body.
///
/// # Errors
/// 400 for a form that is none or that holds anything but one file, 413 when the file is too large.
pub(crate) async fn content(head: &Head, route: &Route, body: &Bytes) -> Result<Bytes, Problem> {
    if !takes_files(route) || !is_form(head) {
        return Ok(body.clone());
    }
    let boundary = head
        .text(header::CONTENT_TYPE)
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| malformed("The form has no boundary."))?;
    let file = file(boundary, body.clone()).await?;
    if file.len() > route.body_bytes_max {
        let detail = format!("The file may have at most {} bytes here.", route.body_bytes_max);
        return Err(Problem::new(413, "body_too_large", detail));
    }
    Ok(file)
}

/// The one file of a form. Other parts are refused, as unknown members of a JSON body are.
async fn file(boundary: String, body: Bytes) -> Result<Bytes, Problem> {
    let broken = |_| malformed("The form is broken off or wrongly built.");
    let chunks = stream::iter([Ok::<_, Infallible>(body)]);
    let mut form = Multipart::new(chunks, boundary);
    let mut file = None;
    while let Some(part) = form.next_field().await.map_err(broken)? {
        if part.file_name().is_none() || file.is_some() {
            return Err(malformed("The form must have exactly one part, a file with its name."));
        }
        file = Some(part.bytes().await.map_err(broken)?);
    }
    file.ok_or_else(|| malformed("The form holds no file."))
}

fn is_form(head: &Head) -> bool {
    head.text(header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("multipart/form-data"))
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(400, "form_invalid", detail)
}
