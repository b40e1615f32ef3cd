//! The body of an open upload: what is queued, frame by frame. It ends when it is told to; a queue
//! that is dropped before is an error, which makes the connection end without the end of the body.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use crate::base::limits::UPLOAD_FRAMES_QUEUED;

/// One step of a body.
#[derive(Debug)]
pub(super) enum Step {
    Frame(Bytes),
    End,
}

/// The reading side.
pub(super) struct QueuedBody {
    steps: mpsc::Receiver<Step>,
    /// Told when the connection asks for the first frame.
    begun: Option<oneshot::Sender<()>>,
    /// Bytes of all frames together, where they are known: the request says so then.
    size_bytes: Option<u64>,
}

impl QueuedBody {
    /// A body, the queue of its steps, and what tells that its connection is there.
    pub(super) fn new(
        size_bytes: Option<u64>,
    ) -> (QueuedBody, mpsc::Sender<Step>, oneshot::Receiver<()>) {
        let (queue, steps) = mpsc::channel(UPLOAD_FRAMES_QUEUED);
        let (begun, has_begun) = oneshot::channel();
        (QueuedBody { steps, begun: Some(begun), size_bytes }, queue, has_begun)
    }
}

impl Body for QueuedBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if let Some(begun) = self.begun.take() {
            // Whoever opened it may have gone.
            let _ = begun.send(());
        }
        Poll::Ready(match ready!(self.steps.poll_recv(cx)) {
            Some(Step::Frame(frame)) => Some(Ok(Frame::data(frame))),
            Some(Step::End) => None,
            None => Some(Err(Dropped)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.size_bytes.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The upload was dropped.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upload was dropped before its end")
    }
}

impl std::error::Error for Dropped {}
