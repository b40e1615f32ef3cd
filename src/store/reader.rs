//! Reading: a range of a file as frames, several reads in flight, in order.
//!
//! One [`Reader`] per download. Protocol:
//! 1. The connection polls; the reader keeps up to [`READS_AHEAD_MAX`] reads in flight, or
//!    [`DIRECT_READS_AHEAD_MAX`] where they go past the page cache (`way.rs` decides), and gives
//!    out what completed, in the order of the file, in [`Frame`]s of at most [`FRAME_SIZE_MAX`].
//!    How many frames are on their way to the socket is for the connection to bound.
//! 2. Who can send an [`Extent`] gets what lies in the page cache as such ([`Reader::poll_piece`]):
//!    no buffer is needed and nothing read ahead.
//! 3. Frames of one buffer share it: it goes back with the last of them.
//! 4. [`Reader::park`] gives back every buffer that is not in a frame, because the peer does not
//!    take what it was given. What was read ahead is read again when the peer goes on.
//! 5. Buffers come from the slab's download pool. A reader that gets none, or was parked and has
//!    not shown since that its peer keeps up, has one small buffer of the heap at a time: slow
//!    peers can stop nobody.

use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesOrdered, Stream};

use super::cache::Origin;
use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::verified::VerifiedReader;
use super::way::{Course, Way};
use crate::base::limits::{
    BLOCK_SIZE, DIRECT_AHEAD_SIZE_MAX, DIRECT_READS_AHEAD_MAX, EXTENT_SIZE_MAX, FRAME_SIZE_MAX,
    HEAP_READ_SIZE, READS_AFTER_PARK, READS_AHEAD_MAX,
};
use crate::disk::{Disk, Extent, File, Lease, Pool, Transfer, read_blocks, read_full};
use crate::plan::{Chunk, Geometry};

/// Yields the bytes of one range.
pub struct Reader(Source);

enum Source {
    Memory(Option<Bytes>),
    File(Box<FileReader>),
    Verified(Box<VerifiedReader>),
}

struct FileReader {
    disk: Rc<dyn Disk>,
    file: File,
    /// Whose file it is; `None` for a public one.
    origin: Option<Origin>,
    way: Way,
    /// What was not given out yet.
    rest: Range<u64>,
    /// Where the next read begins.
    next_read: u64,
    reads: FuturesOrdered<LocalBoxFuture<'static, StoreResult<Filled>>>,
    /// What is left of the buffer that frames are cut from.
    cutting: Option<Filled>,
    /// Small reads still to be made before the slab is asked again.
    small_reads_left: usize,
    failed: bool,
}

/// A buffer that was read into; its bytes from `start` to `end` were not given out yet.
struct Filled {
    lease: Rc<Lease>,
    start: usize,
    end: usize,
}

/// Bytes of a download, with the buffer they lie in.
pub struct Frame(Storage);

/// What comes next of a download.
pub enum Piece {
    /// In a buffer.
    Frame(Frame),
    /// In the page cache.
    Extent(Extent),
}

enum Storage {
    Memory(Bytes),
    Buffer(Filled),
}

impl Reader {
    /// Over bytes in memory.
    pub(super) fn from_memory(data: Bytes) -> Reader {
        Reader(Source::Memory((!data.is_empty()).then_some(data)))
    }

    /// Over a reader whose blocks are checked.
    pub(super) fn verified(reader: VerifiedReader) -> Reader {
        Reader(Source::Verified(Box::new(reader)))
    }

    /// Over `range` of a file, an object's or a public one.
    pub(super) fn from_file(
        disk: Rc<dyn Disk>,
        (file, origin): (File, Option<Origin>),
        way: Way,
        range: Range<u64>,
    ) -> Reader {
        assert!(range.start <= range.end, "a range runs forward");
        Reader(Source::File(Box::new(FileReader {
            disk,
            file,
            origin,
            way,
            next_read: range.start,
            rest: range,
            reads: FuturesOrdered::new(),
            cutting: None,
            small_reads_left: 0,
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
            Source::File(file) => file.poll_frame(cx, false),
            Source::Verified(verified) => verified.poll_next(cx),
        }
    }

    /// The same for who can send an extent.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreResult<Piece>>> {
        let Source::File(file) = &mut self.0 else {
            return self.poll_next(cx).map_ok(Piece::Frame);
        };
        let takes_extents = file.file.has_descriptor();
        if takes_extents && let Some(extent) = file.next_extent() {
            return Poll::Ready(Some(Ok(Piece::Extent(extent))));
        }
        file.poll_frame(cx, takes_extents).map_ok(Piece::Frame)
    }

    /// Gives back what was read and not given out: the peer is slow.
    pub fn park(&mut self) {
        match &mut self.0 {
            Source::Memory(_) => {}
            Source::File(file) => file.park(),
            Source::Verified(verified) => verified.park(),
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
    /// What comes next, if it is in the page cache and everything before it was given out.
    fn next_extent(&mut self) -> Option<Extent> {
        let is_due = !self.failed && self.cutting.is_none() && self.reads.is_empty();
        let unread = self.next_read..self.rest.end;
        if !is_due || unread.is_empty() || self.course(&unread, true) != Course::Resident {
            return None;
        }
        let end = self.way.decided().min(self.rest.start + EXTENT_SIZE_MAX as u64);
        let extent = Extent::new(&self.file, self.rest.start..end)?;
        (self.rest.start, self.next_read) = (end, end);
        Some(extent)
    }

    /// How what is to be read next is read.
    fn course(&mut self, unread: &Range<u64>, takes_extents: bool) -> Course {
        self.way.course(&*self.disk, &self.file, unread, takes_extents)
    }

    /// The next frame. Whoever takes extents gets no frames of what is in the page cache, only of
    /// what comes before it.
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        takes_extents: bool,
    ) -> Poll<Option<StoreResult<Frame>>> {
        if self.failed || self.rest.is_empty() {
            return Poll::Ready(None);
        }
        while self.submit_one(cx, takes_extents) {}
        let mut filled = match self.cutting.take() {
            Some(filled) => filled,
            None => match ready!(Pin::new(&mut self.reads).poll_next(cx)) {
                Some(Ok(filled)) => filled,
                Some(Err(error)) => {
                    self.failed = true;
                    let error = match &self.origin {
                        Some(origin) => origin.failed(error),
                        None => error,
                    };
                    return Poll::Ready(Some(Err(error)));
                }
                None if self.way.is_opening() => return Poll::Pending,
                None => unreachable!("what is left has a read in flight"),
            },
        };
        let frame = filled.cut();
        self.rest.start += (frame.end - frame.start) as u64;
        self.cutting = (filled.start < filled.end).then_some(filled);
        Poll::Ready(Some(Ok(Frame(Storage::Buffer(frame)))))
    }

    fn park(&mut self) {
        // A read in flight gives its buffer back with its completion.
        self.reads = FuturesOrdered::new();
        self.cutting = None;
        self.next_read = self.rest.start;
        self.small_reads_left = READS_AFTER_PARK;
        // By the time that the peer goes on other pages may be in memory.
        self.way.forget_resident();
    }

    /// Submits the next read if there is something to read and a buffer for it.
    fn submit_one(&mut self, cx: &mut Context<'_>, takes_extents: bool) -> bool {
        let mut unread = self.next_read..self.rest.end;
        if unread.is_empty() || self.reads.len() >= DIRECT_READS_AHEAD_MAX {
            return false;
        }
        let course = self.course(&unread, takes_extents);
        if course == Course::Resident {
            return false;
        }
        let is_slow = self.small_reads_left > 0;
        let direct = if is_slow || course != Course::Direct {
            None
        } else {
            match self.way.poll_handle(cx, &*self.disk, &self.file) {
                Poll::Ready(direct) => direct,
                Poll::Pending => return false,
            }
        };
        let Some(lease) = self.buffer(is_slow, direct.is_some()) else { return false };
        let direct = direct.filter(|_| lease.region().is_some());
        if direct.is_some() {
            unread.end = unread.end.min(self.way.decided());
        }
        self.small_reads_left = self.small_reads_left.saturating_sub(1);
        let planned = Geometry::new(lease.len()).and_then(|buffers| buffers.range(unread));
        let Some(chunk) = planned.ok().and_then(|mut chunks| chunks.next()) else {
            unreachable!("buffers are powers of two, and there is something to read")
        };
        self.next_read = chunk.end();
        let read = match direct {
            Some(direct) => self.read_direct(direct, lease, chunk),
            None => self.read(lease, chunk),
        };
        self.reads.push_back(read);
        true
    }

    /// A buffer for the next read, if it may be made now.
    fn buffer(&self, is_slow: bool, is_direct: bool) -> Option<Lease> {
        let slab = self.disk.slab();
        let has_room = |pool| 2 * slab.in_use(pool) <= slab.count(pool);
        let ahead_size = self.next_read - self.rest.start;
        let is_deep = is_direct && ahead_size < DIRECT_AHEAD_SIZE_MAX;
        let is_larger = slab.buffer_size(Pool::Upload) > slab.buffer_size(Pool::Download);
        let large = is_deep && is_larger && has_room(Pool::Upload);
        let usual = self.reads.len() < READS_AHEAD_MAX || is_deep && has_room(Pool::Download);
        let take = |pool, may_take: bool| may_take.then(|| slab.try_take(pool)).flatten();
        let is_idle = self.reads.is_empty() && self.cutting.is_none();
        take(Pool::Upload, large)
            .or_else(|| take(Pool::Download, usual && !is_slow))
            .or_else(|| is_idle.then(|| Lease::heap(HEAP_READ_SIZE)))
    }

    /// Reads the whole blocks around a chunk, which lie in the same buffer's place.
    fn read_direct(
        &self,
        direct: File,
        lease: Lease,
        chunk: Chunk,
    ) -> LocalBoxFuture<'static, StoreResult<Filled>> {
        let (disk, file) = (Rc::clone(&self.disk), self.file.clone());
        let start = usize::try_from(chunk.offset % BLOCK_SIZE as u64).unwrap_or(0);
        let (end, offset) = (start + chunk.size, chunk.offset - start as u64);
        Box::pin(async move {
            let mut read = read_blocks(&*disk, &direct, lease, end, offset).await;
            if read.result.as_ref().is_err_and(|error| error.errno() == Some(libc::EINVAL)) {
                // Larger blocks than ours are asked for.
                read = read_full(&*disk, &file, read.lease, 0..end, offset).await;
            }
            if read.result? < end {
                return Err(too_short(chunk.end()));
            }
            Ok(Filled { lease: Rc::new(read.lease), start, end })
        })
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
            Ok(Filled { lease: Rc::new(lease), start: 0, end: size })
        })
    }
}

fn too_short(end: u64) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, format!("the file ends before byte {end}"))
}

impl Frame {
    /// Keeps the first `size` bytes.
    pub(super) fn truncate(&mut self, size: usize) {
        match &mut self.0 {
            Storage::Memory(data) => data.truncate(size),
            Storage::Buffer(filled) => filled.end = filled.end.min(filled.start + size),
        }
    }

    /// Whether a buffer of the slab waits for this frame.
    pub fn is_lent(&self) -> bool {
        match &self.0 {
            Storage::Memory(_) => false,
            Storage::Buffer(filled) => filled.lease.region().is_some(),
        }
    }
}

impl Filled {
    /// Cuts the next frame off.
    fn cut(&mut self) -> Filled {
        let (start, end) = (self.start, self.end.min(self.start + FRAME_SIZE_MAX));
        self.start = end;
        Filled { lease: Rc::clone(&self.lease), start, end }
    }
}

impl Buf for Frame {
    fn remaining(&self) -> usize {
        self.chunk().len()
    }

    fn chunk(&self) -> &[u8] {
        match &self.0 {
            Storage::Memory(data) => data,
            Storage::Buffer(Filled { lease, start, end }) => &lease[*start..*end],
        }
    }

    fn advance(&mut self, count: usize) {
        match &mut self.0 {
            Storage::Memory(data) => data.advance(count),
            Storage::Buffer(Filled { start, end, .. }) => {
                assert!(count <= *end - *start, "nobody advances beyond the end");
                *start += count;
            }
        }
    }
}
