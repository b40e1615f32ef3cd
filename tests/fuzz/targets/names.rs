//! Names that strangers give: what is kept is safe for a filesystem and a screen, stays as it is
//! when it is cleaned again, and breaks out of no header.
#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ringhold::base::limits::NAME_SIZE_MAX;
use ringhold::wire::{attachment, decode_percent, inline, safe_file_name};

fuzz_target!(|given: &str| {
    let name = safe_file_name(given);
    assert!(!name.is_empty() && name.len() <= NAME_SIZE_MAX, "{} bytes", name.len());
    assert!(name != "." && name != "..");
    assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control), "{name:?}");
    assert_eq!(safe_file_name(&name), name);
    for name in [given, &name] {
        header(&attachment(name), "attachment", name);
        header(&inline(name), "inline", name);
    }
    if let Some(decoded) = decode_percent(given) {
        assert!(!decoded.contains('\0'));
        assert_eq!(percent_decode_str(given).decode_utf8().as_deref(), Ok(decoded.as_str()));
    }
    let encoded = utf8_percent_encode(given, NON_ALPHANUMERIC).to_string();
    assert_eq!(decode_percent(&encoded).is_some(), !given.contains('\0'));
});

fn header(value: &str, kind: &str, name: &str) {
    assert!(HeaderValue::from_str(value).is_ok(), "{value:?}");
    let parameters = value.strip_prefix(kind).and_then(|rest| rest.strip_prefix("; filename=\""));
    let (fallback, rest) = parameters.unwrap().split_once('"').unwrap();
    assert!(!fallback.contains('\\'), "nothing is escaped: {value}");
    match rest.strip_prefix("; filename*=UTF-8''") {
        Some(exact) => assert_eq!(percent_decode_str(exact).decode_utf8().unwrap(), name),
        None => assert_eq!((fallback, rest), (name, "")),
    }
}
