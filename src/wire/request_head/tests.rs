//! What is a request head, and what is none: one table each.

use proptest::prelude::*;

use super::*;

/// Scans `bytes`, which come in pieces of `step`.
fn scan(bytes: &[u8], step: usize) -> Result<Option<RequestHead>, HeadFault> {
    let mut scan = HeadScan::default();
    let mut end = 0;
    while end < bytes.len() {
        end = bytes.len().min(end + step);
        if let Some(head) = scan.scan(&bytes[..end])? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

#[test]
fn a_head_ends_at_its_empty_line_and_says_how_its_body_is_framed() {
    for (head, framing) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
        ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
        ("GET http://a:80/x HTTP/1.1\r\nhost:\r\n\r\n", Framing::Length(0)),
        ("OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Framing::Length(0)),
        (
            "GET /ä%20\"{x}?a=b|c HTTP/1.1\r\nHost: a\r\nX:\r\nY: \u{e4}\tb\r\n\r\n",
            Framing::Length(0),
        ),
        ("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length:\t 005 \r\n\r\n", Framing::Length(5)),
        (
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
            Framing::Length(OBJECT_SIZE_MAX),
        ),
        ("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:Chunked\r\n\r\n", Framing::Chunked),
    ] {
        let bytes = format!("{head}5\r\nGET /");
        for step in [1, 7, 10_000] {
            let found = scan(bytes.as_bytes(), step);
            assert_eq!(found, Ok(Some(RequestHead { size: head.len(), framing })), "{head:?}");
        }
    }
}

#[test]
fn a_first_line_that_is_no_request_is_refused_without_waiting_for_more() {
    for (line, fault) in [
        ("nonsense\r\n", HeadFault::RequestLine),
        ("GET /\r\n", HeadFault::RequestLine),
        ("GET  / HTTP/1.1\r\n", HeadFault::RequestLine),
        ("GET / HTTP/1.1 \r\n", HeadFault::RequestLine),
        (" GET / HTTP/1.1\r\n", HeadFault::RequestLine),
        ("GET / HTTP/1\r\n", HeadFault::RequestLine),
        ("GET / HTTP/1.1x\r\n", HeadFault::RequestLine),
        ("GET / http/1.1\r\n", HeadFault::RequestLine),
        ("G(T / HTTP/1.1\r\n", HeadFault::RequestLine),
        ("\u{16}\u{3}\u{1}\r\n", HeadFault::LineEnd),
        ("GET\t/ HTTP/1.1\r\n", HeadFault::LineEnd),
        ("GET /\0 HTTP/1.1\r\n", HeadFault::LineEnd),
        ("GET / HTTP/1.1\n", HeadFault::LineEnd),
        ("GET /\rHTTP/1.1\r\n", HeadFault::LineEnd),
        ("\nGET / HTTP/1.1\r\n", HeadFault::LineEnd),
        ("GET / HTTP/1.2\r\n", HeadFault::Version),
        ("PRI * HTTP/2.0\r\n", HeadFault::Version),
        ("CONNECT a:443 HTTP/1.1\r\n", HeadFault::Connect),
        ("GET a:443 HTTP/1.1\r\n", HeadFault::Target),
        ("GET * HTTP/1.1\r\n", HeadFault::Target),
        ("GET a/b HTTP/1.1\r\n", HeadFault::Target),
        ("GET ftp://a/ HTTP/1.1\r\n", HeadFault::Target),
        ("GET http:///a HTTP/1.1\r\n", HeadFault::Target),
        ("GET http://user@a/ HTTP/1.1\r\n", HeadFault::Target),
        ("GET /a#b HTTP/1.1\r\n", HeadFault::Target),
        ("GET /<a> HTTP/1.1\r\n", HeadFault::Target),
    ] {
        for step in [1, 10_000] {
            assert_eq!(scan(line.as_bytes(), step), Err(fault), "{line:?}");
        }
    }
}

#[test]
fn headers_that_can_be_read_in_two_ways_are_refused() {
    for (headers, fault) in [
        ("", HeadFault::Host),
        ("Host: a\r\nHost: a\r\n", HeadFault::Host),
        ("Host: a b\r\n", HeadFault::Host),
        ("Host: a, b\r\n", HeadFault::Host),
        ("Host: user@a\r\n", HeadFault::Host),
        ("Host: http://a/\r\n", HeadFault::Host),
        ("Host: :80\r\n", HeadFault::Host),
        ("Host : a\r\n", HeadFault::Field),
        ("Host\r\n", HeadFault::Field),
        (": a\r\n", HeadFault::Field),
        ("Host: a\r\nX: b\r\n c\r\n", HeadFault::Field),
        ("Host: a\r\n\tX: b\r\n", HeadFault::Field),
        (" Host: a\r\n", HeadFault::Field),
        ("X[: b\r\n", HeadFault::Field),
        ("X\u{e4}: b\r\n", HeadFault::Field),
        ("Host: a\n", HeadFault::LineEnd),
        ("Host: a\rX: b\r\n", HeadFault::LineEnd),
        ("X: a\0b\r\n", HeadFault::LineEnd),
        ("X: a\u{b}b\r\n", HeadFault::LineEnd),
        ("X: a\u{7f}b\r\n", HeadFault::LineEnd),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", HeadFault::Length),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", HeadFault::Length),
        ("Content-Length: 5, 5\r\n", HeadFault::Length),
        ("Content-Length: +5\r\n", HeadFault::Length),
        ("Content-Length: -5\r\n", HeadFault::Length),
        ("Content-Length: 5 5\r\n", HeadFault::Length),
        ("Content-Length: 0x5\r\n", HeadFault::Length),
        ("Content-Length: 5.0\r\n", HeadFault::Length),
        ("Content-Length: \r\n", HeadFault::Length),
        ("Content-Length: 9223372036854775808\r\n", HeadFault::Length),
        ("Content-Length: 18446744073709551621\r\n", HeadFault::Length),
        ("Transfer-Encoding: identity\r\n", HeadFault::Coding),
        ("Transfer-Encoding: chunked, identity\r\n", HeadFault::Coding),
        ("Transfer-Encoding: chunked, chunked\r\n", HeadFault::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadFault::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", HeadFault::Coding),
        ("Transfer-Encoding: chunked;q=1\r\n", HeadFault::Coding),
        ("Transfer-Encoding: \"chunked\"\r\n", HeadFault::Coding),
        ("Transfer-Encoding: , chunked\r\n", HeadFault::Coding),
        ("Transfer-Encoding: xchunked\r\n", HeadFault::Coding),
        ("Transfer-Encoding:\r\n", HeadFault::Coding),
        ("Transfer-Encoding: \u{b}chunked\r\n", HeadFault::LineEnd),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadFault::CodingUnknown),
        ("Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadFault::TwoLengths),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", HeadFault::TwoLengths),
    ] {
        let head = format!("PUT /files/a HTTP/1.1\r\n{headers}\r\n");
        for step in [1, 10_000] {
            assert_eq!(scan(head.as_bytes(), step), Err(fault), "{head:?}");
        }
    }
    let old = b"PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(scan(old, 1), Err(HeadFault::Coding));
}

#[test]
fn a_head_has_a_largest_size_and_a_largest_number_of_headers() {
    let head = |padding: usize| {
        let padding = "x".repeat(padding);
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {padding}\r\n\r\n").into_bytes()
    };
    let fixed = head(0).len();
    for step in [1, 1000, 1 << 20] {
        assert!(scan(&head(HEAD_SIZE_MAX - fixed), step).unwrap().is_some());
        assert_eq!(scan(&head(HEAD_SIZE_MAX - fixed + 1), step), Err(HeadFault::TooLarge));
        let line = "x".repeat(HEAD_SIZE_MAX + 1);
        assert_eq!(scan(line.as_bytes(), step), Err(HeadFault::TargetTooLong));
        let lines = "\r\n".repeat(HEAD_SIZE_MAX);
        assert_eq!(scan(lines.as_bytes(), step), Err(HeadFault::TargetTooLong));
    }
    let many = |count| format!("GET / HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(scan(many(HEADERS_MAX).as_bytes(), 100).unwrap().is_some());
    assert_eq!(scan(many(HEADERS_MAX + 1).as_bytes(), 100), Err(HeadFault::TooLarge));
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_how_the_bytes_come(
        head in "(GET|PUT) /[a-z]{0,3} HTTP/1.[01]\r\n((Host|X|Content-Length|Transfer-Encoding)\
                 :? ?(a|5|chunked|\t)\r?\n){0,4}(\r\n)?",
        step in 1_usize..20,
    ) {
        prop_assert_eq!(scan(head.as_bytes(), step), scan(head.as_bytes(), 1 << 20));
    }

    /// What passes without the parser of URIs passes it too, and is the same path.
    #[test]
    fn a_plain_path_is_one_to_the_parser(path in "/[a-zA-Z0-9._~:/-]{0,40}") {
        prop_assert_eq!(check_target(b"GET", path.as_bytes()), Ok(()));
        let uri = Uri::try_from(path.as_str()).unwrap();
        prop_assert_eq!(uri.path(), path);
    }
}
