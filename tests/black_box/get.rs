//! `ringhold get`: what was put comes back, checked, under the right name, in little memory.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Daemon, Setup, Source, UNOPTIMIZED_KIB, heavy, payload};

/// 64 MB, the binary's own pages included.
const DOWNLOAD_MEMORY_KIB: u64 = 64_000_000 / 1024 + UNOPTIMIZED_KIB;

/// The command, in a directory of its own, with an environment of its own.
pub(crate) fn get(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.arg("get").args(arguments).env_clear().current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that must succeed: what it tells as JSON.
pub(crate) fn told(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A run that must fail with this exit code and print nothing on stdout: what it says.
pub(crate) fn failure(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    said
}

/// The names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn url(daemon: &Daemon, target: &str) -> String {
    format!("http://{}{target}", daemon.address())
}

#[test]
fn what_was_put_comes_back_with_every_block_verified() {
    let daemon = Daemon::start();
    for (stream, size) in [(0, 0), (1, 1), (2, 1 << 20), (3, 5_000_001)] {
        let content = payload(stream, size);
        let stored = daemon.connect().put("a%20name.bin", &content);
        let from = daemon.address().to_string();
        let by_url = url(&daemon, &stored.target());
        for source in [&["--from", &from, &stored.file_id][..], &[&by_url], &["-j", "255", &by_url]]
        {
            let directory = tempfile::tempdir().unwrap();
            let arguments = [&["--json"], source].concat();
            let told = told(&get(directory.path(), &arguments).output().unwrap());
            assert_eq!(names(directory.path()), ["a name.bin"], "and nothing beside it");
            let path = directory.path().join("a name.bin");
            assert!(fs::read(&path).unwrap() == content, "{size} bytes");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o600, 0o600);
            assert_eq!(told["verified"], true);
            assert_eq!(told["blake3"], stored.blake3);
            assert_eq!((&told["size"], &told["fetched_bytes"]), (&size.into(), &size.into()));
            assert_eq!(told["retried_blocks"], 0);
        }
    }
}

#[test]
fn a_taken_name_is_refused_before_anything_is_fetched_and_replaced_when_asked() {
    let daemon = Daemon::start();
    let stored = daemon.connect().put("a.bin", b"new");
    let url = url(&daemon, &stored.target());
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.bin"), "old").unwrap();
    fs::create_dir(directory.path().join("dir")).unwrap();
    for out in [&["-o", "a.bin"][..], &[]] {
        let nobody = [out, &["http://127.0.0.1:1/a.bin", "--retries", "0"]].concat();
        let asked = [out, &[url.as_str()]].concat();
        let output = get(directory.path(), if out.is_empty() { &asked } else { &nobody }).output();
        let said = failure(&output.unwrap(), 1);
        assert!(said.contains("--force"), "{said}");
        assert_eq!(fs::read(directory.path().join("a.bin")).unwrap(), b"old");
    }
    let output = get(directory.path(), &["--force", &url]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "quiet: {output:?}");
    assert_eq!(fs::read(directory.path().join("a.bin")).unwrap(), b"new");
    let output = get(directory.path(), &["-o", "dir", &url]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(directory.path().join("dir/a.bin")).unwrap(), b"new");
    assert_eq!(names(directory.path()), ["a.bin", "dir"]);
}

#[test]
fn a_link_is_replaced_itself_and_what_it_leads_to_stays() {
    let daemon = Daemon::start();
    let url = url(&daemon, &daemon.connect().put("a.bin", b"new").target());
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("old"), "old").unwrap();
    symlink("old", at("a.bin")).unwrap();
    symlink("nowhere", at("out")).unwrap();
    let said = failure(&get(directory.path(), &["-o", "out", &url]).output().unwrap(), 1);
    assert!(said.contains("--force"), "{said}");
    for out in [&["-o", "out"][..], &[]] {
        let asked = [&["--force"][..], out, &[url.as_str()]].concat();
        let output = get(directory.path(), &asked).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    for name in ["a.bin", "out"] {
        assert!(fs::symlink_metadata(at(name)).unwrap().is_file());
        assert_eq!(fs::read(at(name)).unwrap(), b"new");
    }
    assert_eq!(fs::read(at("old")).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["a.bin", "old", "out"]);
}

#[test]
fn stdout_has_the_file_in_order_and_the_disk_nothing() {
    let daemon = Daemon::start();
    let content = payload(1, 9_000_001);
    let stored = daemon.connect().put("a.bin", &content);
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["-o", "-", "-j", "8", "--json", &url(&daemon, &stored.target())];
    let output = get(directory.path(), &arguments).output().unwrap();
    assert!(output.status.success() && output.stdout == content);
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&told["path"], &told["verified"]), (&Value::Null, &true.into()));
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_reader_that_has_enough_ends_it() {
    let daemon = Daemon::start();
    let stored = daemon.connect().put("a.bin", &payload(1, 40_000_000));
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["-o", "-", &url(&daemon, &stored.target())];
    let mut child = get(directory.path(), &arguments).spawn().unwrap();
    let mut first = [0; 1000];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first[..], payload(1, 1000)[..]);
    let output = child.wait_with_output().unwrap();
    let said = failure(&output, 1);
    assert!(said.contains("cannot be written"), "{said}");
}

#[test]
fn digests_that_are_asked_for_are_compared() {
    let daemon = Daemon::start();
    let stored = daemon.connect().put("a.bin", b"hello");
    let url = url(&daemon, &stored.target());
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let md5 = "5D41402ABC4B2A76B9719D911017C592";
    let directory = tempfile::tempdir().unwrap();
    let wrong = "0".repeat(64);
    for flags in [["--sha256", &wrong], ["--blake3", &wrong], ["--md5", &wrong[..32]]] {
        let arguments = [&flags[..], &[url.as_str()]].concat();
        let said = failure(&get(directory.path(), &arguments).output().unwrap(), 1);
        assert!(said.contains("nothing of it is kept"), "{said}");
        assert!(names(directory.path()).is_empty(), "{:?}", names(directory.path()));
    }
    let right =
        ["--json", "--sha256", sha256, "--md5", md5, "--blake3", &stored.blake3, url.as_str()];
    let told = told(&get(directory.path(), &right).output().unwrap());
    assert_eq!(told["checked"], serde_json::json!(["sha-256", "md5", "blake3"]));
    assert_eq!(fs::read(directory.path().join("a.bin")).unwrap(), b"hello");
}

#[test]
fn any_server_with_ranges_is_fetched_from_in_parts() {
    let public = tempfile::tempdir().unwrap();
    let content = payload(1, 5_000_001);
    let file = fs::File::create(public.path().join("big.iso")).unwrap();
    (&file).write_all(&content).unwrap();
    // Old enough for its time to say which file it is.
    file.set_modified(std::time::SystemTime::now() - Duration::from_hours(1)).unwrap();
    let daemon = Setup::new().flag("--public", public.path().display()).start();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--json", "-j", "3", &url(&daemon, "/big.iso")];
    let told = told(&get(directory.path(), &arguments).output().unwrap());
    assert!(fs::read(directory.path().join("big.iso")).unwrap() == content);
    assert_eq!((&told["verified"], &told["fetched_bytes"]), (&false.into(), &5_000_001.into()));
    assert_eq!(told["blake3"], blake3::hash(&content).to_string());
    // HEAD, and five parts.
    let responses = daemon.samples("ringhold_responses_total");
    let successes = responses.iter().filter(|(labels, _)| labels.contains("2xx"));
    let count: f64 = successes.map(|(_, count)| count).sum();
    assert!(count >= 6.0, "{responses:?}");
}

#[test]
fn any_server_without_ranges_is_read_from_beginning_to_end() {
    let content = payload(1, 3_000_001);
    let headers = "Content-Disposition: attachment; filename=\"../../it.bin\"\r\n";
    let server = Source::with_file(headers, &content);
    let directory = tempfile::tempdir().unwrap();
    let output = get(directory.path(), &["--json", &server.url("/x?y=z")]).output().unwrap();
    assert_eq!(told(&output)["blake3"], blake3::hash(&content).to_string());
    assert_eq!(names(directory.path()), ["it.bin"], "a safe name");
    assert!(fs::read(directory.path().join("it.bin")).unwrap() == content);
    let mode = directory.path().join("it.bin").metadata().unwrap().permissions().mode();
    fs::write(directory.path().join("other"), "").unwrap();
    let ordinary = directory.path().join("other").metadata().unwrap().permissions().mode();
    assert_eq!(mode, ordinary, "as any program would make it");
    let output = get(directory.path(), &["-o", "-", &server.url("/x")]).output().unwrap();
    assert!(output.stdout == content);
}

#[test]
fn a_digest_that_a_server_tells_is_compared() {
    let told_wrong = "Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n";
    let server = Source::with_file(told_wrong, b"hello");
    let directory = tempfile::tempdir().unwrap();
    let said = failure(&get(directory.path(), &[&server.url("/a")]).output().unwrap(), 1);
    assert!(said.contains("sha-256") && said.contains("the server says"), "{said}");
    assert!(names(directory.path()).is_empty());
    let told_right = "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n";
    let server = Source::with_file(told_right, b"hello");
    let output = get(directory.path(), &["--json", &server.url("/a")]).output().unwrap();
    assert_eq!(told(&output)["checked"], serde_json::json!(["md5"]));
}

#[test]
fn what_is_no_file_is_never_written() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    let from = daemon.address().to_string();
    let forged = "0123456789abcdef:AAAA";
    for (arguments, code, words) in [
        (&["--from", from.as_str(), forged][..], 1, "404"),
        (&["--from", &from, "no-id"], 2, "as put prints it"),
        (&["ftp://a/b"], 2, "http"),
        (&["-o", "no/such/dir", "http://127.0.0.1:1/a"], 1, "make it first"),
        (&["--retries", "0", "http://127.0.0.1:1/a"], 1, "no connection"),
    ] {
        let said = failure(&get(directory.path(), arguments).output().unwrap(), code);
        assert!(said.contains(words), "{words}: {said}");
        assert!(names(directory.path()).is_empty());
    }
    let page = b"<html>gone</html>";
    let answer = format!("HTTP/1.1 410 Gone\r\nContent-Length: {}\r\n\r\n", page.len());
    let server = Source::answering([answer.as_bytes(), page].concat());
    let said = failure(&get(directory.path(), &[&server.url("/a")]).output().unwrap(), 1);
    assert!(said.contains("410"), "{said}");
    assert!(names(directory.path()).is_empty());
}

#[test]
fn redirects_are_followed_and_the_password_stays_with_its_host() {
    let other = Source::with_file("", b"hello");
    let location = other.url("/real.txt");
    let first = Source::answering(format!(
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ));
    let directory = tempfile::tempdir().unwrap();
    let url = first.url("/start").replace("http://", "http://me:secret@");
    let output = get(directory.path(), &["--json", &url]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("secret"), "{said}");
    told(&output);
    assert_eq!(names(directory.path()), ["real.txt"]);
    assert!(first.asked().iter().all(|asked| asked.header("authorization").is_some()));
    assert!(other.asked().iter().all(|asked| asked.header("authorization").is_none()));
    let circle = Source::answering(
        "HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    let arguments = ["--retries", "0", &circle.url("/a")];
    let said = failure(&get(directory.path(), &arguments).output().unwrap(), 1);
    assert!(said.contains("redirects"), "{said}");
    assert_eq!(circle.asked().len(), 6, "the first and five more");
}

#[test]
fn progress_is_shown_where_it_is_wanted() {
    let daemon = Daemon::start();
    let stored = daemon.connect().put("a.bin", b"hello");
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--progress", "always", &url(&daemon, &stored.target())];
    let output = get(directory.path(), &arguments).output().unwrap();
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("every block verified"), "{shown}");
}

/// 256 MiB, or 10 GiB where heavy cases are wanted.
#[test]
fn a_large_file_over_many_connections_needs_little_memory() {
    let size: u64 = if heavy() { 10 << 30 } else { 256 << 20 };
    let daemon = Daemon::start();
    let directory = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let source = directory.path().join("sparse");
    fs::File::create(&source).unwrap().set_len(size).unwrap();
    let put = crate::put::put(daemon.address(), &[source.to_str().unwrap()]).output().unwrap();
    let id = crate::put::lines(put).remove(0);
    let by_url = url(&daemon, &format!("/files/{id}"));
    for out in ["fetched", "-"] {
        let mut command = get(directory.path(), &["-j", "16", "-o", out, &by_url]);
        let stdout = if out == "-" { Stdio::null() } else { Stdio::piped() };
        let mut child = command.stdout(stdout).spawn().unwrap();
        let resident_kib = peak_kib(&mut child);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        println!("{size} bytes to {out}: at most {resident_kib} KiB resident (VmHWM)");
        assert!(resident_kib > 0, "it was looked at");
        assert!(resident_kib < DOWNLOAD_MEMORY_KIB, "{resident_kib} KiB to {out}");
    }
    assert_eq!(fs::metadata(directory.path().join("fetched")).unwrap().len(), size);
}

/// The most that it needed up to a moment before its end.
fn peak_kib(child: &mut Child) -> u64 {
    let deadline = Instant::now() + Duration::from_mins(20);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        peak = kib.unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    peak
}
