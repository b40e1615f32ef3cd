//! What the operator's machines ask: `/healthz`, `/readyz`, `/metrics`.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::body::Body;
use super::error::HttpError;
use super::face::FaceParts;

/// `/healthz`: the worker that answers this is alive.
pub(super) fn alive() -> Response<Body> {
    plain("text/plain; charset=utf-8", "ok\n".into())
}

/// `/readyz`: whether to send new requests here.
pub(super) fn ready(face: &FaceParts) -> Result<Response<Body>, HttpError> {
    if face.drain.is_draining() {
        return Err(HttpError::stopping());
    }
    // A full volume is ready: it hands files out, and refuses only what it has no room for.
    if let Some(cause) = face.store.volume_failure() {
        return Err(HttpError::volume_failed(&cause));
    }
    Ok(plain("text/plain; charset=utf-8", "ready\n".into()))
}

/// `/metrics`, in the Prometheus text format.
pub(super) fn metrics(face: &FaceParts) -> Response<Body> {
    plain("text/plain; version=0.0.4; charset=utf-8", face.metrics.render())
}

fn plain(content_type: &'static str, text: String) -> Response<Body> {
    let size_bytes = text.len();
    let mut response = Response::new(Body::bytes(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size_bytes));
    response
}
