//! What a stranger gives to be fetched and what its source answers: a URL that passes is one
//! request to one host, a name is safe, and what continues a file is exactly its rest.
#![no_main]

use http::{HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::NAME_SIZE_MAX;
use ringhold::wire::{Representation, SourceHeaders, SourceHost, SourceUrl, source_name};

type Said<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<u64>);

fuzz_target!(|input: (&str, &str, Option<&[u8]>, Said<'_>, Said<'_>, u64)| {
    let (url, location, disposition, first, rest, offset) = input;
    let mut segment = String::new();
    if let Ok(url) = SourceUrl::parse(url) {
        check(&url);
        segment = url.last_segment();
        if let Ok(next) = url.join(location) {
            check(&next);
        }
    }
    let name = source_name(disposition, &segment);
    assert!(!name.is_empty() && name.len() <= NAME_SIZE_MAX && name != "." && name != "..");
    assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control), "{name:?}");
    go_on(first, rest, offset);
});

fn check(url: &SourceUrl) {
    let (authority, sent) = (url.authority(), url.as_url().as_str());
    assert!(!authority.contains('@') && HeaderValue::from_str(authority).is_ok(), "{authority:?}");
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent:?}");
    // Read again by whoever connects, it is the same host: nobody else was meant.
    if let Ok(read) = sent.parse::<Uri>() {
        assert_eq!(read.host(), url.as_url().host_str());
        assert_eq!(read.port_u16(), url.as_url().port());
    }
    if let SourceHost::Name(name) = url.host() {
        assert!(name.parse::<std::net::IpAddr>().is_err(), "an address that passes for a name");
    }
}

fn go_on(first: Said<'_>, rest: Said<'_>, offset: u64) {
    let mut file = Representation::new(first.3, &headers(first, None));
    let Some(request) = file.resume_from(offset) else { return };
    assert!(HeaderValue::from_str(&request.range).is_ok());
    assert!(HeaderValue::from_str(&request.if_range).is_ok());
    let size_before = file.size_bytes;
    let range = rest.2;
    if file.check_rest(offset, rest.3, &headers(rest, range)).is_ok() {
        let size = file.size_bytes.expect("known from here on");
        assert!(size_before.is_none_or(|before| before == size) && offset < size);
        assert!(rest.3.is_none_or(|body| body == size - offset));
        let range = range.expect("a rest says where it begins");
        assert!(range.contains(&offset.to_string()) && range.contains(&size.to_string()));
    }
}

fn headers<'a>(said: Said<'a>, content_range: Option<&'a str>) -> SourceHeaders<'a> {
    SourceHeaders {
        etag: said.0,
        last_modified: said.1,
        date: Some("Sun, 06 Nov 1994 08:49:37 GMT"),
        accept_ranges: None,
        content_range,
    }
}
