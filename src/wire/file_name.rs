//! File names given by strangers: made safe for every filesystem and every screen.

use crate::base::limits::NAME_SIZE_MAX;

/// What a file is called when nothing is left of its name.
pub(super) const NAME_FALLBACK: &str = "file";
/// Longest extension worth keeping when a name is cut, bytes with its dot; longer ones are no
/// extensions.
const EXTENSION_SIZE_MAX: usize = 32;

/// The base name of what a client calls its file: the last component in the manner of Unix and of
/// Windows, without control characters, at most [`NAME_SIZE_MAX`] bytes, never empty, `.` or `..`.
pub fn safe_file_name(given: &str) -> String {
    safe_name(given).unwrap_or_else(|| NAME_FALLBACK.to_owned())
}

/// The same; `None` when nothing is left of it.
pub(super) fn safe_name(given: &str) -> Option<String> {
    let base = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = base.chars().filter(|c| !is_invisible(*c)).collect();
    let cut = cut(visible.trim());
    let name = cut.trim_end();
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

/// Undoes percent-encoding, strictly: every `%` must start two hex digits and the result must be
/// UTF-8 without a NUL, which no file name holds and which ends one for the kernel.
pub fn decode_percent(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains('\0'))
}

/// Control characters, and those that turn the reading direction or break the line: they make
/// `gpj.exe` look like `exe.jpg`.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a name to its limit on a character boundary and keeps its extension.
fn cut(name: &str) -> String {
    if name.len() <= NAME_SIZE_MAX {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= EXTENSION_SIZE_MAX);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let kept = stem.floor_char_boundary(NAME_SIZE_MAX - extension.len());
    format!("{}{extension}", stem.split_at(kept).0)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_last_component_of_a_path_is_kept() {
        for (given, name) in [
            ("report.pdf", "report.pdf"),
            ("/etc/passwd", "passwd"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
            ("a/b\\c.txt", "c.txt"),
            (".profile", ".profile"),
            ("日本/語.txt", "語.txt"),
        ] {
            assert_eq!(safe_file_name(given), name, "{given}");
        }
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_called_file() {
        for given in ["", ".", "..", "a/", "a/..", "\\", "\0", "\r\n", "   ", "\u{202E}", " .. "] {
            assert_eq!(safe_file_name(given), "file", "{given:?}");
        }
    }

    #[test]
    fn control_and_direction_characters_are_dropped() {
        assert_eq!(safe_file_name("a\0b\r\nc\u{7F}\u{85}.txt"), "abc.txt");
        assert_eq!(safe_file_name("photo_\u{202E}gpj.exe"), "photo_gpj.exe");
        assert_eq!(safe_file_name("  spaced out .txt "), "spaced out .txt");
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_extension() {
        let exact = "a".repeat(NAME_SIZE_MAX);
        assert_eq!(safe_file_name(&exact), exact);
        assert_eq!(safe_file_name(&"a".repeat(300)), exact);
        assert_eq!(safe_file_name(&format!("{}.tar", "a".repeat(300))).len(), NAME_SIZE_MAX);
        let wide = safe_file_name(&format!("{}.txt", "語".repeat(100)));
        assert_eq!(wide, format!("{}.txt", "語".repeat(83)));
        let no_extension = safe_file_name(&format!("a.{}", "b".repeat(300)));
        assert_eq!(no_extension, format!("a.{}", "b".repeat(NAME_SIZE_MAX - 2)));
    }

    #[test]
    fn percent_encoding_is_undone_strictly() {
        for (text, decoded) in [
            ("plain.txt", Some("plain.txt")),
            ("a%20b", Some("a b")),
            ("%E6%97%A5", Some("日")),
            ("%e6%97%a5", Some("日")),
            ("100%25", Some("100%")),
            ("a+b", Some("a+b")),
            ("..%2F..%2Fetc", Some("../../etc")),
            ("%", None),
            ("%2", None),
            ("%GG", None),
            ("%+1", None),
            ("%FF", None),
            ("a%00", None),
            ("%C3", None),
        ] {
            assert_eq!(decode_percent(text).as_deref(), decoded, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_ends_up_safe_and_stays_so(given in any::<String>()) {
            let name = safe_file_name(&given);
            prop_assert!(!name.is_empty() && name.len() <= NAME_SIZE_MAX);
            prop_assert!(name != "." && name != "..");
            prop_assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control));
            prop_assert_eq!(safe_file_name(&name), name);
        }

        #[test]
        fn what_was_encoded_is_decoded(name in "[^\0]{0,40}") {
            let encoded =
                percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
            prop_assert_eq!(decode_percent(&encoded.to_string()), Some(name));
        }
    }
}
