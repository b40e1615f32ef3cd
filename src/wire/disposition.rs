//! `Content-Disposition` for any file name (RFC 6266, RFC 8187).
//!
//! Every value carries an ASCII `filename` that even the oldest client can quote, and, when that
//! loses something, the exact name as `filename*`. Nothing a name holds can end the parameter or
//! the header: what is not plainly safe is replaced in the first and percent-encoded in the second.

use std::fmt::Write as _;

/// The value that makes a browser save the file.
pub fn attachment(name: &str) -> String {
    disposition("attachment", name)
}

/// The value that lets a browser show the file.
pub fn inline(name: &str) -> String {
    disposition("inline", name)
}

fn disposition(kind: &str, name: &str) -> String {
    if name.chars().all(is_plain) {
        return [kind, "; filename=\"", name, "\""].concat();
    }
    let fallback: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut value = format!("{kind}; filename=\"{fallback}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        push_encoded(&mut value, byte);
    }
    value
}

/// Safe inside a quoted string in every client: quotes and backslashes end or escape it, and some
/// clients decode `%` there (RFC 6266, appendix D).
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%')
}

fn push_encoded(value: &mut String, byte: u8) {
    if is_attribute_byte(byte) {
        value.push(char::from(byte));
    } else {
        // Writing to a String cannot fail.
        let _ = write!(value, "%{byte:02X}");
    }
}

/// `attr-char` of RFC 8187, section 3.2.1.
fn is_attribute_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_is_only_quoted() {
        assert_eq!(attachment("report 2024.pdf"), "attachment; filename=\"report 2024.pdf\"");
        assert_eq!(inline("a.html"), "inline; filename=\"a.html\"");
    }

    #[test]
    fn other_names_travel_twice() {
        for (name, value) in [
            ("€ rates.txt", "filename=\"_ rates.txt\"; filename*=UTF-8''%E2%82%AC%20rates.txt"),
            ("日本.pdf", "filename=\"__.pdf\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf"),
            ("100%.txt", "filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
            ("a\"b\\c", "filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"),
            ("it's;(1).x", "filename=\"it's;(1).x\""),
            (
                "x\r\nSet-Cookie: a=b",
                "filename=\"x__Set-Cookie: a=b\"; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20a%3Db",
            ),
        ] {
            assert_eq!(attachment(name), format!("attachment; {value}"), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_its_quotes_or_its_header(name in any::<String>()) {
            let value = attachment(&name);
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(value.matches('"').count(), 2);
            prop_assert!(!value.contains('\\'));
            if let Some((_, encoded)) = value.split_once("filename*=UTF-8''") {
                let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8();
                prop_assert_eq!(decoded.unwrap(), name);
            } else {
                prop_assert_eq!(value, format!("attachment; filename=\"{name}\""));
            }
        }
    }
}
