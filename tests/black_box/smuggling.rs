//! Requests that two servers could read differently, seen from outside: each is refused in JSON,
//! the connection is closed, and nothing behind it is ever taken for a request.

use crate::harness::{Client, Daemon, objects};

/// What an attacker hopes to have taken for a request.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends bytes, with another request behind them, and reads up to the end of the connection.
fn exchange(daemon: &Daemon, sent: &[u8]) -> String {
    let mut client = daemon.connect();
    let _refused_early = client.send(&[sent, BEHIND.as_bytes()].concat());
    client.close_sending();
    client.rest()
}

/// One answer, of this status, in JSON, and the connection closed after it.
fn assert_refused(answer: &str, status: u16, sent: &[u8]) {
    let sent = String::from_utf8_lossy(sent);
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent:?}: {answer}");
    assert_eq!(answer.matches("content-length: ").count(), 1, "one answer to {sent:?}: {answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.contains("connection: close"), "{sent:?}: {head}");
    let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert!(json["error"].as_str().is_some_and(|message| message.len() > 8), "{body}");
}

/// Stops the daemon and looks for what must not have happened.
fn assert_nothing_was_smuggled(mut daemon: Daemon) {
    daemon.stop();
    assert!(!daemon.log_text().contains("smuggled"), "{}", daemon.log_text());
    assert_eq!(objects(daemon.root()).len(), 0);
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let daemon = Daemon::start();
    for (status, head) in [
        // Which of two lengths counts.
        (400, "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        (400, "Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"),
        (400, "Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n"),
        (400, "Host: a\r\nContent-Length: 5, 5\r\n"),
        // What a length is.
        (400, "Host: a\r\nContent-Length: +5\r\n"),
        (400, "Host: a\r\nContent-Length: -5\r\n"),
        (400, "Host: a\r\nContent-Length: 0x5\r\n"),
        (400, "Host: a\r\nContent-Length: 5 5\r\n"),
        (400, "Host: a\r\nContent-Length:\r\n"),
        (400, "Host: a\r\nContent-Length: 18446744073709551621\r\n"),
        (400, "Host: a\r\nContent-Length: 9223372036854775808\r\n"),
        // Whether a body is chunked.
        (400, "Host: a\r\nTransfer-Encoding: identity\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: chunked, identity\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: chunked, chunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: xchunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: \x0bchunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding : chunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding:\r\n chunked\r\n"),
        (400, "Host: a\r\nX: b\r\n Transfer-Encoding: chunked\r\n"),
        (501, "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"),
        // Where a line ends.
        (400, "Host: a\nTransfer-Encoding: chunked\r\n"),
        (400, "Host: a\r\nX: b\rTransfer-Encoding: chunked\r\n"),
        (400, "Host: a\r\nX: b\0c\r\n"),
        (400, "Host: a\r\nno colon\r\n"),
        // Whom it is for.
        (400, ""),
        (400, "Host: a\r\nHost: b\r\n"),
        (400, "Host: a/b\r\n"),
        (400, "Host: user@a\r\n"),
    ] {
        let sent = format!("PUT /files/a HTTP/1.1\r\n{head}\r\n0\r\n\r\n");
        assert_refused(&exchange(&daemon, sent.as_bytes()), status, sent.as_bytes());
    }
    assert_nothing_was_smuggled(daemon);
}

#[test]
fn a_request_line_that_is_none_is_refused() {
    let daemon = Daemon::start();
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000));
    for (status, line) in [
        (400, "GET /\r\n"),
        (400, "nonsense\r\n"),
        (400, "GET  /healthz HTTP/1.1\r\n"),
        (400, "GET /healthz  HTTP/1.1\r\n"),
        (400, "GET\t/healthz\tHTTP/1.1\r\n"),
        (400, "GET /healthz HTTP/1.1\n"),
        (400, " GET /healthz HTTP/1.1\r\n"),
        (400, "GET /healthz\0 HTTP/1.1\r\n"),
        (400, "GET healthz HTTP/1.1\r\n"),
        (400, "GET a:443 HTTP/1.1\r\n"),
        (400, "GET ftp://a/healthz HTTP/1.1\r\n"),
        (400, "GET http://user@a/healthz HTTP/1.1\r\n"),
        (400, "GET /healthz#b HTTP/1.1\r\n"),
        (400, "G\u{e9}T /healthz HTTP/1.1\r\n"),
        (400, "\x16\x03\x01\x02\x00\x01\r\n"),
        (414, &long),
        (501, "CONNECT a:443 HTTP/1.1\r\n"),
        (505, "GET /healthz HTTP/2.0\r\n"),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (505, "GET /healthz HTTP/0.9\r\n"),
    ] {
        let sent = format!("{line}Host: a\r\n\r\n");
        assert_refused(&exchange(&daemon, sent.as_bytes()), status, sent.as_bytes());
    }
    assert_nothing_was_smuggled(daemon);
}

#[test]
fn http_1_0_has_no_chunks_and_needs_no_host() {
    let daemon = Daemon::start();
    let chunked = b"PUT /files/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_refused(&exchange(&daemon, chunked), 400, chunked);
    let answer = exchange(&daemon, b"GET /healthz HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert_nothing_was_smuggled(daemon);
}

#[test]
fn too_many_headers_are_refused_and_many_are_not() {
    let daemon = Daemon::start();
    for (count, status) in [(99, 200), (100, 431), (400, 431)] {
        let headers = "X: y\r\n".repeat(count);
        let mut client = daemon.connect();
        client
            .send(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes())
            .unwrap();
        assert_eq!(client.read_head().unwrap().status, status, "{count} headers");
    }
}

#[test]
fn a_chunk_that_can_be_read_in_two_ways_keeps_nothing() {
    let daemon = Daemon::start();
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000));
    let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    for body in [
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "\r\n",
        "ffffffffffffffff\r\nhello",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "00000000000000000000000005\r\nhello\r\n0\r\n\r\n",
        "0\r\nX: y\nZ: a\r\n\r\n",
        "0\r\nX: y\0\r\n\r\n",
        &extension,
        &trailers,
    ] {
        let head = "PUT /files/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let sent = format!("{head}{body}");
        assert_refused(&exchange(&daemon, sent.as_bytes()), 400, sent.as_bytes());
    }
    assert_nothing_was_smuggled(daemon);
}

#[test]
fn a_request_before_a_refused_one_is_answered() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let sent = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    client.send([sent, BEHIND].concat().as_bytes()).unwrap();
    assert_eq!(client.response("GET").status, 200);
    client.response("GET").error(400);
    client.close_sending();
    assert_eq!(client.rest(), "");
    assert_nothing_was_smuggled(daemon);
}

#[test]
fn what_the_rfc_allows_is_served() {
    let daemon = Daemon::start();
    for head in [
        "\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n",
        "GET http://localhost:8080/healthz HTTP/1.1\r\nHost: localhost:8080\r\n",
        "GET /healthz HTTP/1.1\r\nhOsT:\t[::1]:8080 \r\nX:\r\n",
        "GET /healthz HTTP/1.1\r\nHost:\r\n",
        "GET /healthz?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
    ] {
        let mut client = daemon.connect();
        client.send(format!("{head}\r\n").as_bytes()).unwrap();
        assert_eq!(client.response("GET").status, 200, "{head:?}");
        assert_eq!(client.get("/healthz").status, 200, "the connection goes on after {head:?}");
    }
    let mut client = daemon.connect();
    let body = "5;name=\"value\"\r\nhello\r\n000\r\nTrailer: x\r\n\r\n";
    let head = "PUT /files/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
    client.send([head, body].concat().as_bytes()).unwrap();
    let uploaded = client.response("PUT").uploaded();
    assert_eq!(client.get(&uploaded.target()).body, b"hello");
}

#[test]
fn a_refusal_that_leaves_no_body_unread_leaves_the_connection_usable() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for (method, target, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/files/0123456789abcdef:AAAA", 404),
        ("DELETE", "/healthz", 405),
        ("POST", "/uploadFile", 400),
        ("GET", "/files/%zz", 404),
    ] {
        client.request(method, target, &[], b"").error(status);
        assert_eq!(client.get("/healthz").status, 200, "after {method} {target}");
    }
}

#[test]
fn a_refusal_before_the_body_closes_the_connection_and_the_body_is_no_request() {
    let daemon = Daemon::start();
    for (head, status) in [
        ("POST /nothing HTTP/1.1\r\nHost: a\r\n", 404),
        ("DELETE /files/x HTTP/1.1\r\nHost: a\r\n", 404),
        ("POST /healthz HTTP/1.1\r\nHost: a\r\n", 405),
        ("POST /uploadFile HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n", 415),
        ("PUT /files/%ff HTTP/1.1\r\nHost: a\r\n", 400),
    ] {
        let size = BEHIND.len();
        let sent = format!("{head}Content-Length: {size}\r\n\r\n{BEHIND}");
        assert_refused(&exchange(&daemon, sent.as_bytes()), status, sent.as_bytes());
    }
    assert_nothing_was_smuggled(daemon);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let daemon = Daemon::start();
    let uploaded = daemon.connect().put("a", b"hello");
    let mut client = Client::connect(daemon.address());
    let get = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", uploaded.target());
    let put = "PUT /files/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld";
    let lost = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send([&get, put, lost, &get].concat().as_bytes()).unwrap();
    assert_eq!(client.response("GET").body, b"hello");
    assert_eq!(client.response("PUT").uploaded().size, 5);
    client.response("GET").error(404);
    assert_eq!(client.response("GET").body, b"hello");
}
