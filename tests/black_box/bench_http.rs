//! `ringhold-bench http`: every work against the daemon, bytes compared; servers that lie, stall,
//! refuse and hang up; a latency that counts from when a request was due; the files it leaves.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Daemon, Setup};

fn bench(address: SocketAddr, flags: &[&str]) -> Output {
    let target = format!("http://{address}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold-bench"));
    command.args(["http", "--json", "--target", &target]).args(flags).env_clear();
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The summary of a run that may have failed.
fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

/// The summary of a run that succeeded.
fn passed(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    summary(output)
}

/// What went wrong first.
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    stderr(output)
}

/// Uploads so many files of `size`, and their paths.
fn upload(daemon: &Daemon, dir: &Path, size: &str, count: &str) -> String {
    let paths = dir.join("paths").to_str().unwrap().to_owned();
    let flags = ["--size", size, "--count", count, "--connections", "4", "--paths-out", &paths];
    let told = passed(&bench(daemon.address(), &flags));
    assert_eq!(told["requests"].to_string(), count);
    paths
}

/// A server of few words: `answer` gets each request of a connection (its number, over all) once
/// its body was read, and says whether the connection goes on.
fn server<F>(answer: F) -> SocketAddr
where
    F: Fn(u64, &mut TcpStream) -> bool + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    // Both kinds of threads end with the test's process at the latest.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                while take_request(&mut reader)
                    && answer(count.fetch_add(1, Ordering::SeqCst), &mut stream)
                {}
            });
        }
    });
    address
}

/// Reads a request; whether there was one.
fn take_request(reader: &mut BufReader<TcpStream>) -> bool {
    let mut size = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if let Some(length) = line.strip_prefix("Content-Length: ") {
            size = length.trim().parse().unwrap();
        }
        if line == "\r\n" {
            return reader.read_exact(&mut vec![0; size]).is_ok();
        }
    }
}

/// Sends an answer; whether it could.
fn say(stream: &mut TcpStream, answer: &str) -> bool {
    stream.write_all(answer.as_bytes()).is_ok()
}

fn list(dir: &TempDir, paths: &str) -> String {
    let file = dir.path().join("list");
    fs::write(&file, paths).unwrap();
    file.to_str().unwrap().to_owned()
}

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

#[test]
fn what_is_uploaded_is_downloaded_and_every_byte_of_it_is_right() {
    let (daemon, dir) = (Setup::new().start(), TempDir::new().unwrap());
    for size in ["1", "4KiB", "3MiB"] {
        let paths = upload(&daemon, dir.path(), size, "20");
        assert_eq!(fs::read_to_string(&paths).unwrap().lines().count(), 20);
        let flags = ["--work", "download", "--paths", &paths, "--count", "40", "--connections"];
        let flags = [&flags[..], &["3", "--verify-every", "1", "--threads", "2"]].concat();
        let told = passed(&bench(daemon.address(), &flags));
        assert_eq!((told["requests"].as_u64(), told["verified"].as_u64()), (Some(40), Some(40)));
        assert!(told["latency_us"]["p50"].as_f64() <= told["latency_us"]["max"].as_f64());
        let flags = [
            "--work",
            "range",
            "--size",
            "1000",
            "--paths",
            &paths,
            "--count",
            "60",
            "--verify-every",
            "1",
        ];
        assert_eq!(passed(&bench(daemon.address(), &flags))["verified"], 60);
    }
}

#[test]
fn forms_and_mixed_work_are_stored_and_read_back() {
    let (daemon, dir) = (Setup::new().start(), TempDir::new().unwrap());
    let paths = dir.path().join("paths").to_str().unwrap().to_owned();
    let flags = ["--work", "multipart", "--sizes", "1KiB:3,200KiB:1", "--count", "30"];
    let told = passed(&bench(daemon.address(), &[&flags[..], &["--paths-out", &paths]].concat()));
    assert_eq!(told["requests"], 30);
    // Forms and answers are not counted, content is.
    assert!(told["bytes"].as_u64().unwrap().is_multiple_of(1024), "{told}");
    let flags = ["--work", "download", "--paths", &paths, "--count", "30", "--verify-every", "1"];
    let read = passed(&bench(daemon.address(), &flags));
    assert_eq!((&read["verified"], &read["bytes"]), (&30.into(), &told["bytes"]));
    let flags = ["--work", "mixed", "--size", "70KiB", "--count", "80", "--verify-every", "2"];
    let told = passed(&bench(daemon.address(), &[&flags[..], &["--connections", "4"]].concat()));
    assert_eq!(told["requests"], 80);
    assert!(told["verified"].as_u64().unwrap() >= 20, "{told}");
}

#[test]
fn a_wrong_byte_is_named_with_its_path_and_offset() {
    let (daemon, dir) = (Setup::new().start(), TempDir::new().unwrap());
    let paths = upload(&daemon, dir.path(), "100KiB", "1");
    let path = fs::read_to_string(&paths).unwrap().lines().next().unwrap().to_owned();
    let mut body = crate::harness::request(daemon.address(), "GET", &path, &[], b"").body;
    body[77_777] ^= 1;
    let liar = server(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        say(stream, &head) && stream.write_all(&body).is_ok()
    });
    let flags = ["--work", "download", "--paths", &paths, "--count", "3", "--connections", "1"];
    let told = bench(liar, &[&flags[..], &["--verify-every", "1"]].concat());
    let error = failed(&told);
    assert!(error.contains(&path) && error.contains("offset 77777"), "{error}");
    assert_eq!(summary(&told)["errors"], 3);
    // Nobody looks at what is not sampled.
    passed(&bench(liar, &[&flags[..], &["--verify-every", "0"]].concat()));
}

#[test]
fn an_answer_that_ends_early_is_an_error() {
    let dir = TempDir::new().unwrap();
    let liar = server(|_, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
        false
    });
    let paths = list(&dir, "/a\n");
    let flags = ["--work", "download", "--paths", &paths, "--count", "2", "--connections", "1"];
    let error = failed(&bench(liar, &flags));
    assert!(error.contains("/a") && error.contains("before the end"), "{error}");
}

#[test]
fn a_chunked_answer_is_read_to_its_end() {
    let dir = TempDir::new().unwrap();
    let chunked = server(|_, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            && say(stream, "6\r\n world\r\n0\r\n\r\n")
    });
    let paths = list(&dir, "/a\n/b\n");
    let flags = ["--work", "download", "--paths", &paths, "--count", "50", "--connections", "2"];
    let told = passed(&bench(chunked, &flags));
    assert_eq!((told["bytes"].as_u64(), told["reopened"].as_u64()), (Some(550), Some(0)));
}

#[test]
fn a_refusal_in_the_middle_is_counted_and_told_with_its_body() {
    let full = server(|index, stream| {
        let refusal = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nnot now, ";
        say(stream, if (4..7).contains(&index) { refusal } else { CREATED })
    });
    let told = bench(full, &["--size", "10", "--count", "20", "--connections", "2"]);
    let error = failed(&told);
    assert!(error.contains("status 503: not now"), "{error}");
    assert_eq!(summary(&told)["errors"], 3);
    assert_eq!(summary(&told)["requests"], 17);
}

#[test]
fn connections_that_the_server_closes_are_opened_again() {
    let polite = server(|index, stream| {
        let last = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        say(stream, if index % 3 == 2 { last } else { CREATED }) && index % 3 != 2
    });
    let rude = server(|index, stream| say(stream, CREATED) && index % 3 != 2);
    for address in [polite, rude] {
        let told =
            passed(&bench(address, &["--size", "10", "--count", "30", "--connections", "1"]));
        assert_eq!(told["requests"], 30);
        assert!(told["reopened"].as_u64().unwrap() >= 9, "{told}");
    }
}

#[test]
fn nobody_at_the_address_ends_the_run_with_a_reason() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failed(&bench(address, &["--count", "1"]));
    assert!(error.contains("refused") && error.contains(&address.to_string()), "{error}");
}

#[test]
fn a_server_that_says_nothing_does_not_hold_the_run() {
    let silent = server(|_, _| {
        thread::sleep(Duration::from_mins(1));
        false
    });
    let flags = ["--size", "10", "--count", "2", "--connections", "2", "--timeout", "300ms"];
    let error = failed(&bench(silent, &flags));
    assert!(error.contains("nothing moved for 0.3 s"), "{error}");
}

/// One connection, 100 requests a second, and one stall of a second in the middle: about a hundred
/// requests are due while it lasts. A closed loop feels it once.
#[test]
fn a_stall_is_in_the_latencies_of_all_who_had_to_wait() {
    let stalling = || {
        server(|index, stream| {
            if index == 50 {
                thread::sleep(Duration::from_secs(1));
            }
            say(stream, CREATED)
        })
    };
    let flags = ["--size", "10", "--count", "200", "--connections", "1"];
    let closed = passed(&bench(stalling(), &flags));
    let open = passed(&bench(stalling(), &[&flags[..], &["--rate", "100"]].concat()));
    for told in [&closed, &open] {
        assert!(told["latency_us"]["max"].as_f64().unwrap() > 990_000.0, "{told}");
    }
    // Of 200 requests 50 or more waited longer than half a second: a quarter.
    assert!(open["latency_us"]["p90"].as_f64().unwrap() > 500_000.0, "{open}");
    assert!(open["seconds"].as_f64().unwrap() > 1.9, "{open}");
}

#[test]
fn the_files_are_those_that_are_promised() {
    let (daemon, dir) = (Setup::new().start(), TempDir::new().unwrap());
    let out = dir.path().join("run").to_str().unwrap().to_owned();
    let flags =
        ["--work", "mixed", "--size", "4KiB", "--count", "40", "--idle", "5", "--out", &out];
    let told = passed(&bench(daemon.address(), &flags));
    assert_eq!((&told["idle"], &told["idle_closed"]), (&5.into(), &0.into()));
    let names: BTreeSet<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        "latency.svg",
        "machine.json",
        "mixed-download.hgrm",
        "mixed-upload.hgrm",
        "summary.csv",
        "summary.json",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    let kept: Value =
        serde_json::from_slice(&fs::read(dir.path().join("run/summary.json")).unwrap()).unwrap();
    assert_eq!(kept, told);
    let again = bench(daemon.address(), &["--count", "1", "--out", &out]);
    assert!(failed(&again).contains("never written over"));
}

#[test]
fn wrong_questions_are_refused_with_two() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for flags in [&["--work", "download"][..], &["--rate", "0"], &["--sizes", "x"], &["--nothing"]]
    {
        assert_eq!(bench(address, flags).status.code(), Some(2), "{flags:?}");
    }
}
