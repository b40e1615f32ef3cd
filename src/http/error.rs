//! What goes wrong with a request: a status and a sentence for the user, and a cause for the log.
//! Here alone do the errors of other floors get a status.

use std::fmt;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::body::Body;
use super::request_body::RequestError;
use crate::import::{ImportError, ImportErrorKind};
use crate::store::{StoreError, StoreErrorKind};
use crate::wire::{ErrorAnswer, HeadFault, content_range_unsatisfied};

/// The one answer for IDs that are unknown, forged, damaged or deleted, so that nobody learns
/// which it was.
const NO_SUCH_FILE: &str = "there is no file with this ID: check that it is complete; \
                            it may also have been deleted";
/// Seconds after which a client may try again what the server had no room for.
const RETRY_AFTER_S: &str = "5";

/// A refusal.
#[derive(Debug)]
pub(super) struct HttpError {
    status: StatusCode,
    message: String,
    cause: Option<String>,
    /// Boxed, as few errors have one and every result is as large as its error.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl HttpError {
    /// A refusal with a sentence that says what happened and what to do.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> HttpError {
        HttpError { status, message: message.into(), cause: None, header: None }
    }

    /// 400.
    pub(super) fn bad_request(message: impl Into<String>) -> HttpError {
        HttpError::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404 for every ID that opens nothing.
    pub(super) fn no_such_file() -> HttpError {
        HttpError::new(StatusCode::NOT_FOUND, NO_SUCH_FILE)
    }

    /// 404 for a path without a route or a public file.
    pub(super) fn no_such_path() -> HttpError {
        HttpError::new(StatusCode::NOT_FOUND, "there is nothing here: check the path")
    }

    /// 405 with what is allowed instead.
    pub(super) fn method_not_allowed(allowed: &str) -> HttpError {
        let message = format!("this path takes {allowed}");
        HttpError::new(StatusCode::METHOD_NOT_ALLOWED, message).with_header(ALLOW, allowed)
    }

    /// 415 with what is accepted.
    pub(super) fn unsupported_type(accepted: &str) -> HttpError {
        let message = format!("this Content-Type is not understood here: send {accepted}");
        HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 401: a token is needed.
    pub(super) fn token_needed() -> HttpError {
        let message = "deleting needs the delete_token of the upload's answer: \
                       send Authorization: Bearer <delete_token>";
        HttpError::new(StatusCode::UNAUTHORIZED, message).with_header(WWW_AUTHENTICATE, "Bearer")
    }

    /// 416 with the size there is.
    pub(super) fn range_not_satisfiable(size_bytes: u64) -> HttpError {
        let message = format!("the file has {size_bytes} bytes; the ranges asked for lie beyond");
        HttpError::new(StatusCode::RANGE_NOT_SATISFIABLE, message)
            .with_header(CONTENT_RANGE, &content_range_unsatisfied(size_bytes))
    }

    /// 503: the process is stopping.
    pub(super) fn stopping() -> HttpError {
        HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping: try again soon")
            .with_header(RETRY_AFTER, RETRY_AFTER_S)
    }

    /// 503: the volume has failed, and why.
    pub(super) fn volume_failed(cause: &str) -> HttpError {
        let message = format!("the volume has failed: no uploads, but downloads: {cause}");
        HttpError::new(StatusCode::SERVICE_UNAVAILABLE, message)
            .with_header(RETRY_AFTER, RETRY_AFTER_S)
    }

    /// The status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What the log says; `None` when the client alone is at fault.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer: JSON, like every error.
    pub(super) fn into_response(self) -> Response<Body> {
        // A struct of one string always serializes.
        let json = serde_json::to_vec(&ErrorAnswer { error: self.message }).unwrap_or_default();
        let mut response = Response::new(Body::bytes(Bytes::from(json)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(header) = self.header {
            let (name, value) = *header;
            headers.insert(name, value);
        }
        response
    }

    fn with_header(mut self, name: HeaderName, value: &str) -> HttpError {
        self.header = HeaderValue::from_str(value).ok().map(|value| Box::new((name, value)));
        self
    }

    fn with_cause(mut self, cause: impl fmt::Display) -> HttpError {
        self.cause = Some(cause.to_string());
        self
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> HttpError {
        let server_error = |message| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, message);
        match error.kind() {
            StoreErrorKind::NotFound => HttpError::no_such_file(),
            StoreErrorKind::Full => HttpError::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the server's disk is full and nothing was kept: try again when there is room",
            )
            .with_cause(error),
            StoreErrorKind::TooLarge => HttpError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the file is larger than this server can store",
            ),
            StoreErrorKind::Stopping => HttpError::stopping(),
            StoreErrorKind::Busy => HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server has too much to do: try again soon",
            )
            .with_header(RETRY_AFTER, RETRY_AFTER_S)
            .with_cause(error),
            StoreErrorKind::Damaged => {
                server_error("the stored file is damaged and is not handed out: tell the operator")
                    .with_cause(error)
            }
            StoreErrorKind::Failed => {
                server_error("the server's disk failed and nothing was kept: tell the operator")
                    .with_cause(error)
            }
            StoreErrorKind::VolumeFailed => HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server's volume has failed: it takes no uploads, and files may be missing, \
                 until it works again; tell the operator",
            )
            .with_header(RETRY_AFTER, RETRY_AFTER_S)
            .with_cause(error),
        }
    }
}

impl From<ImportError> for HttpError {
    fn from(error: ImportError) -> HttpError {
        let status = match error.kind() {
            ImportErrorKind::BadUrl => StatusCode::BAD_REQUEST,
            ImportErrorKind::Refused => StatusCode::FORBIDDEN,
            ImportErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ImportErrorKind::Unequipped => StatusCode::INTERNAL_SERVER_ERROR,
            ImportErrorKind::Failed => StatusCode::BAD_GATEWAY,
            ImportErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            ImportErrorKind::TooSlow => StatusCode::GATEWAY_TIMEOUT,
        };
        let answer = HttpError::new(status, error.to_string());
        let answer = match error.detail() {
            Some(detail) => answer.with_cause(detail),
            None => answer,
        };
        if error.kind() == ImportErrorKind::Busy {
            return answer.with_header(RETRY_AFTER, RETRY_AFTER_S);
        }
        answer
    }
}

impl From<RequestError> for HttpError {
    fn from(error: RequestError) -> HttpError {
        let status = match &error {
            RequestError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            RequestError::Idle | RequestError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            RequestError::Document(_) | RequestError::Digest(_) | RequestError::Connection(_) => {
                StatusCode::BAD_REQUEST
            }
        };
        HttpError::new(status, error.to_string())
    }
}

impl From<HeadFault> for HttpError {
    fn from(fault: HeadFault) -> HttpError {
        let status = match fault {
            HeadFault::RequestLine
            | HeadFault::Target
            | HeadFault::LineEnd
            | HeadFault::Field
            | HeadFault::Host
            | HeadFault::Length
            | HeadFault::TwoLengths
            | HeadFault::Coding => StatusCode::BAD_REQUEST,
            HeadFault::TargetTooLong => StatusCode::URI_TOO_LONG,
            HeadFault::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            HeadFault::CodingUnknown | HeadFault::Connect => StatusCode::NOT_IMPLEMENTED,
            HeadFault::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        };
        HttpError::new(status, fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::http::body::Data;
    use crate::wire::DocumentError;

    async fn text(error: HttpError) -> String {
        let mut body = error.into_response().into_body();
        let data = poll_fn(|cx| body.poll_data(cx, false)).await.unwrap().unwrap();
        let Data::Bytes(text) = data else { panic!("a text is in memory") };
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_error_is_json_with_one_sentence() {
        let error = HttpError::bad_request("say \"please\"");
        assert_eq!(text(error).await, r#"{"error":"say \"please\""}"#);
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        for (error, status, name, value) in [
            (HttpError::method_not_allowed("GET, HEAD"), 405, "allow", "GET, HEAD"),
            (HttpError::token_needed(), 401, "www-authenticate", "Bearer"),
            (HttpError::range_not_satisfiable(7), 416, "content-range", "bytes */7"),
            (HttpError::stopping(), 503, "retry-after", "5"),
        ] {
            let response = error.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[name], value);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_decides_the_status() {
        for (error, status) in [
            (RequestError::TooLarge { limit_bytes: 1 }, 413),
            (RequestError::Idle, 408),
            (RequestError::TooSlow, 408),
            (RequestError::Document(DocumentError::Truncated), 400),
        ] {
            assert_eq!(HttpError::from(error).status(), status);
        }
    }
}
