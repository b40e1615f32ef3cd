//! The answer to a download, for stored objects and public files alike: conditions, ranges, and
//! the headers that keep a browser from running what it is given.

use std::mem;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::body::Body;
use super::error::HttpError;
use crate::store::{PublicFile, Reader, Stored};
use crate::wire::{
    Conditions, Outcome, RangedParts, Selection, Validators, content_range, evaluate, select,
};

/// Headers of an answer that has all of them.
const ANSWER_HEADERS: usize = 9;
/// Hex digits of a multipart boundary: 128 bits, which no file holds by chance.
const BOUNDARY_DIGITS: usize = 32;

/// Where the bytes come from.
pub(super) enum FileSource {
    Object(Stored),
    Public(PublicFile),
}

impl FileSource {
    /// Reads a range.
    pub(super) fn read(&self, range: Range<u64>) -> Reader {
        match self {
            FileSource::Object(stored) => stored.read(range),
            FileSource::Public(file) => file.read(range),
        }
    }
}

/// A file about to be handed out.
pub(super) struct FileAnswer {
    /// Its bytes.
    pub(super) source: FileSource,
    /// How many.
    pub(super) size_bytes: u64,
    pub(super) description: Description,
}

/// What the headers of an answer say of a file.
pub(super) struct Description {
    /// What its bytes are.
    pub(super) content_type: String,
    /// What a client is to do with them.
    pub(super) disposition: String,
    /// Their state.
    pub(super) validators: Validators,
    /// What the browser must not do with them; `None` for what the operator himself put there.
    pub(super) security_policy: Option<&'static str>,
}

impl FileAnswer {
    /// Answers a request with this file. The headers of the answer take the place of those of the
    /// request: the map keeps its memory, which hyper uses for the next request again.
    pub(super) fn respond(
        self,
        method: &Method,
        headers: HeaderMap,
    ) -> Result<Response<Body>, HttpError> {
        let mut headers = headers;
        match evaluate_headers(&headers, &self.description.validators) {
            Outcome::PreconditionFailed => Err(HttpError::new(
                StatusCode::PRECONDITION_FAILED,
                "the file is not the one that If-Match or If-Unmodified-Since asks for",
            )),
            Outcome::NotModified => {
                headers.clear();
                Ok(self.not_modified(headers))
            }
            Outcome::Proceed { range_applies } => {
                // A range is defined for GET alone (RFC 9110, section 14.2).
                let ranged = range_applies && method != Method::HEAD;
                let header = text(&headers, &RANGE).filter(|_| ranged);
                let selection =
                    header.map_or(Selection::Whole, |header| select(&header, self.size_bytes));
                headers.clear();
                self.selected(selection, headers)
            }
        }
    }

    fn selected(
        self,
        selection: Selection,
        headers: HeaderMap,
    ) -> Result<Response<Body>, HttpError> {
        match selection {
            Selection::Unsatisfiable => Err(HttpError::range_not_satisfiable(self.size_bytes)),
            Selection::Whole => {
                let body = Body::file(self.source.read(0..self.size_bytes), self.size_bytes);
                Ok(self.with_body(StatusCode::OK, headers, body))
            }
            Selection::Partial(ranges) => Ok(match <[Range<u64>; 1]>::try_from(ranges) {
                Ok([range]) => self.one_part(range, headers),
                Err(ranges) => self.several_parts(ranges, headers),
            }),
        }
    }

    fn one_part(self, range: Range<u64>, headers: HeaderMap) -> Response<Body> {
        let size_bytes = range.end - range.start;
        let described = content_range(&range, self.size_bytes);
        let body = Body::file(self.source.read(range), size_bytes);
        let mut response = self.with_body(StatusCode::PARTIAL_CONTENT, headers, body);
        made(CONTENT_RANGE, described, &mut |name, value| {
            response.headers_mut().insert(name, value);
        });
        response
    }

    fn several_parts(mut self, ranges: Vec<Range<u64>>, headers: HeaderMap) -> Response<Body> {
        // A hash of the tag: different for every file, and not to be found inside this one.
        let boundary = blake3::hash(self.description.validators.tag.spelled().as_bytes()).to_hex();
        let boundary = boundary.chars().take(BOUNDARY_DIGITS).collect();
        let content_type = mem::take(&mut self.description.content_type);
        let frame = RangedParts::new(boundary, content_type, self.size_bytes, ranges);
        self.description.content_type = frame.content_type();
        let mut headers = headers;
        self.describe(&mut headers);
        response(StatusCode::PARTIAL_CONTENT, headers, Body::parts(self.source, frame))
    }

    fn with_body(mut self, status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
        let mut headers = headers;
        self.describe(&mut headers);
        response(status, headers, body)
    }

    fn not_modified(self, headers: HeaderMap) -> Response<Body> {
        let mut headers = headers;
        self.description.state_fields(|name, value| {
            headers.insert(name, value);
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = headers;
        response
    }

    /// The headers of every answer with bytes in it; what only they need is used up.
    fn describe(&mut self, headers: &mut HeaderMap) {
        headers.reserve(ANSWER_HEADERS);
        self.description.fields(|name, value| {
            headers.insert(name, value);
        });
    }
}

impl Description {
    /// The fields of every answer with bytes in it; what only they need is used up.
    pub(super) fn fields(&mut self, mut put: impl FnMut(HeaderName, HeaderValue)) {
        made(CONTENT_TYPE, mem::take(&mut self.content_type), &mut put);
        made(CONTENT_DISPOSITION, mem::take(&mut self.disposition), &mut put);
        put(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        put(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(policy) = self.security_policy {
            put(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        self.state_fields(put);
    }

    /// Those of every answer that says which state of the file it is about.
    fn state_fields(&self, mut put: impl FnMut(HeaderName, HeaderValue)) {
        made(ETAG, self.validators.tag.spelled(), &mut put);
        made(LAST_MODIFIED, http_date(self.validators.modified), &mut put);
    }
}

fn response(status: StatusCode, mut headers: HeaderMap, body: Body) -> Response<Body> {
    // Said here and not left to hyper, as a HEAD is answered with the headers alone.
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.left_bytes()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn evaluate_headers(headers: &HeaderMap, file: &Validators) -> Outcome {
    let [if_match, if_none_match, if_modified_since, if_unmodified_since, if_range] =
        [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE]
            .map(|name| text(headers, &name));
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        if_modified_since: if_modified_since.as_deref(),
        if_unmodified_since: if_unmodified_since.as_deref(),
        if_range: if_range.as_deref(),
    };
    evaluate(&conditions, file)
}

/// A field's value, its lines joined (RFC 9110, section 5.3). Bytes that are no text can match
/// nothing of ours and are replaced.
pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// Gives a field a value made here; one that no field may have is left out.
fn made(name: HeaderName, value: String, put: &mut impl FnMut(HeaderName, HeaderValue)) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        put(name, value);
    }
}

/// A time before 1970 or after 9999 has no HTTP date; 1970 stands for both.
pub(super) fn http_date(time: SystemTime) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let shown = if seconds > LAST { 0 } else { seconds };
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(shown))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn any_time_has_a_date() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (time, date) in [
            (epoch + Duration::from_millis(784_111_777_900), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (epoch - Duration::from_secs(1), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (epoch + Duration::from_secs(1 << 40), "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(time), date);
        }
    }

    #[test]
    fn the_lines_of_a_field_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append(IF_MATCH, HeaderValue::from_static("\"a\""));
        headers.append(IF_MATCH, HeaderValue::from_static("\"b\""));
        assert_eq!(text(&headers, &IF_MATCH).as_deref(), Some("\"a\", \"b\""));
        assert_eq!(text(&headers, &IF_RANGE), None);
    }
}
