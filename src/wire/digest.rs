//! Digests as HTTP knows them beside our own BLAKE3: the algorithms, their values, and hashing
//! bytes as they come. Source: the registry of RFC 9530, section 7.2.
//!
//! `md5` is deprecated there and proves nothing against an attacker; it is here because so many
//! clients know nothing else, and it does find a transfer that went wrong.

use std::fmt;

use data_encoding::BASE64;
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// Bytes of the longest digest: SHA-512.
const SIZE_MAX: usize = 64;

/// An algorithm that is computed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256 (RFC 6234).
    Sha256,
    /// SHA-512 (RFC 6234).
    Sha512,
    /// MD5 (RFC 1321).
    Md5,
}

impl DigestAlgorithm {
    /// All of them; of two that a client likes as much, the first is taken.
    pub const ALL: [DigestAlgorithm; 3] =
        [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512, DigestAlgorithm::Md5];

    /// Its key in a dictionary.
    pub fn key(self) -> &'static str {
        match self {
            DigestAlgorithm::Sha256 => "sha-256",
            DigestAlgorithm::Sha512 => "sha-512",
            DigestAlgorithm::Md5 => "md5",
        }
    }

    /// Bytes of its digests.
    pub fn size(self) -> usize {
        match self {
            DigestAlgorithm::Sha256 => 32,
            DigestAlgorithm::Sha512 => 64,
            DigestAlgorithm::Md5 => 16,
        }
    }
}

/// A digest and what made it. Shown as the base64 that every field has it in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    /// Zeros behind a shorter one.
    value: [u8; SIZE_MAX],
}

impl Digest {
    /// A digest that came from elsewhere; `None` when it does not have its algorithm's size.
    pub fn new(algorithm: DigestAlgorithm, bytes: &[u8]) -> Option<Digest> {
        if bytes.len() != algorithm.size() {
            return None;
        }
        let mut value = [0; SIZE_MAX];
        value[..bytes.len()].copy_from_slice(bytes);
        Some(Digest { algorithm, value })
    }

    /// What made it.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.value[..self.algorithm.size()]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BASE64.encode_display(self.as_bytes()).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=:{self}:", self.algorithm.key())
    }
}

/// Hashes bytes with one algorithm.
#[derive(Clone, Debug)]
pub struct DigestHasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
    Md5(Md5),
}

impl DigestHasher {
    /// From the first byte on.
    pub fn new(algorithm: DigestAlgorithm) -> DigestHasher {
        DigestHasher(match algorithm {
            DigestAlgorithm::Sha256 => State::Sha256(Sha256::new()),
            DigestAlgorithm::Sha512 => State::Sha512(Sha512::new()),
            DigestAlgorithm::Md5 => State::Md5(Md5::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(data),
            State::Sha512(hasher) => hasher.update(data),
            State::Md5(hasher) => hasher.update(data),
        }
    }

    /// The digest of all bytes taken.
    pub fn finish(self) -> Digest {
        let (algorithm, digest) = match self.0 {
            State::Sha256(hasher) => {
                (DigestAlgorithm::Sha256, Digest::new(DigestAlgorithm::Sha256, &hasher.finalize()))
            }
            State::Sha512(hasher) => {
                (DigestAlgorithm::Sha512, Digest::new(DigestAlgorithm::Sha512, &hasher.finalize()))
            }
            State::Md5(hasher) => {
                (DigestAlgorithm::Md5, Digest::new(DigestAlgorithm::Md5, &hasher.finalize()))
            }
        };
        let Some(digest) = digest else { unreachable!("{algorithm:?} makes digests of its size") };
        digest
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    fn hex(algorithm: DigestAlgorithm, data: &[u8]) -> String {
        let mut hasher = DigestHasher::new(algorithm);
        hasher.update(data);
        HEXLOWER.encode(hasher.finish().as_bytes())
    }

    #[test]
    fn the_known_answers_of_the_rfcs_come_out() {
        assert_eq!(hex(DigestAlgorithm::Md5, b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            hex(DigestAlgorithm::Sha256, b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex(DigestAlgorithm::Sha512, b"abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn a_digest_has_its_algorithms_size() {
        for algorithm in DigestAlgorithm::ALL {
            assert!(Digest::new(algorithm, &vec![1; algorithm.size()]).is_some());
            assert!(Digest::new(algorithm, &vec![1; algorithm.size() + 1]).is_none());
            assert!(Digest::new(algorithm, &[]).is_none());
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(data: Vec<u8>, piece in 1usize..50) {
            for algorithm in DigestAlgorithm::ALL {
                let mut hasher = DigestHasher::new(algorithm);
                data.chunks(piece).for_each(|piece| hasher.update(piece));
                let pieced = HEXLOWER.encode(hasher.finish().as_bytes());
                prop_assert_eq!(pieced, hex(algorithm, &data));
            }
        }
    }
}
