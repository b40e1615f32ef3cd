//! Taking in files: `POST /uploadFile` and `PUT /files/{name}`.
//!
//! All or nothing: every part is sealed as it comes, without a name, and all of them get their
//! names in one [`publish`](crate::store::Store::publish) at the end. A failure anywhere drops what
//! was sealed, and dropping discards.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use multer::Field;
use serde::Serialize;
use tokio::time::timeout;

use super::body::Body;
use super::digest_check::DigestCheck;
use super::error::HttpError;
use super::face::FaceParts;
use super::form;
use super::import;
use super::multipart::Forms;
use super::request_body::{RequestBody, RequestError};
use super::watch::Watch;
use crate::base::limits::{DOCUMENT_SIZE_MAX, PARK_AFTER_MS};
use crate::store::{NewObject, Published, Receiving, Sealed};
use crate::wire::{
    Digest, MediaType, UploadAnswer, UploadsAnswer, choose_content_type, decode_percent,
    safe_file_name,
};

/// What `/uploadFile` takes.
pub(super) const ACCEPTED: &str = "multipart/form-data with a file, JSON {\"file\": \"<url>\"}, or PUT the bytes to /files/<name>";

/// A part that is whole and has no name yet.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) sealed: Sealed,
    /// Computed because the client announced one; they were right.
    pub(super) digests: Vec<Digest>,
}

/// `POST /uploadFile`.
pub(super) async fn form(
    face: &FaceParts,
    watch: &Watch,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let (head, mut body) = request.into_parts();
    accept(face, &head, &mut body).await?;
    // Some clients say they have no type by sending an empty one.
    let given = header_text(&head.headers, &CONTENT_TYPE).filter(|given| !given.is_empty());
    let media_type = given.and_then(MediaType::parse);
    match media_type.as_ref().map(MediaType::essence) {
        Some("multipart/form-data") => {
            let boundary = media_type.as_ref().and_then(MediaType::boundary);
            receive_form(face, &head, Forms::new(body, boundary)).await
        }
        // Clients of the older system send no type; the body begins with its boundary line.
        None if given.is_none() => receive_form(face, &head, Forms::new(body, None)).await,
        Some("application/json") => {
            let document = body.collect(DOCUMENT_SIZE_MAX).await?;
            import::from_url(face, watch, &head, &document).await
        }
        Some(_) | None => Err(HttpError::unsupported_type(ACCEPTED)),
    }
}

/// `PUT /files/{name}`.
pub(super) async fn put(
    face: &FaceParts,
    segment: &str,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let (head, mut body) = request.into_parts();
    accept(face, &head, &mut body).await?;
    let given = decode_percent(segment).ok_or_else(|| {
        HttpError::bad_request("the file name in the path is not percent-encoded UTF-8")
    })?;
    let name = safe_file_name(&given);
    let content_type = header_text(&head.headers, &CONTENT_TYPE);
    let new = new_object(&name, content_type, body.claimed_bytes());
    let tally = Tally::begin(face);
    let receiving = face.store.create(new).await?.alone();
    let sealed = receive(receiving, &mut body, None).await?;
    let digests = body.digests().to_vec();
    finish(face, &head, vec![Part { name, sealed, digests }], tally).await
}

/// The checks that need no body; a client that waits for `100 Continue` is refused before it sends.
async fn accept(face: &FaceParts, head: &Parts, body: &mut RequestBody) -> Result<(), HttpError> {
    if face.drain.is_draining() {
        return Err(HttpError::stopping());
    }
    if let Some(limit_bytes) = face.options.max_upload_size_bytes {
        body.limit(limit_bytes)?;
    }
    body.check_digests(&head.headers)?;
    Ok(face.store.check_room(body.claimed_bytes().unwrap_or(0)).await?)
}

async fn receive_form(
    face: &FaceParts,
    head: &Parts,
    mut forms: Forms,
) -> Result<Response<Body>, HttpError> {
    let tally = Tally::begin(face);
    let mut parts = Vec::new();
    while let Some(field) = forms.next_field().await? {
        if field.file_name().is_some() {
            parts.push(receive_part(face, field).await?);
        } else {
            form::value(field).await?;
        }
    }
    if parts.is_empty() {
        return Err(HttpError::bad_request(
            "the form has no file: send at least one part with a filename, as curl -F file=@name",
        ));
    }
    finish(face, head, parts, tally).await
}

async fn receive_part(face: &FaceParts, mut field: Field<'static>) -> Result<Part, HttpError> {
    let name = safe_file_name(field.file_name().unwrap_or_default());
    let content_type = header_text(field.headers(), &CONTENT_TYPE);
    let mut check = DigestCheck::of_part(field.headers()).map_err(RequestError::from)?;
    let receiving = face.store.create(new_object(&name, content_type, None)).await?;
    let sealed = receive(receiving, &mut field, Some(&mut check)).await?;
    Ok(Part { name, sealed, digests: check.computed().to_vec() })
}

pub(super) fn new_object(
    name: &str,
    content_type: Option<&str>,
    size_bytes: Option<u64>,
) -> NewObject {
    let content_type = choose_content_type(content_type, name);
    NewObject { name: name.to_owned(), content_type, size_bytes }
}

/// Writes all frames, and holds them to their digests if there is a check that the frames do not
/// bring with them. When their sender pauses, the upload's buffer goes back to the others.
pub(super) async fn receive<S, E>(
    mut receiving: Receiving,
    frames: &mut S,
    mut check: Option<&mut DigestCheck>,
) -> Result<Sealed, HttpError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    HttpError: From<E>,
{
    let park_after = Duration::from_millis(PARK_AFTER_MS);
    loop {
        let next = if let Ok(next) = timeout(park_after, frames.next()).await {
            next
        } else {
            receiving.park().await?;
            frames.next().await
        };
        match (next, &mut check) {
            (Some(frame), None) => receiving.write(&frame?).await?,
            (Some(frame), Some(check)) => write_checked(&mut receiving, frame?, check).await?,
            (None, check) => {
                if let Some(check) = check {
                    check.finish(None).map_err(RequestError::from)?;
                }
                return Ok(receiving.seal().await?);
            }
        }
    }
}

async fn write_checked(
    receiving: &mut Receiving,
    frame: Bytes,
    check: &mut DigestCheck,
) -> Result<(), HttpError> {
    check.offer(frame);
    while let Some(piece) = poll_fn(|cx| check.poll_piece(cx)).await {
        receiving.write(&piece).await?;
    }
    Ok(())
}

/// Gives all parts their names and answers with their IDs.
pub(super) async fn finish(
    face: &FaceParts,
    head: &Parts,
    parts: Vec<Part>,
    tally: Tally<'_>,
) -> Result<Response<Body>, HttpError> {
    let (described, sealed): (Vec<_>, Vec<_>) =
        parts.into_iter().map(|part| ((part.name, part.digests), part.sealed)).unzip();
    let published = face.store.publish(sealed).await?;
    assert!(published.len() == described.len());
    let stored_bytes = published.iter().map(|one| one.size_bytes).sum();
    face.worker_metrics.stored_bytes.add(stored_bytes);
    tally.succeed();
    let base = base_url(&head.headers);
    let mut files = Vec::with_capacity(described.len());
    for (published, (name, digests)) in published.iter().zip(described) {
        face.digests.keep(published.object, published.size_bytes, &digests);
        files.push(describe(face, published, name, &base)?);
    }
    match <[UploadAnswer; 1]>::try_from(files) {
        Ok([file]) => created(&file, &file.file_id),
        Err(files) => {
            let file_id = files.first().map(|file| file.file_id.clone()).unwrap_or_default();
            created(&UploadsAnswer { file_id: file_id.clone(), files }, &file_id)
        }
    }
}

fn describe(
    face: &FaceParts,
    published: &Published,
    name: String,
    base: &str,
) -> Result<UploadAnswer, HttpError> {
    let id = face.ids.issue(published.object, &name).map_err(|_| {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the file's name does not fit an ID")
    })?;
    Ok(UploadAnswer {
        url: format!("{base}/files/{id}"),
        delete_token: face.ids.delete_token(&id),
        file_id: id.to_string(),
        name,
        size: published.size_bytes,
        blake3: data_encoding::HEXLOWER.encode(&published.blake3),
    })
}

fn created(answer: &impl Serialize, file_id: &str) -> Result<Response<Body>, HttpError> {
    let internal = |_| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "no answer can be made");
    let json = serde_json::to_vec(answer).map_err(internal)?;
    let mut response = Response::new(Body::bytes(Bytes::from(json)));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = HeaderValue::from_str(&format!("/files/{file_id}")) {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

/// How the client reached this server, for the links in its answer: they go back to the client
/// that named the host, and to nobody else.
fn base_url(headers: &HeaderMap) -> String {
    let host = header_text(headers, &HOST).filter(|host| is_authority(host));
    let Some(host) = host else { return String::new() };
    let scheme = match headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        _ => "http",
    };
    format!("{scheme}://{host}")
}

fn is_authority(host: &str) -> bool {
    !host.is_empty()
        && host.parse::<http::uri::Authority>().is_ok_and(|a| !a.as_str().contains('@'))
}

fn header_text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    // What is no text is there all the same: it must not pass for a header that is absent.
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Counts an upload while it runs and how it ends.
pub(super) struct Tally<'a> {
    face: &'a FaceParts,
    has_succeeded: bool,
}

impl Tally<'_> {
    pub(super) fn begin(face: &FaceParts) -> Tally<'_> {
        face.worker_metrics.uploads_in_progress.increment();
        Tally { face, has_succeeded: false }
    }

    fn succeed(mut self) {
        self.has_succeeded = true;
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let metrics = &self.face.worker_metrics;
        metrics.uploads_in_progress.decrement();
        if self.has_succeeded {
            metrics.uploads_published.increment();
        } else {
            metrics.uploads_failed.increment();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_the_client_found_the_server() {
        for (host, proto, base) in [
            (Some("files.example:8080"), None, "http://files.example:8080"),
            (Some("files.example"), Some("https"), "https://files.example"),
            (Some("files.example"), Some("javascript"), "http://files.example"),
            (Some("[::1]:80"), None, "http://[::1]:80"),
            (Some("user@files.example"), None, ""),
            (Some("a b"), None, ""),
            (Some("a/b"), None, ""),
            (Some(""), None, ""),
            (None, None, ""),
        ] {
            let mut headers = HeaderMap::new();
            let mut set = |name: &'static str, value: Option<&'static str>| {
                value.map(|value| headers.insert(name, HeaderValue::from_static(value)));
            };
            set("host", host);
            set("x-forwarded-proto", proto);
            assert_eq!(base_url(&headers), base, "{host:?} {proto:?}");
        }
    }
}
