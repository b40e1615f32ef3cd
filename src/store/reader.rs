//! Reading: a range of a file as frames, several reads in flight, in order.
//!
//! One [`Reader`] per download. Protocol:
//! 1. The connection polls; the reader keeps up to [`READS_AHEAD_MAX`] reads in flight and gives
//!    out what completed, in the order of the file.
//! 2. A [`Frame`] owns its buffer until the socket took its last byte. Bytes in frames that the
//!    socket did not take yet are bounded: beyond the bound the reader waits for a frame to drop.
//! 3. Buffers come from the slab's download pool, a fair share of it each. A reader that gets none
//!    goes on with one small buffer of the heap at a time: slow peers can take the pool, but they
//!    cannot stop anybody.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesOrdered, Stream};

use super::error::{StoreError, StoreErrorKind, StoreResult};
use crate::base::limits::{FRAME_BYTES_OUTSTANDING_MAX, HEAP_READ_SIZE, READS_AHEAD_MAX};
use crate::disk::{Disk, File, Lease, Pool, Transfer, read_full};
use crate::id::ObjectNumber;
use crate::plan::{Chunk, Geometry};

/// Yields the bytes of one range.
pub struct Reader(Source);

enum Source {
    Memory(Option<Bytes>),
    File(Box<FileReader>),
}

struct FileReader {
    disk: Rc<dyn Disk>,
    file: File,
    /// Whose file it is, for the log; `None` for a public one.
    object: Option<ObjectNumber>,
    /// What no read was submitted for yet.
    rest: Range<u64>,
    reads: FuturesOrdered<LocalBoxFuture<'static, StoreResult<Filled>>>,
    window: Rc<Window>,
    failed: bool,
}

/// A buffer that was read into, `size` bytes of it.
struct Filled {
    lease: Lease,
    size: usize,
}

/// How much of what was given out the socket still holds.
#[derive(Default)]
struct Window {
    outstanding: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

/// Bytes of a download, with the buffer they lie in.
pub struct Frame(Storage);

enum Storage {
    Memory(Bytes),
    Lease { lease: Lease, start: usize, end: usize, _held: Held },
}

/// Counts one frame's buffer in its reader's window.
struct Held {
    window: Rc<Window>,
    size: usize,
}

impl Reader {
    /// Over bytes in memory.
    pub(super) fn from_memory(data: Bytes) -> Reader {
        Reader(Source::Memory((!data.is_empty()).then_some(data)))
    }

    /// Over `range` of a file, an object's or a public one.
    pub(super) fn from_file(
        disk: Rc<dyn Disk>,
        file: File,
        object: Option<ObjectNumber>,
        range: Range<u64>,
    ) -> Reader {
        assert!(range.start <= range.end, "a range runs forward");
        Reader(Source::File(Box::new(FileReader {
            disk,
            file,
            object,
            rest: range,
            reads: FuturesOrdered::new(),
            window: Rc::default(),
            failed: false,
        })))
    }

    /// The next frame; `None` after the last byte of the range. After an error there is nothing
    /// more: the range was not delivered whole.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreResult<Frame>>> {
        match &mut self.0 {
            Source::Memory(data) => {
                Poll::Ready(data.take().map(|data| Ok(Frame(Storage::Memory(data)))))
            }
            Source::File(file) => file.poll_next(cx),
        }
    }
}

impl Stream for Reader {
    type Item = StoreResult<Frame>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Reader::poll_next(self.get_mut(), cx)
    }
}

impl FileReader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreResult<Frame>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        if self.window.outstanding.get() >= FRAME_BYTES_OUTSTANDING_MAX {
            *self.window.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        while self.submit_one() {}
        if self.reads.is_empty() {
            if self.rest.is_empty() {
                return Poll::Ready(None);
            }
            // Only the heap is left and its one buffer is still out: wait for it.
            *self.window.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Poll::Ready(next) = Pin::new(&mut self.reads).poll_next(cx) else {
            return Poll::Pending;
        };
        self.failed = matches!(next, Some(Err(_)));
        Poll::Ready(next.map(|filled| match filled {
            Ok(filled) => Ok(self.frame(filled)),
            Err(error) => Err(match self.object {
                Some(object) => error.of(object),
                None => error,
            }),
        }))
    }

    fn frame(&self, Filled { lease, size }: Filled) -> Frame {
        let held = Held::new(Rc::clone(&self.window), lease.len());
        Frame(Storage::Lease { lease, start: 0, end: size, _held: held })
    }

    /// Submits the next read if there is something to read and a buffer for it.
    fn submit_one(&mut self) -> bool {
        if self.rest.is_empty() || self.reads.len() >= READS_AHEAD_MAX {
            return false;
        }
        let idle = self.reads.is_empty() && self.window.outstanding.get() == 0;
        let lease = match self.disk.slab().try_take(Pool::Download) {
            Some(lease) => lease,
            None if idle => Lease::heap(HEAP_READ_SIZE),
            None => return false,
        };
        let planned =
            Geometry::new(lease.len()).and_then(|buffers| buffers.range(self.rest.clone()));
        let Some(chunk) = planned.ok().and_then(|mut chunks| chunks.next()) else {
            unreachable!("buffers are powers of two, and the rest is not empty")
        };
        self.rest.start = chunk.end();
        self.reads.push_back(self.read(lease, chunk));
        true
    }

    fn read(&self, lease: Lease, chunk: Chunk) -> LocalBoxFuture<'static, StoreResult<Filled>> {
        let Chunk { offset, size } = chunk;
        let (disk, file) = (Rc::clone(&self.disk), self.file.clone());
        let first = self.disk.read(&self.file, lease, 0..size, offset);
        Box::pin(async move {
            let Transfer { lease, result } = first.await;
            let count = result?;
            let at = offset + count as u64;
            // Nothing is left to read unless the first read was short.
            let Transfer { lease, result } = read_full(&*disk, &file, lease, count..size, at).await;
            if count + result? < size {
                return Err(too_short(chunk.end()));
            }
            Ok(Filled { lease, size })
        })
    }
}

fn too_short(end: u64) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, format!("the file ends before byte {end}"))
}

impl Held {
    fn new(window: Rc<Window>, size: usize) -> Held {
        window.outstanding.set(window.outstanding.get() + size);
        Held { window, size }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.window.outstanding.set(self.window.outstanding.get() - self.size);
        if let Some(waker) = self.window.waiting.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Buf for Frame {
    fn remaining(&self) -> usize {
        match &self.0 {
            Storage::Memory(data) => data.len(),
            Storage::Lease { start, end, .. } => end - start,
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.0 {
            Storage::Memory(data) => data,
            Storage::Lease { lease, start, end, .. } => &lease[*start..*end],
        }
    }

    fn advance(&mut self, count: usize) {
        match &mut self.0 {
            Storage::Memory(data) => data.advance(count),
            Storage::Lease { start, end, .. } => {
                assert!(count <= *end - *start, "nobody advances beyond the end");
                *start += count;
            }
        }
    }
}
