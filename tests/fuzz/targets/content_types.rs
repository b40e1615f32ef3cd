//! Media types and urlencoded forms: what is kept can go back into a header, a boundary is a legal
//! one, and the value of a form is found as it was encoded.
#![no_main]

use http::HeaderValue;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringhold::base::limits::{BOUNDARY_SIZE_MAX, CONTENT_TYPE_SIZE_MAX};
use ringhold::wire::{MediaType, choose_content_type, form_value};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    content_type: &'a str,
    file_name: &'a str,
    form: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

fuzz_target!(|input: Input<'_>| {
    media_type(input.content_type, input.file_name);
    let _ = form_value(input.form, "file_id");
    form(&input.pairs);
});

fn media_type(given: &str, file_name: &str) {
    if let Some(parsed) = MediaType::parse(given) {
        let essence = parsed.essence();
        assert_eq!(essence, essence.to_ascii_lowercase());
        assert_eq!(MediaType::parse(essence).unwrap().essence(), essence);
        if let Some(boundary) = parsed.boundary() {
            assert!((1..=BOUNDARY_SIZE_MAX).contains(&boundary.len()));
            let again = format!("multipart/form-data; boundary=\"{boundary}\"");
            assert_eq!(MediaType::parse(&again).unwrap().boundary(), Some(boundary));
        }
    }
    for given in [Some(given), None] {
        let chosen = choose_content_type(given, file_name);
        assert!(chosen.len() <= CONTENT_TYPE_SIZE_MAX);
        assert!(HeaderValue::from_str(&chosen).is_ok(), "{chosen:?}");
        assert!(MediaType::parse(&chosen).is_some(), "{chosen:?}");
        assert_eq!(choose_content_type(Some(&chosen), file_name), chosen);
    }
}

fn form(pairs: &[(&str, &str)]) {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let encoded: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let encoded = encoded.join("&");
    for (wanted, _) in pairs.iter().filter(|(name, _)| !name.contains('\0')) {
        let first = pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let expected = first.filter(|value| !value.contains('\0'));
        assert_eq!(form_value(&encoded, wanted).as_deref(), expected, "{encoded}");
    }
}
