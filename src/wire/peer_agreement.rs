//! The messages by which two ends of a transfer agree on a key, over a connection that the relay
//! has matched:
//!
//! ```text
//! type u8 | length u16 | value, `length` bytes, at most 512          numbers are big-endian
//!
//! 0x41 Pake      version u8 | SPAKE2 message [33]
//! 0x42 Confirm   proof [32]
//! ```
//!
//! Both ends send `Pake` at once and `Confirm` when they have the other's `Pake`; docs/send.md says
//! what is in them.

use std::fmt;

use crate::base::limits::RENDEZVOUS_VALUE_SIZE_MAX;

/// Type and length of a message, bytes.
pub const AGREEMENT_HEADER_SIZE: usize = 3;

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

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementError {
    /// A type that no end sends.
    Type(u8),
    /// A value longer than any may be; its length.
    Oversize(usize),
    /// A value of a length that its type does not have.
    Length {
        /// The type.
        kind: u8,
        /// The length.
        size: usize,
    },
    /// A version that is not spoken here.
    Version(u8),
}

/// How many bytes of value follow a head. Unknown types and oversize values are refused before
/// anybody waits for them.
pub fn agreement_value_size(head: [u8; AGREEMENT_HEADER_SIZE]) -> Result<usize, AgreementError> {
    let [kind, high, low] = head;
    if !matches!(kind, PAKE | CONFIRM) {
        return Err(AgreementError::Type(kind));
    }
    match usize::from(u16::from_be_bytes([high, low])) {
        size if size <= RENDEZVOUS_VALUE_SIZE_MAX => Ok(size),
        size => Err(AgreementError::Oversize(size)),
    }
}

impl AgreementMessage {
    /// The version that is spoken here.
    pub const VERSION: u8 = 1;

    /// The message as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            AgreementMessage::Pake(message) => {
                [&[PAKE, 0, 34, Self::VERSION][..], message.as_slice()].concat()
            }
            AgreementMessage::Confirm(proof) => [&[CONFIRM, 0, 32][..], proof.as_slice()].concat(),
        }
    }

    /// The message of this type with this value.
    pub fn decode(kind: u8, value: &[u8]) -> Result<AgreementMessage, AgreementError> {
        let wrong_length = AgreementError::Length { kind, size: value.len() };
        match (kind, value) {
            // Before the length: that of another version is another version's business.
            (PAKE, &[version, ..]) if version != Self::VERSION => {
                Err(AgreementError::Version(version))
            }
            (PAKE, [_version, message @ ..]) => {
                message.try_into().map(AgreementMessage::Pake).map_err(|_| wrong_length)
            }
            (CONFIRM, proof) => {
                proof.try_into().map(AgreementMessage::Confirm).map_err(|_| wrong_length)
            }
            (PAKE, []) => Err(wrong_length),
            _ => Err(AgreementError::Type(kind)),
        }
    }
}

impl fmt::Display for AgreementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgreementError::Type(kind) => write!(f, "no message has the type {kind:#04x}"),
            AgreementError::Oversize(size) => write!(
                f,
                "a message of {size} bytes: at most {RENDEZVOUS_VALUE_SIZE_MAX} are allowed"
            ),
            AgreementError::Length { kind, size } => {
                write!(f, "a message of the type {kind:#04x} does not have {size} bytes")
            }
            AgreementError::Version(version) => write!(
                f,
                "version {version} of the protocol; version {} is spoken here: use programs of the \
                 same age",
                AgreementMessage::VERSION
            ),
        }
    }
}

impl std::error::Error for AgreementError {}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// The message at the beginning of these bytes; `None` while it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<AgreementMessage>, AgreementError> {
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
            (&[0x01, 0, 1, 1][..], AgreementError::Type(1)),
            (b"HTTP/1.1 400", AgreementError::Type(b'H')),
            (&[0x41, 2, 1], AgreementError::Oversize(513)),
            (&[0x41, 0, 0], AgreementError::Length { kind: 0x41, size: 0 }),
            (&[0x41, 0, 2, 1, 2], AgreementError::Length { kind: 0x41, size: 2 }),
            (&[0x41, 0, 2, 2, 2], AgreementError::Version(2)),
            (&[0x42, 0, 1, 1], AgreementError::Length { kind: 0x42, size: 1 }),
        ] {
            assert_eq!(read(bytes), Err(fault), "{bytes:?}");
        }
        assert_eq!(AgreementMessage::decode(0x43, &[]), Err(AgreementError::Type(0x43)));
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
