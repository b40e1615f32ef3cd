//! The sending side of one connection: what its client does not take holds no buffer of the slab.
//!
//! hyper keeps the frames of an answer until the socket took their last byte, and a frame owns a
//! read buffer. So:
//!
//! 1. A body gives out one frame at a time, of at most 32 KiB: the next one when the socket took
//!    the last ([`Backlog::turn`]). A few fast connections a worker ([`SendBudget`]) may have
//!    [`FRAMES_OUTSTANDING_MAX`] out, which spares a fifth of the CPU time.
//! 2. When the socket has had no room for [`SEND_PARK_AFTER_MS`], what hyper wants to send (those
//!    frames, perhaps behind a head) is set aside, in memory of the connection's own share or of
//!    the budget, and hyper is told that it is sent. The frames drop, and their buffers are free.
//!    Frames that lie in memory of their own stay where they are.
//! 3. The body is woken, finds its client slow, and parks its reader, which gives back what it
//!    read ahead.
//! 4. What was set aside goes out before anything else. Then the body goes on, and has to earn a
//!    place in the budget again.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Data;
use crate::base::limits::{FRAMES_BEFORE_LARGE, FRAMES_OUTSTANDING_MAX, SEND_PARK_AFTER_MS};

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
    pub(super) fn new(budget: SendBudget) -> Rc<Backlog> {
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
        })
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

    fn frame_given(&self) {
        self.frame_count.set(self.frame_count.get() + 1);
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
    data: Data,
    backlog: Rc<Backlog>,
}

impl Outgoing {
    pub(super) fn new(data: Data, backlog: &Rc<Backlog>) -> Outgoing {
        backlog.frame_given();
        backlog.lent_count.set(backlog.lent_count.get() + usize::from(data.is_lent()));
        Outgoing { data, backlog: Rc::clone(backlog) }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let lent_count = &self.backlog.lent_count;
        lent_count.set(lent_count.get() - usize::from(self.data.is_lent()));
        self.backlog.frame_taken();
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, size: usize) {
        self.data.advance(size);
    }
}

/// The socket, as the sending side sees it. Reads pass through.
#[derive(Debug)]
pub(super) struct Outlet<S> {
    socket: S,
    backlog: Rc<Backlog>,
    aside: Vec<u8>,
    /// How much of what was set aside has been sent.
    aside_sent: usize,
    blocked_since: Option<Instant>,
    /// Made when the socket is full for the first time; moved only when it rings, since most pauses
    /// are over before.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    pub(super) fn new(socket: S, backlog: Rc<Backlog>) -> Outlet<S> {
        let (aside, aside_sent) = (Vec::new(), 0);
        Outlet { socket, backlog, aside, aside_sent, blocked_since: None, alarm: None }
    }

    /// Sends what was set aside.
    fn poll_aside(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.aside_sent < self.aside.len() {
            let rest = &self.aside[self.aside_sent..];
            match ready!(Pin::new(&mut self.socket).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.aside_sent += sent,
            }
        }
        if !self.aside.is_empty() {
            // Its memory goes: a connection that is slow once need not be slow for ever.
            (self.aside, self.aside_sent) = (Vec::new(), 0);
            self.backlog.set_aside(0);
        }
        Poll::Ready(Ok(()))
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
    fn set_aside(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        self.aside = bufs.iter().map(|buf| &**buf).collect::<Vec<_>>().concat();
        self.backlog.set_aside(self.aside.len());
        self.blocked_since = None;
        self.aside.len()
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outlet<S> {
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
        ready!(self.poll_aside(cx))?;
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
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
        Poll::Ready(Ok(self.set_aside(bufs)))
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
