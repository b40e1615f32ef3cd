//! The sending side of one connection: what its client does not take holds no buffer of the slab.
//!
//! hyper keeps the frames of an answer until the socket took their last byte, and a frame owns a
//! read buffer. So:
//!
//! 1. A body gives out one frame at a time: the next one when the socket took the last
//!    ([`Backlog::turn`]). A frame is at most 64 KiB, so that one write takes it.
//! 2. When the socket has had no room for [`SEND_PARK_AFTER_MS`], what hyper wants to send (that
//!    frame, perhaps behind a head) is set aside, in memory of the connection's own share, and
//!    hyper is told that it is sent. Its frame drops, and its buffer is free.
//! 3. The body is woken, finds something set aside, and parks its reader, which gives back what it
//!    read ahead.
//! 4. What was set aside goes out before anything else. Then the body goes on.

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
use crate::base::limits::SEND_PARK_AFTER_MS;

/// How much of an answer waits for the socket; one per connection, shared with its bodies.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Frames that hyper has.
    frame_count: Cell<usize>,
    /// Bytes that were set aside and not sent.
    aside_size: Cell<usize>,
    /// The body that waits for the next turn.
    waiting: RefCell<Option<Waker>>,
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
    /// What a body may do next; where it has to wait it is woken.
    pub(super) fn turn(&self, cx: &Context<'_>) -> Turn {
        let turn = match (self.aside_size.get(), self.frame_count.get()) {
            (0, 0) => return Turn::Give,
            (0, _) => Turn::Wait,
            (_, _) => Turn::Park,
        };
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
        turn
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
        backlog.frame_count.set(backlog.frame_count.get() + 1);
        Outgoing { data, backlog: Rc::clone(backlog) }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.backlog.frame_count.set(self.backlog.frame_count.get() - 1);
        self.backlog.wake();
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
            self.backlog.aside_size.set(self.aside.len() - self.aside_sent);
        }
        if !self.aside.is_empty() {
            // Its memory goes: a connection that is slow once need not be slow for ever.
            (self.aside, self.aside_sent) = (Vec::new(), 0);
            self.backlog.wake();
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
        self.backlog.aside_size.set(self.aside.len());
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
            return written;
        }
        ready!(self.poll_patience(cx));
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
