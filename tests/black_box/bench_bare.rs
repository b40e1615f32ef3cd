//! `ringhold-bench bare`: one answer a head, however the heads come.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A server that is killed at the end of its test.
struct Bare {
    child: Child,
    address: String,
}

impl Bare {
    fn start(flags: &[&str]) -> Bare {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold-bench"));
        command.args(["bare", "--listen", "127.0.0.1:0"]).args(flags).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Bare { child, address }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_head_gets_the_same_answer_whole() {
    let bare = Bare::start(&["--size", "1KiB", "--workers", "2"]);
    for heads in [&["GET / HTTP/1.1\r\nHost: a\r\n\r\n"; 1][..], &["GET /b HTTP/1.1\r\n\r\n"; 3]] {
        let mut stream = TcpStream::connect(&bare.address).unwrap();
        stream.write_all(heads.concat().as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), heads.len());
        assert_eq!(answers.matches("content-length: 1024\r\n").count(), heads.len());
        let (_, body) = answers.rsplit_once("\r\n\r\n").unwrap();
        assert_eq!(body, "x".repeat(1024));
    }
}

#[test]
fn bodies_are_kept_whole_where_that_is_asked_for() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bare = Bare::start(&["--size", "0", "--store", dir.path().to_str().unwrap()]);
    let mut stream = TcpStream::connect(&bare.address).unwrap();
    for piece in ["PUT /a HTTP/1.1\r\nContent-Le", "ngth: 5\r\n\r\nhel", "lo"] {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    stream.write_all(b"PUT /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nyou").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2);
    let kept = ["0-0", "0-1"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    assert_eq!(kept, [b"hello".to_vec(), b"you".to_vec()]);
}

#[test]
fn an_answer_that_no_socket_takes_at_once_is_asked_wrongly() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold-bench"));
    let output = command.args(["bare", "--size", "1MiB"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("65536"));
}
