//! The rest of a body nobody wants.
//!
//! A refused client is often still sending. If the connection closed now, the kernel would answer
//! its bytes with a reset, and the reset can overtake the refusal (RFC 9112, section 9.6). So:
//!
//! 1. A request body that is dropped before its end leaves itself in the connection's slot.
//! 2. The response then says `Connection: close`.
//! 3. The connection's loop reads on beside the response and throws away, up to a limit of bytes
//!    and time, then lets go.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use tokio::time::{Sleep, sleep};

use crate::base::limits::{LINGER_SIZE_MAX, LINGER_TIMEOUT_S};

/// Where a body leaves itself; one per connection. Bodies must be `Send` for the multipart parser,
/// hence the lock, which nobody ever waits for.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftover {
    slot: Arc<Mutex<Option<Incoming>>>,
    /// A body whose end nobody can find: its framing is broken.
    is_lost: Arc<AtomicBool>,
}

impl Leftover {
    /// Leaves a body.
    pub(super) fn leave(&self, body: Incoming) {
        *self.lock() = Some(body);
    }

    /// A body cannot be read any further.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// Whether the next bytes of this connection belong to a body and to no request.
    pub(super) fn is_unread(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed) || self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is left on one connection.
#[derive(Debug)]
pub(super) struct Linger {
    leftover: Leftover,
    in_progress: RefCell<Option<InProgress>>,
}

#[derive(Debug)]
struct InProgress {
    left_bytes: u64,
    deadline: Pin<Box<Sleep>>,
}

impl Linger {
    pub(super) fn new(leftover: Leftover) -> Linger {
        Linger { leftover, in_progress: RefCell::new(None) }
    }

    /// Reads and throws away what there is; never ready. Like the clock, to be polled after
    /// whatever may leave a body.
    pub(super) fn poll(&self, cx: &mut Context<'_>) {
        let mut slot = self.leftover.lock();
        let Some(body) = slot.as_mut() else { return };
        let mut in_progress = self.in_progress.borrow_mut();
        let progress = in_progress.get_or_insert_with(InProgress::new);
        if progress.poll_done(body, cx).is_ready() {
            *in_progress = None;
            *slot = None;
        }
    }
}

impl InProgress {
    fn new() -> InProgress {
        let deadline = Box::pin(sleep(Duration::from_secs(LINGER_TIMEOUT_S)));
        InProgress { left_bytes: LINGER_SIZE_MAX, deadline }
    }

    fn poll_done(&mut self, body: &mut Incoming, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while let Some(Ok(frame)) = ready!(Pin::new(&mut *body).poll_frame(cx)) {
            let size_bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            match self.left_bytes.checked_sub(size_bytes) {
                Some(left_bytes) => self.left_bytes = left_bytes,
                None => break,
            }
        }
        Poll::Ready(())
    }
}
