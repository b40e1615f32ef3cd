//! Payloads from a seed: xorshift64*, so that a stream of any size can be made, and made again for
//! the comparison, in constant memory.

use std::sync::OnceLock;

/// The run's seed: `RINGHOLD_TEST_SEED`, or a fixed one.
pub(super) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        std::env::var("RINGHOLD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(42)
    })
}

/// `size` bytes that depend on the run's seed and on `stream`.
pub(crate) fn payload(stream: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Payload::new(stream).fill(&mut bytes);
    bytes
}

/// An endless stream of bytes.
pub(crate) struct Payload(u64);

impl Payload {
    /// Stream number `stream` of the run's seed.
    pub(crate) fn new(stream: u64) -> Payload {
        let mixed = (seed() ^ stream.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Payload(mixed | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// The next bytes of the stream. Whole words are used up: two fills of 4 bytes are not one
    /// of 8, so both sides of a comparison fill the same pieces.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            word.copy_from_slice(&next[..word.len()]);
        }
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
