//! Chunks of data whose length nobody knows yet: the writer of an upload asks at every step.
//!
//! Protocol, per upload:
//! 1. [`Cursor::room`]: where the next bytes go and how many of them at most. The writer fills a
//!    buffer from its start.
//! 2. The buffer is full, or the data ended: [`Cursor::next`] with the bytes filled gives the
//!    chunk to write. Back to 1. Only the last chunk may end within a block.
//! 3. Or the peer is slow and the buffer is wanted elsewhere: [`Cursor::spill`] gives the whole
//!    blocks to write now and the bytes to keep aside (less than a block). Later they go first
//!    into a new buffer, which 1 measures to the same chunk border as before.

use super::chunk::buffer_size;
use super::{Chunk, Geometry, PlanError};
use crate::base::limits::{BLOCK_SIZE, OBJECT_SIZE_MAX};

/// Where an upload is.
#[derive(Clone, Debug)]
pub struct Cursor {
    geometry: Geometry,
    offset: u64,
}

/// A partly filled buffer, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spill {
    /// The whole blocks at the buffer's start; `None` when there is not even one.
    pub write: Option<Chunk>,
    /// The bytes after them, to keep aside: less than a block.
    pub kept_size: usize,
}

impl Cursor {
    pub(super) fn new(geometry: Geometry) -> Cursor {
        Cursor { geometry, offset: 0 }
    }

    /// Where the next chunk starts: everything below was handed out.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next chunk if it gets full: to the next multiple of the chunk size.
    ///
    /// # Errors
    /// `TooLarge` when no byte more fits below [`OBJECT_SIZE_MAX`].
    pub fn room(&self) -> Result<Chunk, PlanError> {
        let below_max = OBJECT_SIZE_MAX - self.offset;
        if below_max == 0 {
            return Err(PlanError::TooLarge);
        }
        let size = buffer_size(self.geometry.room(self.offset).min(below_max));
        Ok(Chunk { offset: self.offset, size })
    }

    /// The chunk of the `filled` bytes in the buffer, which is full or the data's last; `None`
    /// when the data ended before it.
    ///
    /// # Errors
    /// `TooLarge`, as [`Cursor::room`].
    ///
    /// # Panics
    /// When more was filled than there was room, or something follows the last chunk: our bug.
    pub fn next(&mut self, filled: usize) -> Result<Option<Chunk>, PlanError> {
        if filled == 0 {
            return Ok(None);
        }
        let room = self.room()?;
        assert!(filled <= room.size, "a buffer is not filled beyond the chunk's border");
        assert!(self.offset.is_multiple_of(BLOCK_SIZE as u64), "nothing follows the last chunk");
        let chunk = Chunk { offset: self.offset, size: filled };
        self.offset = chunk.end();
        Ok(Some(chunk))
    }

    /// Divides the `filled` bytes of a buffer that is given back before it is full.
    ///
    /// # Errors
    /// `TooLarge`, as [`Cursor::room`].
    ///
    /// # Panics
    /// As [`Cursor::next`].
    pub fn spill(&mut self, filled: usize) -> Result<Spill, PlanError> {
        let kept_size = filled % BLOCK_SIZE;
        let write = self.next(filled - kept_size)?;
        Ok(Spill { write, kept_size })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::strategies::{any_geometry, any_size};
    use super::*;

    fn cursor_at(geometry: Geometry, offset: u64) -> Cursor {
        Cursor { geometry, offset }
    }

    #[test]
    fn a_spilled_chunk_ends_at_the_border_it_had_before() {
        let mut cursor = Geometry::new(16_384).unwrap().cursor();
        let spill = cursor.spill(5000).unwrap();
        assert_eq!(spill.write, Some(Chunk { offset: 0, size: 4096 }));
        assert_eq!(spill.kept_size, 904);
        assert_eq!(cursor.room().unwrap(), Chunk { offset: 4096, size: 12_288 });
        let spill = cursor.spill(904).unwrap();
        assert_eq!(spill, Spill { write: None, kept_size: 904 });
        assert_eq!(cursor.next(12_288).unwrap(), Some(Chunk { offset: 4096, size: 12_288 }));
        assert_eq!(cursor.room().unwrap(), Chunk { offset: 16_384, size: 16_384 });
        assert_eq!(cursor.next(0).unwrap(), None, "the data ended at a border");
    }

    #[test]
    fn the_largest_object_ends_at_the_largest_offset() {
        let geometry = Geometry::new(4096).unwrap();
        let mut cursor = cursor_at(geometry, OBJECT_SIZE_MAX - 4095);
        assert_eq!(cursor.room().unwrap().size, 4095);
        assert_eq!(cursor.next(4095).unwrap().unwrap().end(), OBJECT_SIZE_MAX);
        assert_eq!(cursor.room(), Err(PlanError::TooLarge));
        assert_eq!(cursor.next(1), Err(PlanError::TooLarge));
        assert_eq!(cursor.spill(4096), Err(PlanError::TooLarge));
    }

    #[test]
    #[should_panic = "nothing follows the last chunk"]
    fn a_chunk_after_the_last_one_is_our_bug() {
        let mut cursor = Geometry::new(4096).unwrap().cursor();
        cursor.next(1000).unwrap();
        let _ = cursor.next(1000);
    }

    #[test]
    #[should_panic = "not filled beyond"]
    fn a_chunk_across_a_border_is_our_bug() {
        let _ = Geometry::new(4096).unwrap().cursor().next(4097);
    }

    /// A writer as the store has one: receives pieces, writes full buffers, spills where told,
    /// and notes what it wrote.
    fn upload(mut cursor: Cursor, pieces: &[(usize, bool)]) -> (Vec<Chunk>, u64) {
        let (mut written, mut filled, mut received) = (Vec::new(), 0, 0);
        for &(piece_size, slow) in pieces {
            let mut rest = piece_size;
            while rest > 0 {
                let taken = rest.min(cursor.room().unwrap().size - filled);
                (filled, rest, received) = (filled + taken, rest - taken, received + taken as u64);
                if filled == cursor.room().unwrap().size {
                    written.extend(cursor.next(filled).unwrap());
                    filled = 0;
                }
            }
            if slow {
                let spill = cursor.spill(filled).unwrap();
                assert!(spill.kept_size < BLOCK_SIZE);
                assert!(spill.write.is_none_or(Chunk::is_aligned));
                written.extend(spill.write);
                filled = spill.kept_size;
            }
        }
        written.extend(cursor.next(filled).unwrap());
        (written, received)
    }

    proptest! {
        #[test]
        fn spilling_and_going_on_covers_every_byte_once(
            geometry in any_geometry(),
            start in any_size(),
            pieces in vec((0_usize..100_000, any::<bool>()), 0..40),
        ) {
            let chunk_size = geometry.chunk_size() as u64;
            let start = start.min(OBJECT_SIZE_MAX - (8 << 20)) / 4096 * 4096;
            let (written, received) = upload(cursor_at(geometry, start), &pieces);
            let mut at = start;
            for (index, chunk) in written.iter().enumerate() {
                prop_assert_eq!(chunk.offset, at);
                prop_assert!(chunk.size > 0);
                prop_assert_eq!(chunk.offset / chunk_size, (chunk.end() - 1) / chunk_size);
                prop_assert!(chunk.is_aligned() || index + 1 == written.len(), "but the last");
                let start_in_chunk = chunk.offset % chunk_size;
                prop_assert!(start_in_chunk + chunk.padded_size() as u64 <= chunk_size);
                at = chunk.end();
            }
            prop_assert_eq!(at, start + received);
        }

        #[test]
        fn without_a_slow_peer_the_chunks_are_those_of_a_known_length(
            geometry in any_geometry(), pieces in vec(0_usize..300_000, 0..30),
        ) {
            let pieces: Vec<(usize, bool)> = pieces.into_iter().map(|size| (size, false)).collect();
            let (written, received) = upload(geometry.cursor(), &pieces);
            let known: Vec<Chunk> = geometry.chunks(received).unwrap().collect();
            prop_assert_eq!(written, known);
        }
    }
}
