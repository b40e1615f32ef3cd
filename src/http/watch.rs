//! The clock of one connection: what it waits for, since when, and when that is too long.
//!
//! hyper's own timeout for request heads also runs while a connection is idle, so it cannot tell
//! ten seconds for a head from a minute of keep-alive. This one can:
//!
//! ```text
//!              request            response
//!  Head ------------------> Busy ----------> Idle
//!   ^                                          |
//!   +------------------ bytes -----------------+
//! ```
//!
//! A connection starts in `Head`. While it is `Busy` only the sending side is timed here; the
//! receiving side is timed where a body is read, as a slow disk may be what everybody waits for.
//!
//! What counts as sent is what the client's system acknowledged, and not what the kernel took:
//! between two of its steps a slow client can take minutes.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::base::limits::{HEAD_TIMEOUT_S, KEEP_ALIVE_TIMEOUT_S, SEND_IDLE_TIMEOUT_S};
use crate::disk::Extent;
use crate::wire::Pace;
use crate::worker::{Presence, SendExtent, SendQueue};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The rest of a request head.
    Head { since: Instant },
    /// The answer to a request.
    Busy,
    /// The next request.
    Idle { since: Instant },
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occurrence {
    BytesReceived,
    RequestBegan,
    ResponseEnded,
}

/// Since when the socket has had no room and the client has taken nothing, and how much it has left
/// to take.
#[derive(Clone, Copy, Debug)]
struct Blocked {
    since: Instant,
    queued_bytes: u64,
}

/// Why a connection was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// The request head took too long.
    Head,
    /// No further request came.
    Idle,
    /// The client took nothing of its answer, or too little.
    Send,
}

/// The clock; one per connection, shared by the socket, the requests and the loop that waits.
#[derive(Debug)]
pub(super) struct Watch {
    phase: Cell<Phase>,
    blocked: Cell<Option<Blocked>>,
    send_pace: Cell<Pace>,
    presence: Presence,
    /// The request that runs is of use to nobody but its client.
    needs_client: Cell<bool>,
    alarm: RefCell<Pin<Box<Sleep>>>,
}

impl Watch {
    /// Starts with the time for the first request head.
    pub(super) fn new(presence: Presence) -> Rc<Watch> {
        let now = Instant::now();
        Rc::new(Watch {
            phase: Cell::new(Phase::Head { since: now }),
            blocked: Cell::new(None),
            send_pace: Cell::new(Pace::new()),
            presence,
            needs_client: Cell::new(false),
            alarm: RefCell::new(Box::pin(sleep_until(now + seconds(HEAD_TIMEOUT_S)))),
        })
    }

    /// A request head is complete.
    pub(super) fn request_began(&self) {
        self.phase.set(next(self.phase.get(), Occurrence::RequestBegan, Instant::now));
        self.send_pace.set(Pace::new());
    }

    /// A response has been handed over completely, or given up.
    pub(super) fn response_ended(&self) {
        self.needs_client.set(false);
        self.phase.set(next(self.phase.get(), Occurrence::ResponseEnded, Instant::now));
    }

    /// Whether a request runs.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase.get(), Phase::Busy)
    }

    /// The request that runs is given up when its client leaves, or stops sending, which cannot be
    /// told apart.
    pub(super) fn needs_client(&self) {
        self.needs_client.set(true);
    }

    /// Ready when the client has left and that matters. To be polled like the clock.
    pub(super) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.needs_client.get() { self.presence.poll_left(cx) } else { Poll::Pending }
    }

    /// Ready when the connection is to be given up. To be polled after whatever may change the
    /// phase, in the same task, so that no phase change needs to wake anybody.
    pub(super) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Expiry> {
        let mut alarm = self.alarm.borrow_mut();
        while let Some((deadline, expiry)) = self.deadline() {
            // An alarm that rings early costs a poll; one that is moved for every request costs
            // more. So it is only ever moved forward in time when a nearer deadline appears.
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(expiry);
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn deadline(&self) -> Option<(Instant, Expiry)> {
        if let Some(blocked) = self.blocked.get() {
            let patience_s =
                if self.send_pace.get().is_too_slow() { 0 } else { SEND_IDLE_TIMEOUT_S };
            return Some((blocked.since + seconds(patience_s), Expiry::Send));
        }
        match self.phase.get() {
            Phase::Head { since } => Some((since + seconds(HEAD_TIMEOUT_S), Expiry::Head)),
            Phase::Busy => None,
            Phase::Idle { since } => Some((since + seconds(KEEP_ALIVE_TIMEOUT_S), Expiry::Idle)),
        }
    }

    fn bytes_received(&self) {
        self.phase.set(next(self.phase.get(), Occurrence::BytesReceived, Instant::now));
    }

    /// Notes the result of a write; `queued_bytes` tells what is under way after it. Where nobody
    /// knows that, what the kernel takes counts.
    fn sent(
        &self,
        written: Poll<io::Result<usize>>,
        queued_bytes: impl FnOnce() -> Option<u64>,
    ) -> Poll<io::Result<usize>> {
        let size_bytes = match (&written, self.blocked.get()) {
            // Most writes: nobody waits.
            (Poll::Ready(_), None) => return written,
            (Poll::Ready(Ok(size)), Some(_)) => *size as u64,
            (Poll::Ready(Err(_)) | Poll::Pending, _) => 0,
        };
        let queued_bytes = queued_bytes().unwrap_or(0);
        let now = Instant::now();
        let blocked = self.blocked.get().unwrap_or(Blocked { since: now, queued_bytes });
        let taken_bytes = (blocked.queued_bytes + size_bytes).saturating_sub(queued_bytes);
        if taken_bytes > 0 {
            let mut pace = self.send_pace.get();
            pace.record(now - blocked.since, taken_bytes);
            self.send_pace.set(pace);
        }
        let since = if taken_bytes > 0 { now } else { blocked.since };
        self.blocked.set(written.is_pending().then_some(Blocked { since, queued_bytes }));
        written
    }
}

/// The transition table. `now` is only asked where a wait begins.
fn next(phase: Phase, occurrence: Occurrence, now: impl FnOnce() -> Instant) -> Phase {
    match (phase, occurrence) {
        (Phase::Idle { .. }, Occurrence::BytesReceived) => Phase::Head { since: now() },
        // From `Idle`, when the whole request had come with the one before.
        (_, Occurrence::RequestBegan) => Phase::Busy,
        (Phase::Busy, Occurrence::ResponseEnded) => Phase::Idle { since: now() },
        // Bytes of a body, or more bytes of a head, begin nothing; and a response that ends while
        // no request runs was given up with its connection.
        (Phase::Head { .. } | Phase::Busy, Occurrence::BytesReceived)
        | (Phase::Head { .. } | Phase::Idle { .. }, Occurrence::ResponseEnded) => phase,
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A socket that tells the clock what passes through it.
#[derive(Debug)]
pub(super) struct Watched<S> {
    socket: S,
    watch: Rc<Watch>,
}

impl<S> Watched<S> {
    pub(super) fn new(socket: S, watch: Rc<Watch>) -> Watched<S> {
        Watched { socket, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, buf));
        self.watch.bytes_received();
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + SendQueue + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch.sent(written, || self.socket.queued_bytes())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.watch.sent(written, || self.socket.queued_bytes())
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: SendExtent + SendQueue + Unpin> SendExtent for Watched<S> {
    fn takes_extents(&self) -> bool {
        self.socket.takes_extents()
    }

    fn poll_write_ahead(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_ahead(cx, bufs);
        self.watch.sent(written, || self.socket.queued_bytes())
    }

    fn poll_send_extent(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        extent: &Extent,
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.socket).poll_send_extent(cx, extent);
        self.watch.sent(sent, || self.socket.queued_bytes())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::poll_fn;
    use tokio::time::timeout;

    use super::*;
    use crate::base::limits::{BODY_RATE_GRACE_S, BODY_RATE_MIN};

    #[tokio::test]
    async fn every_occurrence_in_every_phase_leads_where_the_table_says() {
        let then = Instant::now();
        let now = then + seconds(5);
        let (head, busy, idle) =
            (Phase::Head { since: then }, Phase::Busy, Phase::Idle { since: then });
        for (phase, occurrence, expected) in [
            (head, Occurrence::BytesReceived, head),
            (head, Occurrence::RequestBegan, busy),
            (head, Occurrence::ResponseEnded, head),
            (busy, Occurrence::BytesReceived, busy),
            (busy, Occurrence::RequestBegan, busy),
            (busy, Occurrence::ResponseEnded, Phase::Idle { since: now }),
            (idle, Occurrence::BytesReceived, Phase::Head { since: now }),
            (idle, Occurrence::RequestBegan, busy),
            (idle, Occurrence::ResponseEnded, idle),
        ] {
            assert_eq!(next(phase, occurrence, || now), expected, "{phase:?} {occurrence:?}");
        }
    }

    /// How long from now until the clock gives up, within `limit_s`; time is simulated.
    async fn expiry(watch: &Watch, limit_s: u64) -> Option<(Expiry, Duration)> {
        let start = Instant::now();
        let expired = poll_fn(|cx| watch.poll_expired(cx));
        let expiry = timeout(seconds(limit_s), expired).await.ok()?;
        Some((expiry, Instant::now() - start))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_and_a_pause_each_have_their_own_time() {
        let watch = Watch::new(Presence::unknown());
        let head_time = seconds(HEAD_TIMEOUT_S);
        assert_eq!(expiry(&watch, 3).await, None);
        assert_eq!(expiry(&watch, 600).await, Some((Expiry::Head, seconds(HEAD_TIMEOUT_S - 3))));
        watch.request_began();
        assert_eq!(expiry(&watch, 600).await, None, "a request may run for as long as it runs");
        watch.response_ended();
        assert_eq!(expiry(&watch, KEEP_ALIVE_TIMEOUT_S - 1).await, None);
        watch.bytes_received();
        assert_eq!(expiry(&watch, 600).await, Some((Expiry::Head, head_time)));
        watch.request_began();
        watch.response_ended();
        let idle_time = seconds(KEEP_ALIVE_TIMEOUT_S);
        assert_eq!(expiry(&watch, 600).await, Some((Expiry::Idle, idle_time)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
        let watch = Watch::new(Presence::unknown());
        watch.request_began();
        assert!(watch.sent(Poll::Pending, || Some(5_000)).is_pending());
        assert_eq!(expiry(&watch, SEND_IDLE_TIMEOUT_S - 1).await, None);
        assert!(watch.sent(Poll::Ready(Ok(1)), || Some(5_001)).is_ready());
        assert_eq!(expiry(&watch, 600).await, None);
        assert!(watch.sent(Poll::Pending, || Some(5_001)).is_pending());
        let send_time = seconds(SEND_IDLE_TIMEOUT_S);
        assert_eq!(expiry(&watch, 600).await, Some((Expiry::Send, send_time)));
    }

    /// Seconds until the clock gives a client up that takes `rate` bytes a second of what is queued,
    /// while the kernel has no room; an hour when it does not.
    async fn lasts_s(rate: u64) -> u64 {
        let watch = Watch::new(Presence::unknown());
        watch.request_began();
        let mut queued_bytes = 1 << 30;
        for second in 0..3_600 {
            assert!(watch.sent(Poll::Pending, || Some(queued_bytes)).is_pending());
            if expiry(&watch, 1).await.is_some() {
                return second;
            }
            queued_bytes -= rate;
        }
        3_600
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_keeps_its_answer_and_one_that_trickles_does_not() {
        assert_eq!(lasts_s(1_024).await, 3_600);
        assert_eq!(lasts_s(BODY_RATE_MIN).await, 3_600);
        let trickled_s = lasts_s(BODY_RATE_MIN / 2).await;
        let free_s = BODY_RATE_GRACE_S;
        assert!((free_s..3 * free_s).contains(&trickled_s), "{trickled_s}");
        assert_eq!(lasts_s(0).await, SEND_IDLE_TIMEOUT_S - 1);
    }
}
