//! `ringhold doctor`: what it says of this machine, of machines made worse, and that nothing of it
//! is left.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Daemon, Engine, engines, names_below};

/// `nobody`, everywhere.
const NOBODY: u32 = 65534;

/// One check, as JSON tells it.
struct Check {
    level: String,
    name: String,
    text: String,
}

/// A root on the disk that the build's output lies on.
fn place() -> TempDir {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tempfile::Builder::new().prefix("ringhold-test-").tempdir_in(dir).unwrap()
}

fn command(root: &Path) -> Command {
    with_flags(Command::new(env!("CARGO_BIN_EXE_ringhold")), root)
}

fn with_flags(mut command: Command, root: &Path) -> Command {
    command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--root"]).arg(root).env_clear();
    command
}

/// After a shell has done `first`.
fn after(first: &str, binary: &Path, root: &Path) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]).arg(binary);
    with_flags(shell, root)
}

fn run(mut command: Command) -> (i32, Vec<Check>) {
    let output = command.output().unwrap();
    (output.status.code().unwrap(), checks(&output))
}

fn checks(output: &Output) -> Vec<Check> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(!text.is_empty(), "{output:?}");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| Check {
            level: line["level"].as_str().unwrap().to_owned(),
            name: line["check"].as_str().unwrap().to_owned(),
            text: line.to_string(),
        })
        .collect()
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name}"))
}

fn complains(checks: &[Check], name: &str, level: &str, words: &str) {
    let check = find(checks, name);
    assert_eq!(check.level, level, "{}", check.text);
    assert!(check.text.contains(words), "{} in {}", words, check.text);
    assert!(check.text.contains("\"remedy\":\""), "it says what to do: {}", check.text);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn an_ordinary_machine_is_told_to_be_one_and_nothing_is_left() {
    let place = place();
    let root = place.path().join("files");
    for is_there in [false, true] {
        if is_there {
            fs::create_dir(&root).unwrap();
        }
        let (code, checks) = run(command(&root));
        let problem = checks.iter().find(|check| check.level == "problem");
        assert_eq!(code, 0, "{}", problem.map_or("", |check| &check.text));
        for name in ["engine", "fdatasync", "naming", "directory sync", "secret", "address"] {
            assert_eq!(find(&checks, name).level, "ok", "{name}");
        }
        let engine = &find(&checks, "engine").text;
        assert!(engine.contains("io_uring") || engine.contains("threads"), "{engine}");
        if engines().contains(&Engine::IoUring) {
            assert!(engine.contains("io_uring works here"), "{engine}");
            assert!(find(&checks, "opcodes").text.contains("LINKAT"));
        }
        assert_eq!(root.exists(), is_there, "it makes no root");
        assert_eq!(names_below(place.path()).len(), 0, "and no file");
    }
}

#[test]
fn the_text_says_the_same_and_ends_with_a_verdict() {
    let place = place();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.args(["doctor", "--listen", "127.0.0.1:0", "--engine", "threads", "--root"]);
    let output = command.arg(place.path()).env_clear().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("ok       engine           threads, as --engine asks"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("serve would run here"), "{text}");
}

#[test]
fn a_running_daemon_is_information_and_is_not_disturbed() {
    let daemon = Daemon::start();
    let before = names_below(daemon.root());
    let address = daemon.address().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.args(["doctor", "--json", "--listen", &address, "--root"]).arg(daemon.root());
    let (code, checks) = run(command);
    assert_eq!(code, 0);
    assert!(find(&checks, "root").text.contains("a daemon works on it now"));
    assert!(find(&checks, "address").text.contains("as by the daemon that runs"));
    assert_eq!(names_below(daemon.root()), before);
    assert_eq!(daemon.connect().put("a", b"hello").size, 5);
}

#[test]
fn few_descriptors_are_a_warning_and_fewer_a_problem() {
    let place = place();
    let binary = Path::new(env!("CARGO_BIN_EXE_ringhold"));
    for (limit, level, code) in [(1024, "warning", 0), (100, "problem", 1)] {
        let mut command = after(&format!("ulimit -n {limit}"), binary, place.path());
        command.args(["--workers", "2"]);
        let (exit_code, checks) = run(command);
        assert_eq!(exit_code, code);
        complains(&checks, "open files", level, &limit.to_string());
        complains(&checks, "open files", level, "LimitNOFILE");
    }
}

#[test]
fn little_locked_memory_is_a_warning_for_an_ordinary_user() {
    if !engines().contains(&Engine::IoUring) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let binary = place.path().join("ringhold");
    fs::copy(env!("CARGO_BIN_EXE_ringhold"), &binary).unwrap();
    let mut command = after("ulimit -l 8192", &binary, &place.path().join("files"));
    command.args(["--workers", "2"]);
    if is_root() {
        chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let (code, checks) = run(command);
    assert_eq!(code, 0);
    complains(&checks, "locked memory", "warning", "8MiB allowed, 160MiB of buffers");
    complains(&checks, "locked memory", "warning", "LimitMEMLOCK");
}

#[test]
fn a_root_that_may_not_be_written_is_a_problem_with_its_owner() {
    let place = tempfile::tempdir().unwrap();
    let (binary, root) = (place.path().join("ringhold"), place.path().join("files"));
    fs::copy(env!("CARGO_BIN_EXE_ringhold"), &binary).unwrap();
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = with_flags(Command::new(&binary), &root);
    if is_root() {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let (code, checks) = run(command);
    assert_eq!(code, 1);
    complains(&checks, "writing", "problem", "chown");
}

#[test]
fn a_read_only_volume_is_a_problem_and_tmpfs_a_warning() {
    let place = place();
    let can_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !can_mount.is_ok_and(|status| status.success()) {
        println!("skipped: a mount of one's own needs root and unshare");
        return;
    }
    for (options, code) in [("ro", 1), ("rw", 0)] {
        let mount = format!("mount -t tmpfs -o {options} none {}", place.path().display());
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]);
        unshare.arg(env!("CARGO_BIN_EXE_ringhold"));
        let mut command = with_flags(unshare, place.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let (exit_code, checks) = run(command);
        assert_eq!(exit_code, code, "{options}");
        complains(&checks, "filesystem", "warning", "tmpfs");
        if code == 1 {
            complains(&checks, "writing", "problem", "read-write");
        }
    }
}

#[test]
fn a_secret_that_others_may_read_is_a_warning_and_a_short_one_a_problem() {
    let place = place();
    let key = place.path().join("secret.key");
    fs::write(&key, "a secret of some length").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, checks) = run(command(place.path()));
    assert_eq!(code, 0);
    complains(&checks, "secret", "warning", "chmod 600");
    let mut short = command(place.path());
    short.env("SECRET_KEY", "short");
    let (code, checks) = run(short);
    assert_eq!(code, 1);
    complains(&checks, "secret", "problem", "16 bytes");
}

#[test]
fn it_looks_into_the_start_that_flags_and_environment_describe() {
    let place = place();
    let mut many = command(place.path());
    many.env("RINGHOLD_WORKERS", "512").args(["--min-free", "1000000GB"]);
    let (code, checks) = run(many);
    complains(&checks, "free space", "warning", "507");
    assert!(find(&checks, "memory").text.contains("42.9 GB"), "{}", find(&checks, "memory").text);
    let is_small = find(&checks, "memory").level == "problem";
    let descriptors = find(&checks, "open files").level == "problem";
    assert_eq!(code, i32::from(is_small || descriptors));
    let mut wrong = command(place.path());
    wrong.args(["--workers", "0"]);
    assert_eq!(wrong.output().unwrap().status.code(), Some(2));
}

#[test]
fn a_root_that_is_a_file_is_a_problem() {
    let place = place();
    let file = place.path().join("files");
    fs::write(&file, b"hello").unwrap();
    for root in [file.clone(), file.join("below")] {
        let (code, checks) = run(command(&root));
        assert_eq!(code, 1);
        complains(&checks, "root", "problem", "no directory");
    }
    assert_eq!(fs::read(&file).unwrap(), b"hello");
}
