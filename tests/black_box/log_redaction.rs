//! The log at its loudest holds no key, no token and no whole file ID, whatever is asked of the
//! daemon, and nothing that a stranger sends breaks its lines.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use serde_json::Value;

use crate::harness::{Daemon, Setup, Uploaded, objects, payload, signal};

const SECRET_KEY: &str = "a secret that no line of a log may ever hold";
/// Larger than what is kept in memory.
const LARGE_SIZE: usize = 1 << 20;
/// The end of a stored file, where its seal is.
const TAIL_SIZE: u64 = 64;
/// An escape, a line break and a line of the log, in the ways they can be sent.
const HOSTILE: &str = "%1b[2J%0a{\"level\":\"ERROR\"}\u{9b}31m";

#[test]
fn the_log_holds_no_secret_whatever_is_asked() {
    let setup = Setup::new().env("SECRET_KEY", SECRET_KEY).flag("--max-upload-size", "4MiB");
    exercise(&setup, SECRET_KEY);
}

#[test]
fn the_log_holds_no_secret_of_a_key_made_at_start() {
    let setup = Setup::new().without_env("SECRET_KEY").flag("--max-upload-size", "4MiB");
    let mut daemon = setup.start();
    daemon.stop();
    let secret = fs::read_to_string(setup.root().join("secret.key")).unwrap();
    assert_secretless(&daemon.log_text(), secret.trim(), &[]);
    exercise(&setup, secret.trim());
}

fn exercise(setup: &Setup, secret: &str) {
    let mut daemon = setup
        .clone()
        .env("RINGHOLD_LOG", "trace")
        .allow("is damaged")
        .allow("damaged seal")
        .start();
    let mut uploaded = upload(&daemon);
    for one in &uploaded {
        ask_by_path(&daemon, one);
        ask_by_form(&daemon, one);
        ask_badly(&daemon, one);
    }
    break_off(&daemon);
    uploaded.push(damage(&daemon));
    delete(&daemon, &uploaded);
    drain(&mut daemon, &uploaded[0]);
    let log = daemon.log_text();
    assert_secretless(&log, secret, &uploaded);
    assert!(log.contains(&uploaded[0].file_id[..8]), "requests can still be told apart");
    assert!(log.lines().count() > 60, "all that was asked is in the log:\n{log}");
}

fn upload(daemon: &Daemon) -> Vec<Uploaded> {
    let mut client = daemon.connect();
    let hostile_form = "--b\r\nContent-Disposition: form-data; name=\"a\"; \
        filename=\"x\u{9b}31m\u{202e}y\"\r\nContent-Type: \u{9b}0m\r\n\r\nhello\r\n--b--\r\n";
    vec![
        client.put("small", b"hello"),
        client.put("large", &payload(1, LARGE_SIZE)),
        client.put(&HOSTILE.replace(['{', '"', '}'], "_"), b"hello"),
        daemon.request("POST", "/uploadFile", &[], hostile_form.as_bytes()).uploaded(),
    ]
}

fn ask_by_path(daemon: &Daemon, uploaded: &Uploaded) {
    let encoded = uploaded.file_id.replace(':', "%3A");
    let digits: Vec<_> = uploaded.file_id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let digits = digits.concat();
    let referer = format!("http://localhost/files/{}", uploaded.file_id);
    let headers = [("Referer", referer.as_str()), ("User-Agent", "\u{9b}31m evil")];
    for id in [&uploaded.file_id, &encoded, &digits] {
        let target = format!("/files/{id}");
        assert_eq!(daemon.request("GET", &target, &headers, b"").status, 200);
        assert_eq!(daemon.request("HEAD", &target, &[], b"").status, 200);
        assert_eq!(daemon.get(&format!("{target}/manifest")).status, 200);
        assert_eq!(daemon.request("GET", &target, &[("Range", "bytes=1-2,4-")], b"").status, 206);
        for near in ["/", "/x/", "//files//", "/files%2F", "/see-", "/%66iles/", "/public/files-"] {
            daemon.get(&format!("{near}{id}"));
            daemon.get(&format!("{near}{id}?{id}#{id}"));
        }
        daemon.request("PUT", &format!("{target}/x"), &[], b"hello");
        daemon.get(&format!("http://localhost{target}"));
        daemon.request("PATCH", &target, &[], b"");
    }
}

fn ask_by_form(daemon: &Daemon, uploaded: &Uploaded) {
    let id = &uploaded.file_id;
    let multipart =
        format!("--b\r\nContent-Disposition: form-data; name=\"file_id\"\r\n\r\n{id}\r\n--b--\r\n");
    for (content_type, body) in [
        ("application/json", format!("{{\"file_id\": \"{id}\"}}")),
        ("application/x-www-form-urlencoded", format!("file_id={id}")),
        ("multipart/form-data; boundary=b", multipart),
    ] {
        let headers = [("Content-Type", content_type)];
        let answer = daemon.request("POST", "/downloadFile", &headers, body.as_bytes());
        assert_eq!(answer.status, 200);
        // Cut short, and as something else than it is.
        let (cut, _) = body.split_at(body.len() - 1);
        daemon.request("POST", "/downloadFile", &headers, cut.as_bytes());
        daemon.request("POST", "/uploadFile", &headers, body.as_bytes());
        daemon.request("POST", "/downloadFile", &[("Content-Type", id)], body.as_bytes());
    }
}

fn ask_badly(daemon: &Daemon, uploaded: &Uploaded) {
    let token = &uploaded.delete_token;
    let huge = [("Content-Length", "99999999999")];
    let mut client = daemon.connect();
    client.head("PUT", &uploaded.target(), &huge).unwrap();
    assert_eq!(client.response("PUT").status, 413);
    daemon.get(&format!("/files/{}x", uploaded.file_id)).error(404);
    daemon.get(&format!("/{HOSTILE}"));
    for head in [
        format!("GET /files/{} HTTP/9.9\r\n\r\n", uploaded.file_id),
        format!("DELETE {} HTTP/1.1\r\nAuthorization Bearer {token}\r\n\r\n", uploaded.target()),
        format!(
            "GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX: {}\r\n\r\n",
            "x".repeat(17_000)
        ),
    ] {
        let mut client = daemon.connect();
        client.send(head.as_bytes()).unwrap();
        let _refused = client.read_head();
    }
}

fn break_off(daemon: &Daemon) {
    let mut client = daemon.connect();
    client.head("PUT", "/files/broken", &[("Content-Length", "100")]).unwrap();
    client.send(b"not a hundred bytes").unwrap();
}

/// Nothing but a look at the disk finds this out.
/// A file that nobody has asked for yet: the seal of another is remembered.
fn damage(daemon: &Daemon) -> Uploaded {
    let large = daemon.connect().put("damaged.bin", &payload(9, LARGE_SIZE));
    for path in objects(daemon.root()) {
        let size = fs::metadata(&path).unwrap().len();
        if size > LARGE_SIZE as u64 {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[0xFF; 8], size - TAIL_SIZE).unwrap();
        }
    }
    daemon.get(&large.target()).error(500);
    large
}

fn delete(daemon: &Daemon, uploaded: &[Uploaded]) {
    for (one, other) in uploaded.iter().zip(uploaded.iter().cycle().skip(1)) {
        for (scheme, token, status) in [
            ("Bearer", &other.delete_token, 403),
            ("Basic", &one.delete_token, 401),
            ("Bearer", &one.file_id, 403),
            ("Bearer", &one.delete_token, 204),
            ("Bearer", &one.delete_token, 404),
        ] {
            let authorization = format!("{scheme} {token}");
            let headers = [("Authorization", authorization.as_str())];
            assert_eq!(daemon.request("DELETE", &one.target(), &headers, b"").status, status);
        }
    }
}

fn drain(daemon: &mut Daemon, uploaded: &Uploaded) {
    let mut running = daemon.connect();
    running.head("PUT", "/files/last", &[("Content-Length", "5")]).unwrap();
    running.send(b"hel").unwrap();
    // Answered after the upload's head was read: both came to the daemon before the signal.
    daemon.get(&uploaded.target());
    signal(daemon.pid(), "TERM");
    running.send(b"lo").unwrap();
    let _last = running.read_head();
    assert_eq!(daemon.wait().code(), Some(0));
}

fn assert_secretless(log: &str, secret: &str, uploaded: &[Uploaded]) {
    for line in log.lines() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let parsed: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(parsed["lost_lines"].is_null(), "{line}");
    }
    // As it stands, and as somebody decodes it who wants to use it.
    let decoded = percent_encoding::percent_decode_str(log).decode_utf8_lossy();
    for text in [log, &decoded] {
        assert!(!text.contains(secret), "the key is in the log");
        for one in uploaded {
            let (_, name) = one.file_id.split_once(':').unwrap();
            assert!(!text.contains(&one.delete_token), "a token is in the log");
            assert!(!text.contains(name), "an ID is in the log");
        }
    }
}
