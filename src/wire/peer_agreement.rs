//! The messages by which two ends of a transfer agree on a key, over a connection that the relay
//! has matched:
//!
//! ```text
//! 0x41 Pake      version u8 | SPAKE2 message [33]
//! 0x42 Confirm   proof [32]
//! ```
//!
//! Their frame is that of `tlv.rs`. Both ends send `Pake` at once and `Confirm` when they have the
//! other's `Pake`; docs/send.md says what is in them.

use super::tlv::{TLV_HEAD_SIZE, TlvError, message, value_size};

const PAKE: u8 = 0x41;
const CONFIRM: u8 = 0x42;

/// What an end says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementMessage {
    /// Its part of the exchange.
    Pake([u8; 33]),
    /// The proof that it has the key.
    Confirm([u8; 32]),
}

/// How many bytes of value follow a head. Unknown types and oversize values are refused before
/// anybody waits for them.
pub fn agreement_value_size(head: [u8; TLV_HEAD_SIZE]) -> Result<usize, TlvError> {
    value_size(head, |kind| matches!(kind, PAKE | CONFIRM))
}

impl AgreementMessage {
    /// The version that is spoken here.
    pub const VERSION: u8 = 1;

    /// The message as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            AgreementMessage::Pake(part) => message(PAKE, &[&[Self::VERSION], part]),
            AgreementMessage::Confirm(proof) => message(CONFIRM, &[proof]),
        }
    }

    /// The message of this type with this value.
    pub fn decode(kind: u8, value: &[u8]) -> Result<AgreementMessage, TlvError> {
        let wrong_length = TlvError::Length { kind, size: value.len() };
        match (kind, value) {
            // Before the length: that of another version is another version's business.
            (PAKE, &[version, ..]) if version != Self::VERSION => {
                Err(TlvError::Version { said: version, spoken: Self::VERSION })
            }
            (PAKE, [_version, part @ ..]) => {
                part.try_into().map(AgreementMessage::Pake).map_err(|_| wrong_length)
            }
            (CONFIRM, proof) => {
                proof.try_into().map(AgreementMessage::Confirm).map_err(|_| wrong_length)
            }
            (PAKE, []) => Err(wrong_length),
            _ => Err(TlvError::Type(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// The message at the beginning of these bytes; `None` while it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<AgreementMessage>, TlvError> {
        let Some((head, rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let size = agreement_value_size(*head)?;
        let Some(value) = rest.get(..size) else { return Ok(None) };
        AgreementMessage::decode(head[0], value).map(Some)
    }

    #[test]
    fn each_message_is_these_bytes() {
        let pake = AgreementMessage::Pake([0xab; 33]).encode();
        assert_eq!(HEXLOWER.encode(&pake), format!("41002201{}", "ab".repeat(33)));
        let confirm = AgreementMessage::Confirm([0xcd; 32]).encode();
        assert_eq!(HEXLOWER.encode(&confirm), format!("420020{}", "cd".repeat(32)));
    }

    #[test]
    fn what_is_no_message_is_refused_by_what_is_wrong_with_it() {
        for (bytes, fault) in [
            (&[0x01, 0, 1, 1][..], TlvError::Type(1)),
            (b"HTTP/1.1 400", TlvError::Type(b'H')),
            (&[0x41, 2, 1], TlvError::Oversize(513)),
            (&[0x41, 0, 0], TlvError::Length { kind: 0x41, size: 0 }),
            (&[0x41, 0, 2, 1, 2], TlvError::Length { kind: 0x41, size: 2 }),
            (&[0x41, 0, 2, 2, 2], TlvError::Version { said: 2, spoken: 1 }),
            (&[0x42, 0, 1, 1], TlvError::Length { kind: 0x42, size: 1 }),
        ] {
            assert_eq!(read(bytes), Err(fault), "{bytes:?}");
        }
        assert_eq!(AgreementMessage::decode(0x43, &[]), Err(TlvError::Type(0x43)));
    }

    #[test]
    fn a_message_that_was_cut_short_is_waited_for() {
        for message in [AgreementMessage::Pake([1; 33]), AgreementMessage::Confirm([2; 32])] {
            let bytes = message.encode();
            for size in 0..bytes.len() {
                assert_eq!(read(&bytes[..size]), Ok(None));
            }
            assert_eq!(read(&bytes), Ok(Some(message)));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(bytes in prop::collection::vec(any::<u8>(), 0..64), is_proof: bool) {
            let (kind, size) = if is_proof { (CONFIRM, 32) } else { (PAKE, 34) };
            let bytes = [&[kind, 0, size][..], &bytes].concat();
            if let Ok(Some(message)) = read(&bytes) {
                let written = message.encode();
                prop_assert_eq!(&written[..], &bytes[..written.len()]);
            }
        }
    }
}
