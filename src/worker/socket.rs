//! One connection's socket: bounded reads, vectored writes.
//!
//! # How much one read takes
//! Large reads are what makes uploads fast, and they cost memory: hyper's read buffer doubles
//! whenever a read filled it, up to its `max_buf_size`, and is not given back while the connection
//! lives (`hyper::proto::h1::io`: `ReadStrategy`, and `BytesMut::reserve`, which reuses its
//! allocation and never shrinks it). So the bound is set here, by how much a read returns:
//!
//! - A connection reads at most [`SOCKET_READ_SIZE_FIRST`] (8 KiB) at a time, and
//!   [`SOCKET_READ_SIZE_SMALL`] (16 KiB) when more was there several times. hyper's buffer then
//!   grows to 32 KiB. While a handler holds one frame hyper may fill a second buffer: 2 x 16 KiB
//!   touched at once, and in small reads all of the 32 KiB in time.
//! - A connection whose full reads outnumber the others by [`FULL_READS_BEFORE_LARGE`] sends
//!   faster than it is read. If the worker's [`ReadBudget`] has a permit left, it takes it and
//!   reads up to [`SOCKET_READ_SIZE_LARGE`] (1 MiB) from then on: 2 x 1 MiB per permit by the
//!   same reckoning, 1.9 MiB measured.
//! - The permit is kept until the connection ends, because that is how long hyper keeps the
//!   buffer. Whoever finds none goes on in small reads, which are slower and never wrong.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::net::TcpStream;

use super::presence::{Attended, Presence, SharedStream};
use super::send_extent::{self, SendExtent};
use super::send_queue::{self, SendQueue};
use crate::base::limits::{
    FULL_READS_BEFORE_LARGE, FULL_READS_BEFORE_SMALL, SOCKET_READ_SIZE_FIRST,
    SOCKET_READ_SIZE_LARGE, SOCKET_READ_SIZE_SMALL,
};
use crate::disk::Extent;
use crate::telemetry::WorkerMetrics;

/// A connection to a peer: bounded reads, vectored writes, no Nagle delay.
#[derive(Debug)]
pub struct Socket {
    /// `Take` fills the caller's buffer directly and no further than its limit, which is set anew
    /// for each read.
    stream: Take<SharedStream>,
    pace: Pace,
    metrics: Arc<WorkerMetrics>,
}

/// The large reads a worker can afford. One per worker, shared by its connections.
#[derive(Clone, Debug)]
pub(super) struct ReadBudget {
    permits_left: Rc<Cell<usize>>,
}

/// The right to read large, given back when dropped.
#[derive(Debug)]
struct LargeRead {
    budget: ReadBudget,
}

/// How much a connection's next read may take.
#[derive(Debug)]
enum Pace {
    First {
        full_reads: usize,
        budget: ReadBudget,
    },
    /// `full_reads` is how many more reads were full than not.
    Small {
        full_reads: usize,
        budget: ReadBudget,
    },
    Large {
        _permit: LargeRead,
    },
}

impl Socket {
    /// Around an accepted connection.
    pub(super) fn new(
        stream: TcpStream,
        budget: &ReadBudget,
        metrics: Arc<WorkerMetrics>,
    ) -> io::Result<Socket> {
        // Header and body go out as they are written: with Nagle's algorithm the second waits for
        // the peer's delayed acknowledgement, 40 ms.
        stream.set_nodelay(true)?;
        let pace = Pace::First { full_reads: 0, budget: budget.clone() };
        Ok(Socket { stream: SharedStream::new(stream).take(0), pace, metrics })
    }

    /// The bare connection, for who moves its bytes another way; they are not counted here. `None`
    /// while its presence is watched.
    pub fn into_stream(self) -> Option<TcpStream> {
        self.stream.into_inner().into_stream()
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(sent_bytes)) = &written {
            self.metrics.sent_bytes.add(*sent_bytes as u64);
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wanted_size = self.pace.limit_bytes().min(buf.remaining());
        self.stream.set_limit(wanted_size as u64);
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let unread_bytes = self.stream.limit();
        self.metrics.received_bytes.add(wanted_size as u64 - unread_bytes);
        // A read of less, up to the end of a body, says nothing of how much there is.
        let is_full = unread_bytes == 0 && wanted_size >= self.pace.least_full_size();
        self.pace.record(is_full);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(self.stream.get_mut()).poll_write(cx, buf);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs);
        self.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }
}

impl Attended for Socket {
    fn presence(&self) -> Presence {
        Presence::of(self.stream.get_ref())
    }
}

impl SendQueue for Socket {
    fn queued_bytes(&self) -> Option<u64> {
        send_queue::queued_bytes(&*self.stream.get_ref().0.borrow())
    }
}

impl SendExtent for Socket {
    fn takes_extents(&self) -> bool {
        true
    }

    fn poll_write_ahead(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.stream.get_ref().0.borrow();
        self.sent(send_extent::poll_send(&stream, cx, |stream| {
            send_extent::write_ahead(stream, bufs)
        }))
    }

    fn poll_send_extent(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        extent: &Extent,
    ) -> Poll<io::Result<usize>> {
        let stream = self.stream.get_ref().0.borrow();
        let sent = send_extent::poll_send(&stream, cx, |stream| extent.send(stream));
        if let Poll::Ready(Ok(sent_bytes)) = &sent {
            self.metrics.extent_bytes.add(*sent_bytes as u64);
        }
        self.sent(sent)
    }
}

impl Pace {
    fn limit_bytes(&self) -> usize {
        match self {
            Pace::First { .. } => SOCKET_READ_SIZE_FIRST,
            Pace::Small { .. } => SOCKET_READ_SIZE_SMALL,
            Pace::Large { .. } => SOCKET_READ_SIZE_LARGE,
        }
    }

    /// A read that was asked for less, because less was left of a body, says nothing.
    fn least_full_size(&self) -> usize {
        self.limit_bytes().min(SOCKET_READ_SIZE_SMALL)
    }

    fn record(&mut self, read_was_full: bool) {
        let (Pace::First { full_reads, .. } | Pace::Small { full_reads, .. }) = self else {
            return;
        };
        *full_reads = if read_was_full { *full_reads + 1 } else { full_reads.saturating_sub(1) };
        if let Pace::First { full_reads, budget } = self {
            if *full_reads >= FULL_READS_BEFORE_SMALL {
                *self = Pace::Small { full_reads: 0, budget: budget.clone() };
            }
            return;
        }
        let Pace::Small { full_reads, budget } = self else { return };
        if *full_reads >= FULL_READS_BEFORE_LARGE {
            match budget.take() {
                Some(permit) => *self = Pace::Large { _permit: permit },
                // Asked again after as many more: the budget is not probed at every read.
                None => *full_reads = 0,
            }
        }
    }
}

impl ReadBudget {
    /// For `permits` connections at once.
    pub(super) fn new(permits: usize) -> ReadBudget {
        ReadBudget { permits_left: Rc::new(Cell::new(permits)) }
    }

    fn take(&self) -> Option<LargeRead> {
        self.permits_left.set(self.permits_left.get().checked_sub(1)?);
        Some(LargeRead { budget: self.clone() })
    }
}

impl Drop for LargeRead {
    fn drop(&mut self) {
        let left = &self.budget.permits_left;
        left.set(left.get() + 1);
    }
}

#[cfg(test)]
mod tests;
