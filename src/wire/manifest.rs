//! The text of a manifest, written in pieces: with 65,536 blocks it has 4 MiB, which no response
//! should hold at once. Together the pieces are the JSON of a `ManifestAnswer`.

use std::ops::Range;

use data_encoding::HEXLOWER;

/// What stands after the last block hash.
const TAIL: &str = "]}";
/// A quoted hash, and the comma before all but the first, bytes.
const HASH_SIZE: u64 = 66;

/// The manifest of one file.
#[derive(Clone, Debug)]
pub struct ManifestText {
    head: String,
}

impl ManifestText {
    /// Of a file of `size_bytes` with this BLAKE3 and blocks of `block_size_bytes`.
    pub fn new(size_bytes: u64, blake3: &[u8; 32], block_size_bytes: u64) -> ManifestText {
        let blake3 = HEXLOWER.encode(blake3);
        let head = format!(
            "{{\"size\":{size_bytes},\"blake3\":\"{blake3}\",\
             \"block_size\":{block_size_bytes},\"block_hashes\":["
        );
        ManifestText { head }
    }

    /// Size of the whole text, bytes.
    pub fn size_bytes(&self, hash_count: usize) -> u64 {
        let hash_count = hash_count as u64;
        let commas = hash_count.saturating_sub(1);
        (self.head.len() + TAIL.len()) as u64 + hash_count * HASH_SIZE + commas
    }

    /// The piece with the hashes of these blocks. The piece of the first blocks begins the text,
    /// that of the last ones ends it.
    pub fn piece(&self, hashes: &[[u8; 32]], blocks: Range<usize>) -> String {
        let mut piece = String::new();
        if blocks.start == 0 {
            piece.push_str(&self.head);
        }
        for (index, hash) in hashes.iter().enumerate().take(blocks.end).skip(blocks.start) {
            piece.push_str(if index == 0 { "\"" } else { ",\"" });
            HEXLOWER.encode_append(hash, &mut piece);
            piece.push('"');
        }
        if blocks.end == hashes.len() {
            piece.push_str(TAIL);
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ManifestAnswer;

    proptest! {
        #[test]
        fn the_pieces_are_the_json_of_a_manifest(
            hashes in prop::collection::vec(any::<[u8; 32]>(), 0..20),
            piece_count in 1_usize..8,
            size in any::<u64>(),
        ) {
            let text = ManifestText::new(size, &[0xAB; 32], 1 << 20);
            let mut written = String::new();
            let mut start = 0;
            loop {
                let end = hashes.len().min(start + piece_count);
                written += &text.piece(&hashes, start..end);
                start = end;
                if end == hashes.len() {
                    break;
                }
            }
            let answer = ManifestAnswer {
                size,
                blake3: "ab".repeat(32),
                block_size: 1 << 20,
                block_hashes: hashes.iter().map(|hash| HEXLOWER.encode(hash)).collect(),
            };
            prop_assert_eq!(&written, &serde_json::to_string(&answer).unwrap());
            prop_assert_eq!(text.size_bytes(hashes.len()), written.len() as u64);
        }
    }
}
