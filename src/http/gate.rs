//! The receiving side of one connection: only what is a request, and can be read in one way, gets
//! through to hyper.
//!
//! The gate follows the framing of requests itself, more strictly than hyper does (`wire/`):
//!
//! 1. A head is held back until it is whole and in order. What it asks for may be at hand: then the
//!    counter (`counter.rs`) answers it. Every other is passed on.
//! 2. A body of known length is read straight into hyper's buffer, and no further than its end; a
//!    chunked one as well, but for the frames of its chunks, which are looked at first.
//! 3. Bytes that are no request are replaced: hyper gets a head of ours ([`REFUSED_HEAD`]), the
//!    service finds the fault in [`Refused`] and answers it as it answers everything. What follows
//!    them counts as the body of that request, which is thrown away (`linger.rs`) and closes the
//!    connection. So nothing behind them is ever taken for a request.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};

use super::counter::{Counter, Reply};
use crate::base::limits::{CHUNK_DIRECT_SIZE_MIN, HEAD_READ_SIZE, OBJECT_SIZE_MAX};
use crate::wire::{Chunks, Framing, HeadFault, HeadScan, RequestHead};

/// What stands for bytes that are no request; its body is all that comes behind them. No method of
/// ours, so that it is known in the log for what it is.
const REFUSED_HEAD: &[u8] =
    b"REFUSED * HTTP/1.1\r\nhost:\r\ncontent-length: 9223372036854775807\r\n\r\n";

/// Why the request that hyper has just been given is none; one per connection.
pub(super) type Refused = Rc<Cell<Option<HeadFault>>>;

/// Where heads are read into; one per worker, as it is used within one poll only.
#[derive(Clone, Debug)]
pub(super) struct Scratch(Rc<RefCell<Box<[u8]>>>);

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch(Rc::new(RefCell::new(vec![0; HEAD_READ_SIZE].into_boxed_slice())))
    }
}

/// The socket, as hyper sees it. Writes pass through.
pub(super) struct Gate<S> {
    /// `Take` fills hyper's buffer directly and no further than its limit, which is set anew for
    /// each read.
    socket: Take<S>,
    stage: Stage,
    /// What was read and not passed on: at most a head and one read.
    held: BytesMut,
    /// How much of that hyper may have.
    passed_size: usize,
    scratch: Scratch,
    refused: Refused,
    counter: Option<Counter>,
    /// What the counter answered, until it is sent.
    reply: Option<Reply>,
    /// Whether hyper may have something unanswered or unsent.
    is_owed: bool,
}

/// What the next bytes are.
#[derive(Debug)]
enum Stage {
    Head(HeadScan),
    Body { left: u64 },
    Chunks(Chunks),
}

impl<S: AsyncRead + Unpin> Gate<S> {
    pub(super) fn new(
        socket: S,
        scratch: Scratch,
        refused: Refused,
        counter: Option<Counter>,
    ) -> Gate<S> {
        Gate {
            socket: socket.take(0),
            stage: Stage::Head(HeadScan::default()),
            held: BytesMut::new(),
            passed_size: 0,
            scratch,
            refused,
            counter,
            reply: None,
            is_owed: false,
        }
    }

    /// Looks at what is held until some of it may pass, or more is needed.
    fn examine(&mut self) -> io::Result<()> {
        while self.passed_size == 0 && self.reply.is_none() && !self.held.is_empty() {
            match &mut self.stage {
                Stage::Head(scan) => match scan.scan(&self.held) {
                    Ok(Some(head)) => self.admit(head),
                    Ok(None) => break,
                    Err(fault) => self.refuse(fault),
                },
                Stage::Body { left } => {
                    let size = usize::try_from(*left).unwrap_or(usize::MAX).min(self.held.len());
                    self.passed_size = size;
                    *left -= size as u64;
                }
                Stage::Chunks(chunks) => {
                    let fed = chunks.feed(&self.held);
                    self.passed_size =
                        fed.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
                }
            }
            self.end_body();
        }
        Ok(())
    }

    fn admit(&mut self, head: RequestHead) {
        if head.framing == Framing::Length(0) && !self.is_owed {
            let counter = self.counter.as_ref();
            self.reply = counter.and_then(|counter| counter.answer(&self.held[..head.size]));
            if self.reply.is_some() {
                self.take_held(head.size);
                self.stage = Stage::Head(HeadScan::default());
                return;
            }
        }
        self.is_owed = true;
        self.passed_size = head.size;
        self.stage = match head.framing {
            Framing::Length(left) => Stage::Body { left },
            Framing::Chunked => Stage::Chunks(Chunks::new()),
        };
    }

    fn refuse(&mut self, fault: HeadFault) {
        self.refused.set(Some(fault));
        self.is_owed = true;
        self.held = BytesMut::from(REFUSED_HEAD);
        self.passed_size = REFUSED_HEAD.len();
        self.stage = Stage::Body { left: OBJECT_SIZE_MAX };
    }

    /// Behind a body comes a head.
    fn end_body(&mut self) {
        let has_ended = match &self.stage {
            Stage::Head(_) => false,
            Stage::Body { left } => *left == 0,
            Stage::Chunks(chunks) => chunks.has_ended(),
        };
        if has_ended {
            self.stage = Stage::Head(HeadScan::default());
        }
    }

    /// How many of the next bytes need not be looked at; 0 where they have to be.
    fn direct_size(&self) -> u64 {
        match &self.stage {
            Stage::Head(_) => 0,
            Stage::Body { left } => *left,
            Stage::Chunks(chunks) => {
                Some(chunks.data_left()).filter(|left| *left >= CHUNK_DIRECT_SIZE_MIN).unwrap_or(0)
            }
        }
    }

    /// Reads into hyper's buffer, at most `size` bytes.
    fn poll_read_direct(
        &mut self,
        size: u64,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.socket.set_limit(size);
        ready!(Pin::new(&mut TokioIo::new(&mut self.socket)).poll_read(cx, buf))?;
        let read_size = size - self.socket.limit();
        match &mut self.stage {
            Stage::Head(_) => unreachable!("heads are looked at"),
            Stage::Body { left } => *left -= read_size,
            Stage::Chunks(chunks) => chunks.skip_data(read_size),
        }
        self.end_body();
        Poll::Ready(Ok(()))
    }

    /// Reads what is to be looked at; the number of bytes, 0 at the end.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = self.scratch.0.borrow_mut();
        let mut buf = ReadBuf::new(&mut scratch);
        ready!(Pin::new(self.socket.get_mut()).poll_read(cx, &mut buf))?;
        self.held.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Gives hyper what it may have.
    fn pass(&mut self, mut buf: ReadBufCursor<'_>) {
        let size = self.passed_size.min(buf.remaining());
        buf.put_slice(&self.held[..size]);
        self.passed_size -= size;
        self.take_held(size);
    }

    fn take_held(&mut self, size: usize) {
        self.held.advance(size);
        if self.held.is_empty() {
            // An idle connection holds nothing.
            self.held = BytesMut::new();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    /// Sends what the counter answered.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(reply) = &mut self.reply {
            ready!(reply.poll_send(self.socket.get_mut(), cx))?;
            self.reply = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_reply(cx))?;
            self.examine()?;
            if self.reply.is_some() {
                continue;
            }
            if self.passed_size > 0 {
                self.pass(buf);
                return Poll::Ready(Ok(()));
            }
            let direct_size = if self.held.is_empty() { self.direct_size() } else { 0 };
            if direct_size > 0 {
                return self.poll_read_direct(direct_size, cx, buf);
            }
            if ready!(self.poll_hold(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.socket.get_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.socket.get_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_reply(cx))?;
        ready!(Pin::new(self.socket.get_mut()).poll_flush(cx))?;
        // hyper flushes when it has written all it had. It knows of a request that it was given
        // whole, and of one that runs there is more to come.
        let is_busy = self.counter.as_ref().is_some_and(Counter::is_busy);
        self.is_owed &= is_busy || self.passed_size > 0;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_reply(cx))?;
        Pin::new(self.socket.get_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
