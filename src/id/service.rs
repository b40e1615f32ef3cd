//! Issues and opens file IDs. One per process, shared by all workers; nothing in it changes.
//!
//! Opening goes through these steps, and a refusal at any of them looks the same:
//! 1. The text: at most 1 KiB, `16 hex digits : base64url`, canonical, of a length that an ID has.
//! 2. The fingerprint picks the secrets that may have made it (nearly always one).
//! 3. The access hash, compared in constant time. Nothing below runs on a forged ID.
//! 4. Decryption, then the synthetic IV, compared in constant time.
//! 5. The plaintext: its one encoding and no other.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, Encoding, HEXLOWER};
use subtle::ConstantTimeEq;

use super::file_id::ACCESS_HASH_SIZE;
use super::keys::Keys;
use super::plaintext::{self, PADDING_UNIT, PLAINTEXT_SIZE_MAX, PLAINTEXT_SIZE_MIN};
use super::primitives::{aes_256_ctr, siphash_64, siphash_128};
use super::{FileId, KeyError, Kind, NameTooLong, ObjectNumber, OpenedId};
use crate::base::limits::{FILE_ID_SIZE_MAX, SECRET_SIZE_MIN, SECRETS_PREVIOUS_MAX};

/// The format of this house's IDs.
const VERSION: u8 = 1;
/// Version and key fingerprint: 1 + 2 bytes.
const HEAD_SIZE: usize = 3;
/// Longest ID issued, bytes: 16 + 1 + 410.
const ISSUED_SIZE_MAX: usize = ACCESS_HASH_SIZE + 1 + (FILE_NAME_SIZE_MAX * 4).div_ceil(3);
/// What the longest one has behind its colon, decoded, bytes.
const FILE_NAME_SIZE_MAX: usize = HEAD_SIZE + 16 + PLAINTEXT_SIZE_MAX;
const _: () = assert!(ISSUED_SIZE_MAX <= FILE_ID_SIZE_MAX);

/// Makes IDs with the current secret and opens those of the current and the previous ones.
pub struct IdService {
    /// The current secret's first, then the previous ones'. Never empty.
    keys: Vec<Keys>,
}

/// An ID's parts, decoded and of plausible sizes, not yet believed.
struct Claim {
    access_hash: [u8; ACCESS_HASH_SIZE / 2],
    head: [u8; HEAD_SIZE],
    synthetic_iv: [u8; 16],
    ciphertext: Text,
}

/// What is encrypted, or was: on the stack, since every download opens an ID.
#[derive(Clone, Copy)]
struct Text {
    bytes: [u8; PLAINTEXT_SIZE_MAX],
    size: usize,
}

impl IdService {
    /// Derives the keys of the current secret and of the `previous` ones.
    ///
    /// # Errors
    /// When a secret is too short or there are too many; the message says what to do.
    pub fn new(secret: &[u8], previous: &[Vec<u8>]) -> Result<IdService, KeyError> {
        if secret.len() < SECRET_SIZE_MIN {
            return Err(KeyError::SecretTooShort { size: secret.len() });
        }
        if previous.len() > SECRETS_PREVIOUS_MAX {
            return Err(KeyError::TooManyPrevious { count: previous.len() });
        }
        if let Some(index) = previous.iter().position(|secret| secret.len() < SECRET_SIZE_MIN) {
            let size = previous.get(index).map_or(0, Vec::len);
            return Err(KeyError::PreviousTooShort { index, size });
        }
        let secrets = std::iter::once(secret).chain(previous.iter().map(Vec::as_slice));
        Ok(IdService { keys: secrets.map(Keys::derive).collect() })
    }

    /// The ID of an object under a name. The same object and name always get the same ID.
    ///
    /// # Errors
    /// When the name is longer than an ID can hold.
    pub fn issue(&self, object: ObjectNumber, name: &str) -> Result<FileId, NameTooLong> {
        const CURRENT: usize = 0;
        let keys = self.keys_at(CURRENT);
        let plaintext = plaintext::encode(Kind::Object, object, name)?;
        let [high, low] = keys.fingerprint;
        let head = [VERSION, high, low];
        let synthetic_iv = siphash_128(&keys.mac, &[&head, &plaintext]);
        let mut ciphertext = plaintext;
        aes_256_ctr(&keys.enc, &synthetic_iv, &mut ciphertext);
        let access_hash = siphash_64(&keys.access, &[&head, &synthetic_iv, &ciphertext]);
        let file_name = [&head[..], &synthetic_iv, &ciphertext].concat();
        let mut text = HEXLOWER.encode(&access_hash);
        text.push(':');
        BASE64URL_NOPAD.encode_append(&file_name, &mut text);
        Ok(FileId::new(text, CURRENT))
    }

    /// What an ID says; `None` for one that this service's secrets did not make, whatever is
    /// wrong with it.
    pub fn open(&self, file_id: &str) -> Option<OpenedId> {
        let claim = Claim::read(file_id)?;
        let (keys_index, plaintext) = self.keys.iter().enumerate().find_map(|(index, keys)| {
            let plaintext = claim.decrypt(keys)?;
            Some((index, plaintext))
        })?;
        let (kind, object, name) = plaintext::decode(plaintext.as_slice())?;
        let id = FileId::new(file_id.to_owned(), keys_index);
        Some(OpenedId { kind, object, name: name.to_owned(), id })
    }

    /// The token that deletes what `id` stands for: 32 lower-case hex digits.
    pub fn delete_token(&self, id: &FileId) -> String {
        HEXLOWER.encode(&self.delete_token_bytes(id))
    }

    /// Whether `token` is the delete token of `id`, compared in constant time.
    pub fn check_delete_token(&self, id: &FileId, token: &str) -> bool {
        match HEXLOWER.decode(token.as_bytes()) {
            Ok(given) => self.delete_token_bytes(id).as_slice().ct_eq(&given).into(),
            Err(_no_token_at_all) => false,
        }
    }

    fn delete_token_bytes(&self, id: &FileId) -> [u8; 16] {
        let keys = self.keys_at(id.keys_index);
        siphash_128(&keys.delete, &[id.file_name().as_bytes()])
    }

    fn keys_at(&self, index: usize) -> &Keys {
        match self.keys.get(index) {
            Some(keys) => keys,
            None => unreachable!("a file ID is only shown to the service that made it"),
        }
    }
}

impl fmt::Debug for IdService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdService").field("keys", &self.keys).finish()
    }
}

impl Claim {
    /// Step 1. Both decoders refuse other alphabets, upper-case hex, padding and stray bits in
    /// the last digit, so an ID has one spelling.
    fn read(file_id: &str) -> Option<Claim> {
        if file_id.len() > FILE_ID_SIZE_MAX {
            return None;
        }
        let (access_hash, file_name) = file_id.split_once(':')?;
        let mut hash_bytes = [0; ACCESS_HASH_SIZE / 2];
        decode(&HEXLOWER, access_hash, &mut hash_bytes)
            .filter(|decoded| decoded.len() == ACCESS_HASH_SIZE / 2)?;
        let mut bytes = [0; FILE_NAME_SIZE_MAX];
        let bytes = decode(&BASE64URL_NOPAD, file_name, &mut bytes)?;
        let (&head, rest) = bytes.split_first_chunk::<HEAD_SIZE>()?;
        let (&synthetic_iv, ciphertext) = rest.split_first_chunk::<16>()?;
        let plausible = head.first() == Some(&VERSION)
            && (PLAINTEXT_SIZE_MIN..=PLAINTEXT_SIZE_MAX).contains(&ciphertext.len())
            && ciphertext.len().is_multiple_of(PADDING_UNIT);
        if !plausible {
            return None;
        }
        let ciphertext = Text::new(ciphertext);
        Some(Claim { access_hash: hash_bytes, head, synthetic_iv, ciphertext })
    }

    /// Steps 2 to 4. `None` if these keys did not make it.
    fn decrypt(&self, keys: &Keys) -> Option<Text> {
        let [_version, fingerprint @ ..] = self.head;
        if fingerprint != keys.fingerprint {
            return None;
        }
        let pieces = [&self.head[..], &self.synthetic_iv, self.ciphertext.as_slice()];
        if !bool::from(siphash_64(&keys.access, &pieces).ct_eq(&self.access_hash)) {
            return None;
        }
        let mut plaintext = self.ciphertext;
        aes_256_ctr(&keys.enc, &self.synthetic_iv, plaintext.as_mut_slice());
        let expected = siphash_128(&keys.mac, &[&self.head, plaintext.as_slice()]);
        bool::from(expected.ct_eq(&self.synthetic_iv)).then_some(plaintext)
    }
}

impl Text {
    /// Of at most [`PLAINTEXT_SIZE_MAX`] bytes, which the caller checked.
    fn new(text: &[u8]) -> Text {
        let mut bytes = [0; PLAINTEXT_SIZE_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Text { bytes, size: text.len() }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.size]
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.size]
    }
}

/// What `text` says, at the front of `out`; `None` where it is not of this alphabet or too long.
fn decode<'o>(encoding: &Encoding, text: &str, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let size = encoding.decode_len(text.len()).ok()?;
    let out = out.get_mut(..size)?;
    encoding.decode_mut(text.as_bytes(), out).ok()?;
    Some(out)
}
