//! Dictionaries of Structured Fields (RFC 9651, section 4.2), as far as digests need them: byte
//! sequences and integers come out; every other value is read by its grammar and named
//! [`Value::Other`], so that a member nobody here knows does not spoil those beside it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

/// Digits of an integer (section 3.3.1).
const INTEGER_DIGITS_MAX: usize = 15;
/// Digits of a decimal before and after its point (section 3.3.2).
const DECIMAL_DIGITS_MAX: usize = 12;
const FRACTION_DIGITS_MAX: usize = 3;

/// Base64 as section 4.2.7 wants it read: without regard to padding and to the bits behind the
/// last byte. Padding is taken off before.
static BASE64: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

/// A member's value, without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// An integer.
    Integer(i64),
    /// A byte sequence.
    Bytes(Vec<u8>),
    /// Anything else: a string, a token, an inner list and so on.
    Other,
}

/// The members of a dictionary; of a key that comes twice, the last. `None` when the text is none.
pub(super) fn dictionary(text: &str) -> Option<BTreeMap<&str, Value>> {
    let mut rest = Rest(text.trim_matches(' '));
    let mut members = BTreeMap::new();
    while !rest.is_empty() {
        let key = rest.key()?;
        let value = if rest.take('=') { rest.member()? } else { Value::Other };
        rest.parameters()?;
        members.insert(key, value);
        rest.skip(|c| matches!(c, ' ' | '\t'));
        if rest.is_empty() {
            break;
        }
        if !rest.take(',') {
            return None;
        }
        rest.skip(|c| matches!(c, ' ' | '\t'));
        // A comma is followed by a member.
        if rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

/// Base64 with or without its padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let unpadded = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    BASE64.as_ref()?.decode(unpadded.as_bytes()).ok()
}

/// What of the text was not read yet. A failed reading leaves it anywhere: the field is malformed.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn next(&self) -> Option<char> {
        self.0.chars().next()
    }

    /// Takes this character off, if it is the next.
    fn take(&mut self, wanted: char) -> bool {
        let stripped = self.0.strip_prefix(wanted);
        self.0 = stripped.unwrap_or(self.0);
        stripped.is_some()
    }

    /// Takes off what fits.
    fn skip(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let size = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(size);
        self.0 = rest;
        taken
    }

    /// Takes off what stands before `end`, and `end`.
    fn until(&mut self, end: char) -> Option<&'t str> {
        let (taken, rest) = self.0.split_once(end)?;
        self.0 = rest;
        Some(taken)
    }

    fn key(&mut self) -> Option<&'t str> {
        self.next().filter(|c| matches!(c, 'a'..='z' | '*'))?;
        Some(self.skip(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '*')))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(';') {
            self.skip(|c| c == ' ');
            self.key()?;
            if self.take('=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    /// An item or an inner list, without the parameters behind it.
    fn member(&mut self) -> Option<Value> {
        if !self.take('(') {
            return self.bare_item();
        }
        loop {
            self.skip(|c| c == ' ');
            if self.take(')') {
                return Some(Value::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            self.next().filter(|c| matches!(c, ' ' | ')'))?;
        }
    }

    fn bare_item(&mut self) -> Option<Value> {
        match self.next()? {
            '-' | '0'..='9' => self.number(),
            ':' => self.bytes(),
            '"' => self.string(),
            '?' => {
                self.take('?');
                (self.take('0') || self.take('1')).then_some(Value::Other)
            }
            '@' => {
                self.take('@');
                matches!(self.number()?, Value::Integer(_)).then_some(Value::Other)
            }
            '%' => self.display_string(),
            'a'..='z' | 'A'..='Z' | '*' => {
                self.skip(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Some(Value::Other)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let is_negative = self.take('-');
        let digits = self.skip(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return None;
        }
        if self.take('.') {
            let fraction_size = self.skip(|c| c.is_ascii_digit()).len();
            let fits = digits.len() <= DECIMAL_DIGITS_MAX
                && (1..=FRACTION_DIGITS_MAX).contains(&fraction_size);
            return fits.then_some(Value::Other);
        }
        if digits.len() > INTEGER_DIGITS_MAX {
            return None;
        }
        let value: i64 = digits.parse().ok()?;
        Some(Value::Integer(if is_negative { -value } else { value }))
    }

    fn bytes(&mut self) -> Option<Value> {
        self.take(':');
        decode_base64(self.until(':')?).map(Value::Bytes)
    }

    fn string(&mut self) -> Option<Value> {
        self.take('"');
        loop {
            self.skip(|c| matches!(c, ' '..='~') && c != '"' && c != '\\');
            if self.take('"') {
                return Some(Value::Other);
            }
            if !(self.take('\\') && (self.take('"') || self.take('\\'))) {
                return None;
            }
        }
    }

    /// Its UTF-8 is not looked at: nobody here shows it.
    fn display_string(&mut self) -> Option<Value> {
        self.take('%');
        if !self.take('"') {
            return None;
        }
        let text = self.until('"')?;
        text.chars().all(|c| matches!(c, ' '..='~')).then_some(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_of_every_kind_are_read() {
        let text = "  a=1, b=:AQI=:;p=2;q,c,\td=\"x\\\"y, z\" , e=(1 \"2\";x  tok);y, f=?0,g=-0.5,\
                    h=*t/o:k, i=@5, j=%\"f%c3%bc\", *k=-999999999999999, l=(), m=::";
        let members = dictionary(text).unwrap();
        assert_eq!(members["a"], Value::Integer(1));
        assert_eq!(members["b"], Value::Bytes(vec![1, 2]));
        assert_eq!(members["*k"], Value::Integer(-999_999_999_999_999));
        assert_eq!(members["m"], Value::Bytes(Vec::new()));
        let others = members.values().filter(|value| **value == Value::Other).count();
        assert_eq!((members.len(), others), (13, 9));
        assert_eq!(dictionary("").unwrap().len(), 0);
    }

    #[test]
    fn the_last_of_a_key_counts() {
        assert_eq!(dictionary("a=1,b=2,a=:AQ==:").unwrap()["a"], Value::Bytes(vec![1]));
        assert_eq!(dictionary("a=1,a").unwrap()["a"], Value::Other);
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        for text in [
            ",",
            "a,",
            "a,,b",
            "a=",
            "A=1",
            "a=1 b=2",
            "1",
            "a=:AQ",
            "a=:A:",
            "a=:A=Q=:",
            "a=:A Q:",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"\u{7f}\"",
            "a=(1",
            "a=(1\t2)",
            "a=(1\"2\")",
            "a=?2",
            "a=@x",
            "a=@1.5",
            "a=%x",
            "a=%\"x",
            "a=1;",
            "a=1;A",
            "a=1234567890123456",
            "a=1.",
            "a=1.2345",
            "a=-",
            "a=ä",
            "ä",
            "a=1;b=",
            "\ta=1",
            "a=:::",
        ] {
            assert_eq!(dictionary(text), None, "{text:?}");
        }
    }

    #[test]
    fn padding_and_the_bits_behind_the_last_byte_do_not_matter() {
        for text in ["AQ==", "AQ", "AR", "AQ="] {
            assert_eq!(decode_base64(text), Some(vec![1]), "{text}");
        }
        assert_eq!(decode_base64("AQ==="), None);
        assert_eq!(decode_base64("-_"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_hostile(text in "\\PC*|[a-c=:;,\"()@%?0-9 \t.*-]{0,60}") {
            let _ = dictionary(&text);
        }

        #[test]
        fn what_is_written_is_read(
            written in prop::collection::btree_map(
                "[a-z*][a-z0-9_.*-]{0,8}", prop::collection::vec(any::<u8>(), 0..70), 0..8,
            )
        ) {
            let members: Vec<_> = written
                .iter()
                .map(|(key, bytes)| format!("{key}=:{}:", data_encoding::BASE64.encode(bytes)))
                .collect();
            let text = members.join(" ,\t");
            let read = dictionary(&text).unwrap();
            prop_assert_eq!(read.len(), written.len());
            for (key, bytes) in &written {
                prop_assert_eq!(&read[key.as_str()], &Value::Bytes(bytes.clone()));
            }
        }
    }
}
