//! What operators copy works: the lines of docs/operations.md that get a file back without the
//! daemon, the variables that the files of deploy/ set, and the seccomp profile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Daemon, fenced, objects, payload};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// Files whose variables must exist.
const PLACES: [&str; 6] = [
    "Dockerfile",
    "deploy/compose.yaml",
    "deploy/ringhold.service",
    "deploy/ringhold-relay.service",
    "deploy/check",
    "docs/operations.md",
];
const URING_CALLS: [&str; 3] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];

#[test]
fn a_file_comes_back_without_the_daemon_by_the_lines_of_the_page() {
    let mut daemon = Daemon::start();
    let page = text("docs/operations.md");
    let script = fenced(&page, "sh").concat();
    for size in [0, 1, 4096, 3_000_000] {
        let content = payload(size as u64, size);
        daemon.connect().put("a", &content);
        let object = objects(daemon.root()).pop().unwrap();
        let work = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script]).current_dir(work.path()).env("OBJECT", &object);
        assert!(shell.status().unwrap().success());
        assert!(fs::read(work.path().join("file")).unwrap() == content, "{size} bytes");
        fs::remove_file(object).unwrap();
    }
    daemon.stop();
}

#[test]
fn every_variable_of_the_deployment_is_one_that_the_daemon_reads() {
    let help = |command| {
        let program = env!("CARGO_BIN_EXE_ringhold");
        let output = Command::new(program).args([command, "--help"]).output().unwrap();
        variables(&String::from_utf8(output.stdout).unwrap())
    };
    let known: BTreeSet<_> = help("serve").union(&help("relay")).cloned().collect();
    for place in PLACES {
        let used = variables(&text(place));
        assert!(place == "deploy/check" || !used.is_empty(), "{place} sets nothing");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{place} names {unknown:?}, which no `--help` does");
    }
}

#[test]
fn the_profile_denies_by_default_and_allows_the_ring_in_one_rule() {
    let profile: Value = serde_json::from_str(&text("deploy/seccomp.json")).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let rules = profile["syscalls"].as_array().unwrap();
    let (ours, defaults) = rules.split_last().unwrap();
    assert_eq!(ours["names"], serde_json::json!(URING_CALLS));
    assert_eq!(ours["action"], "SCMP_ACT_ALLOW");
    assert_eq!(ours.as_object().unwrap().len(), 2, "without a condition: {ours}");
    let named = defaults.iter().flat_map(|rule| rule["names"].as_array().unwrap());
    assert!(named.clone().count() > 300, "Docker's rules are there");
    let twice = named.filter(|name| name.as_str().unwrap().starts_with("io_uring")).count();
    assert_eq!(twice, 0, "Docker allows it by itself: the profile is not needed any more");
}

/// Every `RINGHOLD_<FLAG>` in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let rests = text.split("RINGHOLD_").skip(1);
    rests
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap()
}
