//! `ringhold put` when something is in its way: refusals, retries, lies, signals, deaths.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use futures_util::stream;
use ringhold::client::{Client, ClientError};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::harness::{
    Daemon, Setup, Source, Taker, answer, objects, payload, signal, staged, stored, take_request,
};
use crate::import_tls::identity;
use crate::put::{file, lines, put};

const TICK: Duration = Duration::from_millis(5);
const GAUGE: &str = "ringhold_uploads_in_progress";
const PATIENCE: Duration = Duration::from_mins(1);

/// A run that must fail with 1 and print nothing on stdout: what it says.
fn failure(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    said
}

/// Puts a small file to a server with a script; it is told by what it answers.
fn put_to(server: &Taker, more: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "a", b"hello");
    put(server.address(), &[more, &[path.as_str()]].concat()).output().unwrap()
}

fn hello() -> String {
    stored(5, &blake3::hash(b"hello").to_string())
}

#[test]
fn a_server_that_stored_something_else_is_found_out() {
    let server = Taker::start(|_, stream| {
        take_request(stream)?;
        answer(stream, "201 Created", "", &stored(5, &blake3::hash(b"hullo").to_string()))
    });
    let said = failure(&put_to(&server, &[]));
    assert!(said.contains("something else"), "{said}");
    assert_eq!(server.connections(), 1, "not tried again");
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    for status in ["413 Payload Too Large", "507 Insufficient Storage", "400 Bad Request"] {
        let server = Taker::start(move |_, stream| {
            take_request(stream)?;
            answer(stream, status, "", r#"{"error":"not today"}"#)
        });
        let said = failure(&put_to(&server, &[]));
        assert!(said.contains("not today") && said.contains(&status[..3]), "{said}");
        assert_eq!(server.connections(), 1, "{status}");
    }
}

#[test]
fn the_daemons_own_refusal_reaches_whoever_is_still_sending() {
    let daemon = Setup::new().flag("--max-upload-size", "1MiB").start();
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "big", &payload(1, 20 << 20));
    let said = failure(&put(daemon.address(), &[&path]).output().unwrap());
    assert!(said.contains("413"), "{said}");
    let stream = put(daemon.address(), &["-"]).stdin(File::open(&path).unwrap()).output();
    let said = failure(&stream.unwrap());
    assert!(said.contains("413"), "without a length, too: {said}");
    assert!(objects(daemon.root()).is_empty());
}

#[test]
fn a_busy_server_is_asked_again_and_a_stream_is_not_sent_twice() {
    let start = || {
        Taker::start(|index, stream| {
            take_request(stream)?;
            match index {
                0 => {
                    let busy = r#"{"error":"busy"}"#;
                    answer(stream, "503 Service Unavailable", "Retry-After: 0\r\n", busy)
                }
                1 => Ok(()),
                _ => answer(stream, "201 Created", "", &hello()),
            }
        })
    };
    let server = start();
    assert_eq!(lines(put_to(&server, &[])), ["00:ab"]);
    assert_eq!(server.connections(), 3, "busy, cut off, stored");
    assert!(failure(&put_to(&start(), &["--retries", "0"])).contains("busy"));
    let server = start();
    let mut child = put(server.address(), &["-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let said = failure(&child.wait_with_output().unwrap());
    assert!(said.contains("busy") && said.contains("not tried again"), "{said}");
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_daemon_that_is_not_up_yet_is_waited_for() {
    // Its port is known and nobody listens on it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = put(address, &["-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    thread::sleep(Duration::from_millis(300));
    let daemon = Setup::new().flag("--listen", address).start();
    let ids = lines(child.wait_with_output().unwrap());
    assert_eq!(daemon.get(&format!("/files/{}", ids[0])).body, b"hello", "stdin was not touched");
}

#[test]
fn a_signal_in_the_middle_leaves_nothing_behind() {
    for name in ["INT", "TERM"] {
        let mut daemon = Daemon::start();
        let child = halfway(&daemon);
        signal(child.id(), name);
        let said = failure(&child.wait_with_output().unwrap());
        assert!(said.contains("nothing is stored"), "{said}");
        await_that(|| daemon.samples(GAUGE).iter().all(|one| one.1 < 0.5));
        daemon.stop();
        assert!(objects(daemon.root()).is_empty() && staged(daemon.root()).is_empty());
    }
}

#[test]
fn a_daemon_that_dies_in_the_middle_is_an_error() {
    let mut daemon = Daemon::start();
    let child = halfway(&daemon);
    daemon.kill();
    let said = failure(&child.wait_with_output().unwrap());
    assert!(said.contains("broke"), "{said}");
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_told() {
    for (change, words) in [(-1_i64, "shrank"), (1, "grew")] {
        let directory = tempfile::tempdir().unwrap();
        let size = 64_u64 << 20;
        let path = file(directory.path(), "a", b"");
        let changed = OpenOptions::new().write(true).open(&path).unwrap();
        changed.set_len(size).unwrap();
        // By then the file is open, and far more of it is left than is ever on the way.
        let server = Taker::start(move |_, stream: &mut TcpStream| {
            io::Read::read_exact(stream, &mut vec![0; 1 << 20])?;
            changed.set_len(size.saturating_add_signed(change))?;
            io::copy(stream, &mut io::sink()).map(drop)
        });
        let said = failure(&put(server.address(), &[&path]).output().unwrap());
        assert!(said.contains(words), "{said}");
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn https_is_spoken_with_whom_the_system_trusts() {
    let Some(identity) = identity() else { return };
    let refusing = "HTTP/1.1 413 Too Large\r\nContent-Length: 21\r\n\r\n{\"error\":\"too large\"}";
    let source = Source::start_tls(identity.server_config(), move |_, stream| {
        stream.write_all(refusing.as_bytes())
    });
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "a", b"hello");
    let url = format!("https://{}", source.address());
    let mut command = put(source.address(), &["--to", &url, &path]);
    let said = failure(&command.env("SSL_CERT_FILE", &identity.certificate).output().unwrap());
    assert!(said.contains("too large"), "heard over TLS: {said}");
    let said = failure(&put(source.address(), &["--to", &url, &path]).output().unwrap());
    assert!(said.contains("TLS") || said.contains("certificate"), "{said}");
}

#[test]
fn a_dropped_upload_of_the_library_leaves_nothing() {
    let mut daemon = Daemon::start();
    let client = Client::new(&daemon.address().to_string()).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut upload = client.upload().await.unwrap();
        let content = payload(1, 3 << 20);
        let sent = upload.send_unclose("whole", content.as_slice()).await.unwrap();
        assert_eq!(sent.blake3, *blake3::hash(&content).as_bytes());
        let endless = upload.send_frames_unclose("cancelled", stream::pending());
        assert!(timeout(TICK, endless).await.is_err());
        let error = upload.close().await.unwrap_err();
        assert!(matches!(error, ClientError::Abandoned), "{error}");
        // The runtime lives on: it is the drop that ends the connection.
        while daemon.samples(GAUGE).iter().any(|one| one.1 > 0.5) {
            tokio::time::sleep(TICK).await;
        }
    });
    daemon.stop();
    assert!(objects(daemon.root()).is_empty() && staged(daemon.root()).is_empty());
}

/// A command whose upload has begun and waits for more from its pipe.
fn halfway(daemon: &Daemon) -> Child {
    let mut command = put(daemon.address(), &["--retries", "0", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&payload(1, 4 << 20)).unwrap();
    await_that(|| daemon.samples(GAUGE).iter().any(|one| one.1 > 0.5));
    // Open to the end of the test process: the stream does not end.
    std::mem::forget(pipe);
    child
}

fn await_that(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not happen");
        thread::sleep(TICK);
    }
}
