//! BLAKE3 of an object while it streams by: one chaining value per hash block, merged to the root.
//!
//! One [`ObjectHasher`] per upload. Each block is a subtree of the BLAKE3 tree (a power of two,
//! at its own offset), so the root that comes out is the ordinary BLAKE3 of the data, and a client
//! that has the values can check each block alone. When there would be more than
//! [`HASH_BLOCKS_MAX`] blocks, neighbours are merged and the block size doubles: no byte is hashed
//! twice. Source: the BLAKE3 paper, section 2.1 (binary tree, chaining values), and the `hazmat`
//! module of the `blake3` crate.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::base::limits::{HASH_BLOCK_SIZE_MIN, HASH_BLOCKS_MAX};

/// Hashes bytes in the order of the object.
pub struct ObjectHasher {
    block: blake3::Hasher,
    /// Bytes hashed into the current block.
    block_filled: u64,
    block_size: u64,
    blocks_max: usize,
    /// Of the finished blocks.
    values: Vec<ChainingValue>,
}

/// What a whole object hashes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHash {
    /// BLAKE3 of the data.
    pub root: [u8; 32],
    /// Hash block, bytes.
    pub block_size: u64,
    /// One chaining value per block; empty when there is only one block.
    pub values: Vec<ChainingValue>,
}

impl ObjectHasher {
    /// For an object from its first byte.
    pub fn new() -> ObjectHasher {
        ObjectHasher::with_blocks(HASH_BLOCK_SIZE_MIN, HASH_BLOCKS_MAX)
    }

    fn with_blocks(block_size: u64, blocks_max: usize) -> ObjectHasher {
        assert!(block_size.is_power_of_two() && block_size >= 1024, "a block is a subtree");
        assert!(blocks_max.is_multiple_of(2), "blocks merge in pairs");
        let block = blake3::Hasher::new();
        ObjectHasher { block, block_filled: 0, block_size, blocks_max, values: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            // A full block is closed by the byte after it: the last block of an object may turn
            // out to be the only one, and then it is the root.
            if self.block_filled == self.block_size {
                self.next_block();
            }
            let room = self.block_size - self.block_filled;
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(take);
            self.block.update(now);
            self.block_filled += take as u64;
            rest = later;
        }
    }

    /// The hash of all bytes taken.
    pub fn finish(mut self) -> ObjectHash {
        if self.values.is_empty() {
            let root = *self.block.finalize().as_bytes();
            return ObjectHash { root, block_size: self.block_size, values: Vec::new() };
        }
        let size = self.values.len() as u64 * self.block_size + self.block_filled;
        self.values.push(self.block.finalize_non_root());
        let root = merge_root(&self.values, size, self.block_size);
        ObjectHash { root, block_size: self.block_size, values: self.values }
    }

    fn next_block(&mut self) {
        self.values.push(self.block.finalize_non_root());
        if self.values.len() == self.blocks_max {
            self.values = self
                .values
                .chunks_exact(2)
                .map(|pair| merge_subtrees_non_root(&pair[0], &pair[1], Mode::Hash))
                .collect();
            self.block_size *= 2;
        }
        // Not `reset`: it would keep the old block's input offset.
        self.block = blake3::Hasher::new();
        self.block.set_input_offset(self.values.len() as u64 * self.block_size);
        self.block_filled = 0;
    }
}

/// The root over at least two blocks' chaining values, of `size` bytes of data in all.
pub fn merge_root(values: &[ChainingValue], size: u64, block_size: u64) -> [u8; 32] {
    assert!(values.len() >= 2, "one block is its own root");
    let (left, right, left_size) = split(values, size, block_size);
    let left = merge(left, left_size, block_size);
    let right = merge(right, size - left_size, block_size);
    *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
}

/// The chaining value over some blocks. Recurses once per level of the tree: 16 at most.
fn merge(values: &[ChainingValue], size: u64, block_size: u64) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let (left, right, left_size) = split(values, size, block_size);
    let left = merge(left, left_size, block_size);
    let right = merge(right, size - left_size, block_size);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

fn split(
    values: &[ChainingValue],
    size: u64,
    block_size: u64,
) -> (&[ChainingValue], &[ChainingValue], u64) {
    assert_eq!(size.div_ceil(block_size), values.len() as u64, "one value per block");
    let left_size = left_subtree_len(size);
    let left_count = usize::try_from(left_size / block_size).unwrap_or(usize::MAX);
    let (left, right) = values.split_at(left_count);
    (left, right, left_size)
}

impl Default for ObjectHasher {
    fn default() -> ObjectHasher {
        ObjectHasher::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(size: usize) -> Vec<u8> {
        (0..251u8).cycle().take(size).collect()
    }

    proptest! {
        #[test]
        fn the_root_is_the_ordinary_blake3_whatever_the_pieces(
            size in 0usize..40_000,
            piece in 1usize..5000,
            blocks_max in prop::sample::select(vec![2usize, 4, 8, 64]),
        ) {
            let data = bytes(size);
            let mut hasher = ObjectHasher::with_blocks(1024, blocks_max);
            data.chunks(piece).for_each(|piece| hasher.update(piece));
            let hash = hasher.finish();
            prop_assert_eq!(hash.root, *blake3::hash(&data).as_bytes());
            prop_assert!(hash.values.len() <= blocks_max);
            let blocks = (size as u64).div_ceil(hash.block_size);
            prop_assert_eq!(hash.values.len() as u64, if blocks > 1 { blocks } else { 0 });
        }
    }

    #[test]
    fn each_block_can_be_checked_alone() {
        let data = bytes(5 * 1024 + 17);
        let mut hasher = ObjectHasher::with_blocks(1024, 8);
        hasher.update(&data);
        let hash = hasher.finish();
        assert_eq!(hash.values.len(), 6);
        for (index, block) in data.chunks(1024).enumerate() {
            let mut alone = blake3::Hasher::new();
            alone.set_input_offset(index as u64 * 1024);
            alone.update(block);
            assert_eq!(alone.finalize_non_root(), hash.values[index]);
        }
    }

    #[test]
    fn an_object_of_exactly_one_block_has_no_values() {
        let data = bytes(1024);
        let mut hasher = ObjectHasher::with_blocks(1024, 8);
        hasher.update(&data);
        assert_eq!(hasher.finish().values, Vec::<ChainingValue>::new());
    }
}
