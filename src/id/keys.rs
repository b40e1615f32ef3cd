//! The keys of one secret. One set per secret, made at start, wiped when dropped.

use std::fmt;

use aes::Aes256;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::primitives::aes_256;
use crate::base::limits::{SECRET_SIZE_MIN, SECRETS_PREVIOUS_MAX};

/// What one secret gives: a key for each purpose, so that no two uses share one.
pub(super) struct Keys {
    /// Encrypts what an ID says.
    pub(super) enc: Aes256,
    /// Makes the synthetic IV.
    pub(super) mac: Zeroizing<[u8; 16]>,
    /// Makes the access hash.
    pub(super) access: Zeroizing<[u8; 16]>,
    /// Makes delete tokens.
    pub(super) delete: Zeroizing<[u8; 16]>,
    /// Says in an ID which secret made it; not secret.
    pub(super) fingerprint: [u8; 2],
}

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The secret is shorter than [`SECRET_SIZE_MIN`].
    SecretTooShort {
        /// What it has, bytes.
        size: usize,
    },
    /// A previous secret is shorter than [`SECRET_SIZE_MIN`].
    PreviousTooShort {
        /// Which of them, from 0.
        index: usize,
        /// What it has, bytes.
        size: usize,
    },
    /// More than [`SECRETS_PREVIOUS_MAX`] previous secrets.
    TooManyPrevious {
        /// How many there are.
        count: usize,
    },
}

impl Keys {
    /// Derives the keys (docs/ids.md, "Keys"). The caller has checked the secret's size.
    pub(super) fn derive(secret: &[u8]) -> Keys {
        assert!(secret.len() >= SECRET_SIZE_MIN, "a short secret is refused before this");
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        Keys {
            enc: aes_256(&expand(&hkdf, "enc")),
            mac: expand(&hkdf, "mac"),
            access: expand(&hkdf, "access"),
            delete: expand(&hkdf, "delete"),
            fingerprint: *expand(&hkdf, "fingerprint"),
        }
    }
}

fn expand<const SIZE: usize>(hkdf: &Hkdf<Sha256>, label: &str) -> Zeroizing<[u8; SIZE]> {
    let mut key = Zeroizing::new([0; SIZE]);
    match hkdf.expand(label.as_bytes(), key.as_mut()) {
        Ok(()) => key,
        Err(_too_long) => unreachable!("HKDF-SHA256 gives up to 255 x 32 bytes"),
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::SecretTooShort { size } => {
                write!(f, "the secret key has {size} bytes; {REMEDY}")
            }
            KeyError::PreviousTooShort { index, size } => {
                write!(f, "previous secret key number {} has {size} bytes; {REMEDY}", index + 1)
            }
            KeyError::TooManyPrevious { count } => write!(
                f,
                "{count} previous secret keys; at most {SECRETS_PREVIOUS_MAX} are kept: \
                 drop the oldest"
            ),
        }
    }
}

const REMEDY: &str = "at least 16 are needed. Make one with: head -c 32 /dev/urandom | base64";
const _: () = assert!(SECRET_SIZE_MIN == 16, "REMEDY names the number");

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_print_themselves() {
        let keys = Keys::derive(b"sixteen bytes ok");
        assert_eq!(format!("{keys:?}"), "Keys { fingerprint: [80, 212], .. }");
    }

    #[test]
    fn hkdf_matches_rfc_5869() {
        // Appendix A.3: no salt, no info.
        let okm = expand::<8>(&Hkdf::new(None, &[0x0b; 22]), "");
        assert_eq!(*okm, [0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f]);
    }

    #[test]
    fn a_refused_secret_says_what_to_do() {
        let text = KeyError::PreviousTooShort { index: 1, size: 5 }.to_string();
        assert_eq!(
            text,
            "previous secret key number 2 has 5 bytes; at least 16 are needed. \
             Make one with: head -c 32 /dev/urandom | base64"
        );
    }
}
