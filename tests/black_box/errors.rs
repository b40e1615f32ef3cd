//! Each way a request can be wrong gets its status and one sentence in JSON, and leaves the daemon
//! and the connection in order.

use std::time::Duration;

use crate::harness::{Daemon, Setup, objects, payload};

#[test]
fn an_unknown_route_is_404() {
    let daemon = Daemon::start();
    for target in ["/", "/nothing", "/files/", "/files", "/uploadfile/x", "/files/a:b/c/d"] {
        daemon.get(target).error(404);
    }
}

#[test]
fn a_known_route_with_another_method_is_405_and_names_the_right_one() {
    let daemon = Daemon::start();
    for (method, target, allowed) in [
        ("GET", "/uploadFile", "POST"),
        ("DELETE", "/uploadFile", "POST"),
        ("GET", "/downloadFile", "POST"),
        ("PATCH", "/files/a", "GET"),
        ("POST", "/healthz", "GET"),
        ("PUT", "/metrics", "GET"),
    ] {
        let answer = daemon.request(method, target, &[], b"");
        answer.error(405);
        let allow = answer.header("allow").expect("an Allow header");
        assert!(allow.contains(allowed), "{method} {target}: {allow}");
    }
}

#[test]
fn an_upload_that_is_no_form_is_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for (content_type, body, statuses) in [
        ("text/plain", "hello", [415, 415]),
        ("multipart/form-data", "hello", [400, 400]),
        ("multipart/form-data; boundary=", "hello", [400, 415]),
        ("multipart/form-data; boundary=x", "", [400, 400]),
        ("multipart/form-data; boundary=x", "no boundary here", [400, 400]),
        ("multipart/form-data; boundary=x", "--x\r\nnonsense\r\n\r\n", [400, 400]),
        ("application/json", "{\"nothing\": 1}", [400, 400]),
        ("", "hello", [400, 415]),
    ] {
        let headers = [("Content-Type", content_type)];
        let answer = client.request("POST", "/uploadFile", &headers, body.as_bytes());
        assert!(statuses.contains(&answer.status), "{content_type:?} {body:?}: {answer:?}");
        answer.error(answer.status);
        if answer.header("connection") == Some("close") {
            client = daemon.connect();
        }
    }
    assert_eq!(objects(daemon.root()).len(), 0);
}

#[test]
fn an_upload_over_the_limit_is_413_whether_its_length_is_told_or_not() {
    let mut daemon = Setup::new().flag("--max-upload-size", "1MiB").start();
    let body = payload(1, (1 << 20) + 1);
    daemon.request("PUT", "/files/a", &[], &body).error(413);
    let mut client = daemon.connect();
    client.head("PUT", "/files/a", &[("Transfer-Encoding", "chunked")]).unwrap();
    let _refused_early = client.send_chunk(&body);
    let _refused_early = client.send(b"0\r\n\r\n");
    client.response("PUT").error(413);
    let exact = daemon.connect().put("a", &body[1..]);
    assert!(daemon.get(&exact.target()).body == body[1..]);
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 1);
}

#[test]
fn an_upload_that_cannot_fit_is_507_before_its_body() {
    let daemon = Setup::new().flag("--min-free", "1000000GB").allow("are reserved").start();
    for (method, path, kind) in [
        ("PUT", "/files/a", "text/plain"),
        ("POST", "/uploadFile", "multipart/form-data; boundary=b"),
    ] {
        let mut client = daemon.connect();
        let headers =
            [("Content-Length", "1000000"), ("Expect", "100-continue"), ("Content-Type", kind)];
        client.head(method, path, &headers).unwrap();
        client.response(method).error(507);
    }
}

#[test]
fn a_body_is_asked_for_only_after_the_checks() {
    let daemon = Setup::new().flag("--max-upload-size", "1MiB").start();
    let mut refused = daemon.connect();
    let headers = [("Content-Length", "2000000"), ("Expect", "100-continue")];
    refused.head("PUT", "/files/a", &headers).unwrap();
    assert_eq!(refused.read_head().unwrap().status, 413, "no 100 before it");
    let mut welcome = daemon.connect();
    let headers = [("Content-Length", "5"), ("Expect", "100-continue")];
    welcome.head("PUT", "/files/a", &headers).unwrap();
    assert_eq!(welcome.read_head().unwrap().status, 100);
    welcome.send(b"hello").unwrap();
    let uploaded = welcome.response("PUT").uploaded();
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
}

#[test]
fn an_early_refusal_does_not_corrupt_the_connection() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let refused = client.request("PUT", "/uploadFile", &[], &payload(2, 100_000));
    refused.error(405);
    if refused.header("connection") == Some("close") {
        return;
    }
    assert_eq!(client.get("/healthz").status, 200, "the body was not taken for a request");
}

#[test]
fn a_head_that_is_no_http_is_400_and_one_that_is_too_large_431() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    client.send(b"nonsense\r\n\r\n").unwrap();
    assert_eq!(client.read_head().unwrap().status, 400);
    let mut client = daemon.connect();
    let cookie = "x".repeat(20_000);
    let _refused_early = client.head("GET", "/healthz", &[("Cookie", &cookie)]);
    assert_eq!(client.read_head().unwrap().status, 431);
}

#[test]
fn a_length_that_contradicts_itself_is_refused() {
    let daemon = Daemon::start();
    for headers in [
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "-1"), ("Accept", "*/*")],
        [("Content-Length", "18446744073709551616"), ("Accept", "*/*")],
    ] {
        let mut client = daemon.connect();
        client.head("PUT", "/files/a", &headers).unwrap();
        assert_eq!(client.read_head().unwrap().status, 400, "{headers:?}");
    }
}

#[test]
fn a_broken_chunk_keeps_nothing() {
    let mut daemon = Daemon::start();
    let mut client = daemon.connect();
    client.head("PUT", "/files/a", &[("Transfer-Encoding", "chunked")]).unwrap();
    client.send(b"5\r\nhello\r\nnonsense\r\n").unwrap();
    assert_eq!(client.read_head().unwrap().status, 400);
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 0);
}

#[test]
fn an_upload_that_breaks_off_keeps_nothing_and_stops_nobody() {
    let mut daemon = Daemon::start();
    for size in [0, 1, 100_000, 3_000_000] {
        let mut client = daemon.connect();
        client.head("PUT", "/files/a", &[("Content-Length", "4000000")]).unwrap();
        client.send(&payload(3, size)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let kept = daemon.connect().put("b", b"hello");
    assert_eq!(daemon.get(&kept.target()).body, b"hello");
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 1);
}
