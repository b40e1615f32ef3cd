//! Bodies that are not what they say they are: JSON, urlencoded and multipart forms. Each gets its
//! own clear error, keeps nothing, and leaves the daemon in order.

use std::fmt::Write as _;

use crate::harness::{Daemon, Form, Response, objects, staged};

fn post(daemon: &Daemon, target: &str, content_type: &str, body: &[u8]) -> Response {
    daemon.request("POST", target, &[("Content-Type", content_type)], body)
}

/// The daemon still takes and hands out files, and has kept none but that one.
fn assert_in_order(mut daemon: Daemon) {
    let uploaded = daemon.connect().put("a", b"hello");
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 1);
    assert!(staged(daemon.root()).is_empty());
}

#[test]
fn json_that_is_no_request_is_400_and_says_what_it_should_be() {
    let daemon = Daemon::start();
    let deep = "[".repeat(20_000);
    let deeper = format!("{{\"file_id\": {}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    for body in [
        &b""[..],
        b"null",
        b"1",
        b"\"text\"",
        b"[]",
        b"{}",
        b"{\"file_id\": 1}",
        b"{\"file_id\": null}",
        b"{\"file_id\": [\"a\"]}",
        b"{\"file_id\": {\"a\": \"b\"}}",
        b"{\"FILE_ID\": \"a\"}",
        b"{\"file_id\": \"a\", \"file_id\": \"b\"}",
        b"{\"file_id\": \"a\"",
        b"{\"file_id\": \"a\"} more",
        b"{'file_id': 'a'}",
        b"{\"file_id\": \"\xff\"}",
        b"{\"file_id\": \"\\ud800\"}",
        b"\xef\xbb\xbf{\"file_id\": \"a\"}",
        b"\0",
        deep.as_bytes(),
        deeper.as_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        let answer = post(&daemon, "/downloadFile", "application/json", body);
        assert_eq!(answer.status, 400, "{shown}");
        assert!(answer.error(400).contains("file_id"), "{shown}");
        post(&daemon, "/uploadFile", "application/json", body).error(400);
    }
    assert_in_order(daemon);
}

#[test]
fn an_id_that_no_id_looks_like_is_404_however_it_comes() {
    let daemon = Daemon::start();
    let long = "a".repeat(60_000);
    for file_id in ["", "a", "../../etc/passwd", "a\\u0000b", "\\ud83d\\ude00", "\\r\\nX: y", &long]
    {
        let json = format!("{{\"file_id\": \"{file_id}\"}}");
        post(&daemon, "/downloadFile", "application/json", json.as_bytes()).error(404);
    }
    for form in ["file_id=", "file_id=%2e%2e%2f", "file_id=a%00b", "file_id=a&file_id=b"] {
        let kind = "application/x-www-form-urlencoded";
        let answer = post(&daemon, "/downloadFile", kind, form.as_bytes());
        assert!(matches!(answer.status, 400 | 404), "{form}: {answer:?}");
        answer.error(answer.status);
    }
    assert_in_order(daemon);
}

#[test]
fn a_document_over_its_limit_is_413_whether_its_length_is_told_or_not() {
    let daemon = Daemon::start();
    let body = format!("{{\"file_id\": \"{}\"}}", "a".repeat(70_000));
    for kind in ["application/json", "application/x-www-form-urlencoded"] {
        post(&daemon, "/downloadFile", kind, body.as_bytes()).error(413);
        let mut client = daemon.connect();
        let headers = [("Content-Type", kind), ("Transfer-Encoding", "chunked")];
        client.head("POST", "/downloadFile", &headers).unwrap();
        let _refused_early = client.send_chunk(body.as_bytes());
        client.response("POST").error(413);
    }
    assert_in_order(daemon);
}

#[test]
fn a_type_that_is_not_taken_is_415_and_the_right_ones_are_named() {
    let daemon = Daemon::start();
    for kind in [
        "text/plain",
        "text/json",
        "application/xml",
        "multipart/mixed; boundary=x",
        "multipart/form-data-and-more; boundary=x",
        "application/octet-stream",
        "nonsense",
        "/",
        "application/json;;;=",
    ] {
        for target in ["/uploadFile", "/downloadFile"] {
            let answer = post(&daemon, target, kind, b"{\"file_id\": \"a\"}");
            // Parameters that make no sense may be passed over: the type alone counts.
            let statuses: &[u16] =
                if kind.starts_with("application/json") { &[400, 404, 415] } else { &[415] };
            assert!(statuses.contains(&answer.status), "{target} {kind}: {answer:?}");
            answer.error(answer.status);
        }
    }
    assert_in_order(daemon);
}

#[test]
fn a_form_that_is_none_is_400_and_says_what_is_wrong() {
    let daemon = Daemon::start();
    let part = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nhello";
    let bare = "--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nhello\r\n--x--\r\n";
    let huge_head = format!("--x\r\nContent-Disposition: {}\r\n\r\n", "a".repeat(9_000));
    let preamble = format!("{}\r\n{part}\r\n--x--\r\n", "a".repeat(9_000));
    for (body, says) in [
        ("", "boundary"),
        ("hello", "boundary"),
        ("--y\r\n\r\nhello\r\n--y--\r\n", "boundary"),
        ("--x", "boundary"),
        ("--x\r\n", "closing"),
        ("--x--", "closing"),
        ("--x--\r\n", "no file"),
        (part, "closing"),
        (&format!("{part}\r\n--x"), "closing"),
        (&format!("{part}\r\n--x-"), "closing"),
        (&format!("{part}\r\n--x\r\n"), "closing"),
        (&format!("{part}\r\n--xy\r\n"), "line break"),
        (&format!("{part}\r\n--x-y\r\n"), "line break"),
        ("--x\r\n\r\nhello\r\n--x--\r\n", "no headers"),
        ("--x\r\nno colon\r\n\r\nhello\r\n--x--\r\n", "multipart"),
        ("--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n", "no file"),
        (bare, "no file"),
        (&huge_head, "headers of a part"),
        (&preamble, "boundary"),
    ] {
        let answer =
            post(&daemon, "/uploadFile", "multipart/form-data; boundary=x", body.as_bytes());
        let shown = &body[..body.len().min(100)];
        assert_eq!(answer.status, 400, "{shown:?}: {answer:?}");
        let message = answer.error(400);
        assert!(message.contains(says), "{shown:?}: {message}");
    }
    assert_in_order(daemon);
}

#[test]
fn a_boundary_that_is_none_is_400() {
    let daemon = Daemon::start();
    let body = Form::new("x").file("f", "a", b"hello").body();
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for kind in [
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a b\r\"",
        "multipart/form-data; boundary=y",
        "multipart/form-data; boundary=\u{e4}",
        &long,
    ] {
        let kind = kind.replace('\r', "");
        let answer = post(&daemon, "/uploadFile", &kind, &body);
        // One that cannot be a boundary is none, and the body is asked for its own.
        assert!(matches!(answer.status, 201 | 400 | 415), "{kind}: {answer:?}");
    }
    post(&daemon, "/uploadFile", "multipart/form-data; boundary=y", &body).error(400);
}

#[test]
fn one_part_too_many_is_400_and_none_of_them_is_kept() {
    let mut daemon = Daemon::start();
    let mut body = String::new();
    for index in 0..1_001 {
        write!(body, "--x\r\nContent-Disposition: form-data; name=\"{index}\"\r\n\r\n.\r\n")
            .unwrap();
    }
    let head = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nhello\r\n";
    let body = format!("{head}{body}--x--\r\n");
    let answer = post(&daemon, "/uploadFile", "multipart/form-data; boundary=x", body.as_bytes());
    assert!(answer.error(400).contains("more than 1000 parts"), "{answer:?}");
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 0);
}

#[test]
fn a_form_in_a_form_is_a_field_and_no_form() {
    let daemon = Daemon::start();
    let inner = Form::new("inner").file("f", "inner.txt", b"inner").body();
    let outer = Form::new("outer").file("f", "outer.txt", &inner);
    let uploaded = post(&daemon, "/uploadFile", &outer.content_type(), &outer.body()).uploaded();
    assert_eq!(uploaded.name, "outer.txt");
    assert!(daemon.get(&uploaded.target()).body == inner, "its bytes are kept as they are");
}

#[test]
fn a_field_that_is_no_file_has_a_largest_size() {
    let daemon = Daemon::start();
    let form = Form::new("x").text("note", &"a".repeat(70_000)).file("f", "a", b"hello");
    let answer = post(&daemon, "/uploadFile", &form.content_type(), &form.body());
    assert!(answer.error(413).contains("note"), "{answer:?}");
    assert_in_order(daemon);
}

#[test]
fn a_part_without_a_name_is_a_file_all_the_same() {
    let daemon = Daemon::start();
    let part =
        "--x\r\nContent-Disposition: form-data; filename=\"a.txt\"\r\n\r\nhello\r\n--x--\r\n";
    let answer = post(&daemon, "/uploadFile", "multipart/form-data; boundary=x", part.as_bytes());
    assert_eq!(answer.uploaded().name, "a.txt");
}
