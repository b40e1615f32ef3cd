//! Digests other than BLAKE3: what an upload announces is held to, what a download wants is given.

use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

use crate::harness::{Daemon, Form, Response, Setup, Uploaded, engines, objects, payload, staged};

/// Larger than what is kept in memory, so that it has to be computed from the disk.
const LARGE_SIZE: usize = 2_500_000;
/// How long a digest may take that a busy machine computes when it has nothing else to do.
const PATIENCE: Duration = Duration::from_mins(3);
const TICK: Duration = Duration::from_millis(20);
const ALGORITHMS: [&str; 3] = ["md5", "sha-256", "sha-512"];

fn base64(algorithm: &str, data: &[u8]) -> String {
    match algorithm {
        "md5" => BASE64.encode(&Md5::digest(data)),
        "sha-256" => BASE64.encode(&Sha256::digest(data)),
        "sha-512" => BASE64.encode(&Sha512::digest(data)),
        other => panic!("no algorithm {other}"),
    }
}

fn member(algorithm: &str, data: &[u8]) -> String {
    format!("{algorithm}=:{}:", base64(algorithm, data))
}

/// Every field that announces a digest of `data`.
fn fields(data: &[u8]) -> Vec<(&'static str, String)> {
    let mut fields = vec![("Content-MD5", base64("md5", data))];
    for algorithm in ALGORITHMS {
        fields.push(("Content-Digest", member(algorithm, data)));
        fields.push(("Repr-Digest", member(algorithm, data)));
    }
    fields
}

fn other(data: &[u8]) -> Vec<u8> {
    let mut other = data.to_vec();
    other[data.len() / 2] ^= 1;
    other
}

/// Nothing was published, and after the end nothing is staged.
fn assert_nothing_kept(daemon: &mut Daemon) {
    assert_eq!(objects(daemon.root()).len(), 0);
    daemon.stop();
    assert_eq!(staged(daemon.root()).len(), 0);
}

#[test]
fn a_put_that_is_what_its_digests_say_is_kept_and_no_other() {
    for engine in engines() {
        let daemon = Setup::new().engine(engine).workers(1).start();
        let data = payload(1, LARGE_SIZE);
        let mut kept = 0;
        for (field, value) in fields(&data) {
            let put = |body: &[u8]| daemon.request("PUT", "/files/a", &[(field, &value)], body);
            let uploaded = put(&data).uploaded();
            kept += 1;
            assert!(daemon.get(&uploaded.target()).body == data);
            put(&other(&data)).error(400);
            assert_eq!(objects(daemon.root()).len(), kept, "{field}: {value}");
        }
        let failed = total(&daemon, "ringhold_uploads_total{worker=\"0\",result=\"failed\"}");
        assert_eq!(failed, kept);
    }
}

#[test]
fn a_mismatch_names_the_algorithm_and_both_digests_and_keeps_the_connection() {
    let mut daemon = Daemon::start();
    let mut client = daemon.connect();
    let (right, wrong) = (base64("sha-256", b"hello"), base64("sha-256", b"jello"));
    let field = format!("sha-256=:{right}:");
    let answer = client.request("PUT", "/files/a", &[("Repr-Digest", &field)], b"jello");
    let message = answer.error(400);
    for part in ["sha-256", "Repr-Digest", &right, &wrong] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert_eq!(client.get("/healthz").status, 200);
    drop(client);
    assert_nothing_kept(&mut daemon);
}

#[test]
fn several_digests_must_all_be_right() {
    let mut daemon = Daemon::start();
    let (md5, sha256) = (base64("md5", b"hello"), member("sha-256", b"jello"));
    let both = [("Content-MD5", md5.as_str()), ("Repr-Digest", sha256.as_str())];
    daemon.request("PUT", "/files/a", &both, b"hello").error(400);
    daemon.request("PUT", "/files/a", &both, b"jello").error(400);
    let md5 = member("md5", b"hello");
    let lines = [("Repr-Digest", md5.as_str()), ("Repr-Digest", sha256.as_str())];
    daemon.request("PUT", "/files/a", &lines, b"hello").error(400);
    assert_nothing_kept(&mut daemon);
}

#[test]
fn what_nobody_knows_is_passed_over_and_what_nobody_can_read_is_refused() {
    let daemon = Daemon::start();
    for value in ["crc32c=:AAAAAA==:", "unixsum=5, x;y=1", "", "sha=:AAAA:"] {
        let headers = [("Repr-Digest", value), ("Content-Digest", value), ("Digest", "md5=AAAA")];
        daemon.request("PUT", "/files/a", &headers, b"hello").uploaded();
    }
    let kept = objects(daemon.root()).len();
    for (field, value) in [
        ("Content-MD5", "5d41402abc4b2a76b9719d911017c592"),
        ("Content-MD5", ""),
        ("Content-Digest", "sha-256=:AAAA:"),
        ("Content-Digest", "sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ("Repr-Digest", "SHA-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"),
        ("Repr-Digest", "crc32c=:AAAAAA==:,"),
        ("Repr-Digest", "sha-256=\"x"),
    ] {
        let answer = daemon.request("PUT", "/files/a", &[(field, value)], b"hello");
        assert!(answer.error(400).contains(field), "{value}");
    }
    assert_eq!(objects(daemon.root()).len(), kept);
}

#[test]
fn a_digest_that_cannot_be_read_is_refused_before_the_body_is_asked_for() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let headers =
        [("Content-Length", "5"), ("Expect", "100-continue"), ("Content-MD5", "hexadecimal")];
    client.head("PUT", "/files/a", &headers).unwrap();
    assert_eq!(client.read_head().unwrap().status, 400, "and not 100");
}

fn put_chunked(
    daemon: &Daemon,
    head: &[(&str, &str)],
    body: &[u8],
    trailers: &[(&str, &str)],
) -> Response {
    let mut client = daemon.connect();
    let mut headers = vec![("Transfer-Encoding", "chunked")];
    headers.extend(head);
    client.head("PUT", "/files/a", &headers).unwrap();
    for chunk in body.chunks(100_000) {
        client.send_chunk(chunk).unwrap();
    }
    let mut end = String::from("0\r\n");
    for (name, value) in trailers {
        end.extend([name, ": ", value, "\r\n"]);
    }
    client.send((end + "\r\n").as_bytes()).unwrap();
    client.response("PUT")
}

#[test]
fn a_chunked_put_is_held_to_digests_in_head_and_trailers() {
    let daemon = Daemon::start();
    let data = payload(2, LARGE_SIZE);
    let damaged = other(&data);
    let mut kept = 0;
    for (field, value) in fields(&data) {
        let digest = [(field, value.as_str())];
        put_chunked(&daemon, &digest, &data, &[]).uploaded();
        put_chunked(&daemon, &digest, &damaged, &[]).error(400);
        let announced = [("Trailer", field)];
        put_chunked(&daemon, &announced, &data, &digest).uploaded();
        put_chunked(&daemon, &announced, &damaged, &digest).error(400);
        kept += 2;
        assert_eq!(objects(daemon.root()).len(), kept, "{field}: {value}");
    }
    let sha256 = member("sha-256", &data);
    for head in [&[][..], &[("Trailer", "Content-MD5")], &[("Trailer", "Expires")]] {
        let message = put_chunked(&daemon, head, &data, &[("Repr-Digest", &sha256)]).error(400);
        assert!(message.contains("Trailer: Repr-Digest"), "{message}");
    }
    assert_eq!(objects(daemon.root()).len(), kept, "an announcement late is none");
    put_chunked(&daemon, &[], &data, &[("Expires", "0"), ("Repr-Digest", "crc32c=5")]).uploaded();
}

fn post(daemon: &Daemon, form: &Form, headers: &[(&str, &str)]) -> Response {
    let content_type = form.content_type();
    let mut all = vec![("Content-Type", content_type.as_str())];
    all.extend(headers);
    daemon.request("POST", "/uploadFile", &all, &form.body())
}

#[test]
fn a_form_is_held_to_the_digests_of_its_whole_body() {
    let daemon = Daemon::start();
    let form = Form::new("xyz")
        .text("note", "before")
        .file("file", "a", &payload(3, 300_000))
        .file("file", "b", b"hello");
    let body = form.body();
    let mut kept = 0;
    for (field, value) in fields(&body) {
        assert_eq!(post(&daemon, &form, &[(field, &value)]).status, 201, "{field}: {value}");
        kept += 2;
        // The same files between other boundaries are another body.
        let same_files =
            Form::new("zyx").file("file", "a", &payload(3, 300_000)).file("file", "b", b"hello");
        post(&daemon, &same_files, &[(field, &value)]).error(400);
        assert_eq!(objects(daemon.root()).len(), kept, "{field}: {value}");
    }
}

#[test]
fn the_parts_of_a_form_are_held_to_their_own_digests_together() {
    let mut daemon = Daemon::start();
    let data = payload(4, LARGE_SIZE);
    for (field, value) in fields(&data) {
        let header = format!("{field}: {value}");
        let form =
            Form::new("xyz").file("file", "a", b"first").file_with(&header, "b", &other(&data));
        let message = post(&daemon, &form, &[]).error(400);
        assert!(message.contains(field), "{message}");
    }
    let unreadable = Form::new("xyz").file_with("Content-MD5: nonsense", "a", b"hello");
    post(&daemon, &unreadable, &[]).error(400);
    assert_eq!(objects(daemon.root()).len(), 0, "all files of a form or none");
    for (field, value) in fields(&data) {
        let header = format!("{field}: {value}");
        let form = Form::new("xyz").file_with(&header, "b", &data).file("file", "a", b"last");
        assert_eq!(post(&daemon, &form, &[]).status, 201);
    }
    daemon.stop();
    assert_eq!(staged(daemon.root()).len(), 0);
}

fn want(daemon: &Daemon, method: &str, file: &Uploaded, wish: &str) -> Response {
    daemon.request(method, &file.target(), &[("Want-Repr-Digest", wish)], b"")
}

/// Asks until the machine found the time.
fn obtain(daemon: &Daemon, file: &Uploaded, wish: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = want(daemon, "HEAD", file, wish);
        assert_eq!(answer.status, 200);
        if let Some(digest) = answer.header("repr-digest") {
            return digest.to_owned();
        }
        assert!(Instant::now() < deadline, "no digest for {PATIENCE:?}");
        thread::sleep(TICK);
    }
}

#[test]
fn a_wanted_digest_comes_with_every_answer_that_describes_the_file() {
    for engine in engines() {
        let daemon = Setup::new().engine(engine).start();
        for data in [payload(5, LARGE_SIZE), payload(6, 1000), Vec::new()] {
            let file = daemon.connect().put("a", &data);
            for algorithm in ALGORITHMS {
                let wish = format!("{algorithm}=5");
                let expected = member(algorithm, &data);
                assert_eq!(obtain(&daemon, &file, &wish), expected);
                let answer = want(&daemon, "GET", &file, &wish);
                assert_eq!(answer.header("repr-digest"), Some(expected.as_str()));
                assert!(answer.body == data);
            }
        }
    }
}

#[test]
fn a_range_comes_with_the_digest_of_the_whole_and_a_304_with_none() {
    let daemon = Daemon::start();
    let data = payload(7, LARGE_SIZE);
    let file = daemon.connect().put("a", &data);
    let expected = obtain(&daemon, &file, "sha-256=1");
    let wish = ("Want-Repr-Digest", "sha-256=1");
    for range in ["bytes=10-19", "bytes=0-0,-5"] {
        let headers = [wish, ("Range", range)];
        let answer = daemon.request("GET", &file.target(), &headers, b"");
        assert_eq!(
            (answer.status, answer.header("repr-digest")),
            (206, Some(&*expected)),
            "{range}"
        );
    }
    let ranged = |range| daemon.request("GET", &file.target(), &[wish, ("Range", range)], b"");
    let beyond = ranged("bytes=99999999-");
    assert_eq!((beyond.status, beyond.header("repr-digest")), (416, None));
    let headers = [wish, ("If-None-Match", "*")];
    let not_modified = daemon.request("GET", &file.target(), &headers, b"");
    assert_eq!((not_modified.status, not_modified.header("repr-digest")), (304, None));
    let form = format!("file_id={}", file.file_id.replace(':', "%3A"));
    let headers = [wish, ("Content-Type", "application/x-www-form-urlencoded")];
    let by_form = daemon.request("POST", "/downloadFile", &headers, form.as_bytes());
    assert_eq!((by_form.status, by_form.header("repr-digest")), (200, Some(&*expected)));
}

#[test]
fn the_wish_decides_on_the_algorithm_and_nothing_else() {
    let daemon = Daemon::start();
    let file = daemon.connect().put("a", b"hello");
    for (wish, algorithm) in [
        ("sha-256=10, md5=1", Some("sha-256")),
        ("sha-256=1, md5=10", Some("md5")),
        ("sha-512=3, crc32c=10", Some("sha-512")),
        ("sha-256=0, md5=1", Some("md5")),
        ("sha-256=0", None),
        ("crc32c=5", None),
        ("sha-256", None),
        ("sha-256=99", None),
        ("nonsense,,", None),
        ("", None),
    ] {
        let answer = want(&daemon, "GET", &file, wish);
        let expected = algorithm.map(|algorithm| member(algorithm, b"hello"));
        assert_eq!(
            (answer.status, answer.header("repr-digest")),
            (200, expected.as_deref()),
            "{wish}"
        );
    }
    let content = [("Want-Content-Digest", "sha-256=10")];
    let answer = daemon.request("GET", &file.target(), &content, b"");
    assert_eq!((answer.status, answer.header("content-digest")), (200, None));
    assert_eq!(daemon.get(&file.target()).header("repr-digest"), None, "nobody asked");
}

/// A counter, summed over the workers.
fn total(daemon: &Daemon, name: &str) -> usize {
    let sum: f64 = daemon.samples(name).iter().map(|(_, value)| value).sum();
    sum.to_string().parse().expect("a counter is a whole number")
}

#[test]
fn fifty_who_want_the_same_have_it_computed_once() {
    let daemon = Setup::new().workers(2).start();
    let file = daemon.connect().put("a", &payload(8, LARGE_SIZE));
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| assert_eq!(want(&daemon, "HEAD", &file, "sha-256=1").status, 200));
        }
    });
    obtain(&daemon, &file, "sha-256=1");
    assert_eq!(total(&daemon, "ringhold_digests_computed_total"), 1);
    assert_eq!(total(&daemon, "ringhold_digested_bytes_total"), LARGE_SIZE);
}

#[test]
fn what_an_upload_was_held_to_need_not_be_computed() {
    let daemon = Daemon::start();
    let data = payload(9, LARGE_SIZE);
    let sha256 = member("sha-256", &data);
    let file = daemon.request("PUT", "/files/a", &[("Repr-Digest", &sha256)], &data).uploaded();
    let answer = want(&daemon, "HEAD", &file, "sha-256=1");
    assert_eq!(answer.header("repr-digest"), Some(sha256.as_str()));
    let form = Form::new("xyz").file_with(&format!("Repr-Digest: {sha256}"), "a", &data);
    let file = post(&daemon, &form, &[]).uploaded();
    let answer = want(&daemon, "HEAD", &file, "sha-256=1");
    assert_eq!(answer.header("repr-digest"), Some(sha256.as_str()));
    assert_eq!(total(&daemon, "ringhold_digests_computed_total"), 0);
}

#[test]
fn the_stop_does_not_wait_for_a_digest() {
    let mut daemon = Daemon::start();
    let file = daemon.connect().put("a", &payload(10, 64 << 20));
    let mut client = daemon.connect();
    client.head("HEAD", &file.target(), &[("Want-Repr-Digest", "md5=1")]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while total(&daemon, "ringhold_digested_bytes_total") == 0 {
        assert!(Instant::now() < deadline, "the computation never began");
        thread::sleep(TICK);
    }
    daemon.stop();
    assert_eq!(client.response("HEAD").status, 200);
}
