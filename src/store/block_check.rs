//! Whether the bytes of one hash block are those that were sealed. Pure.
//!
//! One at a time per reader. Its bytes pass in order, in pieces of any size; the answer comes after
//! the last one. A block that is the only one of its object is compared with the BLAKE3 of the
//! object, any other with its own chaining value (docs/format.md).

use std::ops::Range;
use std::sync::Arc;

use blake3::hazmat::HasherExt;

use super::error::{StoreError, StoreErrorKind};
use super::seal::Seal;

/// A hash block on its way past.
pub(super) struct BlockCheck {
    seal: Arc<Seal>,
    index: u64,
    hasher: blake3::Hasher,
    /// Bytes that did not pass yet.
    left: u64,
}

impl BlockCheck {
    /// Before the first byte of block `index`.
    pub(super) fn new(seal: Arc<Seal>, index: u64) -> BlockCheck {
        let range = seal.block_range(index);
        let mut hasher = blake3::Hasher::new();
        if seal.block_count() > 1 {
            hasher.set_input_offset(range.start);
        }
        BlockCheck { seal, index, hasher, left: range.end - range.start }
    }

    /// Which block.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    /// Where it lies in the data.
    pub(super) fn range(&self) -> Range<u64> {
        self.seal.block_range(self.index)
    }

    /// Bytes that did not pass yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Passes over bytes that cannot be read: the block will not be judged.
    pub(super) fn skip(&mut self, count: u64) {
        self.left = self.left.saturating_sub(count);
    }

    /// Takes the next bytes.
    ///
    /// # Panics
    /// When there are more of them than the block has: a reader stops at the border.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            panic!("a read ends with its block")
        };
        self.left = left;
        self.hasher.update(bytes);
    }

    /// Whether all bytes of the block have passed.
    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Whether they were the sealed ones.
    pub(super) fn is_intact(&self) -> bool {
        assert!(self.is_complete(), "a block is judged whole");
        if self.seal.block_count() == 1 {
            return *self.hasher.finalize().as_bytes() == self.seal.blake3;
        }
        let index = usize::try_from(self.index).unwrap_or(usize::MAX);
        self.seal.block_hashes.get(index) == Some(&self.hasher.finalize_non_root())
    }

    /// What is said of a block that is not intact.
    pub(super) fn damage(&self) -> StoreError {
        let Range { start, end } = self.range();
        let (index, last) = (self.index, end.saturating_sub(1));
        let message = format!("block {index} (bytes {start}-{last}) does not match its hash");
        StoreError::new(StoreErrorKind::Damaged, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ObjectHasher;

    fn sealed(data: &[u8]) -> Arc<Seal> {
        let mut hasher = ObjectHasher::new();
        hasher.update(data);
        let size_bytes = data.len() as u64;
        Arc::new(Seal::new(String::new(), String::new(), size_bytes, hasher.finish()))
    }

    fn is_intact(seal: &Arc<Seal>, index: u64, data: &[u8]) -> bool {
        let mut check = BlockCheck::new(Arc::clone(seal), index);
        let range = check.range();
        let (start, end) = (range.start.try_into().unwrap(), range.end.try_into().unwrap());
        let block: &[u8] = &data[start..end];
        block.chunks(100_000).for_each(|piece| check.update(piece));
        check.is_intact()
    }

    #[test]
    fn every_block_is_known_by_its_bytes_and_a_flipped_bit_in_any_is_found() {
        for size in [0, 1, 1 << 20, (1 << 20) + 1, (3 << 20) - 1] {
            let data: Vec<u8> = (0..251u8).cycle().take(size).collect();
            let seal = sealed(&data);
            for index in 0..seal.block_count() {
                assert!(is_intact(&seal, index, &data), "block {index} of {size}");
                let range = seal.block_range(index);
                for at in [range.start, u64::midpoint(range.start, range.end)] {
                    let mut damaged = data.clone();
                    if let Some(byte) = damaged.get_mut(usize::try_from(at).unwrap()) {
                        *byte ^= 1;
                        assert!(!is_intact(&seal, index, &damaged), "byte {at} of {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn equal_blocks_do_not_pass_for_one_another() {
        let data = vec![7; 3 << 20];
        let seal = sealed(&data);
        let mut check = BlockCheck::new(Arc::clone(&seal), 1);
        check.update(&data[..1 << 20]);
        assert!(check.is_intact(), "the same bytes at the same place");
        assert_ne!(seal.block_hashes[0], seal.block_hashes[1], "a hash is bound to its place");
    }
}
