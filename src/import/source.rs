//! A file that arrives: its frames in order, watched for size, pace and time, and gone on with when
//! a transfer breaks.
//!
//! ```text
//!   begin ──► arriving ──────────────────► whole
//!               │   ▲                        ▲ every byte there, none beyond
//!        breaks ▼   │ 206, the rest of the same file
//!             resuming ──► error: nothing is kept of it
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    HeaderMap, HeaderName, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::first_cause;
use super::error::{ImportError, ImportErrorKind};
use super::importer::{Answer, Importer};
use crate::base::limits::{
    IMPORT_IDLE_TIMEOUT_S, IMPORT_RATE_MIN, IMPORT_RESUMES_MAX, IMPORT_TIMEOUT_S,
};
use crate::wire::{
    Pace, Representation, ResumeRequest, ResumeStatus, SourceHeaders, SourceUrl,
    pause_before_resume, source_name,
};

/// A file on its way. Holds its place among the imports; dropping it closes its connection.
pub struct Source {
    importer: Arc<Importer>,
    _place: OwnedSemaphorePermit,
    /// As it was asked for: a broken transfer begins its way there again.
    url: SourceUrl,
    name: String,
    content_type: Option<String>,
    representation: Representation,
    limit_bytes: u64,
    deadline: Instant,
    pace: Pace,
    resumes: u32,
    /// `None` after the end.
    response: Option<Response>,
}

impl Source {
    pub(super) async fn begin(
        importer: Arc<Importer>,
        place: OwnedSemaphorePermit,
        url: SourceUrl,
        limit_bytes: Option<u64>,
    ) -> Result<Source, ImportError> {
        let deadline = Instant::now() + Duration::from_secs(IMPORT_TIMEOUT_S);
        let answer = importer.ask(&url, None).await?;
        let limit_bytes = limit_bytes.unwrap_or(u64::MAX);
        Source::of(importer, place, url, answer, limit_bytes, deadline)
    }

    /// Of the answer to the first request.
    pub(super) fn of(
        importer: Arc<Importer>,
        place: OwnedSemaphorePermit,
        url: SourceUrl,
        answer: Answer,
        limit_bytes: u64,
        deadline: Instant,
    ) -> Result<Source, ImportError> {
        let Answer { url: last_url, response } = answer;
        if response.status() != StatusCode::OK {
            return Err(ImportError::status(response.status()));
        }
        let headers = response.headers();
        check_codings(headers)?;
        let representation =
            Representation::new(response.content_length(), &source_headers(headers));
        if representation.size_bytes.is_some_and(|size| size > limit_bytes) {
            return Err(ImportError::too_large(limit_bytes));
        }
        let disposition = headers.get(CONTENT_DISPOSITION).map(HeaderValue::as_bytes);
        Ok(Source {
            importer,
            _place: place,
            url,
            name: source_name(disposition, &last_url.last_segment()),
            content_type: text(headers, &CONTENT_TYPE).map(str::to_owned),
            representation,
            limit_bytes,
            deadline,
            pace: Pace::of_at_least(IMPORT_RATE_MIN),
            resumes: 0,
            response: Some(response),
        })
    }

    /// What it is called, made safe.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its media type, as the source has it.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Its size, bytes, if the source told it.
    pub fn size_bytes(&self) -> Option<u64> {
        self.representation.size_bytes
    }

    /// Its frames, to the last or to the first error.
    pub fn into_frames(self) -> impl Stream<Item = Result<Bytes, ImportError>> {
        stream::try_unfold(self, |mut source| async move {
            Ok(source.next().await?.map(|frame| (frame, source)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ImportError> {
        while let Some(response) = &mut self.response {
            let began = Instant::now();
            if began >= self.deadline {
                return Err(out_of_time());
            }
            let idle = began + Duration::from_secs(IMPORT_IDLE_TIMEOUT_S);
            let framed = timeout_at(idle.min(self.deadline), response.chunk()).await;
            match framed.map_err(|_| self.silent())? {
                Ok(Some(frame)) => {
                    self.record(began.elapsed(), frame.len() as u64)?;
                    return Ok(Some(frame));
                }
                Ok(None) => self.end()?,
                Err(error) => self.resume(first_cause(&error)).await?,
            }
        }
        Ok(None)
    }

    /// A frame came: counts it.
    fn record(&mut self, waited: Duration, size_bytes: u64) -> Result<(), ImportError> {
        self.pace.record(waited, size_bytes);
        let received_bytes = self.pace.received_bytes();
        if received_bytes > self.limit_bytes {
            return Err(ImportError::too_large(self.limit_bytes));
        }
        if self.representation.size_bytes.is_some_and(|size| received_bytes > size) {
            return Err(self.lied("more"));
        }
        if self.pace.is_too_slow() {
            let message = format!("the source sends less than {IMPORT_RATE_MIN} bytes a second");
            return Err(ImportError::too_slow(message));
        }
        Ok(())
    }

    /// The body has ended: so must have the file.
    fn end(&mut self) -> Result<(), ImportError> {
        self.response = None;
        match self.representation.size_bytes {
            Some(size_bytes) if self.pace.received_bytes() < size_bytes => Err(self.lied("less")),
            _ => Ok(()),
        }
    }

    /// The transfer broke: asks for the rest, a few times.
    async fn resume(&mut self, cause: String) -> Result<(), ImportError> {
        let received_bytes = self.pace.received_bytes();
        // Its connection is of no more use; the place is kept.
        self.response = None;
        let broken = |why: &str| {
            let at = format!("the transfer broke off after {received_bytes} bytes ({cause})");
            ImportError::failed(format!("{at}; {why}"))
        };
        let Some(request) = self.representation.resume_from(received_bytes) else {
            return Err(broken("the source gives no way to go on: try again"));
        };
        while self.resumes < IMPORT_RESUMES_MAX {
            sleep(pause_before_resume(self.resumes)).await;
            self.resumes += 1;
            if Instant::now() >= self.deadline {
                return Err(out_of_time());
            }
            match self.rest(&request, received_bytes).await {
                Ok(Some(response)) => {
                    self.response = Some(response);
                    return Ok(());
                }
                Ok(None) => {}
                Err(Failure::Other(why)) => return Err(broken(&why)),
                Err(Failure::Import(error)) => return Err(error),
            }
        }
        Err(broken("going on failed too often: try again"))
    }

    /// One try to get the rest; `None` when another one may fare better.
    async fn rest(
        &mut self,
        request: &ResumeRequest,
        offset: u64,
    ) -> Result<Option<Response>, Failure> {
        let response = match self.importer.ask(&self.url, Some(request)).await {
            Ok(answer) => answer.response,
            Err(error) if may_pass(error.kind()) => return Ok(None),
            Err(error) => return Err(Failure::Import(error)),
        };
        match ResumeStatus::of(response.status().as_u16()) {
            ResumeStatus::Partial => {}
            ResumeStatus::TryAgain => return Ok(None),
            ResumeStatus::Whole => {
                return Err(Failure::Other("the source's file is another one by now".into()));
            }
            ResumeStatus::Refused => {
                let status = response.status();
                return Err(Failure::Other(format!("the source then answered {status}")));
            }
        }
        check_codings(response.headers()).map_err(Failure::Import)?;
        let headers = source_headers(response.headers());
        let is_rest = self.representation.check_rest(offset, response.content_length(), &headers);
        is_rest.map_err(|_| {
            Failure::Other("what the source sends then is not the rest of the same file".into())
        })?;
        Ok(Some(response))
    }

    fn silent(&self) -> ImportError {
        if Instant::now() >= self.deadline {
            return out_of_time();
        }
        ImportError::too_slow(format!("the source sent nothing for {IMPORT_IDLE_TIMEOUT_S} s"))
    }

    fn lied(&self, than_it_said: &str) -> ImportError {
        let size_bytes = self.representation.size_bytes.unwrap_or_default();
        ImportError::failed(format!(
            "the source sent {than_it_said} than the {size_bytes} bytes it had told; nothing was \
             kept"
        ))
    }
}

/// Why the rest does not come.
enum Failure {
    /// The end of a sentence about the transfer that broke.
    Other(String),
    /// Something of its own.
    Import(ImportError),
}

fn may_pass(kind: ImportErrorKind) -> bool {
    match kind {
        ImportErrorKind::Failed | ImportErrorKind::TooSlow => true,
        ImportErrorKind::BadUrl
        | ImportErrorKind::Refused
        | ImportErrorKind::TooLarge
        | ImportErrorKind::Busy
        | ImportErrorKind::Unequipped => false,
    }
}

fn out_of_time() -> ImportError {
    ImportError::too_slow(format!("the import took longer than {IMPORT_TIMEOUT_S} s"))
}

/// Only the file itself is taken: what is coded may decode to anything.
fn check_codings(headers: &HeaderMap) -> Result<(), ImportError> {
    let allowed = [(CONTENT_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")];
    for (name, harmless) in allowed {
        for value in headers.get_all(&name) {
            let text = String::from_utf8_lossy(value.as_bytes());
            if !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case(harmless) {
                let text: String = text.chars().take(40).collect();
                return Err(ImportError::failed(format!(
                    "the source sends the file coded ({name}: {text}), which was not asked for"
                )));
            }
        }
    }
    Ok(())
}

fn source_headers(headers: &HeaderMap) -> SourceHeaders<'_> {
    SourceHeaders {
        etag: text(headers, &ETAG),
        last_modified: text(headers, &LAST_MODIFIED),
        date: text(headers, &DATE),
        accept_ranges: text(headers, &ACCEPT_RANGES),
        content_range: text(headers, &CONTENT_RANGE),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
