//! Chunks: pieces of a transfer that never cross a multiple of the chunk size.
//!
//! ```text
//! chunk size     |---------------|---------------|---------------|
//! whole object   [   chunk 0     ][   chunk 1    ][ last ]
//! byte range              [ first][   chunk 1    ][ last ]
//! ```

use std::iter::FusedIterator;
use std::ops::Range;

use super::{Cursor, PlanError};
use crate::base::limits::{BLOCK_SIZE, CHUNK_SIZE_MAX, CHUNK_SIZE_MIN, OBJECT_SIZE_MAX};

/// The chunk size of a transfer: a power of two, from a block to [`CHUNK_SIZE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    chunk_size: usize,
}

/// One piece of a transfer; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it starts.
    pub offset: u64,
    /// Bytes of data.
    pub size: usize,
}

/// The chunks of a byte range, in order.
#[derive(Clone, Debug)]
pub struct Chunks {
    geometry: Geometry,
    rest: Range<u64>,
}

impl Geometry {
    /// Checks a chunk size.
    ///
    /// # Errors
    /// `ChunkSize`; its message names the bounds.
    pub fn new(chunk_size: usize) -> Result<Geometry, PlanError> {
        let in_bounds = (CHUNK_SIZE_MIN..=CHUNK_SIZE_MAX).contains(&chunk_size);
        if in_bounds && chunk_size.is_power_of_two() {
            Ok(Geometry { chunk_size })
        } else {
            Err(PlanError::ChunkSize { size: chunk_size as u64 })
        }
    }

    /// Bytes of a whole chunk.
    pub fn chunk_size(self) -> usize {
        self.chunk_size
    }

    /// The chunks of data whose length is known: all whole but the last.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn chunks(self, size: u64) -> Result<Chunks, PlanError> {
        self.range(0..size)
    }

    /// The chunks of a byte range; the first and the last may be partial.
    ///
    /// # Errors
    /// `TooLarge`, `Inverted`.
    pub fn range(self, range: Range<u64>) -> Result<Chunks, PlanError> {
        if range.end > OBJECT_SIZE_MAX {
            return Err(PlanError::TooLarge);
        }
        if range.start > range.end {
            return Err(PlanError::Inverted);
        }
        Ok(Chunks { geometry: self, rest: range })
    }

    /// The plan of data whose length nobody knows yet.
    pub fn cursor(self) -> Cursor {
        Cursor::new(self)
    }

    /// Bytes from `offset` to the next multiple of the chunk size: 1 to a whole chunk.
    pub(super) fn room(self, offset: u64) -> u64 {
        let chunk_size = self.chunk_size as u64;
        chunk_size - offset % chunk_size
    }
}

/// A size that is known to be at most a chunk's, as that of a buffer.
pub(super) fn buffer_size(size: u64) -> usize {
    match usize::try_from(size) {
        Ok(size) => size,
        Err(_) => unreachable!("a chunk fits in memory"),
    }
}

impl Chunk {
    /// Where the next one starts.
    pub fn end(self) -> u64 {
        // Every chunk ends at or below OBJECT_SIZE_MAX, half of what fits.
        self.offset + self.size as u64
    }

    /// Bytes that a direct write of this chunk moves: the data and zeros to the end of its last
    /// block. They fit in the chunk's buffer.
    pub fn padded_size(self) -> usize {
        self.size.next_multiple_of(BLOCK_SIZE)
    }

    /// Whether offset and size suit direct I/O as they are.
    pub fn is_aligned(self) -> bool {
        self.offset.is_multiple_of(BLOCK_SIZE as u64) && self.size.is_multiple_of(BLOCK_SIZE)
    }
}

impl Iterator for Chunks {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        if self.rest.is_empty() {
            return None;
        }
        let room = self.geometry.room(self.rest.start);
        let size = buffer_size(room.min(self.rest.end - self.rest.start));
        let chunk = Chunk { offset: self.rest.start, size };
        self.rest.start = chunk.end();
        Some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let chunk_size = self.geometry.chunk_size as u64;
        let first = self.rest.start / chunk_size;
        let after_last = self.rest.end.div_ceil(chunk_size);
        let count = if self.rest.is_empty() { 0 } else { after_last - first };
        let count = usize::try_from(count);
        (count.unwrap_or(usize::MAX), count.ok())
    }
}

impl FusedIterator for Chunks {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::strategies::{any_geometry, any_size};
    use super::*;

    #[test]
    fn a_chunk_size_is_a_power_of_two_within_bounds() {
        for size in [4096, 8192, 1 << 20, 16 << 20] {
            assert_eq!(Geometry::new(size).unwrap().chunk_size(), size);
        }
        for size in [0, 1, 512, 2048, 4095, 4097, 12_288, 32 << 20, usize::MAX] {
            let error = Geometry::new(size).unwrap_err();
            assert_eq!(error, PlanError::ChunkSize { size: size as u64 });
            assert!(error.to_string().ends_with("a power of two from 4KiB to 16MiB"));
        }
    }

    #[test]
    fn three_and_a_half_chunks_are_four() {
        let chunks = Geometry::new(4096).unwrap().chunks(3 * 4096 + 2048).unwrap();
        assert_eq!(chunks.size_hint(), (4, Some(4)));
        let chunks: Vec<(u64, usize)> = chunks.map(|chunk| (chunk.offset, chunk.size)).collect();
        assert_eq!(chunks, [(0, 4096), (4096, 4096), (8192, 4096), (12_288, 2048)]);
    }

    #[test]
    fn impossible_ranges_are_errors() {
        let geometry = Geometry::new(4096).unwrap();
        assert_eq!(geometry.chunks(0).unwrap().next(), None);
        assert_eq!(geometry.chunks(1 << 63).unwrap_err(), PlanError::TooLarge);
        assert_eq!(geometry.range(5..u64::MAX).unwrap_err(), PlanError::TooLarge);
        let (start, end) = (6, 5);
        assert_eq!(geometry.range(start..end).unwrap_err(), PlanError::Inverted);
    }

    #[test]
    fn a_chunk_knows_what_a_direct_write_of_it_moves() {
        for (size, padded_size, is_aligned) in
            [(1, 4096, false), (4095, 4096, false), (4096, 4096, true), (4097, 8192, false)]
        {
            let chunk = Chunk { offset: 8192, size };
            assert_eq!((chunk.padded_size(), chunk.is_aligned()), (padded_size, is_aligned));
            assert!(!Chunk { offset: 8191, size }.is_aligned());
        }
    }

    /// Walks `chunks` and checks that they continue each other from `start` and keep within
    /// their borders; returns where they end.
    fn walk(geometry: Geometry, start: u64, chunks: impl Iterator<Item = Chunk>) -> u64 {
        let chunk_size = geometry.chunk_size() as u64;
        chunks.fold(start, |at, chunk| {
            assert_eq!(chunk.offset, at, "in order, without a hole or an overlap");
            assert!(chunk.size > 0);
            assert_eq!(chunk.offset / chunk_size, (chunk.end() - 1) / chunk_size, "no border");
            chunk.end()
        })
    }

    proptest! {
        #[test]
        fn a_range_is_covered_once_in_order_within_borders(
            geometry in any_geometry(), start in any_size(), blocks in 0_u64..300, odd in 0_u64..9000,
        ) {
            let span = (blocks * geometry.chunk_size() as u64 / 4 + odd).min(256 << 20);
            let end = start.saturating_add(span).min(OBJECT_SIZE_MAX);
            let chunks = geometry.range(start..end).unwrap();
            let (count, _) = chunks.size_hint();
            prop_assert_eq!(chunks.clone().count(), count);
            let all: Vec<Chunk> = chunks.collect();
            prop_assert_eq!(walk(geometry, start, all.iter().copied()), end);
            for inner in all.iter().take(all.len().saturating_sub(1)).skip(1) {
                prop_assert_eq!(inner.size, geometry.chunk_size());
            }
        }

        #[test]
        fn a_huge_object_is_sound_wherever_it_is_sampled(
            geometry in any_geometry(), size in any_size(), sample in any_size(),
        ) {
            // The walk from the start is too long; one from any border goes on as it would.
            let chunk_size = geometry.chunk_size() as u64;
            let border = sample.min(size) / chunk_size * chunk_size;
            let from_border = geometry.range(border..size).unwrap();
            let near = from_border.clone().take(20);
            let near_end = walk(geometry, border, near);
            prop_assert!(near_end == size || near_end == border + 20 * chunk_size);

            let last_border = size.saturating_sub(3 * chunk_size) / chunk_size * chunk_size;
            let last = geometry.range(last_border..size).unwrap();
            prop_assert_eq!(walk(geometry, last_border, last), size);
            let (count, _) = geometry.chunks(size).unwrap().size_hint();
            prop_assert_eq!(count as u64, size.div_ceil(chunk_size));
        }
    }
}
