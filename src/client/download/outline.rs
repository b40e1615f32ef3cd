//! A file in blocks: how large they are, and what each should hash to where somebody said so. Pure.

use std::ops::Range;

use blake3::hazmat::HasherExt as _;
use data_encoding::HEXLOWER;

use crate::base::limits::{
    HASH_BLOCK_SIZE_MIN, HASH_BLOCKS_MAX, JOURNAL_BLOCK_SIZE_MIN, OBJECT_SIZE_MAX,
};
use crate::store::merge_root;
use crate::wire::ManifestAnswer;

/// The blocks of a file of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    size_bytes: u64,
    block_size: u64,
    /// What the manifest says.
    known: Option<Known>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    root: [u8; 32],
    /// One for each block; of a single block, the root.
    values: Vec<[u8; 32]>,
}

/// Hashes one block.
pub(super) struct BlockHasher {
    hasher: blake3::Hasher,
    is_root: bool,
}

impl Outline {
    /// Of a file that nobody tells hashes of; `None` when it is larger than a file can be.
    pub(super) fn of_size(size_bytes: u64) -> Option<Outline> {
        let mut block_size = HASH_BLOCK_SIZE_MIN;
        while size_bytes.div_ceil(block_size) > HASH_BLOCKS_MAX as u64 {
            block_size *= 2;
        }
        let outline = Outline { size_bytes, block_size, known: None };
        (size_bytes <= OBJECT_SIZE_MAX).then_some(outline)
    }

    /// What a manifest says, if it agrees with itself: its numbers make sense, and the hashes of its
    /// blocks make the hash of the file. The error says what does not.
    pub(super) fn of_manifest(manifest: &ManifestAnswer) -> Result<Outline, &'static str> {
        let (size_bytes, block_size) = (manifest.size, manifest.block_size);
        if size_bytes > OBJECT_SIZE_MAX
            || !block_size.is_power_of_two()
            || block_size < JOURNAL_BLOCK_SIZE_MIN
            || size_bytes.div_ceil(block_size) > HASH_BLOCKS_MAX as u64
        {
            return Err("its sizes make no sense");
        }
        let root = hash(&manifest.blake3).ok_or("its BLAKE3 is none")?;
        let values: Option<Vec<_>> = manifest.block_hashes.iter().map(|text| hash(text)).collect();
        let values = values.ok_or("a block hash is none")?;
        let block_count = size_bytes.div_ceil(block_size);
        if block_count <= 1 {
            let values = vec![root; usize::from(block_count == 1)];
            return Ok(Outline { size_bytes, block_size, known: Some(Known { root, values }) });
        }
        if values.len() as u64 != block_count {
            return Err("it has not one hash for each block");
        }
        if merge_root(&values, size_bytes, block_size) != root {
            return Err("its block hashes do not make its BLAKE3");
        }
        Ok(Outline { size_bytes, block_size, known: Some(Known { root, values }) })
    }

    /// Of the whole file.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Of each block but the last.
    pub(super) fn block_size(&self) -> u64 {
        self.block_size
    }

    /// Blocks.
    pub(super) fn block_count(&self) -> u32 {
        // At most HASH_BLOCKS_MAX, by both constructors.
        u32::try_from(self.size_bytes.div_ceil(self.block_size)).unwrap_or(u32::MAX)
    }

    /// The bytes of a block.
    pub(super) fn block(&self, index: u32) -> Range<u64> {
        let border = |index: u64| index.saturating_mul(self.block_size).min(self.size_bytes);
        border(index.into())..border(u64::from(index) + 1)
    }

    /// The BLAKE3 that the manifest says.
    pub(super) fn root(&self) -> Option<[u8; 32]> {
        self.known.as_ref().map(|known| known.root)
    }

    /// What a block has to hash to, if somebody said so.
    pub(super) fn expected(&self, index: u32) -> Option<[u8; 32]> {
        self.known.as_ref().and_then(|known| known.values.get(index as usize).copied())
    }

    /// Whether a block may hash to this.
    pub(super) fn accepts(&self, index: u32, value: &[u8; 32]) -> bool {
        self.expected(index).is_none_or(|expected| expected == *value)
    }

    /// What hashes a block.
    pub(super) fn hasher(&self, index: u32) -> BlockHasher {
        let mut hasher = blake3::Hasher::new();
        let is_root = self.block_count() <= 1;
        if !is_root {
            hasher.set_input_offset(u64::from(index).saturating_mul(self.block_size));
        }
        BlockHasher { hasher, is_root }
    }

    /// The BLAKE3 of the whole file from those of its blocks.
    pub(super) fn merge(&self, values: &[[u8; 32]]) -> [u8; 32] {
        match values {
            [] => *blake3::hash(b"").as_bytes(),
            [only] => *only,
            several => merge_root(several, self.size_bytes, self.block_size),
        }
    }
}

impl BlockHasher {
    /// Takes the next bytes of the block; no more of them than it has.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The chaining value of the block; of a file that is a single block, its BLAKE3.
    pub(super) fn finish(&self) -> [u8; 32] {
        if self.is_root {
            *self.hasher.finalize().as_bytes()
        } else {
            self.hasher.finalize_non_root()
        }
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ObjectHasher;

    fn data(size: usize) -> Vec<u8> {
        (0..251u8).cycle().take(size).collect()
    }

    fn manifest(data: &[u8]) -> ManifestAnswer {
        let mut hasher = ObjectHasher::new();
        hasher.update(data);
        let hash = hasher.finish();
        ManifestAnswer {
            size: data.len() as u64,
            blake3: HEXLOWER.encode(&hash.root),
            block_size: hash.block_size,
            block_hashes: hash.values.iter().map(|value| HEXLOWER.encode(value)).collect(),
        }
    }

    #[test]
    fn each_block_is_checked_alone_and_all_make_the_file() {
        for size in [0, 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 77] {
            let data = data(size);
            let told = Outline::of_manifest(&manifest(&data)).unwrap();
            let untold = Outline::of_size(size as u64).unwrap();
            let mut values = Vec::new();
            for index in 0..told.block_count() {
                let range = told.block(index);
                assert_eq!(range, untold.block(index));
                let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
                let mut hasher = told.hasher(index);
                hasher.update(&data[start..end]);
                let value = hasher.finish();
                assert!(told.accepts(index, &value) && untold.accepts(index, &value));
                assert!(!told.accepts(index, &[0; 32]));
                values.push(value);
            }
            assert_eq!(untold.merge(&values), *blake3::hash(&data).as_bytes());
            assert_eq!(told.root(), Some(untold.merge(&values)));
        }
    }

    #[test]
    fn a_manifest_that_does_not_agree_with_itself_is_refused() {
        let good = manifest(&data((3 << 20) + 77));
        assert!(Outline::of_manifest(&good).is_ok());
        let zeros = "0".repeat(64);
        for spoil in [
            |bad: &mut ManifestAnswer| bad.size += 1 << 20,
            |bad: &mut ManifestAnswer| bad.size = u64::MAX,
            |bad: &mut ManifestAnswer| bad.block_size = 0,
            |bad: &mut ManifestAnswer| bad.block_size = 1024,
            |bad: &mut ManifestAnswer| bad.block_size = 3 << 19,
            |bad: &mut ManifestAnswer| bad.block_size <<= 1,
            |bad: &mut ManifestAnswer| bad.blake3 = "ab".to_owned(),
            |bad: &mut ManifestAnswer| bad.blake3.replace_range(..64, &"0".repeat(64)),
            |bad: &mut ManifestAnswer| bad.block_hashes.truncate(3),
            |bad: &mut ManifestAnswer| bad.block_hashes.swap(0, 1),
            |bad: &mut ManifestAnswer| bad.block_hashes[2].push('0'),
        ] {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert!(Outline::of_manifest(&bad).is_err(), "{bad:?}");
        }
        let mut huge = good;
        huge.size = OBJECT_SIZE_MAX;
        huge.block_hashes = vec![zeros; HASH_BLOCKS_MAX + 1];
        assert!(Outline::of_manifest(&huge).is_err());
    }

    #[test]
    fn blocks_grow_with_the_file_and_are_never_too_many() {
        let blocks = |size| Outline::of_size(size).map(|outline| outline.block_size());
        assert_eq!(blocks(64 << 30), Some(1 << 20));
        assert_eq!(blocks((64 << 30) + 1), Some(2 << 20));
        assert!(Outline::of_size(OBJECT_SIZE_MAX).unwrap().block_count() <= 65_536);
        assert_eq!(blocks(OBJECT_SIZE_MAX + 1), None);
    }
}
