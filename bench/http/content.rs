//! The bytes of every file that this tool uploads: a pure function of the file's size and the
//! offset, so that any download of such a file can be checked without a record of it.
//!
//! All contents are the same noise, read round and round from a place that the size decides. The
//! noise is one buffer that stays in the processor's cache, and its length is a prime: a block that
//! comes from a wrong offset, which is off by a multiple of a power of two, shows as wrong bytes.

/// Bytes of noise: the largest prime below 2^18. Longer than the window of the compressors that
/// filesystems use, so nothing makes it cheap.
pub(crate) const NOISE_SIZE: usize = 262_139;

/// The noise; one a generator thread.
pub(crate) struct Content {
    noise: Box<[u8]>,
}

impl Content {
    /// Makes the noise, the same on every machine.
    pub(crate) fn new() -> Content {
        let words = (0..NOISE_SIZE.div_ceil(8) as u64).map(|index| scramble(index).to_le_bytes());
        Content { noise: words.flatten().take(NOISE_SIZE).collect() }
    }

    /// The whole noise, and where in it the byte at `offset` of a file of `size` bytes lies.
    pub(crate) fn place(&self, size: u64, offset: u64) -> (&[u8], usize) {
        let period = NOISE_SIZE as u64;
        let at = (scramble(size) % period + offset % period) % period;
        // A remainder of a usize fits one.
        (&self.noise, usize::try_from(at).unwrap_or(0))
    }

    /// The offset of the first byte that a file of `size` bytes does not have there, if `bytes`
    /// stand at `offset`.
    pub(crate) fn first_wrong(&self, size: u64, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut checked = 0;
        while checked < bytes.len() {
            let (noise, at) = self.place(size, offset + checked as u64);
            let count = (noise.len() - at).min(bytes.len() - checked);
            let (right, found) = (&noise[at..at + count], &bytes[checked..checked + count]);
            if right != found {
                let index = right.iter().zip(found).take_while(|(a, b)| a == b).count();
                return Some(offset + (checked + index) as u64);
            }
            checked += count;
        }
        None
    }
}

/// A number that looks random, the same for the same number (`SplitMix64`).
pub(crate) fn scramble(number: u64) -> u64 {
    let mut word = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content, size: u64, offset: u64, count: usize) -> Vec<u8> {
        let (noise, at) = content.place(size, offset);
        noise[at..].iter().chain(noise.iter().cycle()).take(count).copied().collect()
    }

    #[test]
    fn the_length_of_the_noise_is_a_prime() {
        assert!((2..600).all(|divisor| !NOISE_SIZE.is_multiple_of(divisor)));
    }

    #[test]
    fn the_content_of_a_size_is_the_same_wherever_it_is_read_from() {
        let content = Content::new();
        let size = 1 << 20;
        let whole = bytes(&content, size, 0, 1 << 20);
        for offset in [1, 4096, NOISE_SIZE - 1, NOISE_SIZE, 500_000] {
            let part = &whole[offset..];
            assert_eq!(content.first_wrong(size, offset as u64, part), None, "{offset}");
        }
        assert_eq!(Content::new().first_wrong(size, 0, &whole), None);
        assert_ne!(bytes(&content, size, 0, 64), bytes(&content, size + 1, 0, 64));
    }

    #[test]
    fn a_wrong_byte_is_found_where_it_is() {
        let content = Content::new();
        let right = bytes(&content, 600_000, 100, 500_000);
        for at in [0, 1, NOISE_SIZE - 1, NOISE_SIZE, 499_999] {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_eq!(content.first_wrong(600_000, 100, &wrong), Some(100 + at as u64));
        }
    }

    #[test]
    fn a_block_from_a_wrong_offset_is_wrong() {
        let content = Content::new();
        for power in 9..30 {
            let elsewhere = bytes(&content, 1 << 30, 1 << power, 512);
            assert!(content.first_wrong(1 << 30, 0, &elsewhere).is_some(), "2^{power}");
        }
    }
}
