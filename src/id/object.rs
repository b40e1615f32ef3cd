//! The number of an object: 128 random bits, drawn at the top of the house and passed in.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// Bytes of an object number.
const OBJECT_NUMBER_SIZE: usize = 16;

/// Which object; also its file's name, as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectNumber([u8; OBJECT_NUMBER_SIZE]);

/// A text that is no object number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectNumberError;

impl ObjectNumber {
    /// From 16 random bytes: a new number. From stored bytes: that number.
    pub const fn from_bytes(bytes: [u8; OBJECT_NUMBER_SIZE]) -> ObjectNumber {
        ObjectNumber(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; OBJECT_NUMBER_SIZE] {
        &self.0
    }
}

impl fmt::Display for ObjectNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for ObjectNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectNumber({self})")
    }
}

impl FromStr for ObjectNumber {
    type Err = ObjectNumberError;

    fn from_str(text: &str) -> Result<ObjectNumber, ObjectNumberError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| ObjectNumberError)?;
        bytes.try_into().map(ObjectNumber).map_err(|_| ObjectNumberError)
    }
}

impl fmt::Display for ObjectNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object number is 32 lower-case hex digits")
    }
}

impl std::error::Error for ObjectNumberError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_number_reads_back_what_it_shows() {
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];
        let number = ObjectNumber::from_bytes(bytes);
        assert_eq!(number.to_string(), "0001020304050607f8f9fafbfcfdfeff");
        assert_eq!(number.to_string().parse(), Ok(number));
    }

    #[test]
    fn only_32_lower_case_hex_digits_are_an_object_number() {
        let whole = "0001020304050607f8f9fafbfcfdfeff";
        for text in ["", &whole[1..], &whole[2..], &format!("{whole}00"), &whole.to_uppercase()] {
            assert_eq!(text.parse::<ObjectNumber>(), Err(ObjectNumberError), "{text}");
        }
    }
}
