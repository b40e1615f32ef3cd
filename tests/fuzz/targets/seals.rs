//! Seals: any bytes are read or refused, what is accepted is written again byte by byte, and what
//! was written is read. The checksum is repaired for the fuzzer, which could not guess it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::BLOCK_SIZE;
use ringhold::store::Seal;

const CHECKSUM_SIZE: usize = 32;

fuzz_target!(|input: &[u8]| {
    canonical(input);
    let mut repaired = input.to_vec();
    // Seeds are stored without the zeros between the texts and the tail, which is where a `~` is.
    if let Some(at) = input.iter().rposition(|byte| *byte == b'~') {
        let missing = input.len().next_multiple_of(BLOCK_SIZE) - (input.len() - 1);
        repaired.splice(at..=at, std::iter::repeat_n(0, missing));
    }
    if let Some(body_size) = repaired.len().checked_sub(CHECKSUM_SIZE) {
        let checksum = *blake3::hash(&repaired[..body_size]).as_bytes();
        repaired[body_size..].copy_from_slice(&checksum);
        canonical(&repaired);
    }
});

fn canonical(bytes: &[u8]) {
    if let Ok(seal) = Seal::decode(bytes) {
        assert_eq!(seal.encode(), bytes, "{seal:?}");
    }
}
