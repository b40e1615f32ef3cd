//! `ringhold verify`: a whole store is said to be whole, damage is named with object and block, and
//! a daemon that works beside it notices nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Client, Daemon, Setup, engines, flip, objects, payload, signal};

const BLOCK: usize = 1 << 20;
const LARGE: usize = 3 * BLOCK + 777;

/// `ringhold verify` with these flags beside `--root`.
fn verify(root: &Path, flags: &[&str]) -> Output {
    command(root, flags).output().unwrap()
}

fn command(root: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.args(["verify", "--root"]).arg(root).args(flags).env_clear();
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A daemon with three objects: their sizes are all different.
fn filled() -> (Daemon, Vec<PathBuf>) {
    let daemon = Daemon::start();
    for (stream, size) in [0, 5000, LARGE].into_iter().enumerate() {
        daemon.connect().put("a%1B[2J.txt", &payload(stream as u64, size));
    }
    let mut paths = objects(daemon.root());
    paths.sort_by_key(|path| fs::metadata(path).unwrap().len());
    (daemon, paths)
}

fn number(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn a_whole_store_exits_with_0_and_a_summary() {
    let (daemon, _) = filled();
    for engine in engines() {
        for rate in ["none", "64MiB"] {
            let output = verify(daemon.root(), &["--engine", engine.name(), "--rate", rate]);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!(stdout(&output), "");
            let said = stderr(&output);
            assert!(said.contains("checked 3 objects") && said.contains("all whole"), "{said}");
        }
    }
}

#[test]
fn flipped_bytes_are_told_with_object_and_block_beside_a_running_daemon() {
    let (daemon, paths) = filled();
    flip(&paths[1], 4999);
    flip(&paths[2], BLOCK as u64 + 5);
    flip(&paths[2], LARGE as u64 - 1);
    for engine in engines() {
        let output = verify(daemon.root(), &["--engine", engine.name()]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = stdout(&output);
        let line = |path: &Path| said.lines().find(|line| line.contains(number(path))).unwrap();
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(line(&paths[1]).ends_with("block 0 (bytes 0-4999) does not match its hash"));
        assert!(line(&paths[2]).contains("block 1 (bytes 1048576-2097151) does not match"));
        assert!(line(&paths[2]).contains("block 3 (bytes 3145728-3146504) does not match"));
        assert!(stderr(&output).contains("2 damaged"), "{}", stderr(&output));
    }
}

#[test]
fn findings_are_json_lines_where_asked_for() {
    let (daemon, paths) = filled();
    flip(&paths[2], 0);
    fs::write(daemon.root().join("objects/readme"), b"hello").unwrap();
    let output = verify(daemon.root(), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let damaged = lines.iter().find(|line| line["finding"] == "damaged").unwrap();
    assert_eq!(damaged["object"], number(&paths[2]));
    assert_eq!(damaged["size"], LARGE);
    assert_eq!(damaged["damages"][0]["what"], "blocks");
    assert_eq!(damaged["damages"][0]["first"], 0);
    assert_eq!(damaged["damages"][0]["size"], BLOCK);
    let strange = lines.iter().find(|line| line["finding"] == "strange").unwrap();
    assert_eq!(strange["path"], "objects/readme");
    let said = stderr(&output);
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(summary["objects"], 3);
    assert_eq!((&summary["damaged"], &summary["strange"]), (&1.into(), &1.into()));
    assert_eq!(summary["complete"], true);
}

#[test]
fn what_is_strange_is_told_and_is_no_damage() {
    let (daemon, _) = filled();
    fs::write(daemon.root().join("objects/00/.unnamed-1"), b"left").unwrap();
    fs::write(daemon.root().join("objects/00/\u{1b}[2J"), b"hostile").unwrap();
    let output = verify(daemon.root(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!stdout(&output).contains('\u{1b}'), "no escape sequence is printed");
    assert!(stdout(&output).contains("objects/00/.unnamed-1: it is left from an unfinished"));
    assert!(stderr(&output).contains("all whole, 2 strange"), "{}", stderr(&output));
}

#[test]
fn seals_sizes_places_and_kinds_are_checked() {
    let (daemon, paths) = filled();
    let root = daemon.root();
    // The seal of the empty object, a file cut short, and a whole one in the wrong directory.
    flip(&paths[0], 50);
    fs::OpenOptions::new().write(true).open(&paths[1]).unwrap().set_len(8192).unwrap();
    let prefix = u8::from_str_radix(&number(&paths[2])[..2], 16).unwrap().wrapping_add(1);
    let wrong = root.join(format!("objects/{prefix:02x}")).join(number(&paths[2]));
    fs::rename(&paths[2], &wrong).unwrap();
    let directory = root.join("objects/aa").join("aa".repeat(16));
    fs::create_dir(&directory).unwrap();
    let outside = root.join("objects/bb").join("bb".repeat(16));
    symlink("/etc/passwd", &outside).unwrap();
    let pipe = root.join("objects/cc").join("cc".repeat(16));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // One of the directories is empty: there are 256, and seven things in them.
    let missing = (0..=u8::MAX)
        .map(|prefix| root.join(format!("objects/{prefix:02x}")))
        .find(|directory| fs::remove_dir(directory).is_ok())
        .unwrap();
    for engine in engines() {
        let output = verify(root, &["--engine", engine.name()]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = stdout(&output);
        let has_line = |part: &str, words: &str| {
            let line = said.lines().find(|line| line.contains(part));
            assert!(line.is_some_and(|line| line.contains(words)), "{part} {words}: {said}");
        };
        has_line(number(&paths[0]), "its seal cannot be read (damaged seal: checksum)");
        has_line(number(&paths[1]), "its seal cannot be read (damaged seal:");
        has_line(number(&paths[2]), "another directory");
        has_line(number(&directory), "no regular file");
        has_line(number(&outside), "symbolic link");
        has_line(number(&pipe), "no regular file");
        has_line(&format!("objects/{}:", number(&missing)), "missing");
        assert_eq!(said.lines().count(), 7, "{said}");
    }
    // What this test broke on purpose is nothing the daemon was asked for.
    drop(daemon);
}

#[test]
fn uploads_and_deletes_beside_it_are_no_damage() {
    let daemon = Setup::new().workers(2).start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for stream in 0..2 {
            let (daemon, is_over) = (&daemon, &is_over);
            scope.spawn(move || churn(daemon.connect(), stream, is_over));
        }
        for _ in 0..4 {
            let output = verify(daemon.root(), &["--rate", "none"]);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Uploads two of different sizes and deletes them, again and again.
fn churn(mut client: Client, stream: u64, is_over: &AtomicBool) {
    let (small, large) = (payload(stream, 3000), payload(stream, 700_000));
    while !is_over.load(Ordering::Relaxed) {
        let uploaded = [client.put("small", &small), client.put("large", &large)];
        for one in uploaded {
            let token = format!("Bearer {}", one.delete_token);
            let deleted =
                client.request("DELETE", &one.target(), &[("Authorization", &token)], b"");
            assert_eq!(deleted.status, 204);
        }
    }
}

#[test]
fn nothing_is_written_and_no_lock_is_needed() {
    let (mut daemon, paths) = filled();
    daemon.stop();
    let before = fs::metadata(&paths[2]).unwrap().modified().unwrap();
    let names = objects(daemon.root());
    assert_eq!(verify(daemon.root(), &[]).status.code(), Some(0));
    assert_eq!(fs::metadata(&paths[2]).unwrap().modified().unwrap(), before);
    assert_eq!(objects(daemon.root()), names);
}

#[test]
fn a_signal_ends_it_with_a_summary() {
    let (daemon, _) = filled();
    for name in ["INT", "TERM"] {
        let mut slow = command(daemon.root(), &["--rate", "1"]);
        let child = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Before it has its signals, one would simply end it.
        wait_until_caught(child.id());
        signal(child.id(), name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "SIG{name}: {output:?}");
        assert!(stderr(&output).contains("stopped before the end"), "{}", stderr(&output));
    }
}

/// Until SIGINT is among the signals that the process catches (proc(5), `SigCgt`).
fn wait_until_caught(pid: u32) {
    for _ in 0..6000 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        // SIGINT is 2, SIGTERM 15: bits 1 and 14.
        if mask & 0x4002 == 0x4002 {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it never caught its signals");
}

#[test]
fn a_root_without_a_store_is_a_failure_that_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let output = verify(empty.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--root"), "{}", stderr(&output));
    for wrong in [&["--rate", "fast"][..], &["--engine", "steam"], &["extra"]] {
        assert_eq!(verify(empty.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
}
