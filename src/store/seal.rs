//! The seal: the blocks after an object's data that make the file self-describing. Pure.
//!
//! docs/format.md describes it byte by byte; the known-answer tests here hold both together. All
//! integers are little-endian. A file is `data | zeros to 4096 | seal`, and the seal ends with a
//! tail of fixed size that says how long the seal is, so a reader starts from the end of the file.

use std::ops::Range;
use std::time::SystemTime;

use super::hash::ObjectHash;
use super::seal_checksum::{are_zeros, checksum};
use crate::base::clock;
use crate::base::limits::{
    BLOCK_SIZE, CONTENT_TYPE_SIZE_MAX, HASH_BLOCK_SIZE_MIN, HASH_BLOCKS_MAX, NAME_SIZE_MAX,
    OBJECT_SIZE_MAX,
};

const MAGIC: [u8; 8] = *b"ringseal";
const TAIL_MAGIC: [u8; 8] = *b"ringtail";
const VERSION: u32 = 1;
/// Fixed part of the header, bytes.
const HEADER_SIZE: usize = 80;
/// Size of the tail, bytes: what a reader needs first.
pub(super) const TAIL_SIZE: usize = 64;
const CHECKSUM_SIZE: usize = 32;
/// The tail without its checksum, bytes.
const TAIL_FIELDS_SIZE: usize = TAIL_SIZE - CHECKSUM_SIZE;
const VALUE_SIZE: usize = 32;
/// Longest seal: all chaining values, the texts, header and tail, in whole blocks.
pub(super) const SEAL_SIZE_MAX: usize = (HASH_BLOCKS_MAX * VALUE_SIZE
    + HEADER_SIZE
    + CONTENT_TYPE_SIZE_MAX
    + NAME_SIZE_MAX
    + VALUE_SIZE
    + TAIL_SIZE)
    .next_multiple_of(BLOCK_SIZE);

/// What an object says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Size of the data, bytes.
    pub size_bytes: u64,
    /// When the object was sealed, to the millisecond.
    pub created: SystemTime,
    /// Media type as stored.
    pub content_type: String,
    /// Original name.
    pub name: String,
    /// BLAKE3 of the data.
    pub blake3: [u8; 32],
    /// Hash block, bytes.
    pub block_size_bytes: u64,
    /// One BLAKE3 chaining value per hash block; empty when there is only one block.
    pub block_hashes: Vec<[u8; 32]>,
}

/// Why bytes are not a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealError {
    what: &'static str,
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "damaged seal: {}", self.what)
    }
}

impl std::error::Error for SealError {}

/// The end of the file: how long the seal before it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Seal with its tail, bytes; a multiple of a block.
    pub(super) seal_size: usize,
    /// Size of the data, bytes.
    pub(super) data_size: u64,
}

impl Seal {
    /// Around a finished hash.
    pub fn new(name: String, content_type: String, size_bytes: u64, hash: ObjectHash) -> Seal {
        let now = clock::to_unix_ms(SystemTime::now());
        Seal {
            size_bytes,
            created: clock::from_unix_ms(now),
            content_type,
            name,
            blake3: hash.root,
            block_size_bytes: hash.block_size,
            block_hashes: hash.values,
        }
    }

    /// Bytes of its texts.
    pub(super) fn text_size(&self) -> usize {
        self.content_type.len() + self.name.len()
    }

    /// Hash blocks of the data; an object without data has one, which is empty.
    pub fn block_count(&self) -> u64 {
        self.size_bytes.div_ceil(self.block_size_bytes).max(1)
    }

    /// The hash block that byte `offset` of the data lies in.
    pub fn block_at(&self, offset: u64) -> u64 {
        offset / self.block_size_bytes
    }

    /// Where a hash block lies in the data; the last one may be shorter than the others.
    pub fn block_range(&self, index: u64) -> Range<u64> {
        let border = |index: u64| index.saturating_mul(self.block_size_bytes).min(self.size_bytes);
        border(index)..border(index.saturating_add(1))
    }

    /// The seal as it lies on disk: a multiple of a block.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.name.len() <= NAME_SIZE_MAX, "names are cut before they come here");
        assert!(self.content_type.len() <= CONTENT_TYPE_SIZE_MAX, "media types are checked before");
        assert!(self.block_hashes.len() <= HASH_BLOCKS_MAX, "the hasher doubles its blocks");
        let texts = HEADER_SIZE + self.content_type.len() + self.name.len();
        let size = encoded_size(texts, self.block_hashes.len());
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&length32(self.block_hashes.len()));
        out.extend_from_slice(&self.size_bytes.to_le_bytes());
        out.extend_from_slice(&clock::to_unix_ms(self.created).to_le_bytes());
        out.extend_from_slice(&self.block_size_bytes.to_le_bytes());
        out.extend_from_slice(&length32(self.content_type.len()));
        out.extend_from_slice(&length32(self.name.len()));
        out.extend_from_slice(&self.blake3);
        assert_eq!(out.len(), HEADER_SIZE);
        out.extend_from_slice(self.content_type.as_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.resize(texts.next_multiple_of(VALUE_SIZE), 0);
        self.block_hashes.iter().for_each(|value| out.extend_from_slice(value));
        out.resize(size - TAIL_SIZE, 0);
        out.extend_from_slice(&tail_fields(size, self.size_bytes));
        let checksum = checksum(&out);
        out.extend_from_slice(&checksum);
        assert_eq!(out.len(), size);
        out
    }

    /// Reads a whole seal, tail included. Accepts what [`Seal::encode`] writes and nothing else:
    /// every byte, padding too, has one meaning.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Seal, SealError> {
        let (body, stated) =
            bytes.split_last_chunk::<CHECKSUM_SIZE>().ok_or(damaged("too short"))?;
        if checksum(body) != *stated {
            return Err(damaged("checksum"));
        }
        let mut fields = Fields { rest: body };
        fields.expect(&MAGIC, "magic")?;
        fields.expect(&VERSION.to_le_bytes(), "version")?;
        let value_count = fields.u32()? as usize;
        let size_bytes = fields.u64()?;
        let created = clock::from_unix_ms(fields.u64()?);
        let block_size_bytes = fields.u64()?;
        let content_type_size = fields.u32()? as usize;
        let name_size = fields.u32()? as usize;
        let blake3 = fields.array::<32>()?;
        if !block_size_bytes.is_power_of_two() || block_size_bytes < HASH_BLOCK_SIZE_MIN {
            return Err(damaged("hash block size"));
        }
        let blocks = size_bytes.div_ceil(block_size_bytes);
        let expected = if blocks > 1 { blocks } else { 0 };
        if value_count as u64 != expected || value_count > HASH_BLOCKS_MAX {
            return Err(damaged("number of hash blocks"));
        }
        let content_type = fields.text(content_type_size, CONTENT_TYPE_SIZE_MAX, "media type")?;
        let name = fields.text(name_size, NAME_SIZE_MAX, "name")?;
        let texts = HEADER_SIZE + content_type_size + name_size;
        fields.zeros(texts.next_multiple_of(VALUE_SIZE) - texts)?;
        let block_hashes =
            (0..value_count).map(|_| fields.array::<32>()).collect::<Result<Vec<_>, _>>()?;
        if bytes.len() != encoded_size(texts, value_count) {
            return Err(damaged("seal size"));
        }
        fields.zeros(fields.rest.len().saturating_sub(TAIL_FIELDS_SIZE))?;
        fields.expect(&tail_fields(bytes.len(), size_bytes), "tail")?;
        Ok(Seal { size_bytes, created, content_type, name, blake3, block_size_bytes, block_hashes })
    }
}

impl Tail {
    /// Reads the last [`TAIL_SIZE`] bytes of a file of `file_size` bytes and checks that they fit.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub(super) fn decode(bytes: &[u8; TAIL_SIZE], file_size: u64) -> Result<Tail, SealError> {
        let mut fields = Fields { rest: bytes };
        fields.expect(&TAIL_MAGIC, "tail magic")?;
        let seal_size = fields.u64()?;
        let data_size = fields.u64()?;
        let max = SEAL_SIZE_MAX as u64;
        if seal_size == 0 || seal_size > max || !seal_size.is_multiple_of(BLOCK_SIZE as u64) {
            return Err(damaged("seal size"));
        }
        if data_size > OBJECT_SIZE_MAX {
            return Err(damaged("data size"));
        }
        let padded = data_size.next_multiple_of(BLOCK_SIZE as u64);
        if padded + seal_size != file_size {
            return Err(damaged("file size"));
        }
        let seal_size = usize::try_from(seal_size).map_err(|_| damaged("seal size"))?;
        Ok(Tail { seal_size, data_size })
    }
}

/// A cursor over bytes that may end anywhere.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], SealError> {
        let (now, later) = self.rest.split_at_checked(count).ok_or(damaged("too short"))?;
        self.rest = later;
        Ok(now)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SealError> {
        let (now, later) = self.rest.split_first_chunk::<N>().ok_or(damaged("too short"))?;
        self.rest = later;
        Ok(*now)
    }

    fn u32(&mut self) -> Result<u32, SealError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, SealError> {
        self.array().map(u64::from_le_bytes)
    }

    fn expect(&mut self, wanted: &[u8], what: &'static str) -> Result<(), SealError> {
        if self.bytes(wanted.len())? == wanted { Ok(()) } else { Err(damaged(what)) }
    }

    fn zeros(&mut self, count: usize) -> Result<(), SealError> {
        if are_zeros(self.bytes(count)?) { Ok(()) } else { Err(damaged("padding")) }
    }

    fn text(&mut self, size: usize, max: usize, what: &'static str) -> Result<String, SealError> {
        if size > max {
            return Err(damaged(what));
        }
        let text = std::str::from_utf8(self.bytes(size)?).map_err(|_| damaged(what))?;
        Ok(text.to_owned())
    }
}

/// Size of a seal whose header and texts have `texts` bytes.
fn encoded_size(texts: usize, value_count: usize) -> usize {
    let values = value_count * VALUE_SIZE;
    (texts.next_multiple_of(VALUE_SIZE) + values + TAIL_SIZE).next_multiple_of(BLOCK_SIZE)
}

/// The tail up to its checksum.
fn tail_fields(seal_size: usize, data_size: u64) -> [u8; TAIL_FIELDS_SIZE] {
    let mut fields = [0; TAIL_FIELDS_SIZE];
    fields[..8].copy_from_slice(&TAIL_MAGIC);
    fields[8..16].copy_from_slice(&(seal_size as u64).to_le_bytes());
    fields[16..24].copy_from_slice(&data_size.to_le_bytes());
    fields
}

fn damaged(what: &'static str) -> SealError {
    SealError { what }
}

fn length32(length: usize) -> [u8; 4] {
    let Ok(length) = u32::try_from(length) else { unreachable!("lengths are asserted above") };
    length.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn hello() -> Seal {
        Seal {
            size_bytes: 5,
            created: UNIX_EPOCH + Duration::from_millis(0x0102_0304_0506),
            content_type: "text/plain".to_owned(),
            name: "hello.txt".to_owned(),
            blake3: *blake3::hash(b"hello").as_bytes(),
            block_size_bytes: 1 << 20,
            block_hashes: Vec::new(),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(bytes)
    }

    #[test]
    fn the_bytes_are_those_of_the_format_document() {
        let bytes = hello().encode();
        let document = include_str!("../../docs/format.md");
        let header = hex(&bytes[..128]);
        let tail = hex(&bytes[bytes.len() - TAIL_SIZE..]);
        let flat: String = document.split_whitespace().collect();
        assert!(flat.contains(&header), "docs/format.md lacks the header {header}");
        assert!(flat.contains(&tail), "docs/format.md lacks the tail {tail}");
        assert!(bytes[128..bytes.len() - TAIL_SIZE].iter().all(|&byte| byte == 0));
        assert_eq!(bytes.len(), BLOCK_SIZE);
    }

    #[test]
    fn the_largest_seal_has_the_size_that_readers_bound() {
        let mut seal = hello();
        seal.content_type = "c".repeat(CONTENT_TYPE_SIZE_MAX);
        seal.name = "n".repeat(NAME_SIZE_MAX);
        seal.block_hashes = vec![[7; 32]; HASH_BLOCKS_MAX];
        seal.size_bytes = HASH_BLOCKS_MAX as u64 * seal.block_size_bytes;
        let bytes = seal.encode();
        assert_eq!(bytes.len(), SEAL_SIZE_MAX);
        assert_eq!(Seal::decode(&bytes), Ok(seal));
    }

    #[test]
    fn a_hash_block_smaller_than_any_we_make_is_damage() {
        let mut seal = hello();
        seal.block_size_bytes = 512;
        assert_eq!(Seal::decode(&seal.encode()), Err(damaged("hash block size")));
    }

    #[test]
    fn blocks_cover_the_data_once() {
        let mut seal = hello();
        assert_eq!((seal.block_count(), seal.block_range(0)), (1, 0..5));
        seal.size_bytes = 0;
        assert_eq!((seal.block_count(), seal.block_range(0)), (1, 0..0));
        seal.size_bytes = (2 << 20) + 1;
        assert_eq!(seal.block_count(), 3);
        assert_eq!(seal.block_range(1), 1 << 20..2 << 20);
        assert_eq!(seal.block_range(2), 2 << 20..(2 << 20) + 1);
        assert_eq!((seal.block_at((1 << 20) - 1), seal.block_at(1 << 20)), (0, 1));
    }

    #[test]
    fn a_tail_must_fit_its_file() {
        let bytes = hello().encode();
        let tail: [u8; TAIL_SIZE] = bytes[bytes.len() - TAIL_SIZE..].try_into().unwrap();
        let fits = 2 * BLOCK_SIZE as u64;
        assert_eq!(Tail::decode(&tail, fits), Ok(Tail { seal_size: BLOCK_SIZE, data_size: 5 }));
        assert_eq!(Tail::decode(&tail, fits + 4096), Err(damaged("file size")));
        let mut long = tail;
        long[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Tail::decode(&long, fits), Err(damaged("seal size")));
        let mut vast = tail;
        vast[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Tail::decode(&vast, fits), Err(damaged("data size")));
    }

    /// What the checksum cannot tell: another writer's seal, whose checksum is right.
    #[test]
    fn a_seal_has_one_spelling() {
        let good = hello().encode();
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            resealed(bytes)
        };
        let longer = {
            let mut bytes = good.clone();
            bytes.splice(128..128, [0; BLOCK_SIZE]);
            resealed(bytes)
        };
        assert!(Seal::decode(&changed(0, good[0])).is_ok());
        for (bytes, why) in [
            (changed(100, 1), "padding"),
            (changed(2000, 1), "padding"),
            (changed(BLOCK_SIZE - TAIL_SIZE + 8, 1), "tail"),
            (changed(BLOCK_SIZE - TAIL_SIZE + 16, 6), "tail"),
            (changed(BLOCK_SIZE - CHECKSUM_SIZE - 1, 1), "tail"),
            (longer, "seal size"),
        ] {
            assert_eq!(Seal::decode(&bytes), Err(damaged(why)));
        }
    }

    fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let body_size = bytes.len() - CHECKSUM_SIZE;
        let checksum = *blake3::hash(&bytes[..body_size]).as_bytes();
        bytes[body_size..].copy_from_slice(&checksum);
        bytes
    }

    proptest! {
        #[test]
        fn a_seal_comes_back_as_it_was(
            name in "\\PC{0,60}",
            content_type in "[ -~]{0,200}",
            blocks in 0usize..200,
            rest in 1u64..(1 << 20),
            ms in 0u64..(1 << 48),
        ) {
            let size_bytes = ((blocks as u64) << 20) + rest;
            let count = if blocks > 0 { blocks + 1 } else { 0 };
            let seal = Seal {
                size_bytes,
                created: UNIX_EPOCH + Duration::from_millis(ms),
                content_type,
                name,
                blake3: [9; 32],
                block_size_bytes: 1 << 20,
                block_hashes: (0..=u8::MAX).map(|value| [value; 32]).take(count).collect(),
            };
            let bytes = seal.encode();
            prop_assert!(bytes.len().is_multiple_of(BLOCK_SIZE));
            prop_assert_eq!(Seal::decode(&bytes), Ok(seal));
        }

        #[test]
        fn a_flipped_bit_or_a_cut_is_found(at in 0usize..BLOCK_SIZE, bit in 0u8..8) {
            let mut bytes = hello().encode();
            prop_assert!(Seal::decode(&bytes[..at]).is_err());
            bytes[at] ^= 1 << bit;
            prop_assert!(Seal::decode(&bytes).is_err());
        }

        #[test]
        fn garbage_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Seal::decode(&bytes).is_err());
        }
    }
}
