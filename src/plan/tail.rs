//! The end of data written with direct I/O, which moves whole blocks only: the last block is
//! filled up with zeros, and the file is cut afterwards where the data ends.

use super::PlanError;
use super::chunk::buffer_size;
use crate::base::limits::{BLOCK_SIZE, OBJECT_SIZE_MAX};

/// How data of one size ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    data_size: u64,
    padded_size: u64,
}

impl Tail {
    /// The tail of `data_size` bytes.
    ///
    /// # Errors
    /// `TooLarge` when the last block would end beyond [`OBJECT_SIZE_MAX`].
    pub fn of(data_size: u64) -> Result<Tail, PlanError> {
        match data_size.checked_next_multiple_of(BLOCK_SIZE as u64) {
            Some(padded_size) if padded_size <= OBJECT_SIZE_MAX => {
                Ok(Tail { data_size, padded_size })
            }
            _ => Err(PlanError::TooLarge),
        }
    }

    /// Bytes with the last block filled up.
    pub fn padded_size(self) -> u64 {
        self.padded_size
    }

    /// Zeros after the data: less than a block.
    pub fn padding_size(self) -> usize {
        buffer_size(self.padded_size - self.data_size)
    }

    /// Whether the last write is aligned as it is: no zeros, no cut.
    pub fn is_aligned(self) -> bool {
        self.padded_size == self.data_size
    }

    /// What to cut the file to when nothing follows the data.
    pub fn cut_size(self) -> u64 {
        self.data_size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::strategies::{any_geometry, any_size};
    use super::*;

    #[test]
    fn the_last_block_is_filled_up() {
        for (size, padded_size, padding_size) in
            [(0, 0, 0), (1, 4096, 4095), (4095, 4096, 1), (4096, 4096, 0), (4097, 8192, 4095)]
        {
            let tail = Tail::of(size).unwrap();
            assert_eq!((tail.padded_size(), tail.padding_size()), (padded_size, padding_size));
            assert_eq!((tail.is_aligned(), tail.cut_size()), (padding_size == 0, size));
        }
    }

    #[test]
    fn padding_beyond_the_largest_offset_is_an_error() {
        let last = OBJECT_SIZE_MAX - 4095;
        assert_eq!(Tail::of(last).unwrap().padded_size(), last);
        for size in [last + 1, OBJECT_SIZE_MAX, OBJECT_SIZE_MAX + 1, u64::MAX - 4095, u64::MAX] {
            assert_eq!(Tail::of(size), Err(PlanError::TooLarge));
        }
    }

    proptest! {
        #[test]
        fn the_padded_last_chunk_ends_where_the_padded_data_ends(
            geometry in any_geometry(), size in 1..OBJECT_SIZE_MAX - 4096, any in any_size(),
        ) {
            for size in [size, any.clamp(1, OBJECT_SIZE_MAX - 4096)] {
                let chunk_size = geometry.chunk_size() as u64;
                let last_border = (size - 1) / chunk_size * chunk_size;
                let last = geometry.range(last_border..size).unwrap().last().unwrap();
                let tail = Tail::of(size).unwrap();
                prop_assert_eq!(last.offset + last.padded_size() as u64, tail.padded_size());
                prop_assert_eq!(last.padded_size() - last.size, tail.padding_size());
                prop_assert_eq!(last.is_aligned(), tail.is_aligned());
                prop_assert_eq!(tail.cut_size() + tail.padding_size() as u64, tail.padded_size());
            }
        }
    }
}
