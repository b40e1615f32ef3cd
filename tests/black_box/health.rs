//! `/healthz`, `/readyz`, `/metrics`, `ringhold health`, and the access line of each request in the
//! log.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::Daemon;

#[test]
fn a_running_daemon_is_alive_and_ready() {
    let daemon = Daemon::start();
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get("/readyz").status, 200);
}

#[test]
fn the_health_command_tells_by_its_exit_code_whether_the_daemon_is_ready() {
    let mut daemon = Daemon::start();
    let address = daemon.address().to_string();
    let ready = health(&address);
    assert_eq!((ready.status.code(), ready.stdout.as_slice()), (Some(0), &b"ready\n"[..]));
    let everywhere = format!("0.0.0.0:{}", daemon.address().port());
    assert_eq!(health(&everywhere).status.code(), Some(0), "asked on the loopback address");
    daemon.stop();
    let gone = health(&address);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains(&address), "{gone:?}");
}

/// By the variable that `serve` reads, as in a container.
fn health(address: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.arg("health").env_clear().env("RINGHOLD_LISTEN", address).output().unwrap()
}

#[test]
fn the_metrics_are_prometheus_text() {
    let daemon = Daemon::start();
    daemon.connect().put("a", b"hello");
    let answer = daemon.get("/metrics");
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap();
    assert!(content_type.starts_with("text/plain; version=0.0.4"), "{content_type}");
    let text = String::from_utf8(answer.body).unwrap();
    let mut samples = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(["ringhold_", "process_"].iter().any(|own| series.starts_with(own)), "{line}");
        value.parse::<f64>().unwrap();
        samples += 1;
    }
    assert!(samples > 5, "{text}");
}

#[test]
fn each_request_has_one_access_line_without_its_secrets() {
    let mut daemon = Daemon::start();
    let uploaded = daemon.connect().put("a-telling-name", b"hello");
    daemon.get(&uploaded.target());
    let bearer = format!("Bearer {}", uploaded.delete_token);
    daemon.request("DELETE", &uploaded.target(), &[("Authorization", &bearer)], b"");
    daemon.stop();
    let log = daemon.log_text();
    let access: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line.to_string().contains("\"status\""))
        .collect();
    assert_eq!(access.len(), 3, "{log}");
    assert!(!log.contains(&uploaded.delete_token), "a token is a secret");
    let (_, name) = uploaded.file_id.split_once(':').unwrap();
    assert!(!log.contains(name), "who reads the log must not be able to read the files");
}
