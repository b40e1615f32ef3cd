//! Handing out stored files: `GET` and `HEAD /files/{file_id}`, `POST /downloadFile`.

use std::str;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};

use super::body::Body;
use super::error::HttpError;
use super::face::FaceParts;
use super::file_answer::{FileAnswer, FileSource, text};
use super::form;
use super::request_body::RequestBody;
use crate::base::limits::{DOCUMENT_SIZE_MAX, FILE_ID_SIZE_MAX};
use crate::id::OpenedId;
use crate::store::Stored;
use crate::wire::{
    DownloadRequest, EntityTag, MediaType, Validators, attachment, decode_percent, digest_member,
    form_value, wanted_algorithm,
};

const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// What strangers uploaded is never run on behalf of this server: no scripts, no requests, an
/// origin of its own.
const SECURITY_POLICY: &str = "sandbox; default-src 'none'";
/// What `/downloadFile` takes.
const ACCEPTED: &str = "application/json, application/x-www-form-urlencoded or \
                        multipart/form-data with a file_id";

/// `GET`, `HEAD /files/{file_id}`.
pub(super) async fn by_path(
    face: &FaceParts,
    segment: &str,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let opened = open_id(face, segment)?;
    answer(face, &opened, request.method(), request.headers()).await
}

/// `POST /downloadFile`.
pub(super) async fn by_form(
    face: &FaceParts,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let (head, body) = request.into_parts();
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(MediaType::parse);
    let file_id = match media_type.as_ref().map(MediaType::essence) {
        Some("application/json") => from_json(&body.collect(DOCUMENT_SIZE_MAX).await?)?,
        Some("application/x-www-form-urlencoded") => {
            from_urlencoded(&body.collect(DOCUMENT_SIZE_MAX).await?)?
        }
        Some("multipart/form-data") => {
            let boundary = media_type.as_ref().and_then(MediaType::boundary);
            form::field(body, boundary, "file_id").await?.ok_or_else(file_id_missing)?
        }
        Some(_) | None => return Err(HttpError::unsupported_type(ACCEPTED)),
    };
    let opened = face.ids.open(&file_id).ok_or_else(HttpError::no_such_file)?;
    answer(face, &opened, &Method::GET, &head.headers).await
}

/// Opens the ID in a path. Checks the ID alone: what it names may be gone.
pub(super) fn open_id(face: &FaceParts, segment: &str) -> Result<OpenedId, HttpError> {
    // Encoded, each byte of an ID may take three.
    if segment.len() > 3 * FILE_ID_SIZE_MAX {
        return Err(HttpError::no_such_file());
    }
    let file_id = decode_percent(segment).ok_or_else(HttpError::no_such_file)?;
    face.ids.open(&file_id).ok_or_else(HttpError::no_such_file)
}

async fn answer(
    face: &FaceParts,
    opened: &OpenedId,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let stored = face.store.open(opened.object).await?;
    face.worker_metrics.downloads.increment();
    let mut response = describe(stored.clone(), &opened.name).respond(method, headers)?;
    // A 304 describes no representation: nothing is computed for it.
    if response.status().is_success()
        && let Some(digest) = wanted_digest(face, opened, &stored, headers).await
    {
        response.headers_mut().insert(REPR_DIGEST, digest);
    }
    Ok(response)
}

/// The digest that the client would like (RFC 9530, section 4), of the whole file whatever range
/// it asks for. It is a wish: what cannot be had soon is left out.
async fn wanted_digest(
    face: &FaceParts,
    opened: &OpenedId,
    stored: &Stored,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let algorithm = wanted_algorithm(&text(headers, &WANT_REPR_DIGEST)?)?;
    let drain = face.drain.clone();
    let stop = async move { drain.wait().await };
    let digest = face.digests.of(opened.object, stored, algorithm, stop).await?;
    HeaderValue::from_str(&digest_member(&digest)).ok()
}

fn describe(stored: Stored, name: &str) -> FileAnswer {
    let seal = stored.seal();
    FileAnswer {
        size_bytes: seal.size_bytes,
        content_type: seal.content_type.clone(),
        disposition: attachment(name),
        validators: Validators {
            tag: EntityTag::strong(&data_encoding::HEXLOWER.encode(&seal.blake3)),
            modified: seal.created,
            // An object never changes.
            modified_is_strong: true,
        },
        security_policy: Some(SECURITY_POLICY),
        source: FileSource::Object(stored),
    }
}

fn from_json(body: &[u8]) -> Result<String, HttpError> {
    let request: DownloadRequest = serde_json::from_slice(body).map_err(|error| {
        HttpError::bad_request(format!("send JSON like {{\"file_id\": \"...\"}}: {error}"))
    })?;
    Ok(request.file_id)
}

fn from_urlencoded(body: &[u8]) -> Result<String, HttpError> {
    let form = str::from_utf8(body).ok();
    form.and_then(|form| form_value(form, "file_id")).ok_or_else(file_id_missing)
}

fn file_id_missing() -> HttpError {
    HttpError::bad_request("the form has no file_id: send file_id=<the file's ID>")
}
