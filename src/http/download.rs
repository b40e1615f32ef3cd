//! Handing out stored files: `GET` and `HEAD /files/{file_id}`, `POST /downloadFile`.

use std::str;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};

use super::body::Body;
use super::error::HttpError;
use super::face::FaceParts;
use super::file_answer::{Description, FileAnswer, FileSource, text};
use super::form;
use super::request_body::RequestBody;
use crate::base::limits::{DOCUMENT_SIZE_MAX, FILE_ID_SIZE_MAX};
use crate::id::OpenedId;
use crate::store::{Seal, StoreError, StoreErrorKind, Stored};
use crate::wire::{
    DigestAlgorithm, DownloadRequest, EntityTag, MediaType, Validators, attachment, decode_percent,
    digest_member, form_value, wanted_algorithm,
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
    request: Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let opened = open_id(face, segment)?;
    let (head, _body) = request.into_parts();
    answer(face, &opened, &head.method, head.headers).await
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
    answer(face, &opened, &Method::GET, head.headers).await
}

/// Opens the ID in a path. Checks the ID alone: what it names may be gone.
pub(super) fn open_id(face: &FaceParts, segment: &str) -> Result<OpenedId, HttpError> {
    // Encoded, each byte of an ID may take three.
    if segment.len() > 3 * FILE_ID_SIZE_MAX {
        return Err(HttpError::no_such_file());
    }
    let opened = if segment.contains('%') {
        decode_percent(segment).and_then(|file_id| face.ids.open(&file_id))
    } else {
        face.ids.open(segment)
    };
    opened.ok_or_else(HttpError::no_such_file)
}

async fn answer(
    face: &FaceParts,
    opened: &OpenedId,
    method: &Method,
    headers: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let stored = open_object(face, opened).await.inspect_err(|error| {
        if error.kind() == StoreErrorKind::Damaged {
            face.worker_metrics.damaged_reads.increment();
        }
    })?;
    face.worker_metrics.downloads.increment();
    let wanted = text(&headers, &WANT_REPR_DIGEST).and_then(|wish| wanted_algorithm(&wish));
    let Some(algorithm) = wanted else {
        return describe(stored, &opened.name).respond(method, headers);
    };
    let mut response = describe(stored.clone(), &opened.name).respond(method, headers)?;
    // A 304 describes no representation: nothing is computed for it.
    if response.status().is_success()
        && let Some(digest) = Box::pin(wanted_digest(face, opened, &stored, algorithm)).await
    {
        response.headers_mut().insert(REPR_DIGEST, digest);
    }
    Ok(response)
}

/// Boxed where it has to wait: most objects that are asked for are at hand.
async fn open_object(face: &FaceParts, opened: &OpenedId) -> Result<Stored, StoreError> {
    match face.store.open_at_hand(opened.object) {
        Some(stored) => Ok(stored),
        None => Box::pin(face.store.open(opened.object)).await,
    }
}

/// The digest that the client would like (RFC 9530, section 4), of the whole file whatever range
/// it asks for. It is a wish: what cannot be had soon is left out.
async fn wanted_digest(
    face: &FaceParts,
    opened: &OpenedId,
    stored: &Stored,
    algorithm: DigestAlgorithm,
) -> Option<HeaderValue> {
    let drain = face.drain.clone();
    let stop = async move { drain.wait().await };
    let digest = face.digests.of(opened.object, stored, algorithm, stop).await?;
    HeaderValue::from_str(&digest_member(&digest)).ok()
}

fn describe(stored: Stored, name: &str) -> FileAnswer {
    FileAnswer {
        size_bytes: stored.seal().size_bytes,
        description: description(stored.seal(), name),
        source: FileSource::Object(stored),
    }
}

/// What is said of a stored file.
pub(super) fn description(seal: &Seal, name: &str) -> Description {
    Description {
        content_type: seal.content_type.clone(),
        disposition: attachment(name),
        validators: Validators {
            tag: EntityTag::strong(&data_encoding::HEXLOWER.encode(&seal.blake3)),
            modified: seal.created,
            // An object never changes.
            modified_is_strong: true,
        },
        security_policy: Some(SECURITY_POLICY),
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
