//! Reading with every hash block checked (`--verify-reads`): bytes that are not the sealed ones
//! never make a whole answer.
//!
//! One [`VerifiedReader`] per download, around the reader that moves the bytes. Protocol:
//! 1. The range is widened to the borders of the hash blocks it touches, and all of that is read.
//! 2. Every frame is hashed; what of it lies inside the range is passed on at once, so a large
//!    block needs no memory of its own.
//! 3. The last frame of each block that the client would get is passed on only when the whole
//!    block has been read and proved intact. For the block that the range ends in, that frame may
//!    have to wait for frames that nobody asked for.
//! 4. A block that is not intact ends the download with an error. The client has less of the
//!    block than it asked for, so it cannot take it for whole.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;

use super::block_check::BlockCheck;
use super::error::StoreResult;
use super::reader::{Frame, Reader};
use super::seal::Seal;
use crate::id::ObjectNumber;

/// Yields the bytes of one range of an object, block by block proved.
pub(super) struct VerifiedReader {
    inner: Reader,
    object: ObjectNumber,
    seal: Arc<Seal>,
    wanted: Range<u64>,
    /// Where the next frame of `inner` starts.
    at: u64,
    block: BlockCheck,
    /// The last wanted frame, while the rest of its block is read.
    held: Option<Frame>,
    ended: bool,
}

impl VerifiedReader {
    /// Over `wanted` of an object's data; `read` makes the reader of the wider range.
    pub(super) fn new(
        object: ObjectNumber,
        seal: Arc<Seal>,
        wanted: Range<u64>,
        read: impl FnOnce(Range<u64>) -> Reader,
    ) -> VerifiedReader {
        let first = seal.block_range(seal.block_at(wanted.start));
        let last = seal.block_range(seal.block_at(wanted.end.saturating_sub(1)));
        let is_empty = wanted.is_empty();
        let wide = if is_empty { wanted.clone() } else { first.start..last.end };
        VerifiedReader {
            at: wide.start,
            inner: read(wide),
            object,
            block: BlockCheck::new(Arc::clone(&seal), seal.block_at(wanted.start)),
            seal,
            wanted,
            held: None,
            ended: is_empty,
        }
    }

    /// As [`Reader::poll_next`].
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<StoreResult<Frame>>> {
        // Ends: each turn takes a frame of the inner reader, which waits for the disk after a few.
        while !self.ended {
            let next = ready!(self.inner.poll_next(cx));
            let taken = next.map(|frame| frame.and_then(|frame| self.take(frame)));
            match taken {
                Some(Ok(None)) => {}
                Some(Ok(Some(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => {
                    self.end();
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.end(),
            }
        }
        Poll::Ready(None)
    }

    /// Hashes a frame. What can be given out now, if anything.
    fn take(&mut self, frame: Frame) -> StoreResult<Option<Frame>> {
        self.block.update(frame.chunk());
        let start = self.at;
        self.at += frame.remaining() as u64;
        let mut ready = cut(frame, start, &self.wanted);
        if !self.block.is_complete() {
            // With this frame the client would have all it asked for: not before it is proved.
            if self.at >= self.wanted.end && ready.is_some() {
                self.held = ready.take().map(Frame::off_the_window);
            }
            return Ok(ready);
        }
        if !self.block.is_intact() {
            return Err(self.block.damage().of(self.object));
        }
        if self.block.index() + 1 < self.seal.block_count() {
            self.block = BlockCheck::new(Arc::clone(&self.seal), self.block.index() + 1);
        }
        Ok(self.held.take().or(ready))
    }

    fn end(&mut self) {
        self.ended = true;
        self.held = None;
    }
}

/// The part of a frame that starts at `start` which lies in `wanted`.
fn cut(mut frame: Frame, start: u64, wanted: &Range<u64>) -> Option<Frame> {
    let size = frame.remaining();
    let inside = |offset: u64| {
        let inside = offset.saturating_sub(start);
        usize::try_from(inside).unwrap_or(usize::MAX).min(size)
    };
    let (from, to) = (inside(wanted.start), inside(wanted.end));
    if from >= to {
        return None;
    }
    frame.truncate(to);
    frame.advance(from);
    Some(frame)
}
