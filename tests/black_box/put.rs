//! `ringhold put`: what goes in comes out, in one request, in little memory.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::Value;

use crate::harness::{
    Daemon, Taker, UNOPTIMIZED_KIB, Uploaded, answer, heavy, payload, stored, take_request,
};

/// 20 MB, the binary's own pages included.
const UPLOAD_MEMORY_KIB: u64 = 20_000_000 / 1024 + UNOPTIMIZED_KIB;

/// The command, with an environment of its own.
pub(crate) fn put(server: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.arg("put").args(arguments).env_clear().env("RINGHOLD_TO", server.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Writes a file and returns its path.
pub(crate) fn file(directory: &Path, name: &str, content: &[u8]) -> String {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A run that must succeed: the lines of stdout.
pub(crate) fn lines(output: Output) -> Vec<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_put_comes_back() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    for (stream, size) in [(0, 0), (1, 1), (2, 5_000_001)] {
        let content = payload(stream, size);
        let path = file(directory.path(), "größe \"1\" %.bin", &content);
        let ids = lines(put(daemon.address(), &[&path]).output().unwrap());
        assert_eq!(ids.len(), 1);
        let back = daemon.get(&format!("/files/{}", ids[0]));
        assert!(back.body == content, "{size} bytes");
        let disposition = back.header("content-disposition").unwrap();
        assert!(disposition.contains("gr%C3%B6%C3%9Fe%20%221%22%20%25.bin"), "{disposition}");
    }
}

#[test]
fn three_files_are_one_connection_one_request_and_three_ids() {
    let daemon = Daemon::start();
    let (tap, heard) = Taker::tap(daemon.address());
    let directory = tempfile::tempdir().unwrap();
    let contents = [payload(1, 700_000), payload(2, 0), payload(3, 10)];
    let paths: Vec<String> = contents
        .iter()
        .zip(["a", "b", "c"])
        .map(|(content, name)| file(directory.path(), name, content))
        .collect();
    let arguments: Vec<&str> = paths.iter().map(String::as_str).collect();
    let ids = lines(put(tap.address(), &arguments).output().unwrap());
    assert_eq!(ids.len(), 3);
    for (id, content) in ids.iter().zip(&contents) {
        assert!(daemon.get(&format!("/files/{id}")).body == *content, "in order");
    }
    assert_eq!(tap.connections(), 1);
    let heard = heard.lock().unwrap();
    let requests = heard.windows(5).filter(|window| *window == b"POST ").count();
    assert_eq!(requests, 1);
}

#[test]
fn stdin_and_pipes_are_streamed_and_named() {
    let daemon = Daemon::start();
    let content = payload(1, 3_000_000);
    let mut command = put(daemon.address(), &["--json", "--name", "a tar.tar", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&content).unwrap();
    let told = lines(child.wait_with_output().unwrap());
    let told = Uploaded::from_json(&serde_json::from_str::<Value>(&told[0]).unwrap());
    assert_eq!((told.name.as_str(), told.size), ("a tar.tar", 3_000_000));
    assert!(daemon.get(&told.target()).body == content);
}

#[test]
fn the_older_name_of_the_server_works_without_a_scheme() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "a", b"hello");
    let mut command = put(daemon.address(), &[&path]);
    command.env_remove("RINGHOLD_TO").env("UPLOAD_HOST", daemon.address().to_string());
    // A proxy that is not there: this machine is asked without one.
    let ids = lines(command.env("http_proxy", "http://127.0.0.1:1").output().unwrap());
    assert_eq!(daemon.get(&format!("/files/{}", ids[0])).body, b"hello");
}

#[test]
fn json_is_a_line_a_file_and_progress_is_shown_where_it_is_wanted() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| file(directory.path(), name, name.as_bytes()));
    let output = put(daemon.address(), &["--json", &a, &b]).output().unwrap();
    assert!(output.stderr.is_empty(), "quiet where stderr is no terminal: {output:?}");
    let told = lines(output);
    for (line, name) in told.iter().zip(["a", "b"]) {
        let told = Uploaded::from_json(&serde_json::from_str::<Value>(line).unwrap());
        assert_eq!((told.name.as_str(), told.size), (name, 1));
        assert_eq!(told.blake3, blake3::hash(name.as_bytes()).to_string());
    }
    let shown = put(daemon.address(), &["--progress", "always", &a, &b]).output().unwrap();
    let shown = String::from_utf8(shown.stderr).unwrap();
    for words in ["1/2 a", "2/2 b", "stored 2 B"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn what_cannot_be_sent_is_told_with_an_exit_code() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().to_str().unwrap();
    let missing = format!("{folder}/missing");
    for (arguments, code, words) in [
        (&[folder][..], 2, "directory"),
        (&[&missing], 1, "missing"),
        (&["--to", "ftp://a", "-"], 2, "http"),
        (&["-", "-"], 2, "once"),
    ] {
        let output = put(daemon.address(), arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// 256 MiB, or 10 GiB where heavy cases are wanted: a sparse file, and the same through a pipe. The
/// server reads everything and keeps its answer until the memory was looked at.
#[test]
fn a_large_file_and_a_large_stream_need_little_memory() {
    let size: u64 = if heavy() { 10 << 30 } else { 256 << 20 };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse");
    File::create(&path).unwrap().set_len(size).unwrap();
    let hash = zeros_hash(size);
    let barrier = Arc::new(Barrier::new(2));
    let server = Taker::start({
        let barrier = Arc::clone(&barrier);
        move |_, stream| {
            take_request(stream)?;
            barrier.wait();
            barrier.wait();
            answer(stream, "201 Created", "", &stored(size, &hash))
        }
    });
    for (how, argument, stdin) in
        [("a file", path.to_str().unwrap(), Stdio::null()), ("a pipe", "-", Stdio::piped())]
    {
        let mut child =
            put(server.address(), &["--retries", "0", argument]).stdin(stdin).spawn().unwrap();
        let pipe = child.stdin.take();
        let writer = thread::spawn(move || pipe.map(|pipe| write_zeros(pipe, size)));
        barrier.wait();
        let resident_kib = peak_kib(&child);
        barrier.wait();
        assert_eq!(lines(child.wait_with_output().unwrap()), ["00:ab"]);
        writer.join().unwrap();
        println!("{size} bytes from {how}: at most {resident_kib} KiB resident (VmHWM)");
        assert!(resident_kib < UPLOAD_MEMORY_KIB, "{resident_kib} KiB from {how}");
    }
}

#[test]
fn a_gigabyte_reaches_the_daemon() {
    if !heavy() {
        return;
    }
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse");
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let told = lines(put(daemon.address(), &["--json", path.to_str().unwrap()]).output().unwrap());
    let told = Uploaded::from_json(&serde_json::from_str::<Value>(&told[0]).unwrap());
    assert_eq!((told.size, told.blake3), (1 << 30, zeros_hash(1 << 30)));
}

fn write_zeros(mut pipe: impl Write, size: u64) {
    std::io::copy(&mut std::io::repeat(0).take(size), &mut pipe).unwrap();
}

fn zeros_hash(size: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    let piece = vec![0; 1 << 20];
    (0..size / piece.len() as u64).for_each(|_| {
        hasher.update(&piece);
    });
    hasher.finalize().to_string()
}

fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap()
}
