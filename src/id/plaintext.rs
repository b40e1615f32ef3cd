//! What an ID says before it is encrypted: `kind | object | name length | name | zeros`. Exactly
//! one encoding per meaning, so that equal meanings make equal IDs.

use std::fmt;

use super::{Kind, ObjectNumber};
use crate::base::limits::NAME_SIZE_MAX;

/// Kind, object number, name length: 1 + 16 + 2 bytes.
const HEAD_SIZE: usize = 19;
/// Plaintexts are padded to a multiple of this, so an ID shows its name's length only in steps
/// of 16 bytes.
pub(super) const PADDING_UNIT: usize = 16;
/// Shortest plaintext: an empty name.
pub(super) const PLAINTEXT_SIZE_MIN: usize = HEAD_SIZE.next_multiple_of(PADDING_UNIT);
/// Longest plaintext: a name of 255 bytes.
pub(super) const PLAINTEXT_SIZE_MAX: usize =
    (HEAD_SIZE + NAME_SIZE_MAX).next_multiple_of(PADDING_UNIT);

/// A name longer than [`NAME_SIZE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTooLong {
    /// What it has, bytes of UTF-8.
    pub size: usize,
}

/// Encodes.
pub(super) fn encode(kind: Kind, object: ObjectNumber, name: &str) -> Result<Vec<u8>, NameTooLong> {
    let too_long = NameTooLong { size: name.len() };
    if name.len() > NAME_SIZE_MAX {
        return Err(too_long);
    }
    let name_size = u16::try_from(name.len()).map_err(|_| too_long)?;
    let mut plaintext = Vec::with_capacity(PLAINTEXT_SIZE_MAX);
    plaintext.push(kind.code());
    plaintext.extend_from_slice(object.as_bytes());
    plaintext.extend_from_slice(&name_size.to_le_bytes());
    plaintext.extend_from_slice(name.as_bytes());
    plaintext.resize(plaintext.len().next_multiple_of(PADDING_UNIT), 0);
    Ok(plaintext)
}

/// Decodes; `None` for anything that [`encode`] does not make.
pub(super) fn decode(plaintext: &[u8]) -> Option<(Kind, ObjectNumber, &str)> {
    let (&kind, rest) = plaintext.split_first()?;
    let (object, rest) = rest.split_first_chunk::<16>()?;
    let (name_size, rest) = rest.split_first_chunk::<2>()?;
    let name_size = usize::from(u16::from_le_bytes(*name_size));
    let (name, zeros) = rest.split_at_checked(name_size)?;
    let canonical = name_size <= NAME_SIZE_MAX
        && plaintext.len() == (HEAD_SIZE + name_size).next_multiple_of(PADDING_UNIT)
        && zeros.iter().all(|&byte| byte == 0);
    if !canonical {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    Some((Kind::from_code(kind)?, ObjectNumber::from_bytes(*object), name))
}

impl fmt::Display for NameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name has {} bytes; at most {NAME_SIZE_MAX} are kept", self.size)
    }
}

impl std::error::Error for NameTooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: ObjectNumber = ObjectNumber::from_bytes([9; 16]);

    fn encoded(name: &str) -> Vec<u8> {
        encode(Kind::Object, OBJECT, name).unwrap()
    }

    #[test]
    fn every_length_of_name_comes_back() {
        for size in 0..=NAME_SIZE_MAX {
            let name = "n".repeat(size);
            let plaintext = encoded(&name);
            assert!((PLAINTEXT_SIZE_MIN..=PLAINTEXT_SIZE_MAX).contains(&plaintext.len()));
            assert_eq!(decode(&plaintext), Some((Kind::Object, OBJECT, name.as_str())));
        }
        let long = "n".repeat(NAME_SIZE_MAX + 1);
        assert_eq!(encode(Kind::Object, OBJECT, &long), Err(NameTooLong { size: 256 }));
    }

    #[test]
    fn only_the_one_encoding_is_read() {
        let good = encoded("name.txt");
        let changed = |index: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[index] = value;
            bytes
        };
        let padded_twice = [good.as_slice(), &[0; 16]].concat();
        let over_long = [&[1; 17][..], &300u16.to_le_bytes(), &[b'n'; 300], &[0]].concat();
        for (bad, why) in [
            (changed(0, 0), "kind 0"),
            (changed(0, 2), "a kind that does not exist yet"),
            (changed(17, 7), "a letter in the padding"),
            (changed(17, 14), "a name longer than the plaintext"),
            (changed(18, 1), "a name longer than a name"),
            (changed(19, 0xff), "a name that is not UTF-8"),
            (changed(31, 1), "padding that is not zero"),
            (good[..good.len() - 1].to_vec(), "a cut end"),
            (padded_twice, "more padding than needed"),
            (over_long, "a name over the limit"),
            (Vec::new(), "nothing"),
        ] {
            assert_eq!(decode(&bad), None, "{why}");
        }
    }
}
