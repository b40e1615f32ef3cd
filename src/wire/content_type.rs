//! Media types (RFC 9110, section 8.3.1): reading those of a request, choosing that of an object.

use crate::base::limits::{BOUNDARY_SIZE_MAX, CONTENT_TYPE_SIZE_MAX};

/// What an object is when nobody knows better.
const CONTENT_TYPE_FALLBACK: &str = "application/octet-stream";

/// A media type, split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Parses the value of a `Content-Type` header.
    pub fn parse(value: &str) -> Option<MediaType> {
        let (essence, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
        let essence = essence.trim();
        let (kind, subkind) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subkind) {
            return None;
        }
        let mut parameters = Vec::new();
        while let Some(after) = rest.trim_start().strip_prefix(';') {
            let after = after.trim_start();
            if after.is_empty() || after.starts_with(';') {
                rest = after;
                continue;
            }
            let (name, value) = after.split_once('=')?;
            let (value, after) = parameter_value(value)?;
            if !is_token(name) {
                return None;
            }
            parameters.push((name.to_ascii_lowercase(), value));
            rest = after;
        }
        let parsed = MediaType { essence: essence.to_ascii_lowercase(), parameters };
        rest.trim().is_empty().then_some(parsed)
    }

    /// `type/subtype`, in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The boundary of a multipart type; `None` when it is missing or not legal.
    pub fn boundary(&self) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(name, _)| name == "boundary")?;
        is_boundary(value.as_bytes()).then_some(value.as_str())
    }
}

/// The content type to keep with an object: the one its sender gave if it is sane, else the one
/// its name suggests.
pub fn choose_content_type(given: Option<&str>, file_name: &str) -> String {
    let sane = |value: &&str| {
        value.len() <= CONTENT_TYPE_SIZE_MAX
            && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            && MediaType::parse(value).is_some()
    };
    match given.map(str::trim).filter(sane) {
        Some(value) => value.to_owned(),
        None => {
            mime_guess::from_path(file_name).first_raw().unwrap_or(CONTENT_TYPE_FALLBACK).to_owned()
        }
    }
}

/// Whether `bytes` may serve as a multipart boundary (RFC 2046, section 5.1.1).
pub(super) fn is_boundary(bytes: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    bytes.len() <= BOUNDARY_SIZE_MAX
        && bytes.iter().all(legal)
        && bytes.last().is_some_and(|byte| *byte != b' ')
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let value = value.trim_end();
        // An empty value is no token, but common enough; it says nothing.
        return (value.is_empty() || is_token(value)).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.split_at(index + 1).1)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boundary(value: &str) -> Option<String> {
        MediaType::parse(value)?.boundary().map(str::to_owned)
    }

    #[test]
    fn a_media_type_is_split_into_essence_and_boundary() {
        let parsed = MediaType::parse("Multipart/Form-Data; charset=utf-8; Boundary=AbC").unwrap();
        assert_eq!(parsed.essence(), "multipart/form-data");
        assert_eq!(parsed.boundary(), Some("AbC"));
    }

    #[test]
    fn boundaries_come_plain_and_quoted() {
        for (value, expected) in [
            ("multipart/form-data; boundary=----WebKitFormBoundaryX", "----WebKitFormBoundaryX"),
            ("multipart/form-data;boundary=\"gc0pJq0M:08jU534c0p\"", "gc0pJq0M:08jU534c0p"),
            ("multipart/form-data; boundary=\"a b\\c\" ; x=y", "a bc"),
            ("multipart/form-data;; ; boundary=x;", "x"),
        ] {
            assert_eq!(boundary(value).as_deref(), Some(expected), "{value}");
        }
        for value in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"open",
            "multipart/form-data; boundary=\"ends \"",
            "multipart/form-data; boundary=a@b",
            "multipart/form-data; boundary=\"a\r\nb\"",
        ] {
            assert_eq!(boundary(value), None, "{value}");
        }
        assert!(boundary(&format!("a/b; boundary={}", "x".repeat(70))).is_some());
        assert!(boundary(&format!("a/b; boundary={}", "x".repeat(71))).is_none());
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for value in ["", "text", "/", "text/", "/plain", "te xt/plain", "text/plain; a", "a/b x"] {
            assert_eq!(MediaType::parse(value), None, "{value}");
        }
    }

    #[test]
    fn a_sane_given_type_is_kept_as_it_is() {
        for given in ["text/plain; charset=UTF-8", "image/PNG", "application/x-unknown+foo"] {
            assert_eq!(choose_content_type(Some(given), "a.html"), given);
        }
    }

    #[test]
    fn otherwise_the_name_decides() {
        let long = format!("text/{}", "x".repeat(251));
        for given in [None, Some(""), Some("nonsense"), Some("text/plain\r\nX: y"), Some(&*long)] {
            assert_eq!(choose_content_type(given, "photo.JPG"), "image/jpeg");
            assert_eq!(choose_content_type(given, "no extension"), CONTENT_TYPE_FALLBACK);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(value in ".{0,80}") {
            let _ = MediaType::parse(&value);
            let chosen = choose_content_type(Some(&value), &value);
            prop_assert!(MediaType::parse(&chosen).is_some());
        }
    }
}
