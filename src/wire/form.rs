//! Forms in the encoding of URLs (WHATWG URL Standard, section 5.1).

use super::file_name::decode_percent;

/// The first value of `name` in an urlencoded form; `None` also when it is not well encoded.
pub fn form_value(form: &str, name: &str) -> Option<String> {
    let decode = |text: &str| decode_percent(&text.replace('+', " "));
    form.split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| decode(key).as_deref() == Some(name))
        .and_then(|(_, value)| decode(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_is_found_and_decoded() {
        for (form, value) in [
            ("file_id=00%3Aab", Some("00:ab")),
            ("file_id=00:ab", Some("00:ab")),
            ("a=b&file_id=x+y&file_id=z", Some("x y")),
            ("file%5Fid=x", Some("x")),
            ("file_id", Some("")),
            ("file_id=a=b", Some("a=b")),
            ("", None),
            ("file_ids=x", None),
            ("file_id=%zz", None),
        ] {
            assert_eq!(form_value(form, "file_id").as_deref(), value, "{form}");
        }
    }
}
