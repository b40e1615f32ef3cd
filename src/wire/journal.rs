//! The journal of a download: which blocks of a part are there, so that the next process goes on
//! where this one was stopped. Little-endian; described in docs/format.md.
//!
//! ```text
//! header, 72 bytes:  magic(8) | version(4) | kind(4) | size(8) | block size(8) | identity(32) |
//!                    checksum(8)
//! record, 48 bytes:  block(8) | hash(32) | checksum(8)
//! ```
//! Records are appended, each after its block was written. The first that is cut short or does not
//! have its checksum ends the journal: it was being written when the process died. The checksum of a
//! record covers the identity too, so that no record counts for another file.

use std::fmt;

use crate::base::limits::{HASH_BLOCKS_MAX, JOURNAL_BLOCK_SIZE_MIN, OBJECT_SIZE_MAX};

const MAGIC: [u8; 8] = *b"RHLDJRNL";
const VERSION: u32 = 1;
/// Bytes of the header.
pub const JOURNAL_HEADER_SIZE: usize = 72;
/// Bytes of a record.
pub const JOURNAL_RECORD_SIZE: usize = 48;
const CHECKSUM_SIZE: usize = 8;

/// What names the file that a journal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalIdentity {
    /// The BLAKE3 of the whole file.
    Content([u8; 32]),
    /// A digest of where it comes from and of what pins it there.
    Source([u8; 32]),
}

/// The beginning of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalHeader {
    /// Size of the file, bytes.
    pub size_bytes: u64,
    /// Bytes of a block, a power of two; the last may be shorter.
    pub block_size_bytes: u64,
    /// Which file.
    pub identity: JournalIdentity,
}

/// One block that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRecord {
    /// Which block.
    pub index: u32,
    /// Its BLAKE3 chaining value; of a file that is a single block, its BLAKE3.
    pub hash: [u8; 32],
}

/// Why a journal cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFault {
    /// It is too short, of another kind, or damaged in its header.
    NoHeader,
    /// Another version wrote it.
    Version(u32),
    /// Its numbers make no sense.
    Numbers,
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalFault::NoHeader => f.write_str("it is no journal, or a damaged one"),
            JournalFault::Version(version) => write!(f, "version {version} of ringhold wrote it"),
            JournalFault::Numbers => f.write_str("its sizes make no sense"),
        }
    }
}

impl std::error::Error for JournalFault {}

impl JournalHeader {
    /// The bytes that a journal begins with.
    pub fn encode(&self) -> [u8; JOURNAL_HEADER_SIZE] {
        let (kind, identity) = self.identity.parts();
        let mut bytes = [0; JOURNAL_HEADER_SIZE];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&kind.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.size_bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.block_size_bytes.to_le_bytes());
        bytes[32..64].copy_from_slice(identity);
        let checksum = checksum(&[&bytes[..64]]);
        bytes[64..].copy_from_slice(&checksum);
        bytes
    }

    /// Reads the beginning of a journal.
    ///
    /// # Errors
    /// When it is none that can be gone on with.
    pub fn decode(bytes: &[u8]) -> Result<JournalHeader, JournalFault> {
        let header = bytes.first_chunk::<JOURNAL_HEADER_SIZE>().ok_or(JournalFault::NoHeader)?;
        if field(header, 0) != MAGIC || field(header, 64) != checksum(&[&header[..64]]) {
            return Err(JournalFault::NoHeader);
        }
        let version = u32::from_le_bytes(field(header, 8));
        if version != VERSION {
            return Err(JournalFault::Version(version));
        }
        let identity = match u32::from_le_bytes(field(header, 12)) {
            1 => JournalIdentity::Content(field(header, 32)),
            2 => JournalIdentity::Source(field(header, 32)),
            _ => return Err(JournalFault::NoHeader),
        };
        let (size_bytes, block_size_bytes) =
            (u64::from_le_bytes(field(header, 16)), u64::from_le_bytes(field(header, 24)));
        let header = JournalHeader { size_bytes, block_size_bytes, identity };
        let is_sane = size_bytes <= OBJECT_SIZE_MAX
            && block_size_bytes.is_power_of_two()
            && block_size_bytes >= JOURNAL_BLOCK_SIZE_MIN
            && size_bytes.div_ceil(block_size_bytes) <= HASH_BLOCKS_MAX as u64;
        if is_sane { Ok(header) } else { Err(JournalFault::Numbers) }
    }

    /// Blocks of the file.
    pub fn block_count(&self) -> u32 {
        // At most HASH_BLOCKS_MAX.
        u32::try_from(self.size_bytes.div_ceil(self.block_size_bytes)).unwrap_or(u32::MAX)
    }

    /// The bytes of a record of this journal.
    pub fn encode_record(&self, record: &JournalRecord) -> [u8; JOURNAL_RECORD_SIZE] {
        let mut bytes = [0; JOURNAL_RECORD_SIZE];
        bytes[..8].copy_from_slice(&u64::from(record.index).to_le_bytes());
        bytes[8..40].copy_from_slice(&record.hash);
        let checksum = checksum(&[self.identity.parts().1, &bytes[..40]]);
        bytes[40..].copy_from_slice(&checksum);
        bytes
    }

    /// The records in what follows the header, up to the first that is not whole.
    pub fn records(&self, bytes: &[u8]) -> Vec<JournalRecord> {
        let (whole, _torn) = bytes.as_chunks::<JOURNAL_RECORD_SIZE>();
        whole.iter().map_while(|record| self.decode_record(record)).collect()
    }

    fn decode_record(&self, bytes: &[u8; JOURNAL_RECORD_SIZE]) -> Option<JournalRecord> {
        let index = u32::try_from(u64::from_le_bytes(field(bytes, 0))).ok()?;
        let is_whole = field(bytes, 40) == checksum(&[self.identity.parts().1, &bytes[..40]]);
        let record = JournalRecord { index, hash: field(bytes, 8) };
        (is_whole && index < self.block_count()).then_some(record)
    }
}

impl JournalIdentity {
    fn parts(&self) -> (u32, &[u8; 32]) {
        match self {
            JournalIdentity::Content(digest) => (1, digest),
            JournalIdentity::Source(digest) => (2, digest),
        }
    }
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_SIZE] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    field(hasher.finalize().as_bytes(), 0)
}

/// `N` bytes from `at` on, which are there by the format's own numbers.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    fn header() -> JournalHeader {
        JournalHeader {
            size_bytes: 5 << 20,
            block_size_bytes: 1 << 20,
            identity: JournalIdentity::Content([0xAB; 32]),
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let header = header();
        let told = HEXLOWER.encode(&header.encode());
        let fields = [
            "52484c444a524e4c", // magic
            "01000000",         // version
            "01000000",         // kind: content
            "0000500000000000", // size
            "0000100000000000", // block size
            &"ab".repeat(32),   // identity
            "603e48b6f20316dc", // checksum
        ];
        assert_eq!(told, fields.concat());
        let record = header.encode_record(&JournalRecord { index: 4, hash: [0xCD; 32] });
        let fields = ["0400000000000000", &"cd".repeat(32), "1437d73393bd3a74"];
        assert_eq!(HEXLOWER.encode(&record), fields.concat());
    }

    #[test]
    fn what_is_no_journal_of_this_version_is_refused() {
        let good = header().encode();
        let resealed = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            let sum = checksum(&[&bytes[..64]]);
            bytes[64..].copy_from_slice(&sum);
            JournalHeader::decode(&bytes)
        };
        assert_eq!(JournalHeader::decode(&good[..71]), Err(JournalFault::NoHeader));
        assert_eq!(resealed(8, 2), Err(JournalFault::Version(2)));
        assert_eq!(resealed(12, 3), Err(JournalFault::NoHeader));
        assert_eq!(resealed(24, 1), Err(JournalFault::Numbers), "no power of two");
        assert_eq!(resealed(23, 0x7F), Err(JournalFault::Numbers), "too many blocks");
        for at in 0..good.len() {
            let mut bytes = good;
            bytes[at] ^= 1;
            assert!(JournalHeader::decode(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_record_of_another_file_does_not_count() {
        let other = JournalHeader { identity: JournalIdentity::Content([0xAC; 32]), ..header() };
        let record = other.encode_record(&JournalRecord { index: 1, hash: [1; 32] });
        assert_eq!(header().records(&record), []);
        let beyond = header().encode_record(&JournalRecord { index: 5, hash: [1; 32] });
        assert_eq!(header().records(&beyond), [], "there are five blocks");
    }

    fn any_record() -> impl Strategy<Value = JournalRecord> {
        (0_u32..5, any::<[u8; 32]>()).prop_map(|(index, hash)| JournalRecord { index, hash })
    }

    proptest! {
        #[test]
        fn a_header_comes_back(
            blocks in 0_u64..=HASH_BLOCKS_MAX as u64, shift in 12_u32..40,
            digest: [u8; 32], is_content: bool,
        ) {
            let identity =
                if is_content { JournalIdentity::Content } else { JournalIdentity::Source };
            let header = JournalHeader {
                size_bytes: blocks << shift,
                block_size_bytes: 1 << shift,
                identity: identity(digest),
            };
            prop_assert_eq!(JournalHeader::decode(&header.encode()), Ok(header));
            prop_assert_eq!(u64::from(header.block_count()), blocks);
        }

        #[test]
        fn a_torn_or_damaged_tail_costs_only_what_follows(
            records in prop::collection::vec(any_record(), 0..12),
            cut in any::<prop::sample::Index>(), flipped in prop::option::of(0_u32..8),
        ) {
            let header = header();
            let mut bytes: Vec<u8> =
                records.iter().flat_map(|record| header.encode_record(record)).collect();
            prop_assert_eq!(header.records(&bytes), records.clone());
            let cut = cut.index(bytes.len() + 1);
            let mut whole = cut / JOURNAL_RECORD_SIZE;
            match flipped {
                Some(bit) if cut < bytes.len() => bytes[cut] ^= 1 << bit,
                _ => {
                    bytes.truncate(cut);
                    whole = bytes.len() / JOURNAL_RECORD_SIZE;
                }
            }
            prop_assert_eq!(header.records(&bytes), records[..whole].to_vec());
        }

        #[test]
        fn no_bytes_are_too_hostile(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = JournalHeader::decode(&bytes);
            let _ = header().records(&bytes);
        }
    }
}
