//! BLAKE3 of data whose blocks come in any order, each hashed once, while it is in cache. Pure.
//!
//! One per pass over a file. A block is a subtree of the BLAKE3 tree (a power of two of at least
//! 1 KiB, at its own offset), and so are two neighbours that begin at a multiple of their size:
//!
//! ```text
//! level 2           0..3
//! level 1      0..1      2..3     4..5
//! level 0      0    1    2    3    4    5    6      at the end: 0..3, 4..5 and 6
//! ```
//!
//! Whoever comes second merges with its neighbour, so what is held is what is out of order, times
//! the height of the tree. The hashing itself needs nothing but the block and where it lies: several
//! threads make leaves ([`TreeShape::leaf`]) and take turns to put them into the tree. The root alone is not made on the way: it is merged by a rule of its
//! own. Source: the BLAKE3 paper, section 2.1, and the `hazmat` module of the `blake3` crate.

use std::collections::BTreeMap;

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

/// Bytes of zeros hashed at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A hash in the making.
#[derive(Debug)]
pub struct TreeHash {
    shape: TreeShape,
    /// Blocks taken.
    taken: u64,
    /// Chaining values of whole subtrees, by their first block.
    subtrees: BTreeMap<u64, Subtree>,
    /// Of data that is a single block.
    root: Option<[u8; 32]>,
}

/// What a block has to know of its tree to be hashed.
#[derive(Clone, Copy, Debug)]
pub struct TreeShape {
    block_size: u64,
    block_count: u64,
}

/// A hashed block.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    block: u64,
    /// The root of data that is a single block, else a chaining value.
    value: [u8; 32],
}

#[derive(Debug)]
struct Subtree {
    /// Blocks, a power of two; those after the last block of the data count.
    width: u64,
    value: ChainingValue,
}

impl TreeShape {
    /// For `size` bytes in blocks of `block_size`; the last may be partial.
    pub fn new(size: u64, block_size: usize) -> TreeShape {
        assert!(block_size.is_power_of_two() && block_size >= 1024, "a block is a subtree");
        let block_size = block_size as u64;
        TreeShape { block_size, block_count: size.div_ceil(block_size) }
    }

    /// Hashes the block at `offset`.
    pub fn leaf(self, offset: u64, block: &[u8]) -> Leaf {
        self.leaf_of(offset, |hasher| {
            hasher.update(block);
        })
    }

    fn leaf_of(self, offset: u64, update: impl FnOnce(&mut blake3::Hasher)) -> Leaf {
        assert!(offset.is_multiple_of(self.block_size), "a block begins at a multiple of its size");
        let block = offset / self.block_size;
        let mut hasher = blake3::Hasher::new();
        if self.block_count == 1 {
            update(&mut hasher);
            return Leaf { block, value: *hasher.finalize().as_bytes() };
        }
        hasher.set_input_offset(offset);
        update(&mut hasher);
        Leaf { block, value: hasher.finalize_non_root() }
    }
}

impl TreeHash {
    /// For `size` bytes in blocks of `block_size`; the last may be partial.
    pub fn new(size: u64, block_size: usize) -> TreeHash {
        let shape = TreeShape::new(size, block_size);
        let root = (shape.block_count == 0).then(|| *blake3::hash(b"").as_bytes());
        TreeHash { shape, taken: 0, subtrees: BTreeMap::new(), root }
    }

    /// What is needed to hash a block elsewhere.
    pub fn shape(&self) -> TreeShape {
        self.shape
    }

    /// Takes the block at `offset`; each is taken once.
    pub fn add(&mut self, offset: u64, block: &[u8]) {
        self.put(self.shape.leaf(offset, block));
    }

    /// Takes a block of `size` zeros.
    pub fn add_zeros(&mut self, offset: u64, size: usize) {
        self.put(self.shape.leaf_of(offset, |hasher| {
            let mut left = size;
            while left > 0 {
                let now = left.min(ZEROS.len());
                hasher.update(&ZEROS[..now]);
                left -= now;
            }
        }));
    }

    /// Takes a hashed block of a tree of this shape; each is taken once.
    pub fn put(&mut self, leaf: Leaf) {
        assert!(!self.has(leaf.block), "a block is taken once");
        self.taken += 1;
        if self.shape.block_count == 1 {
            self.root = Some(leaf.value);
        } else {
            self.place(leaf.block, leaf.value);
        }
    }

    /// Whether a block was taken.
    pub fn has(&self, block: u64) -> bool {
        let below = self.subtrees.range(..=block).next_back();
        self.is_whole() || below.is_some_and(|(first, subtree)| block - first < subtree.width)
    }

    /// Whether all blocks were taken.
    pub fn is_whole(&self) -> bool {
        self.taken == self.shape.block_count
    }

    /// The BLAKE3 of all blocks.
    ///
    /// # Panics
    /// When one was not taken: our own mistake.
    pub fn finish(self) -> [u8; 32] {
        if let Some(root) = self.root {
            return root;
        }
        let end = self.subtrees.iter().fold(0, |end, (&first, subtree)| {
            assert_eq!(first, end, "no block is missing");
            first + subtree.width
        });
        assert!(end >= self.shape.block_count, "no block is missing");
        let mut values = self.subtrees.into_values().map(|subtree| subtree.value);
        let (Some(first), Some(last)) = (values.next(), values.next_back()) else {
            unreachable!("more than one block are at least two subtrees below the root")
        };
        let merge = |right, left| merge_subtrees_non_root(&left, &right, Mode::Hash);
        let right = values.rev().fold(last, merge);
        *merge_subtrees_root(&first, &right, Mode::Hash).as_bytes()
    }

    /// Merges with neighbours as long as they are there and something else is in the tree.
    fn place(&mut self, block: u64, value: ChainingValue) {
        let (mut first, mut width, mut value) = (block, 1, value);
        while 2 * width < self.shape.block_count {
            let neighbour = first ^ width;
            if self.subtrees.get(&neighbour).is_none_or(|subtree| subtree.width != width) {
                break;
            }
            let Some(other) = self.subtrees.remove(&neighbour) else { break };
            let (left, right) =
                if first < neighbour { (value, other.value) } else { (other.value, value) };
            value = merge_subtrees_non_root(&left, &right, Mode::Hash);
            (first, width) = (first.min(neighbour), 2 * width);
        }
        self.subtrees.insert(first, Subtree { width, value });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = 1024;

    fn hash(data: &[u8], order: &[usize]) -> ([u8; 32], usize) {
        let mut tree = TreeHash::new(data.len() as u64, BLOCK);
        let mut held_max = 0;
        for &index in order {
            let block = &data[index * BLOCK..data.len().min((index + 1) * BLOCK)];
            let offset = (index * BLOCK) as u64;
            if block.iter().all(|&byte| byte == 0) {
                tree.add_zeros(offset, block.len());
            } else {
                tree.add(offset, block);
            }
            held_max = held_max.max(tree.subtrees.len());
        }
        (tree.finish(), held_max)
    }

    proptest! {
        #[test]
        fn the_root_is_the_ordinary_blake3_whatever_the_order(
            (size, order) in (0usize..70 * BLOCK).prop_flat_map(|size| {
                let order: Vec<usize> = (0..size.div_ceil(BLOCK)).collect();
                (Just(size), Just(order).prop_shuffle())
            }),
            zeros in 0usize..70,
        ) {
            let mut data: Vec<u8> = (0..251u8).cycle().take(size).collect();
            let hole = data.len().min(zeros * BLOCK)..data.len().min((zeros + 3) * BLOCK);
            data[hole].fill(0);
            prop_assert_eq!(hash(&data, &order).0, *blake3::hash(&data).as_bytes());
        }
    }

    #[test]
    fn a_block_that_comes_last_keeps_few_others_waiting() {
        let data = vec![7; 1000 * BLOCK + 1];
        let order: Vec<usize> = (1..=1000).chain([0]).collect();
        let (root, held_max) = hash(&data, &order);
        assert_eq!(root, *blake3::hash(&data).as_bytes());
        assert!(held_max <= 2 * 10, "{held_max} subtrees of a tree of height 10");
    }

    #[test]
    fn a_tree_knows_what_it_has() {
        for count in [1_u64, 2, 7, 8] {
            let data = vec![7; usize::try_from(count).unwrap() * BLOCK];
            let mut tree = TreeHash::new(data.len() as u64, BLOCK);
            for block in (0..count).rev() {
                assert!(!tree.has(block) && !tree.is_whole(), "{block} of {count}");
                tree.add(block * BLOCK as u64, &data[..BLOCK]);
                assert!((block..count).all(|taken| tree.has(taken)), "{block} of {count}");
            }
            assert!(tree.is_whole());
        }
        assert!(TreeHash::new(0, BLOCK).is_whole());
    }

    #[test]
    #[should_panic = "a block is taken once"]
    fn a_block_that_comes_twice_is_our_bug() {
        hash(&[7; 5 * BLOCK], &[0, 1, 0]);
    }

    #[test]
    #[should_panic = "no block is missing"]
    fn a_block_that_never_came_is_our_bug() {
        hash(&[7; 5 * BLOCK], &[0, 1, 3, 4]);
    }
}
