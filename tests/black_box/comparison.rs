//! The scripts of bench/ that compare: what they compute is right, and a comparison in miniature
//! goes from its first server to its summary. Needs python3; peers take part where they are.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const BENCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench");

#[test]
fn medians_ratios_and_bars_are_computed_rightly() {
    let Some(output) = python(&["-m", "unittest", "comparison.tests"]) else { return };
    assert_succeeded(&output);
}

#[test]
fn a_comparison_in_miniature_ends_in_a_summary_and_leaves_nothing_else() {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [dir, out] = ["dir", "out"].map(|name| work.path().join(name));
    fs::create_dir(&dir).unwrap();
    let mut arguments = vec!["compare"];
    arguments.extend(["--rounds", "1", "--large", "1MiB", "--total", "8MiB", "--small", "64"]);
    arguments.extend(["--copy", "4MiB", "--seconds", "1", "--peers", "nginx"]);
    // The page cache is the whole machine's, and the ceilings take seconds: neither is for a test.
    arguments.extend(["--works", "put-large,get-large,form-large,put-small,get-hot"]);
    arguments.extend(["--ringhold", env!("CARGO_BIN_EXE_ringhold")]);
    arguments.extend(["--bench", env!("CARGO_BIN_EXE_ringhold-bench")]);
    let [dir_text, out_text] = [&dir, &out].map(|path| path.to_str().unwrap());
    arguments.extend(["--dir", dir_text, "--out", out_text]);
    let Some(output) = python(&arguments) else { return };
    assert_succeeded(&output);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "the servers' files are given back");

    let raw = fs::read_to_string(out.join("raw.csv")).unwrap();
    for work in ["put-large", "get-large", "form-large", "put-small", "get-hot"] {
        assert!(raw.contains(&format!("\n0,{work},ringhold,")), "{work}: {raw}");
        assert!(out.join(format!("{work}.svg")).exists(), "{work}");
    }
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(summary.contains("| upload by multipart against PUT |"), "{summary}");
    let path = out.to_str().unwrap();
    let written = ["summary.md", "commands.md", "run.json"].map(|name| out.join(name));
    for file in written {
        assert!(!fs::read_to_string(&file).unwrap().contains(path), "{}", file.display());
    }
}

#[test]
fn a_comparison_of_relays_in_miniature_ends_in_a_summary() {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let out = work.path().join("out");
    let [dir_text, out_text] = [work.path(), &out].map(|path| path.to_str().unwrap());
    let mut arguments = vec!["compare-relay", "--rounds", "1", "--total", "8MB"];
    arguments.extend(["--ringhold", env!("CARGO_BIN_EXE_ringhold")]);
    arguments.extend(["--bench", env!("CARGO_BIN_EXE_ringhold-bench")]);
    arguments.extend(["--dir", dir_text, "--out", out_text]);
    let Some(output) = python(&arguments) else { return };
    assert_succeeded(&output);
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(summary.contains("| bytes through the relay, 4 connections: rate"), "{summary}");
    let raw = fs::read_to_string(out.join("raw.csv")).unwrap();
    for work in ["relay-one", "relay-four"] {
        assert!(raw.contains(&format!("\n0,{work},ringhold,")), "{work}: {raw}");
    }
}

#[test]
fn a_comparison_that_does_not_fit_on_the_disk_is_refused() {
    let arguments = [
        ["compare", "--total", "999999GiB"],
        ["--works", "put-large", "--peers="],
        ["--ringhold", env!("CARGO_BIN_EXE_ringhold"), "--bench"],
    ];
    let mut arguments = arguments.concat();
    let dir = format!("--dir={}", env!("CARGO_TARGET_TMPDIR"));
    arguments.extend([env!("CARGO_BIN_EXE_ringhold-bench"), &dir]);
    let Some(output) = python(&arguments) else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("make the run smaller"), "{errors}");
}

/// Runs python3 in the folder of the scripts; nothing where there is none.
fn python(arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("python3");
    let output = command.arg("-B").args(arguments).current_dir(Path::new(BENCH)).output();
    if output.is_err() {
        println!("skipped: python3 is not installed");
    }
    output.ok()
}

fn assert_succeeded(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
}
