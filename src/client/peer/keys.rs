//! What the two ends derive from the key that they agreed on: the names of their channels, and the
//! keys of each line. Pure. The schedule is docs/send.md, "Keys".

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::wire::Role;

/// Random bytes that each end gives to a line, so that no two lines share a key.
pub(super) const NONCE_SIZE: usize = 32;

/// A key of 256 bits, wiped when it is dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// What both ends know and nobody else. One a transfer.
#[derive(Clone)]
pub(super) struct SessionKey(Key);

/// The keys of one line, one for each direction.
pub(super) struct RecordKeys {
    /// For what the sender sends.
    pub(super) from_sender: Key,
    /// For what the receiver sends.
    pub(super) from_receiver: Key,
}

impl SessionKey {
    pub(super) fn new(key: Key) -> SessionKey {
        SessionKey(key)
    }

    /// What a channel is called at the relay.
    pub(super) fn channel_name(&self, index: u16) -> [u8; 32] {
        *self.expand(&[b"channel", &index.to_be_bytes()])
    }

    /// The keys of a line over a channel.
    pub(super) fn record_keys(
        &self,
        index: u16,
        sender_nonce: &[u8; NONCE_SIZE],
        receiver_nonce: &[u8; NONCE_SIZE],
    ) -> RecordKeys {
        let of_direction = |direction: u8| {
            let index = index.to_be_bytes();
            self.expand(&[b"records", &index, sender_nonce, receiver_nonce, &[direction]])
        };
        RecordKeys { from_sender: of_direction(0), from_receiver: of_direction(1) }
    }

    fn expand(&self, info: &[&[u8]]) -> Key {
        match Hkdf::<Sha256>::from_prk(self.0.as_slice()) {
            Ok(hkdf) => expand(&hkdf, info),
            Err(_too_short) => unreachable!("a key of 32 bytes is as long as SHA-256"),
        }
    }
}

impl RecordKeys {
    /// The key to seal with and the key to open with.
    pub(super) fn of(self, role: Role) -> (Key, Key) {
        match role {
            Role::Sender => (self.from_sender, self.from_receiver),
            Role::Receiver => (self.from_receiver, self.from_sender),
        }
    }
}

/// HKDF-Expand of RFC 5869 to 32 bytes.
pub(super) fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]]) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    match hkdf.expand_multi_info(info, key.as_mut()) {
        Ok(()) => key,
        Err(_too_long) => unreachable!("HKDF-SHA256 gives up to 255 x 32 bytes"),
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn counted() -> SessionKey {
        SessionKey::new(Zeroizing::new(std::array::from_fn(|index| u8::try_from(index).unwrap())))
    }

    /// Computed with Python's hmac and hashlib.
    #[test]
    fn the_names_and_keys_of_a_session_are_these() {
        let session = counted();
        let keys = session.record_keys(1, &[0xaa; 32], &[0xbb; 32]);
        for (bytes, expected) in [
            (
                &session.channel_name(0),
                "dc505a437a5cfef19c6d7ac9adec4dabef6748669503f4e88002892e19bb22e1",
            ),
            (
                &session.channel_name(1),
                "d970a156ef0deb8dc7fea2de757bab7c10147eaa3bbdced6b4ac5fb0018e4f43",
            ),
            (
                &*keys.from_sender,
                "8a51aaf582a0341cf3edbaf5f150c5032496a4fec9df8944289f59e16aa38bda",
            ),
            (
                &*keys.from_receiver,
                "e082750203dab7be1298b222f466e49c88af298831c9f4f7c7eeae4965a6a94b",
            ),
        ] {
            assert_eq!(HEXLOWER.encode(bytes), expected);
        }
    }

    #[test]
    fn whatever_differs_makes_another_key() {
        let session = counted();
        let keys = |index, sender, receiver| {
            let keys = session.record_keys(index, &[sender; 32], &[receiver; 32]);
            [*keys.from_sender, *keys.from_receiver]
        };
        let all = [keys(0, 0, 0), keys(1, 0, 0), keys(0, 1, 0), keys(0, 0, 1)].concat();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn what_one_end_seals_with_the_other_opens_with() {
        let keys = || counted().record_keys(0, &[1; 32], &[2; 32]);
        let (sender_seals, sender_opens) = keys().of(Role::Sender);
        let (receiver_seals, receiver_opens) = keys().of(Role::Receiver);
        assert_eq!((sender_seals, sender_opens), (receiver_opens, receiver_seals));
    }

    #[test]
    fn a_session_does_not_print_its_key() {
        assert_eq!(format!("{:?}", counted()), "SessionKey { .. }");
    }
}
