//! The sending side of one connection: what its client does not take holds no buffer of the slab.
//!
//! hyper keeps the frames of an answer until the socket took their last byte, and a frame owns a
//! read buffer. So:
//!
//! 1. A body gives out one frame at a time, of at most 32 KiB: the next one when the socket took
//!    the last ([`Backlog::turn`]). A few fast connections a worker ([`SendBudget`]) may have
//!    [`FRAMES_OUTSTANDING_MAX`] out, which spares a fifth of the CPU time.
//! 2. What is in the page cache goes from there to the socket (`stand_in.rs`): such a frame has no
//!    buffer.
//! 3. When the socket has had no room for [`SEND_PARK_AFTER_MS`], what hyper wants to send (those
//!    frames, perhaps behind a head) is set aside, in memory of the connection's own share or of
//!    the budget, and hyper is told that it is sent. The frames drop, and their buffers are free.
//!    Where all frames lie in memory of their own they stay where they are.
//! 4. The body is woken, finds its client slow, and parks its reader, which gives back what it
//!    read ahead.
//! 5. What was set aside goes out before anything else. Then the body goes on, and has to earn a
//!    place in the budget again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Data;
use super::stand_in::{StandIns, is_stand_in, stand_in};
use crate::base::limits::{
    FRAMES_BEFORE_LARGE, FRAMES_OUTSTANDING_MAX, JOINED_SIZE_MAX, SEND_PARK_AFTER_MS,
};
use crate::disk::Extent;
use crate::store::Frame;
use crate::worker::SendExtent;

/// Connections that may have several frames out. One per worker, shared by its connections.
#[derive(Clone, Debug)]
pub(super) struct SendBudget {
    permits_left: Rc<Cell<usize>>,
}

/// The right to have several frames out, given back when dropped.
#[derive(Debug)]
struct LargeSend(SendBudget);

impl SendBudget {
    pub(super) fn new(permits: usize) -> SendBudget {
        SendBudget { permits_left: Rc::new(Cell::new(permits)) }
    }

    fn take(&self) -> Option<LargeSend> {
        self.permits_left.set(self.permits_left.get().checked_sub(1)?);
        Some(LargeSend(self.clone()))
    }
}

impl Drop for LargeSend {
    fn drop(&mut self) {
        let left = &self.0.permits_left;
        left.set(left.get() + 1);
    }
}

/// How much of an answer waits for the socket; one per connection, shared with its bodies.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Frames that hyper has.
    frame_count: Cell<usize>,
    /// Those of them that a buffer of the slab waits for.
    lent_count: Cell<usize>,
    /// Whether the socket has had no room for too long.
    is_stalled: Cell<bool>,
    /// Bytes that were set aside and not sent.
    aside_size: Cell<usize>,
    /// Whether no body has more to give.
    is_ended: Cell<bool>,
    /// The body that waits for the next turn.
    waiting: RefCell<Option<Waker>>,
    budget: SendBudget,
    permit: RefCell<Option<LargeSend>>,
    /// Frames given since the client was slow last.
    streak: Cell<usize>,
    stand_ins: StandIns,
    takes_extents: bool,
}

/// What a body may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Give out a frame.
    Give,
    /// Wait: the client takes what it has.
    Wait,
    /// Give back every buffer, and wait: the client is slow.
    Park,
}

impl Backlog {
    /// Of a socket that may take extents.
    pub(super) fn new(budget: SendBudget, takes_extents: bool) -> Rc<Backlog> {
        Rc::new(Backlog {
            frame_count: Cell::new(0),
            lent_count: Cell::new(0),
            is_stalled: Cell::new(false),
            aside_size: Cell::new(0),
            is_ended: Cell::new(true),
            waiting: RefCell::new(None),
            budget,
            permit: RefCell::new(None),
            streak: Cell::new(0),
            stand_ins: StandIns::default(),
            takes_extents,
        })
    }

    /// Whether a body may give out what is in the page cache as it lies there.
    pub(super) fn takes_extents(&self) -> bool {
        self.takes_extents
    }

    /// A body begins.
    pub(super) fn begin(&self) {
        self.is_ended.set(false);
        self.streak.set(0);
    }

    /// It gave its last frame.
    pub(super) fn end(&self) {
        self.is_ended.set(true);
        self.settle();
    }

    /// What a body may do next; where it has to wait it is woken.
    pub(super) fn turn(&self, cx: &Context<'_>) -> Turn {
        let is_large = self.permit.borrow().is_some();
        let frames_max = if is_large { FRAMES_OUTSTANDING_MAX } else { 1 };
        let is_slow = self.is_stalled.get() || self.aside_size.get() > 0;
        let turn = match self.frame_count.get() {
            _ if is_slow => Turn::Park,
            count if count < frames_max => return Turn::Give,
            _ => Turn::Wait,
        };
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
        turn
    }

    /// An extent earns nothing: it is as long as many frames by itself.
    fn frame_given(&self, is_extent: bool) {
        self.frame_count.set(self.frame_count.get() + 1);
        if is_extent {
            return;
        }
        self.streak.set(self.streak.get() + 1);
        if self.streak.get() >= FRAMES_BEFORE_LARGE && self.permit.borrow().is_none() {
            *self.permit.borrow_mut() = self.budget.take();
            // Where there is none it is asked for again after as many more.
            self.streak.set(0);
        }
    }

    fn frame_taken(&self) {
        self.frame_count.set(self.frame_count.get() - 1);
        self.settle();
        self.wake();
    }

    /// The socket has had no room for too long, or has some again.
    fn set_stalled(&self, is_stalled: bool) {
        if self.is_stalled.replace(is_stalled) != is_stalled {
            self.streak.set(0);
            *self.permit.borrow_mut() = None;
            self.wake();
        }
    }

    fn set_aside(&self, size: usize) {
        self.streak.set(0);
        self.aside_size.set(size);
        if size == 0 {
            // The client was slow: what it had of the budget is for others.
            *self.permit.borrow_mut() = None;
            self.wake();
        }
    }

    /// A permit is kept no longer than there may be something to set aside.
    fn settle(&self) {
        if self.is_ended.get() && self.frame_count.get() == 0 && self.aside_size.get() == 0 {
            *self.permit.borrow_mut() = None;
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// A frame that hyper has. When the socket took it, it drops, and the next one may follow.
pub(super) struct Outgoing {
    shown: Shown,
    backlog: Rc<Backlog>,
}

/// What hyper sees of a frame.
enum Shown {
    Bytes(Bytes),
    Frame(Frame),
    /// So many bytes of an extent.
    StandIn(usize),
}

impl Outgoing {
    pub(super) fn new(data: Data, backlog: &Rc<Backlog>) -> Outgoing {
        backlog.frame_given(matches!(data, Data::Extent(_)));
        let shown = match data {
            Data::Bytes(bytes) => Shown::Bytes(bytes),
            Data::Frame(frame) => Shown::Frame(frame),
            Data::Extent(extent) => {
                let size = extent.size();
                backlog.stand_ins.show(extent);
                Shown::StandIn(size)
            }
        };
        backlog.lent_count.set(backlog.lent_count.get() + usize::from(shown.is_lent()));
        Outgoing { shown, backlog: Rc::clone(backlog) }
    }
}

impl Shown {
    /// Whether a buffer of the slab waits for these bytes.
    fn is_lent(&self) -> bool {
        match self {
            Shown::Bytes(_) | Shown::StandIn(_) => false,
            Shown::Frame(frame) => frame.is_lent(),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let lent_count = &self.backlog.lent_count;
        lent_count.set(lent_count.get() - usize::from(self.shown.is_lent()));
        self.backlog.frame_taken();
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        match &self.shown {
            Shown::Bytes(bytes) => bytes.remaining(),
            Shown::Frame(frame) => frame.remaining(),
            Shown::StandIn(size) => *size,
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.shown {
            Shown::Bytes(bytes) => bytes.chunk(),
            Shown::Frame(frame) => frame.chunk(),
            Shown::StandIn(size) => stand_in(*size),
        }
    }

    fn advance(&mut self, size: usize) {
        match &mut self.shown {
            Shown::Bytes(bytes) => bytes.advance(size),
            Shown::Frame(frame) => frame.advance(size),
            Shown::StandIn(left) => {
                assert!(size <= *left, "nobody advances beyond the end");
                *left -= size;
                self.backlog.stand_ins.claim(size);
            }
        }
    }
}

/// The socket, as the sending side sees it. Reads pass through.
#[derive(Debug)]
pub(super) struct Outlet<S> {
    socket: S,
    backlog: Rc<Backlog>,
    /// What was set aside and has not been sent.
    aside: VecDeque<Aside>,
    blocked_since: Option<Instant>,
    /// Made when the socket is full for the first time; moved only when it rings, since most pauses
    /// are over before.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Something that was set aside.
#[derive(Debug)]
enum Aside {
    Bytes(BytesMut),
    Extent(Extent),
}

impl<S: AsyncWrite + SendExtent + Unpin> Outlet<S> {
    pub(super) fn new(socket: S, backlog: Rc<Backlog>) -> Outlet<S> {
        Outlet { socket, backlog, aside: VecDeque::new(), blocked_since: None, alarm: None }
    }

    /// Sends what was set aside.
    fn poll_aside(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(first) = self.aside.front_mut() {
            let socket = Pin::new(&mut self.socket);
            let left = match first {
                Aside::Bytes(bytes) => {
                    bytes.advance(ready!(written(socket.poll_write(cx, bytes)))?);
                    bytes.len()
                }
                Aside::Extent(extent) => {
                    extent.advance(ready!(written(poll_send(socket, cx, extent)))?);
                    extent.size()
                }
            };
            if left == 0 {
                self.aside.pop_front();
                if self.aside.is_empty() {
                    // Its memory goes: a connection that is slow once need not be slow for ever.
                    self.aside = VecDeque::new();
                    self.backlog.set_aside(0);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the first of `bufs`, up to a stand-in, or what that is of.
    fn poll_write_first(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = Pin::new(&mut self.socket);
        let own_count = bufs.iter().position(|buf| is_stand_in(buf)).unwrap_or(bufs.len());
        let (own, others) = bufs.split_at(own_count);
        let Some(buf) = others.first() else { return socket.poll_write_vectored(cx, own) };
        if own.iter().any(|buf| !buf.is_empty()) {
            return match buf.len() {
                ..=JOINED_SIZE_MAX => socket.poll_write_ahead(cx, own),
                _ => socket.poll_write_vectored(cx, own),
            };
        }
        let stand_ins = &self.backlog.stand_ins;
        let sent = ready!(poll_send(socket, cx, &stand_ins.first(buf.len())?))?;
        stand_ins.sent(sent);
        Poll::Ready(Ok(sent))
    }

    /// While the socket is full: ready when that has lasted too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        let deadline = since + Duration::from_millis(SEND_PARK_AFTER_MS);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
    }

    /// Takes `bufs` over; how many bytes they are.
    fn set_aside(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut size = 0;
        for buf in bufs {
            size += buf.len();
            if is_stand_in(buf) {
                let stand_ins = &self.backlog.stand_ins;
                self.aside.push_back(Aside::Extent(stand_ins.first(buf.len())?));
                stand_ins.sent(buf.len());
            } else if let Some(Aside::Bytes(bytes)) = self.aside.back_mut() {
                bytes.extend_from_slice(buf);
            } else {
                self.aside.push_back(Aside::Bytes(BytesMut::from(&**buf)));
            }
        }
        self.backlog.set_aside(size);
        self.blocked_since = None;
        Ok(size)
    }
}

/// Sends what the socket takes of an extent. What the disk does to a file needs a person; a client
/// that leaves does not.
fn poll_send(
    socket: Pin<&mut impl SendExtent>,
    cx: &mut Context<'_>,
    extent: &Extent,
) -> Poll<io::Result<usize>> {
    socket.poll_send_extent(cx, extent).map_err(|error| {
        if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) {
            tracing::error!(?extent, %error, "an answer was cut off: its file could not be read");
        }
        error
    })
}

/// Nothing written of something is an error.
fn written(count: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    let more_than_none =
        |size| if size > 0 { Ok(size) } else { Err(io::ErrorKind::WriteZero.into()) };
    count.map(|count| count.and_then(more_than_none))
}

impl<S: AsyncWrite + SendExtent + Unpin> AsyncWrite for Outlet<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.backlog.stand_ins.check()?;
        ready!(self.poll_aside(cx))?;
        let written = self.poll_write_first(cx, bufs);
        if written.is_ready() {
            self.blocked_since = None;
            self.backlog.set_stalled(false);
            return written;
        }
        ready!(self.poll_patience(cx));
        if self.backlog.lent_count.get() == 0 {
            // What waits has its own memory already, and a copy would only take more.
            self.backlog.set_stalled(true);
            return Poll::Pending;
        }
        Poll::Ready(self.set_aside(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_aside(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_aside(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests;
