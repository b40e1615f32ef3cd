//! Fetching a file for a client: JSON on `POST /uploadFile`. What arrives from the source goes the
//! way of an upload; the client waits, and when it leaves, the connection drops all of this.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::request::Parts;
use http::{Response, StatusCode};

use super::body::Body;
use super::error::HttpError;
use super::face::FaceParts;
use super::upload::{self, ACCEPTED, Part, Tally};
use super::watch::Watch;
use crate::import::{ImportError, Source};
use crate::wire::{ImportRequest, SourceUrl};

/// `{"file": "<url>"}`.
pub(super) async fn from_url(
    face: &FaceParts,
    watch: &Watch,
    head: &Parts,
    document: &[u8],
) -> Result<Response<Body>, HttpError> {
    let request: ImportRequest = serde_json::from_slice(document).map_err(|error| {
        HttpError::bad_request(format!("this is no upload: {error}; send {ACCEPTED}"))
    })?;
    watch.needs_client();
    let tally = Tally::begin(face);
    let result = match fetch(face, &request.file).await {
        Ok(part) => upload::finish(face, head, vec![part], tally).await,
        Err(error) => Err(error),
    };
    let metrics = &face.worker_metrics;
    match &result {
        Ok(_) => metrics.imports_ok.increment(),
        Err(error) if is_refusal(error.status()) => metrics.imports_refused.increment(),
        Err(_) => metrics.imports_failed.increment(),
    }
    result
}

/// Whether it is we who did not want to.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE
}

async fn fetch(face: &FaceParts, url: &str) -> Result<Part, HttpError> {
    let url = SourceUrl::parse(url).map_err(ImportError::from)?;
    let source = face.importer.begin(url, face.options.max_upload_size_bytes).await?;
    let name = source.name().to_owned();
    let new = upload::new_object(&name, source.content_type(), source.size_bytes());
    let receiving = face.store.create(new).await?;
    let sealed = upload::receive(receiving, &mut Box::pin(frames(face, source)), None).await?;
    Ok(Part { name, sealed, digests: Vec::new() })
}

fn frames(
    face: &FaceParts,
    source: Source,
) -> impl Stream<Item = Result<Bytes, ImportError>> + use<'_> {
    let received = &face.worker_metrics.imported_bytes;
    source.into_frames().inspect_ok(|frame| received.add(frame.len() as u64))
}
