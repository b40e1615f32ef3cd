//! Text of strangers on somebody's terminal: an original name may hold escape sequences, a path
//! any byte. Nothing of it reaches the terminal as anything but letters.

use std::fmt::Write as _;
use std::path::Path;

/// In quotes, with everything that is no plain character escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// A sentence that may quote a stranger: quotes and backslashes stay, control characters do not.
pub(super) fn plain(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\'' | '\\' => letter.to_string(),
        _ => letter.escape_debug().to_string(),
    });
    letters.collect()
}

/// A path, escaped; bytes that are no text are replaced.
pub(super) fn path(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

/// JSON of ASCII alone: the same value, in which a terminal finds no control character.
pub(super) fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            out.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            // Outside of strings JSON is ASCII, so this is inside of one. Writing to a String
            // cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_told_and_not_obeyed() {
        assert_eq!(quoted("a\u{1b}[2Jb\"c"), "\"a\\u{1b}[2Jb\\\"c\"");
        assert_eq!(quoted("naïve.txt"), "\"naïve.txt\"", "letters stay letters");
        assert_eq!(plain("it's \"a\u{7}\""), "it's \"a\\u{7}\"");
        assert_eq!(path(Path::new("a\nb\u{9b}1m\u{202e}")), "a\\nb\\u{9b}1m\\u{202e}");
    }

    proptest! {
        #[test]
        fn ascii_json_is_the_same_value(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let plain = ascii(&json);
            prop_assert!(plain.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{plain}");
            prop_assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), text);
        }
    }
}
