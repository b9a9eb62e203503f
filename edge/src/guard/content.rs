//! The form of a body, by its declared type. Whether the bytes are of that form is found out when they are read.

use http::header;
use vitrina_proto::routes::{Body, Kind, Route};

use crate::reply::Problem;
use crate::request::Head;
use crate::upload;

/// What files are sent as: a form, or the bytes alone.
const FILES: &str = "multipart/form-data, image/*, application/octet-stream";

/// # Errors
/// 415 when a body comes in another form than the route takes.
pub(crate) fn check(head: &Head, route: &Route) -> Result<(), Problem> {
    let has_body = head.headers.contains_key(header::TRANSFER_ENCODING)
        || head.text(header::CONTENT_LENGTH).is_some_and(|length| length.trim() != "0");
    if !has_body {
        return Ok(());
    }
    let sent = head.text(header::CONTENT_TYPE).unwrap_or_default();
    let media = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (is_taken, accepted) = match (route.body, route.kind) {
        (Body::None, _) => (true, ""),
        (Body::Json, _) => {
            (media == "application/json" || media == "application/merge-patch+json", "application/json")
        }
        (Body::Bytes, Kind::Csv) => (media == "text/csv", "text/csv"),
        (Body::Bytes, _) if upload::takes_files(route) => {
            let is_form = media == "multipart/form-data";
            (is_form || media == "application/octet-stream" || media.starts_with("image/"), FILES)
        }
        (Body::Bytes, _) => (true, ""),
    };
    if is_taken {
        return Ok(());
    }
    Err(Problem::new(415, "unsupported_media_type", format!("The body must be {accepted} here."))
        .with(header::ACCEPT, accepted))
}
