//! The checksum of a seal: BLAKE3 of all of it but the checksum itself. Pure.
//!
//! Every object that is opened pays for it, and of a small one the seal is as large as the data:
//! one block, of which the texts fill a few bytes and zeros the rest. What BLAKE3 makes of those
//! zeros is known beforehand (its paper, section 2.1: a tree over chunks of 1 KiB, which are hashed
//! by themselves), so that only the first chunk and the end of the last are hashed:
//!
//! | chunk | holds | is |
//! |---|---|---|
//! | 0 | header, texts, zeros | hashed |
//! | 1, 2 | zeros | known |
//! | 3 | 960 zeros | known up to there |
//! | | the tail's fields, 32 bytes | hashed |
//!
//! 21 compressions instead of 51. The zeros are looked at, not taken for granted: a seal that has
//! anything else there is hashed as it is, and so is one of another size.

use std::sync::LazyLock;

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::base::limits::BLOCK_SIZE;

/// Of a chunk of BLAKE3, bytes.
const CHUNK_SIZE: usize = 1024;
/// What is hashed of a seal of one block: all but the checksum, bytes.
const SHORT_SIZE: usize = BLOCK_SIZE - blake3::OUT_LEN;
/// Where the tail's fields begin in it.
const TAIL_START: usize = SHORT_SIZE - 32;

/// What the zeros of a short seal hash to.
struct Zeros {
    second: ChainingValue,
    third: ChainingValue,
    /// The last chunk up to the tail's fields.
    last: blake3::Hasher,
}

static ZEROS: LazyLock<Zeros> = LazyLock::new(|| Zeros {
    second: chunk_at(1, &[0; CHUNK_SIZE]).finalize_non_root(),
    third: chunk_at(2, &[0; CHUNK_SIZE]).finalize_non_root(),
    last: chunk_at(3, &[0; TAIL_START - 3 * CHUNK_SIZE]),
});

/// BLAKE3 of a seal without its checksum.
pub(super) fn checksum(body: &[u8]) -> [u8; 32] {
    match short_parts(body) {
        Some((first, tail)) => checksum_of_short(first, tail),
        None => *blake3::hash(body).as_bytes(),
    }
}

/// The first chunk and the tail's fields of a short seal with nothing but zeros between them.
fn short_parts(body: &[u8]) -> Option<(&[u8], &[u8])> {
    if body.len() != SHORT_SIZE {
        return None;
    }
    let (first, rest) = body.split_at(CHUNK_SIZE);
    let (zeros, tail) = rest.split_at(TAIL_START - CHUNK_SIZE);
    are_zeros(zeros).then_some((first, tail))
}

fn checksum_of_short(first: &[u8], tail: &[u8]) -> [u8; 32] {
    let first = chunk_at(0, first).finalize_non_root();
    let last = ZEROS.last.clone().update(tail).finalize_non_root();
    let left = merge_subtrees_non_root(&first, &ZEROS.second, Mode::Hash);
    let right = merge_subtrees_non_root(&ZEROS.third, &last, Mode::Hash);
    *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
}

/// Whether all of them are; whole blocks at a time, which is one comparison each.
pub(super) fn are_zeros(bytes: &[u8]) -> bool {
    let mut pieces = bytes.chunks(64);
    pieces.all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}

/// The chunk of that index with these bytes in it, or at its beginning.
fn chunk_at(index: u64, bytes: &[u8]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(index * CHUNK_SIZE as u64);
    hasher.update(bytes);
    hasher
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(body: &[u8]) -> [u8; 32] {
        *blake3::hash(body).as_bytes()
    }

    #[test]
    fn one_byte_anywhere_in_a_short_seal_is_hashed() {
        let mut body = vec![0; SHORT_SIZE];
        for at in 0..SHORT_SIZE {
            body[at] = 1;
            assert_eq!(checksum(&body), plain(&body), "{at}");
            body[at] = 0;
        }
        assert!(short_parts(&body).is_some(), "the short way is taken where it can be");
        body[TAIL_START - 1] = 1;
        assert!(short_parts(&body).is_none());
    }

    proptest! {
        /// Texts of any length, and any tail.
        #[test]
        fn it_is_the_blake3_of_all_of_it(
            first in prop::collection::vec(any::<u8>(), 0..SHORT_SIZE),
            tail in any::<[u8; 32]>(),
        ) {
            let mut body = first;
            body.resize(TAIL_START, 0);
            body.extend_from_slice(&tail);
            prop_assert_eq!(checksum(&body), plain(&body));
        }

        #[test]
        fn other_sizes_are_hashed_as_they_are(size in 0_usize..9000, byte in any::<u8>()) {
            let body = vec![byte; size];
            prop_assert_eq!(checksum(&body), plain(&body));
        }
    }
}
