//! The records of an encrypted line between two ends, without their encryption:
//!
//! ```text
//! length u32, big-endian | ciphertext, `length` bytes
//! ciphertext = sealed(content, at most 64 KiB | kind u8) | tag [16]
//! ```
//!
//! The kind is behind the content, where TLS 1.3 has it (RFC 8446, section 5.2): the content of the
//! records of one message can be opened in place and lies at the beginning of what was opened. What
//! the kinds mean and in which order they may come is [`RecordKind::next`]'s table:
//!
//! ```text
//!            Greeting          Last, Idle
//! Greeting ───────────▶ Between ◀─────────┐
//!                        │   │ ▲          │
//!                  Final │   │ └──────────┘
//!                        ▼   │ More        ┐
//!                     Ended  └──▶ Within ◀─┘ More
//!                                   └─ Last ─▶ Between
//! ```

use std::fmt;

use crate::base::limits::{MESSAGE_SIZE_MAX, RECORD_SIZE_MAX};

/// Before the ciphertext, bytes.
pub const RECORD_HEADER_SIZE: usize = 4;
/// What a ciphertext has more than its content, bytes: the kind and the tag.
pub const RECORD_OVERHEAD: usize = 1 + 16;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A part of a message that goes on.
    More,
    /// The last part of a message, often the only one.
    Last,
    /// The end: nothing follows. A line that closes without it is broken.
    Final,
    /// The first record of each direction: proves that the other end knows the key.
    Greeting,
    /// Nothing: the other end is still there.
    Idle,
}

/// Where one direction of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordStage {
    /// Before its first record.
    Greeting,
    /// Between two messages.
    Between,
    /// In the middle of a message.
    Within,
    /// Behind the final record.
    Ended,
}

/// Why bytes are no record that may come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// A length that no ciphertext has.
    Size(u32),
    /// The tag does not fit: changed, moved, repeated, left out, or of another key.
    Seal,
    /// A kind that is not known here; sealed, so the other end is of another kind itself.
    Kind(u8),
    /// A kind that may not come at this place, or with this content.
    Order(RecordKind),
    /// A message that is longer than any may be.
    MessageSize,
    /// The key was used for as many records as it may be.
    KeyUsedUp,
}

/// The header of a record with this much content. The caller keeps to [`RECORD_SIZE_MAX`].
pub fn record_header(content_size: usize) -> [u8; RECORD_HEADER_SIZE] {
    assert!(content_size <= RECORD_SIZE_MAX, "a record of {content_size} bytes");
    u32::try_from(content_size + RECORD_OVERHEAD).unwrap_or(u32::MAX).to_be_bytes()
}

/// The size of the ciphertext that follows a header. What is too short or too long is refused before
/// anybody waits for it.
pub fn sealed_size(header: [u8; RECORD_HEADER_SIZE]) -> Result<usize, RecordFault> {
    let told = u32::from_be_bytes(header);
    let size = usize::try_from(told).unwrap_or(usize::MAX);
    let is_possible = (RECORD_OVERHEAD..=RECORD_SIZE_MAX + RECORD_OVERHEAD).contains(&size);
    if is_possible { Ok(size) } else { Err(RecordFault::Size(told)) }
}

impl RecordKind {
    /// As it is in the record.
    pub fn byte(self) -> u8 {
        match self {
            RecordKind::More => 0,
            RecordKind::Last => 1,
            RecordKind::Final => 2,
            RecordKind::Greeting => 3,
            RecordKind::Idle => 4,
        }
    }

    /// Of a byte of a record.
    pub fn of(byte: u8) -> Result<RecordKind, RecordFault> {
        match byte {
            0 => Ok(RecordKind::More),
            1 => Ok(RecordKind::Last),
            2 => Ok(RecordKind::Final),
            3 => Ok(RecordKind::Greeting),
            4 => Ok(RecordKind::Idle),
            _ => Err(RecordFault::Kind(byte)),
        }
    }

    /// Where the line is after a record of this kind with this much content.
    pub fn next(self, stage: RecordStage, content_size: usize) -> Result<RecordStage, RecordFault> {
        let has_content = content_size > 0;
        match (stage, self) {
            (RecordStage::Greeting, RecordKind::Greeting) if !has_content => {
                Ok(RecordStage::Between)
            }
            // A part without content would be a way to go on for ever.
            (RecordStage::Between | RecordStage::Within, RecordKind::More) if has_content => {
                Ok(RecordStage::Within)
            }
            (RecordStage::Between | RecordStage::Within, RecordKind::Last) => {
                Ok(RecordStage::Between)
            }
            (RecordStage::Between, RecordKind::Final) if !has_content => Ok(RecordStage::Ended),
            (RecordStage::Between, RecordKind::Idle) if !has_content => Ok(RecordStage::Between),
            _ => Err(RecordFault::Order(self)),
        }
    }
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordFault::Size(size) => write!(f, "no record has {size} bytes"),
            RecordFault::Seal => f.write_str("a record was changed on its way"),
            RecordFault::Kind(kind) => write!(f, "a record of an unknown kind, {kind}"),
            RecordFault::Order(kind) => write!(f, "a record out of order ({kind:?})"),
            RecordFault::MessageSize => {
                write!(f, "a message of more than {MESSAGE_SIZE_MAX} bytes")
            }
            RecordFault::KeyUsedUp => f.write_str("the key of this line is used up"),
        }
    }
}

impl std::error::Error for RecordFault {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [RecordKind; 5] = [
        RecordKind::More,
        RecordKind::Last,
        RecordKind::Final,
        RecordKind::Greeting,
        RecordKind::Idle,
    ];

    #[test]
    fn headers_are_these_bytes() {
        assert_eq!(record_header(0), [0, 0, 0, 17]);
        assert_eq!(record_header(1000), [0, 0, 0x03, 0xf9]);
        assert_eq!(record_header(RECORD_SIZE_MAX), [0, 1, 0, 17]);
    }

    #[test]
    fn each_kind_is_its_byte() {
        for (index, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(usize::from(kind.byte()), index);
            assert_eq!(RecordKind::of(kind.byte()), Ok(kind));
        }
        assert!((5..=u8::MAX).all(|byte| RecordKind::of(byte) == Err(RecordFault::Kind(byte))));
    }

    #[test]
    fn every_kind_at_every_place_is_let_through_or_refused() {
        use RecordStage::{Between, Ended, Greeting, Within};
        // Rows are places, columns the kinds as above: with content, without it.
        let table = [
            (Greeting, [None; 5], [None, None, None, Some(Between), None]),
            (
                Between,
                [Some(Within), Some(Between), None, None, None],
                [None, Some(Between), Some(Ended), None, Some(Between)],
            ),
            (
                Within,
                [Some(Within), Some(Between), None, None, None],
                [None, Some(Between), None, None, None],
            ),
            (Ended, [None; 5], [None; 5]),
        ];
        for (stage, with_content, without) in table {
            for (index, kind) in KINDS.into_iter().enumerate() {
                let refused = Err(RecordFault::Order(kind));
                let expected = with_content[index].map_or(refused, Ok);
                assert_eq!(kind.next(stage, 1), expected, "{stage:?} {kind:?} with content");
                let expected = without[index].map_or(refused, Ok);
                assert_eq!(kind.next(stage, 0), expected, "{stage:?} {kind:?} without");
            }
        }
    }

    proptest! {
        #[test]
        fn a_header_is_read_back_or_refused(told: u32) {
            match sealed_size(told.to_be_bytes()) {
                Ok(size) => {
                    prop_assert_eq!(record_header(size - RECORD_OVERHEAD), told.to_be_bytes());
                }
                Err(fault) => {
                    let longest = RECORD_SIZE_MAX + RECORD_OVERHEAD;
                    prop_assert_eq!(fault, RecordFault::Size(told));
                    prop_assert!(told < 17 || usize::try_from(told).unwrap() > longest);
                }
            }
        }

        #[test]
        fn every_content_has_a_header(size in 0..=RECORD_SIZE_MAX) {
            prop_assert_eq!(sealed_size(record_header(size)), Ok(size + RECORD_OVERHEAD));
        }
    }
}
