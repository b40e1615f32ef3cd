//! The ciphers and hashes that file IDs are made of, each as one function over bytes: SipHash-2-4
//! with 64 and 128 bits of output, and AES-256 in counter mode.
//!
//! A SipHash-2-4 tag is the output of the reference implementation, byte for byte: little-endian
//! words, the first word first. The crate's hashers print their keys in `Debug`, so none is ever
//! kept: each lives for one call.

use std::hash::Hasher;

use aes::Aes256;
use ctr::cipher::{InnerIvInit, KeyInit, StreamCipher};
use ctr::{Ctr128BE, CtrCore};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher24Wide};

/// SipHash-2-4-64 over the concatenation of `pieces`.
pub(super) fn siphash_64(key: &[u8; 16], pieces: &[&[u8]]) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(key);
    for piece in pieces {
        hasher.write(piece);
    }
    hasher.finish().to_le_bytes()
}

/// SipHash-2-4-128 over the concatenation of `pieces`.
pub(super) fn siphash_128(key: &[u8; 16], pieces: &[&[u8]]) -> [u8; 16] {
    let mut hasher = SipHasher24Wide::new_with_key(key);
    for piece in pieces {
        hasher.write(piece);
    }
    u128::from(hasher.finish128()).to_le_bytes()
}

/// AES-256 under this key: the schedule is made once a key, and wiped when it is dropped.
pub(super) fn aes_256(key: &[u8; 32]) -> Aes256 {
    Aes256::new(key.into())
}

/// Encrypts or decrypts in place with AES-256-CTR and a 128-bit big-endian counter that starts
/// at `iv`.
pub(super) fn aes_256_ctr(cipher: &Aes256, iv: &[u8; 16], data: &mut [u8]) {
    let core = CtrCore::inner_iv_init(cipher, iv.into());
    Ctr128BE::<&Aes256>::from_core(core).apply_keystream(data);
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn counting<const SIZE: usize>(first: u8) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (byte, value) in bytes.iter_mut().zip(first..=u8::MAX) {
            *byte = value;
        }
        bytes
    }

    #[test]
    fn siphash_64_matches_the_paper() {
        // Appendix A: key 00..0f, message 00..0e.
        let expected = 0xa129_ca61_49be_45e5_u64.to_le_bytes();
        assert_eq!(siphash_64(&counting(0), &[&counting::<15>(0)]), expected);
        assert_eq!(siphash_64(&counting(0), &[&[0, 1, 2], &counting::<15>(0)[3..]]), expected);
    }

    #[test]
    fn siphash_128_matches_the_reference_implementation() {
        // `vectors_sip128` of the reference implementation, messages of 0 and 1 bytes.
        for (message, expected) in [
            (&[][..], "a3817f04ba25a8e66df67214c7550293"),
            (&[0], "da87c1d86b99af44347659119b22fc45"),
        ] {
            assert_eq!(HEXLOWER.encode(&siphash_128(&counting(0), &[message])), expected);
        }
    }

    #[test]
    fn aes_256_ctr_matches_nist() {
        // SP 800-38A, F.5.5, the first two blocks: the counter's carry included.
        let key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        let key: [u8; 32] = HEXLOWER.decode(key.as_bytes()).unwrap().try_into().unwrap();
        let iv: [u8; 16] = counting(0xf0);
        let plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
        let mut data = HEXLOWER.decode(plain.as_bytes()).unwrap();
        aes_256_ctr(&aes_256(&key), &iv, &mut data);
        let cipher = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5";
        assert_eq!(HEXLOWER.encode(&data), cipher);
    }

    #[test]
    fn the_counter_carries_through_all_128_bits() {
        let key = aes_256(&[7; 32]);
        let mut long = [0; 32];
        aes_256_ctr(&key, &[0xff; 16], &mut long);
        let mut wrapped = [0; 16];
        aes_256_ctr(&key, &[0; 16], &mut wrapped);
        assert_eq!(long[16..], wrapped);
    }
}
