//! `POST /uploadFile` with a URL: a file that the daemon fetches is stored like one that is sent,
//! and nobody makes it ask where it should not.

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Client, Daemon, Response, Setup, Source, engines, objects, payload, signal, staged,
};

/// Imports at once (`IMPORTS_MAX`).
const IMPORTS_MAX: usize = 4;
/// Until a signal, or the end of a connection, has surely been seen.
const MOMENT: Duration = Duration::from_millis(300);
/// Less than it takes until a silent source is given up (`IMPORT_IDLE_TIMEOUT_S`).
const SOON: Duration = Duration::from_secs(20);
/// How long something may take that is about to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon that may fetch from this machine.
pub(crate) fn setup() -> Setup {
    Setup::new().flag("--import-allow", "127.0.0.0/8")
}

/// Asks for a URL and waits for the answer.
pub(crate) fn import(daemon: &Daemon, url: &str) -> Response {
    let mut client = daemon.connect();
    ask(&mut client, url);
    client.response("POST")
}

/// Nothing is kept of imports that failed, once the daemon has ended.
pub(crate) fn nothing_is_kept(mut daemon: Daemon) {
    daemon.stop();
    assert_eq!(objects(daemon.root()).len() + staged(daemon.root()).len(), 0);
}

fn ask(client: &mut Client, url: &str) {
    let body = json!({ "file": url }).to_string();
    let length = body.len().to_string();
    let headers = [("Content-Type", "application/json"), ("Content-Length", &length)];
    client.head("POST", "/uploadFile", &headers).unwrap();
    client.send(body.as_bytes()).unwrap();
}

#[test]
fn a_fetched_file_is_stored_like_one_that_is_sent() {
    for engine in engines() {
        let daemon = setup().engine(engine).start();
        let body = payload(1, 3_000_000);
        let source = Source::with_file("Content-Type: image/x-test\r\n", &body);
        let answer = import(&daemon, &source.url("/a/photo%201.jpg?size=full#top"));
        let uploaded = answer.uploaded();
        let same = daemon.connect().put("photo", &body);
        assert_eq!((uploaded.size, &uploaded.blake3), (same.size, &same.blake3));
        assert_eq!(uploaded.name, "photo 1.jpg");
        let target = uploaded.target();
        assert_eq!(answer.header("location"), Some(target.as_str()));
        assert!(uploaded.url.ends_with(&target), "{}", uploaded.url);
        let back = daemon.get(&target);
        assert!(back.body == body);
        assert_eq!(back.header("content-type"), Some("image/x-test"));
        let token = format!("Bearer {}", uploaded.delete_token);
        let headers = [("Authorization", token.as_str())];
        assert_eq!(daemon.request("DELETE", &target, &headers, b"").status, 204);
    }
}

#[test]
fn a_source_is_asked_for_the_plain_file_and_told_nothing_else() {
    let daemon = setup().env("http_proxy", "http://127.0.0.1:1/").start();
    let source = Source::with_file("", b"hello");
    assert_eq!(import(&daemon, &source.url("/a?b=c#d")).status, 201);
    let asked = source.asked();
    assert_eq!((asked.len(), asked[0].target.as_str()), (1, "/a?b=c"));
    assert_eq!(asked[0].header("host"), Some(source.address().to_string().as_str()));
    assert_eq!(asked[0].header("accept-encoding"), Some("identity"));
    assert_eq!(asked[0].header("connection"), Some("close"));
    for name in ["range", "cookie", "authorization", "referer", "x-forwarded-for"] {
        assert_eq!(asked[0].header(name), None, "{name}");
    }
}

#[test]
fn a_body_may_come_in_chunks_or_to_the_end_of_the_connection_or_not_at_all() {
    let daemon = setup().start();
    for (answer, body) in [
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\nA-Trailer: x\r\n\r\n", ""),
        ("Connection: close\r\n\r\nhello", "hello"),
        ("Content-Length: 0\r\n\r\n", ""),
        ("Content-Length: 5\r\nContent-Encoding: identity\r\n\r\nhello", "hello"),
    ] {
        let source = Source::answering(format!("HTTP/1.1 200 OK\r\n{answer}"));
        let uploaded = import(&daemon, &source.url("/a")).uploaded();
        assert_eq!(daemon.get(&uploaded.target()).body, body.as_bytes(), "{answer}");
    }
}

#[test]
fn the_name_is_the_sources_made_safe() {
    let daemon = setup().start();
    for (disposition, path, name) in [
        ("attachment; filename=\"a b.txt\"", "/x", "a b.txt"),
        ("attachment; filename*=UTF-8''%E6%97%A5.txt; filename=x", "/x", "日.txt"),
        ("attachment; filename=\"../../etc/passwd\"", "/x", "passwd"),
        ("attachment; filename=\"..\"", "/x", "x"),
        ("inline", "/..%2f..%2fetc%2fshadow", "shadow"),
        ("inline", "/", "file"),
        ("inline", "/%2e%2e/%00%0A", "file"),
    ] {
        let source = Source::with_file(&format!("Content-Disposition: {disposition}\r\n"), b"x");
        let uploaded = import(&daemon, &source.url(path)).uploaded();
        assert_eq!(uploaded.name, name, "{disposition} {path}");
    }
    // What the source does not say, the name tells, as for an upload.
    let source = Source::with_file("", b"x");
    let uploaded = import(&daemon, &source.url("/a.png")).uploaded();
    assert_eq!(daemon.get(&uploaded.target()).header("content-type"), Some("image/png"));
}

#[test]
fn redirects_are_followed_five_times() {
    let daemon = setup().start();
    let source = Source::start(|asked, stream| {
        let left: u32 = asked.target.trim_start_matches('/').parse().unwrap();
        if left == 0 {
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
        let status = [301, 302, 303, 307, 308][asked.index % 5];
        let next = left - 1;
        stream.write_all(format!("HTTP/1.1 {status} x\r\nLocation: {next}\r\n\r\n").as_bytes())
    });
    assert_eq!(import(&daemon, &source.url("/5")).uploaded().name, "0");
    assert_eq!(source.asked().len(), 6);
    let refused = import(&daemon, &source.url("/6")).error(502);
    assert!(refused.contains("redirects more than 5 times"), "{refused}");
    let circle = Source::answering("HTTP/1.1 302 x\r\nLocation: /\r\n\r\n");
    import(&daemon, &circle.url("/")).error(502);
    assert_eq!(circle.asked().len(), 6);
}

#[test]
fn a_redirect_leads_nowhere_that_could_not_be_asked_for() {
    let daemon = setup().start();
    let inside = Source::with_file("", b"secret");
    let port = inside.address().port();
    for (location, status) in [
        (format!("http://[::1]:{port}/"), 403),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), 403),
        (format!("//0.0.0.0:{port}/"), 403),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), 403),
        ("http://10.0.0.1/".to_owned(), 403),
        ("file:///etc/passwd".to_owned(), 502),
        ("ftp://127.0.0.1/".to_owned(), 502),
        (format!("http://user:secret@127.0.0.1:{port}/"), 502),
        ("http://[::1".to_owned(), 502),
        (format!("/{}", "a".repeat(10_000)), 502),
    ] {
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
        import(&daemon, &Source::answering(answer).url("/")).error(status);
    }
    assert_eq!(inside.asked().len(), 0);
    nothing_is_kept(daemon);
}

#[test]
fn addresses_that_are_not_public_are_refused_in_every_notation() {
    let daemon = Daemon::start();
    let inside = Source::with_file("", b"secret");
    let port = inside.address().port();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "0",
        "0.0.0.0",
        "localhost",
        "LocalHost",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:1:2:3:4:80ff:fffe]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.31.255.255",
        "192.168.0.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let refused = import(&daemon, &format!("http://{host}:{port}/")).error(403);
        assert!(refused.contains("--import-allow"), "{host}: {refused}");
        assert!(!refused.contains("127.0.0.1") && !refused.contains("::1"), "{refused}");
    }
    assert_eq!(inside.asked().len(), 0);
    nothing_is_kept(daemon);
}

#[test]
fn what_is_allowed_is_what_was_named() {
    let source = Source::with_file("", b"hello");
    let port = source.address().port();
    let daemon = Setup::new().env("RINGHOLD_IMPORT_ALLOW", "10.0.0.0/8,127.0.0.1").start();
    assert_eq!(import(&daemon, &source.url("/")).status, 201);
    assert_eq!(import(&daemon, &format!("http://127.1:{port}/")).status, 201);
    for host in ["127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        import(&daemon, &format!("http://{host}:{port}/")).error(403);
    }
}

#[test]
fn what_is_no_url_to_fetch_is_400() {
    let daemon = setup().start();
    for url in [
        "",
        "example.org/a",
        "/etc/passwd",
        "http://",
        "http://256.0.0.1/",
        "http://[::1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "data:,hello",
        "http://user@127.0.0.1/",
        "http://user:secret@127.0.0.1/",
    ] {
        import(&daemon, url).error(400);
    }
    let headers = [("Content-Type", "application/json")];
    for body in ["", "{", "[]", "{\"file\": 1}", "{\"url\": \"http://127.0.0.1/\"}"] {
        daemon.request("POST", "/uploadFile", &headers, body.as_bytes()).error(400);
    }
}

#[test]
fn a_file_over_the_limit_is_413_whether_its_length_is_told_or_not() {
    let daemon = setup().flag("--max-upload-size", "1MiB").start();
    let exact = Source::with_file("", &payload(2, 1 << 20));
    assert_eq!(import(&daemon, &exact.url("/")).uploaded().size, 1 << 20);
    let mut daemon = setup().flag("--max-upload-size", "1MiB").start();
    let told = Source::answering("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\nonly this");
    import(&daemon, &told.url("/")).error(413);
    let piece = payload(8, 0x10000);
    let endless = Source::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            stream.write_all(b"10000\r\n")?;
            stream.write_all(&piece)?;
            stream.write_all(b"\r\n")?;
        }
    });
    import(&daemon, &endless.url("/")).error(413);
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 0);
}

#[test]
fn a_file_that_cannot_fit_is_507_before_it_is_fetched() {
    let daemon = setup().flag("--min-free", "1000000GB").allow("are reserved").start();
    let source = Source::with_file("", b"hello");
    import(&daemon, &source.url("/")).error(507);
    let huge = u64::MAX / 4;
    let daemon = setup().allow("are reserved").start();
    let source = Source::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {huge}\r\n\r\nx"));
    import(&daemon, &source.url("/")).error(507);
    nothing_is_kept(daemon);
}

/// A source that sends half of a file and the rest when it is told to; asked for `/leave` the half
/// only, for `/silent` nothing. Then it tells when the daemon has closed the connection.
fn halting_source(body: &[u8]) -> (Source, Arc<Barrier>, mpsc::Receiver<()>) {
    let go_on = Arc::new(Barrier::new(2));
    let (gone, is_gone) = mpsc::sync_channel(IMPORTS_MAX + 1);
    let body = body.to_owned();
    let source = Source::start({
        let go_on = Arc::clone(&go_on);
        move |asked, stream| {
            if asked.target == "/silent" {
                let _end = stream.read(&mut [0]);
                let _sent = gone.send(());
                return Ok(());
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes())?;
            let (first, rest) = body.split_at(body.len() / 2);
            stream.write_all(first)?;
            if asked.target == "/leave" {
                // Nothing comes on this connection but its end.
                let _end = stream.read(&mut [0]);
                let _sent = gone.send(());
                return Ok(());
            }
            go_on.wait();
            stream.write_all(rest)
        }
    });
    (source, go_on, is_gone)
}

#[test]
fn an_import_ends_when_its_client_leaves() {
    for engine in engines() {
        let daemon = setup().engine(engine).start();
        for target in ["/leave", "/silent"] {
            let (source, _, is_gone) = halting_source(&payload(3, 3_000_000));
            let mut client = daemon.connect();
            ask(&mut client, &source.url(target));
            while source.asked().is_empty() {
                std::thread::sleep(MOMENT / 10);
            }
            assert!(is_gone.recv_timeout(MOMENT).is_err(), "it runs while its client waits");
            drop(client);
            is_gone.recv_timeout(SOON).expect("the source's connection is closed");
        }
        assert_eq!(daemon.get("/healthz").status, 200);
        nothing_is_kept(daemon);
    }
}

#[test]
fn more_imports_than_there_are_places_are_503() {
    let daemon = setup().start();
    let (source, _, is_gone) = halting_source(b"hello");
    let mut clients: Vec<Client> = (0..IMPORTS_MAX).map(|_| daemon.connect()).collect();
    for client in &mut clients {
        ask(client, &source.url("/leave"));
    }
    while source.asked().len() < IMPORTS_MAX {
        std::thread::sleep(MOMENT / 10);
    }
    let refused = import(&daemon, &source.url("/leave"));
    refused.error(503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(daemon.connect().put("a", b"an upload is no import").size, 22);
    drop(clients);
    for _ in 0..IMPORTS_MAX {
        is_gone.recv_timeout(PATIENCE).unwrap();
    }
    let welcome = Source::with_file("", b"hello");
    assert_eq!(import(&daemon, &welcome.url("/")).status, 201);
}

#[test]
fn a_slow_source_holds_up_nobody() {
    for engine in engines() {
        // One buffer for all.
        let daemon = setup().engine(engine).workers(1).flag("--queue-depth", 1).start();
        let body = payload(4, 300_000);
        let (source, go_on, _) = halting_source(&body);
        let mut client = daemon.connect();
        ask(&mut client, &source.url("/"));
        while source.asked().is_empty() {
            std::thread::sleep(MOMENT / 10);
        }
        std::thread::sleep(MOMENT);
        let other = daemon.connect().put("other", &payload(5, 3_000_000));
        assert_eq!(other.size, 3_000_000);
        go_on.wait();
        let uploaded = client.response("POST").uploaded();
        assert!(daemon.get(&uploaded.target()).body == body);
    }
}

#[test]
fn an_import_in_the_middle_is_finished_before_the_exit() {
    for engine in engines() {
        let mut daemon = setup().engine(engine).start();
        let body = payload(6, 3_000_000);
        let (source, go_on, _) = halting_source(&body);
        let mut client = daemon.connect();
        ask(&mut client, &source.url("/"));
        while source.asked().is_empty() {
            std::thread::sleep(MOMENT / 10);
        }
        signal(daemon.pid(), "TERM");
        std::thread::sleep(MOMENT);
        go_on.wait();
        let uploaded = client.response("POST").uploaded();
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log_text());
        assert!(daemon.restart().get(&uploaded.target()).body == body);
    }
}

#[test]
fn an_import_that_outlives_the_grace_time_is_dropped_whole() {
    for engine in engines() {
        let daemon = setup().engine(engine).flag("--grace", "1s").start();
        let (source, _, is_gone) = halting_source(&payload(7, 3_000_000));
        let mut client = daemon.connect();
        ask(&mut client, &source.url("/leave"));
        while source.asked().is_empty() {
            std::thread::sleep(MOMENT / 10);
        }
        nothing_is_kept(daemon);
        is_gone.recv_timeout(PATIENCE).unwrap();
    }
}
