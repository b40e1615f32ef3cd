//! Starting: what is refused, with which sentence, and what a first start makes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::harness::{Daemon, Setup};

#[test]
fn a_short_secret_is_refused_with_a_way_to_make_one() {
    let refusal = Setup::new().env("SECRET_KEY", "short").refusal().expect("refused");
    assert!(refusal.contains("16"), "how long it must be: {refusal}");
    assert!(refusal.contains("openssl rand") || refusal.contains("/dev/urandom"), "{refusal}");
}

#[test]
fn without_a_secret_a_random_one_is_made_and_kept() {
    let mut daemon = Setup::new().without_env("SECRET_KEY").start();
    let uploaded = daemon.connect().put("a", b"hello");
    let key = daemon.root().join("secret.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(daemon.log_text().contains("secret.key"), "it says so");
    daemon.stop();
    let daemon = daemon.restart();
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello", "the same key after a restart");
}

#[test]
fn a_second_daemon_on_the_same_root_is_refused() {
    let setup = Setup::new();
    let daemon = setup.start();
    let refusal = setup.refusal().expect("refused");
    assert!(refusal.contains(daemon.root().to_str().unwrap()), "{refusal}");
}

#[test]
fn a_taken_port_is_refused_with_its_number() {
    let daemon = Daemon::start();
    let address = daemon.address().to_string();
    let refusal = Setup::new().flag("--listen", &address).refusal().expect("refused");
    assert!(refusal.contains(&address), "{refusal}");
}

#[test]
fn wrong_usage_exits_with_2_and_a_failure_with_1() {
    for wrong in [
        &["serve", "--workers", "0"][..],
        &["serve", "--chunk-size", "1000"],
        &["serve", "--chunk-size", "much"],
        &["serve", "--engine", "steam"],
        &["serve", "--nothing"],
        &["nothing"],
        &[],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(output.stdout.is_empty(), "talk goes to stderr");
        assert!(!output.stderr.is_empty(), "{wrong:?} says why");
    }
    let failed = run(&["serve", "--listen", "127.0.0.1:0", "--root", "/dev/null/files"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}

#[test]
fn help_and_version_go_to_stdout() {
    for argument in ["--help", "--version"] {
        let output = run(&[argument]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("ringhold"));
    }
}

#[test]
fn flags_come_from_the_environment_too_and_the_command_line_wins() {
    let setup = Setup::new().env("RINGHOLD_MAX_UPLOAD_SIZE", "4KiB");
    let daemon = setup.start();
    daemon.request("PUT", "/files/a", &[], &[0; 5000]).error(413);
    drop(daemon);
    let daemon = setup.flag("--max-upload-size", "8KiB").start();
    assert_eq!(daemon.request("PUT", "/files/a", &[], &[0; 5000]).status, 201);
}

#[test]
fn the_older_systems_name_for_the_worker_count_works() {
    let daemon = Setup::new().env("NO_WORKERS", "2").start();
    assert_eq!(daemon.samples("ringhold_connections_open{").len(), 2);
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.args(arguments).env_clear().output().unwrap()
}
