//! `GET /{path}`: files below the operator's public directory, by name.
//!
//! The store resolves the path and lets nothing out of the directory; what is decided here is what
//! a path means: one that ends in a slash is a directory and stands for its `index.html`, and a
//! directory without the slash is redirected to itself with one, so that its relative links work.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use http::header::LOCATION;
use http::{HeaderValue, Request, Response, StatusCode};

use super::body::Body;
use super::error::HttpError;
use super::face::FaceParts;
use super::file_answer::{Description, FileAnswer, FileSource};
use super::request_body::RequestBody;
use crate::store::{PublicFile, StoreErrorKind};
use crate::wire::{EntityTag, Validators, choose_content_type, decode_percent, inline};

/// What a directory stands for.
const INDEX: &str = "index.html";
/// Age from which on a modification time tells two states of a file apart: filesystems and HTTP
/// dates count in seconds, and clocks are not exact.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Answers with a public file.
pub(super) async fn file(
    face: &FaceParts,
    raw_path: &str,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HttpError> {
    let root = face.options.public.as_deref().ok_or_else(HttpError::no_such_path)?;
    let path = decode_percent(raw_path).ok_or_else(HttpError::no_such_path)?;
    let is_directory = path.is_empty() || path.ends_with('/');
    let target = if is_directory { Path::new(&path).join(INDEX) } else { PathBuf::from(&path) };
    if let Some(file) = open(face, root, &target).await? {
        let (head, _body) = request.into_parts();
        return describe(file, &target, SystemTime::now()).respond(&head.method, head.headers);
    }
    if !is_directory && open(face, root, &target.join(INDEX)).await?.is_some() {
        return Ok(redirect(raw_path));
    }
    Err(HttpError::no_such_path())
}

async fn open(
    face: &FaceParts,
    root: &Path,
    target: &Path,
) -> Result<Option<PublicFile>, HttpError> {
    // An absolute path would not be looked for below the directory.
    if target.is_absolute() {
        return Ok(None);
    }
    match face.store.open_public(root, target).await {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn describe(file: PublicFile, target: &Path, now: SystemTime) -> FileAnswer {
    let name = target.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let modified = file.modified();
    FileAnswer {
        size_bytes: file.size_bytes(),
        description: Description {
            content_type: content_type(&name),
            disposition: inline(&name),
            validators: Validators {
                tag: tag(modified, file.size_bytes()),
                modified,
                modified_is_strong: now
                    .duration_since(modified)
                    .is_ok_and(|age| age > SETTLED_AFTER),
            },
            // The operator's own pages may run scripts.
            security_policy: None,
        },
        source: FileSource::Public(file),
    }
}

/// By the name; text is taken for UTF-8, which browsers would otherwise have to guess.
fn content_type(name: &str) -> String {
    let guessed = choose_content_type(None, name);
    if guessed.starts_with("text/") { guessed + "; charset=utf-8" } else { guessed }
}

/// Modification time in nanoseconds, and size: what changes when the file does.
fn tag(modified: SystemTime, size_bytes: u64) -> EntityTag {
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EntityTag::strong(&format!("{:x}-{size_bytes:x}", since.as_nanos()))
}

/// To the same path with a slash, said relative to it, so that a path like `//example.org` leads
/// nowhere else.
fn redirect(raw_path: &str) -> Response<Body> {
    let last = raw_path.rsplit('/').next().unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::from_str(&format!("./{last}/")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_on_this_server() {
        for (path, location) in [
            ("docs", "./docs/"),
            ("a/docs", "./docs/"),
            ("/example.org", "./example.org/"),
            ("http:", "./http:/"),
        ] {
            assert_eq!(redirect(path).headers()[LOCATION], location, "{path}");
        }
    }

    #[test]
    fn text_is_utf_8_and_nothing_else_is_said_to_be() {
        assert_eq!(content_type("a.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("a.png"), "image/png");
        assert_eq!(content_type("a"), "application/octet-stream");
    }

    #[test]
    fn a_tag_changes_with_time_and_size() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(255);
        assert_eq!(tag(time, 16).spelled(), "\"ff-10\"");
        let before = SystemTime::UNIX_EPOCH - Duration::from_nanos(1);
        assert_eq!(tag(before, 0).spelled(), "\"0-0\"");
    }
}
