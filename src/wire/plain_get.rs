//! Plain downloads: heads that ask for a stored file and say nothing that could change the answer.
//!
//! Whoever answers such a head need not parse it any further. That is only as good as the list of
//! fields below is careful: what is not on it is looked at by the full parser.

use std::str;

use memchr::memchr;

const START: &[u8] = b"GET /files/";
const VERSION: &[u8] = b" HTTP/1.1";

/// Fields that have no bearing on what a file's bytes and headers are, in lower case: who asks, for
/// whom, by what way, and what else they would take (RFC 9110, sections 7.2, 10.1 and 12.5; RFC
/// 7239). There is one form of each file, so nothing is negotiated.
const HARMLESS: [&[u8]; 14] = [
    b"host",
    b"user-agent",
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"referer",
    b"cookie",
    b"cache-control",
    b"pragma",
    b"priority",
    b"dnt",
    b"forwarded",
    b"via",
    b"authorization",
];
/// Beginnings of such names: fetch metadata of browsers, and what proxies add.
const HARMLESS_STARTS: [&[u8]; 2] = [b"sec-", b"x-"];

/// The segment behind `/files/` that a head asks for, if the head is that of a plain `GET` by
/// HTTP/1.1 on a connection that stays. It may hold anything but spaces: whether it is a file ID is
/// for others to say. `head` is a whole one that [`HeadScan`](super::HeadScan) found in order.
pub fn plain_get(head: &[u8]) -> Option<&str> {
    let rest = head.strip_prefix(START)?;
    let (line, fields) = rest.split_at(memchr(b'\r', rest)?);
    let segment = line.strip_suffix(VERSION)?;
    let mut fields = fields.strip_prefix(b"\r\n")?;
    while let Some(end) = memchr(b'\r', fields).filter(|end| *end > 0) {
        if !is_harmless(&fields[..end]) {
            return None;
        }
        fields = fields[end..].strip_prefix(b"\r\n")?;
    }
    str::from_utf8(segment).ok()
}

fn is_harmless(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless))
        || HARMLESS_STARTS.iter().any(|start| {
            name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        })
        || name.eq_ignore_ascii_case(b"connection")
            && value.trim_ascii().eq_ignore_ascii_case(b"keep-alive")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Framing, HeadScan};

    fn asked(fields: &str) -> Option<String> {
        let head = format!("GET /files/a:b HTTP/1.1\r\n{fields}\r\n");
        plain_get(head.as_bytes()).map(str::to_owned)
    }

    #[test]
    fn a_head_that_only_asks_is_plain() {
        for fields in [
            "host: a\r\n",
            "Host: a\r\nUser-Agent: curl/8\r\nAccept: */*\r\n",
            "Host: a\r\nConnection:\tKeep-Alive \r\nSec-Fetch-Mode: no-cors\r\n",
            "host: a\r\nX-Forwarded-For: 192.0.2.1\r\nVIA: 1.1 proxy\r\n",
        ] {
            assert_eq!(asked(fields).as_deref(), Some("a:b"), "{fields}");
        }
    }

    #[test]
    fn whatever_may_change_the_answer_is_not_plain() {
        for name in [
            "range",
            "If-None-Match",
            "if-match",
            "if-range",
            "if-modified-since",
            "if-unmodified-since",
            "want-repr-digest",
            "want-content-digest",
            "expect",
            "te",
            "trailer",
            "upgrade",
            "content-length",
            "transfer-encoding",
            "something-new",
            "x",
            "hos",
        ] {
            assert_eq!(asked(&format!("host: a\r\n{name}: 1\r\n")), None, "{name}");
        }
        for value in ["close", "keep-alive, close", "upgrade", ""] {
            assert_eq!(asked(&format!("host: a\r\nconnection: {value}\r\n")), None, "{value}");
        }
    }

    #[test]
    fn other_requests_are_not_plain() {
        for line in [
            "HEAD /files/a:b HTTP/1.1",
            "DELETE /files/a:b HTTP/1.1",
            "GET /files/a:b HTTP/1.0",
            "GET /file/a:b HTTP/1.1",
            "GET http://a/files/a:b HTTP/1.1",
        ] {
            assert_eq!(plain_get(format!("{line}\r\nhost: a\r\n\r\n").as_bytes()), None, "{line}");
        }
    }

    proptest! {
        /// The full parser reads the same of it: the target, no body, and no field that counts.
        #[test]
        fn what_is_plain_is_read_the_same_by_the_full_parser(
            segment in "[a-zA-Z0-9:_/?%.-]{0,20}",
            names in prop::collection::vec("(host|range|accept|expect|X-a|te|connection|[a-z-]{1,9})", 0..5),
            value in "(keep-alive|close|[ -~]{0,9})",
        ) {
            let fields = names.iter().map(|name| format!("{name}:{value}\r\n"));
            let fields = fields.collect::<Vec<_>>().concat();
            let head = format!("GET /files/{segment} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            let scanned = HeadScan::default().scan(head.as_bytes());
            let Some(found) = scanned.ok().flatten().and_then(|_| plain_get(head.as_bytes())) else {
                return Ok(());
            };
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut request = httparse::Request::new(&mut headers);
            request.parse(head.as_bytes()).unwrap();
            prop_assert_eq!(request.path.unwrap(), format!("/files/{found}"));
            for counts in ["range", "expect", "te", "content-length", "transfer-encoding"] {
                let is_there = request.headers.iter().any(|one| one.name.eq_ignore_ascii_case(counts));
                prop_assert!(!is_there, "{}", counts);
            }
            prop_assert_eq!(scanned.unwrap().unwrap().framing, Framing::Length(0));
        }
    }
}
