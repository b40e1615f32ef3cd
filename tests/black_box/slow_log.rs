//! Whoever reads the log slowly stalls no request: lines wait, then are lost, and that is told.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Client, signal};

/// Each makes an access line of about 8 KB: together more than the pipe and both buffers hold.
const REQUESTS: usize = 600;
const PATH_SIZE: usize = 8_000;

#[test]
fn a_log_that_nobody_reads_stalls_no_request() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = tempfile::Builder::new().prefix("ringhold-test-").tempdir_in(dir).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringhold"))
        .args(["serve", "--listen", "127.0.0.1:0", "--root"])
        .arg(root.path())
        .env_clear()
        .env("SECRET_KEY", "a secret for tests, 32 bytes long")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address: SocketAddr = loop {
        let line: Value = serde_json::from_str(&log.next().unwrap()).unwrap();
        if line["message"] == "listening" {
            break line["address"].as_str().unwrap().parse().unwrap();
        }
    };
    let mut client = Client::connect(address);
    let path = format!("/{}", "x".repeat(PATH_SIZE));
    for _ in 0..REQUESTS {
        assert_eq!(client.get(&path).status, 404);
    }
    // Now somebody reads.
    let told = log.find(|line| line.contains("lost_lines")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["level"], "WARN");
    assert!(told["lost_lines"].as_u64().unwrap() < REQUESTS as u64, "{told}");
    signal(child.id(), "TERM");
    let last = log.last().unwrap();
    assert!(last.contains("\"stopped\""), "nothing is held back at the end: {last}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
