//! Multipart bodies, field by field, however many documents they come in.
//!
//! multer parses one document; the splitter of `wire/` stands before it and cuts the body into
//! documents. Both read from one [`Source`], in turns:
//!
//! 1. [`Forms::next_field`] asks the source for the beginning of a document and gives multer a
//!    [`DocumentStream`] of its bytes.
//! 2. multer takes from the stream until it has seen the closing delimiter.
//! 3. What it left of the document is skipped, and the next one begins.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::poll_fn;
use multer::{Field, Multipart};

use super::error::HttpError;
use super::request_body::{RequestBody, RequestError};
use crate::wire::{Documents, Event};

/// The fields of a request.
pub(super) struct Forms {
    source: SharedSource,
    document: Option<Multipart<'static>>,
}

impl Forms {
    /// Of a body whose first document has this boundary, or which must begin with its boundary
    /// line if none is known.
    pub(super) fn new(body: RequestBody, boundary: Option<&str>) -> Forms {
        let documents = boundary.map_or_else(Documents::sniffed, Documents::declared);
        let source = SharedSource(Arc::new(Mutex::new(Source { body, documents })));
        Forms { source, document: None }
    }

    /// The next field. The one before must have been read to its end and dropped: multer cannot
    /// skip the rest of a field.
    pub(super) async fn next_field(&mut self) -> Result<Option<Field<'static>>, HttpError> {
        loop {
            if let Some(document) = &mut self.document
                && let Some(field) = document.next_field().await?
            {
                return Ok(Some(field));
            }
            self.document = None;
            let Some(boundary) = self.source.next_document().await? else { return Ok(None) };
            let stream = DocumentStream { source: self.source.clone(), has_ended: false };
            self.document = Some(Multipart::new(stream, boundary));
        }
    }
}

/// The body and its splitter.
struct Source {
    body: RequestBody,
    documents: Documents,
}

impl Source {
    /// The next event; `None` at the end of a whole body.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, RequestError>> {
        loop {
            if let Some(event) = self.documents.pull().map_err(RequestError::Document)? {
                return Poll::Ready(Ok(Some(event)));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_next(cx)) else {
                let whole = self.documents.finish().map_err(RequestError::Document);
                return Poll::Ready(whole.map(|()| None));
            };
            self.documents.push(frame?);
        }
    }
}

/// The source, for multer's stream and for us. multer wants a `Send` stream, hence the lock,
/// which nobody ever waits for.
#[derive(Clone)]
struct SharedSource(Arc<Mutex<Source>>);

impl SharedSource {
    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Skips what is left of a document; the boundary of the next one, or `None` after the last.
    async fn next_document(&self) -> Result<Option<String>, RequestError> {
        loop {
            match poll_fn(|cx| self.lock().poll_event(cx)).await? {
                Some(Event::Begin(boundary)) => return Ok(Some(boundary)),
                Some(Event::Data(_) | Event::End) => {}
                None => return Ok(None),
            }
        }
    }
}

/// The bytes of one document.
struct DocumentStream {
    source: SharedSource,
    has_ended: bool,
}

impl Stream for DocumentStream {
    type Item = Result<Bytes, RequestError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let event = ready!(self.source.lock().poll_event(cx));
        let data = match event {
            Ok(Some(Event::Data(data))) => Some(Ok(data)),
            Ok(Some(Event::Begin(_) | Event::End) | None) => None,
            Err(error) => Some(Err(error)),
        };
        self.has_ended = !matches!(data, Some(Ok(_)));
        Poll::Ready(data)
    }
}

impl From<multer::Error> for HttpError {
    fn from(error: multer::Error) -> HttpError {
        if let multer::Error::StreamReadFailed(source) = error {
            return match source.downcast::<RequestError>() {
                Ok(error) => HttpError::from(*error),
                Err(other) => HttpError::bad_request(format!("the body ended early: {other}")),
            };
        }
        HttpError::bad_request(format!("the body is no well-formed multipart: {error}"))
    }
}
