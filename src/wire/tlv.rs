//! The frame of the messages before the relay moves bytes, from an end to the relay and back
//! (`rendezvous.rs`) and between two ends that agree on a key (`peer_agreement.rs`):
//!
//! ```text
//! type u8 | length u16 | value, `length` bytes, at most 512          numbers are big-endian
//! ```
//!
//! Whoever reads takes the head, then exactly the value, and nothing that follows.

use std::fmt;

use crate::base::limits::RENDEZVOUS_VALUE_SIZE_MAX;

/// Type and length of a message, bytes.
pub const TLV_HEAD_SIZE: usize = 3;

/// What is wrong with a message, whatever it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlvError {
    /// A type that nobody of that side sends.
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
    Version {
        /// The message's.
        said: u8,
        /// The one that is.
        spoken: u8,
    },
}

/// How many bytes of value follow a head. Types that are not known and oversize values are refused
/// before anybody waits for them.
pub(super) fn value_size(
    head: [u8; TLV_HEAD_SIZE],
    is_known: impl Fn(u8) -> bool,
) -> Result<usize, TlvError> {
    let [kind, high, low] = head;
    if !is_known(kind) {
        return Err(TlvError::Type(kind));
    }
    match usize::from(u16::from_be_bytes([high, low])) {
        size if size <= RENDEZVOUS_VALUE_SIZE_MAX => Ok(size),
        size => Err(TlvError::Oversize(size)),
    }
}

/// A message of these parts as it is sent.
///
/// # Panics
/// When they are more than a value may have: our own mistake.
pub(super) fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    assert!(size <= RENDEZVOUS_VALUE_SIZE_MAX, "a message of {size} bytes");
    let [high, low] = u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind, high, low], parts.concat().as_slice()].concat()
}

impl fmt::Display for TlvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlvError::Type(kind) => write!(f, "no message has the type {kind:#04x}"),
            TlvError::Oversize(size) => write!(
                f,
                "a message of {size} bytes: at most {RENDEZVOUS_VALUE_SIZE_MAX} are allowed"
            ),
            TlvError::Length { kind, size } => {
                write!(f, "a message of the type {kind:#04x} does not have {size} bytes")
            }
            TlvError::Version { said, spoken } => write!(
                f,
                "version {said} of the protocol; version {spoken} is spoken here: use programs of \
                 the same age"
            ),
        }
    }
}

impl std::error::Error for TlvError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_type_its_length_and_its_parts() {
        assert_eq!(message(7, &[]), [7, 0, 0]);
        assert_eq!(message(7, &[&[1], &[], &[2, 3]]), [7, 0, 3, 1, 2, 3]);
        assert_eq!(message(7, &[&[9; 512]])[..4], [7, 2, 0, 9]);
    }

    #[test]
    fn a_head_is_refused_by_its_type_first_and_then_by_its_length() {
        let known = |kind| kind == 7;
        assert_eq!(value_size([7, 0, 0], known), Ok(0));
        assert_eq!(value_size([7, 2, 0], known), Ok(512));
        assert_eq!(value_size([7, 2, 1], known), Err(TlvError::Oversize(513)));
        assert_eq!(value_size([8, 0xff, 0xff], known), Err(TlvError::Type(8)));
    }

    #[test]
    fn an_error_says_what_to_do() {
        let error = TlvError::Version { said: 2, spoken: 1 }.to_string();
        assert!(error.starts_with("version 2") && error.contains("programs of the same age"));
    }
}
