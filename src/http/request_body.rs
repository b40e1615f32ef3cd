//! A request's body as handlers read it: counted, limited in size, held to its digests, and given
//! up when the client stops sending or sends too slowly.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep, sleep};

use super::digest_check::{DigestCheck, DigestError};
use super::linger::Leftover;
use crate::base::limits::BODY_IDLE_TIMEOUT_S;
use crate::wire::{Digest, DocumentError, Pace};

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(super) enum RequestError {
    /// It exceeds the limit of the request.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Nothing came for too long.
    Idle,
    /// It came too slowly for too long.
    TooSlow,
    /// It is no multipart.
    Document(DocumentError),
    /// It is not what its digest says, or the digest cannot be read.
    Digest(DigestError),
    /// The connection broke, or the body's framing is wrong.
    Connection(hyper::Error),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::TooLarge { limit_bytes } => {
                write!(f, "the body exceeds the limit of {limit_bytes} bytes")
            }
            RequestError::Idle => {
                write!(f, "nothing of the body came for {BODY_IDLE_TIMEOUT_S} s; send it again")
            }
            RequestError::TooSlow => f.write_str("the body comes too slowly; send it again"),
            RequestError::Document(error) => error.fmt(f),
            RequestError::Digest(error) => error.fmt(f),
            RequestError::Connection(error) => {
                // What lies below says it best: what is wrong with a chunk, or that it broke off.
                let cause = error.source().and_then(Error::source).or(error.source());
                let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
                write!(f, "the body ended early: {cause}")
            }
        }
    }
}

impl Error for RequestError {}

impl From<DigestError> for RequestError {
    fn from(error: DigestError) -> RequestError {
        RequestError::Digest(error)
    }
}

/// The body. A stream of its frames, uncopied.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// `None` after the end.
    incoming: Option<Incoming>,
    limit_bytes: u64,
    pace: Pace,
    waiting_since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// The client sends nothing before it is told to, which the first poll does.
    awaits_continue: bool,
    received_bytes: Arc<AtomicU64>,
    leftover: Leftover,
    check: Option<Box<DigestCheck>>,
    trailers: Option<HeaderMap>,
}

impl RequestBody {
    /// Around hyper's body. `received_bytes` counts for the access log.
    pub(super) fn new(
        incoming: Incoming,
        awaits_continue: bool,
        received_bytes: Arc<AtomicU64>,
        leftover: Leftover,
    ) -> RequestBody {
        RequestBody {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            limit_bytes: u64::MAX,
            pace: Pace::new(),
            waiting_since: None,
            alarm: None,
            awaits_continue,
            received_bytes,
            leftover,
            check: None,
            trailers: None,
        }
    }

    /// The length the client claims; `None` when it comes in chunks.
    pub(super) fn claimed_bytes(&self) -> Option<u64> {
        self.incoming.as_ref().map_or(Some(0), |incoming| incoming.size_hint().exact())
    }

    /// Limits the body; one that claims more is refused before a byte of it is read.
    pub(super) fn limit(&mut self, limit_bytes: u64) -> Result<(), RequestError> {
        self.limit_bytes = limit_bytes;
        match self.claimed_bytes() {
            Some(claimed_bytes) if claimed_bytes > limit_bytes => {
                Err(RequestError::TooLarge { limit_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Holds the body to the digests that the head of its request announces: one that is not what
    /// they say ends in an error.
    pub(super) fn check_digests(&mut self, headers: &HeaderMap) -> Result<(), RequestError> {
        self.check = Some(Box::new(DigestCheck::of_request(headers)?));
        Ok(())
    }

    /// What was computed for that; after the end of the body.
    pub(super) fn digests(&self) -> &[Digest] {
        self.check.as_ref().map_or(&[], |check| check.computed())
    }

    /// All of a small body.
    pub(super) async fn collect(mut self, limit_bytes: usize) -> Result<Vec<u8>, RequestError> {
        self.limit(limit_bytes as u64)?;
        let mut collected = Vec::new();
        while let Some(frame) = self.next().await {
            collected.extend_from_slice(&frame?);
        }
        Ok(collected)
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, RequestError>>> {
        loop {
            let Some(incoming) = self.incoming.as_mut() else { return Poll::Ready(None) };
            match ready!(Pin::new(incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => {
                    self.incoming = None;
                    self.leftover.lose();
                    return Poll::Ready(Some(Err(RequestError::Connection(error))));
                }
                None => self.incoming = None,
            }
        }
    }

    /// The next frame, timed and counted.
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, RequestError>>> {
        self.awaits_continue = false;
        match self.poll_incoming(cx) {
            Poll::Pending => self.poll_waiting(cx).map(|error| Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => {
                let recorded = self.record(frame.len() as u64);
                Poll::Ready(Some(recorded.map(|()| frame)))
            }
            Poll::Ready(ended) => Poll::Ready(ended),
        }
    }

    /// While nothing comes: the time runs.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<RequestError> {
        let limit = Duration::from_secs(BODY_IDLE_TIMEOUT_S);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            alarm.as_mut().reset(now + limit);
        }
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(RequestError::Idle)
    }

    /// A frame came: counts it.
    fn record(&mut self, size_bytes: u64) -> Result<(), RequestError> {
        let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.pace.record(waited, size_bytes);
        self.received_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        if self.pace.received_bytes() > self.limit_bytes {
            return Err(RequestError::TooLarge { limit_bytes: self.limit_bytes });
        }
        if self.pace.is_too_slow() { Err(RequestError::TooSlow) } else { Ok(()) }
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, RequestError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(check) = &mut this.check
                && let Some(piece) = ready!(check.poll_piece(cx))
            {
                return Poll::Ready(Some(Ok(piece)));
            }
            let received = ready!(this.poll_received(cx));
            let Some(check) = &mut this.check else { return Poll::Ready(received) };
            let Some(frame) = received.transpose()? else {
                let verdict = check.finish(this.trailers.take().as_ref());
                return Poll::Ready(verdict.err().map(|error| Err(error.into())));
            };
            check.offer(frame);
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take()
            && !self.awaits_continue
        {
            self.leftover.leave(incoming);
        }
    }
}
