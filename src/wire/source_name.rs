//! What a fetched file is called: the name in `Content-Disposition` (RFC 6266, RFC 8187), else the
//! last segment of its URL; made safe like every name.

use percent_encoding::percent_decode;

use super::file_name::{decode_percent, safe_name};

/// The name for a file whose answer had this `Content-Disposition` and whose URL ended in
/// `last_segment` (decoded).
pub fn source_name(disposition: Option<&[u8]>, last_segment: &str) -> String {
    let given = disposition.and_then(|value| disposition_name(&text_of(value)));
    given
        .and_then(|given| safe_name(&given))
        .or_else(|| safe_name(last_segment))
        .unwrap_or_else(|| super::file_name::NAME_FALLBACK.to_owned())
}

/// Header bytes beyond ASCII: UTF-8 as clients and servers write it nowadays, else Latin-1, which
/// is what it once was.
fn text_of(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// `filename*` if it can be read, else `filename`.
fn disposition_name(value: &str) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    // The first word is the kind: attachment, inline, or something new, which means attachment.
    let mut rest = value.split_at(value.find(';')?).1;
    while let Some(after) = rest.strip_prefix(';') {
        let (name, after) = after.split_at(after.find(['=', ';']).unwrap_or(after.len()));
        let Some(after) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let (value, after) = parameter_value(after.trim_start());
        match name.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = plain.or(Some(value)),
            "filename*" => extended = extended.or_else(|| decode_extended(&value)),
            _ => {}
        }
        rest = after;
    }
    extended.or(plain)
}

/// A quoted string, or everything up to the next semicolon: servers send names with spaces as they
/// are. And what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        return (value.trim_end().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => {
                let rest = quoted.split_at(index + 1).1;
                return (value, rest.split_at(rest.find(';').unwrap_or(rest.len())).1);
            }
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// `UTF-8'en'na%C3%AFve.txt` (RFC 8187, section 3.2); Latin-1 is still met.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => decode_percent(encoded),
        "iso-8859-1" => Some(percent_decode(encoded.as_bytes()).map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(disposition: &str) -> String {
        source_name(Some(disposition.as_bytes()), "segment.bin")
    }

    #[test]
    fn the_name_is_found_however_it_is_written() {
        for (disposition, expected) in [
            ("attachment; filename=report.pdf", "report.pdf"),
            ("attachment; filename=\"report 1.pdf\"", "report 1.pdf"),
            ("attachment;filename = \"a\\\"b;c\" ; x=y", "a\"b;c"),
            ("inline; FileName=my file.pdf; x=y", "my file.pdf"),
            ("attachment; filename*=UTF-8''na%C3%AFve%20plan.txt", "naïve plan.txt"),
            ("attachment; filename*=utf-8'en'a.txt", "a.txt"),
            ("attachment; filename*=ISO-8859-1''na%EFve.txt", "naïve.txt"),
            ("attachment; filename=\"ascii\"; filename*=UTF-8''%E6%97%A5", "日"),
            ("attachment; filename*=UTF-8''%E6%97%A5; filename=\"ascii\"", "日"),
            ("attachment; filename*=UTF-8''%FF; filename=\"ascii\"", "ascii"),
            ("attachment; filename*=KOI8-R''a; filename=\"ascii\"", "ascii"),
            ("attachment; size=3; filename=a; filename=b", "a"),
            ("attachment; filename=\"日.txt\"", "日.txt"),
            ("attachment; flag; filename=a", "a"),
            ("attachment; filename=\"open", "open"),
        ] {
            assert_eq!(name(disposition), expected, "{disposition}");
        }
        assert_eq!(source_name(Some(b"attachment; filename=\"na\xEFve\""), "s"), "naïve");
    }

    #[test]
    fn without_a_usable_name_the_last_segment_is_taken() {
        for disposition in ["attachment", "inline;", "", "attachment; filename=\"\"", "a; b=c"] {
            assert_eq!(name(disposition), "segment.bin", "{disposition}");
        }
        assert_eq!(name("attachment; filename=\"..\""), "segment.bin");
        assert_eq!(source_name(None, "a b.txt"), "a b.txt");
        assert_eq!(source_name(None, ""), "file");
    }

    #[test]
    fn no_name_leads_anywhere() {
        for (disposition, expected) in [
            ("attachment; filename=\"../../etc/passwd\"", "passwd"),
            ("attachment; filename=/etc/passwd", "passwd"),
            ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
            ("attachment; filename=\"C:\\\\Windows\\\\a.dll\"", "a.dll"),
            ("attachment; filename*=UTF-8''a%00b", "segment.bin"),
            ("attachment; filename*=UTF-8''a%0D%0Ab", "ab"),
        ] {
            assert_eq!(name(disposition), expected, "{disposition}");
        }
        assert_eq!(source_name(None, "../../etc/passwd"), "passwd");
    }

    proptest! {
        #[test]
        fn any_header_gives_a_safe_name(
            value in prop::collection::vec(any::<u8>(), 0..80),
            segment in any::<String>(),
        ) {
            for value in [value.clone(), [b"attachment; filename", value.as_slice()].concat()] {
                let name = source_name(Some(&value), &segment);
                prop_assert_eq!(super::super::safe_file_name(&name), name);
            }
        }
    }
}
