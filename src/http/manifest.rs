//! `GET /files/{file_id}/manifest`: what a parallel, verifying download needs to know.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::body::Body;
use super::download::open_id;
use super::error::HttpError;
use super::face::FaceParts;

/// Answers with the manifest of a file.
pub(super) async fn of_file(face: &FaceParts, segment: &str) -> Result<Response<Body>, HttpError> {
    let opened = open_id(face, segment)?;
    let body = Body::manifest(face.store.open(opened.object).await?);
    let size_bytes = body.left_bytes();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size_bytes));
    Ok(response)
}
