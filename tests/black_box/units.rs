//! The systemd units of deploy/: systemd takes them, and what they allow is enough for the commands
//! that they start. systemd itself needs not run here: calls are held against its lists, and the
//! sandbox is made of the namespaces that it would make. Each part is skipped where its tool is
//! missing, which is said.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};

use ringhold::wire::Role;

use crate::harness::{Daemon, Setup, paired_at_a_channel, paired_by_nameplate, payload};

const UNITS: [&str; 2] = ["ringhold.service", "ringhold-relay.service"];
/// Where the units look for the binary.
const INSTALLED: &str = "/usr/local/bin/ringhold";
/// Tenths on systemd's scale of 0 to 10, where its own verdict is OK up to 5.0: what is left is the
/// network, which they are there for.
const EXPOSURE_MAX: &str = "15";
/// What systemd's lists lack before 255, and strace calls by its number before 6.4: without it
/// `mincore` is asked.
const DISPENSABLE: [&str; 2] = ["cachestat", "syscall_0x1c3"];
/// Everything is read-only, the user has no privilege and no way to get one, as in the units.
const SANDBOX: &str = "set -e; mount --make-rprivate /; mount -o remount,bind,ro /; \
                       exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all \
                       --ambient-caps=-all \"$@\"";

#[test]
fn systemd_takes_the_units_and_finds_them_well_guarded() {
    let dir = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let path = dir.path().join(unit);
        fs::write(&path, text(unit).replace(INSTALLED, env!("CARGO_BIN_EXE_ringhold"))).unwrap();
        for question in [
            &["verify", "--man=no"][..],
            &["security", "--offline=yes", "--threshold", EXPOSURE_MAX],
        ] {
            let Some(answer) = systemd(question, path.to_str().unwrap()) else { return };
            let said = [answer.stdout, answer.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(answer.status.success(), "{unit}, {question:?}: {said}");
            assert!(question[0] == "security" || said.is_empty(), "{unit}: {said}");
        }
    }
}

#[test]
fn every_call_that_the_commands_make_is_one_that_their_units_allow() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        return;
    }
    for unit in UNITS {
        let Some(allowed) = allowed_calls(unit) else { return };
        let dir = tempfile::tempdir().unwrap();
        let (trace, manager) = (dir.path().join("trace"), dir.path().join("notify"));
        let notified = UnixDatagram::bind(&manager).unwrap();
        let strace = ["strace", "-D", "-f", "-qq", "-o", trace.to_str().unwrap()];
        let (setup, work) = started_by(unit);
        let setup = setup.env("NOTIFY_SOCKET", manager.to_str().unwrap());
        let mut daemon = setup.below(&strace).start();
        work(&daemon);
        daemon.stop();
        drop(notified);
        let trace = fs::read_to_string(&trace).unwrap();
        let calls: Vec<&str> = trace.lines().filter_map(call).collect();
        assert!(calls.len() > 100, "{unit}: it was looked at: {trace}");
        let made: BTreeSet<&str> = calls.iter().filter_map(|call| name(call)).collect();
        let denied: Vec<_> = made
            .iter()
            .filter(|name| !allowed.contains(**name) && !DISPENSABLE.contains(*name))
            .collect();
        assert!(denied.is_empty(), "{unit} denies {denied:?}");
        let families = setting(unit, "RestrictAddressFamilies=");
        for socket in calls.iter().filter_map(|call| call.strip_prefix("socket(")) {
            let family = socket.split(',').next().unwrap();
            assert!(families.split(' ').any(|known| known == family), "{unit} denies {family}");
        }
        // MemoryDenyWriteExecute=yes.
        let executable = |call: &&&str| match name(call) {
            Some("mmap") => call.contains("PROT_WRITE") && call.contains("PROT_EXEC"),
            Some("mprotect" | "pkey_mprotect") => call.contains("PROT_EXEC"),
            _ => false,
        };
        assert_eq!(calls.iter().find(executable), None, "{unit} denies it");
    }
}

#[test]
fn the_relay_works_where_nothing_can_be_written_and_without_any_privilege() {
    let sandbox = ["unshare", "--user", "--map-current-user", "--mount", "sh", "-c", SANDBOX, "sh"];
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let run = |words: &[&str]| {
        let (program, arguments) = sandbox.split_first().unwrap();
        Command::new(program).args(arguments).args(words).output()
    };
    match run(&["true"]) {
        Ok(made) if made.status.success() => {}
        made => return println!("skipped: no sandbox can be made here: {made:?}"),
    }
    let written = run(&["touch", place.path().join("file").to_str().unwrap()]).unwrap();
    assert!(!written.status.success(), "nothing can be written there");
    let (setup, work) = started_by("ringhold-relay.service");
    let mut relay = setup.below(&sandbox).start();
    let status = fs::read_to_string(format!("/proc/{}/status", relay.pid())).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    work(&relay);
    relay.stop();
}

/// The command of a unit, on a free port, and what it is there for.
fn started_by(unit: &str) -> (Setup, fn(&Daemon)) {
    let command = setting(unit, "ExecStart=");
    match command.strip_prefix(INSTALLED).map(str::trim) {
        Some("serve") => (Setup::new(), store),
        Some("relay") => (Setup::relay().flag("--metrics", "127.0.0.1:0"), relay),
        other => panic!("{unit} starts {other:?}"),
    }
}

/// The daemon stores and gives back.
fn store(daemon: &Daemon) {
    let mut client = daemon.connect();
    for size in [5, 3_000_000] {
        let content = payload(1, size);
        let stored = client.put("a", &content);
        assert!(client.get(&stored.target()).body == content);
    }
}

/// The relay brings together and moves.
fn relay(relay: &Daemon) {
    let address = relay.address();
    let at_channel = paired_at_a_channel(address, Role::Sender, [1; 32]);
    for (mut one, mut other) in [paired_by_nameplate(address), at_channel] {
        one.send(b"hello");
        other.expect(b"hello");
    }
}

fn text(unit: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(unit);
    fs::read_to_string(path).unwrap()
}

/// The only value of a setting.
fn setting(unit: &str, name: &str) -> String {
    let text = text(unit);
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
    let value = values.next().unwrap_or_else(|| panic!("{unit} has no {name}"));
    assert_eq!(values.next(), None, "{unit} has {name} twice");
    value.to_owned()
}

/// What systemd says; `None` where it is not installed, which is said.
fn systemd(question: &[&str], about: &str) -> Option<Output> {
    let answer = Command::new("systemd-analyze").args(question).arg(about).output();
    answer.inspect_err(|error| println!("skipped: no systemd-analyze: {error}")).ok()
}

/// The system calls that a unit's filter lets through.
fn allowed_calls(unit: &str) -> Option<BTreeSet<String>> {
    let text = text(unit);
    let mut allowed = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (is_denied, words) = match line.strip_prefix('~') {
            Some(words) => (true, words),
            None => (false, line),
        };
        for word in words.split(' ') {
            for call in calls_of(word)? {
                if is_denied {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    Some(allowed)
}

/// The calls of a set of systemd's, and those of the sets in it.
fn calls_of(word: &str) -> Option<Vec<String>> {
    if !word.starts_with('@') {
        return Some(vec![word.to_owned()]);
    }
    let listed = systemd(&["syscall-filter"], word)?;
    assert!(listed.status.success(), "{word}: {listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let words = listed.lines().skip(1).map(str::trim).filter(|word| !word.starts_with('#'));
    let mut calls = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        calls.extend(calls_of(word)?);
    }
    Some(calls)
}

/// A call as strace writes it, without the thread's number; nothing of those that end here.
fn call(line: &str) -> Option<&str> {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    call.starts_with(|c: char| c.is_ascii_lowercase() || c == '_').then_some(call)
}

fn name(call: &str) -> Option<&str> {
    Some(call.split_once('(')?.0)
}
