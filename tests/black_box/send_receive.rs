//! `ringhold send` and `ringhold receive`: what goes in comes out, through a relay that sees nothing
//! of it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::harness::{
    Sender, Setup, Taker, UNOPTIMIZED_KIB, ended, heavy, names_below, payload, receive,
    received_into, success,
};
use crate::put::file;

/// 32 MiB of blocks on their way to the disk and as many before them, what is read and written on
/// lines, and the binary's own pages.
const MEMORY_KIB: u64 = (96 << 10) + UNOPTIMIZED_KIB;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Paths below a folder with what is in them.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = names_below(dir)
        .into_iter()
        .map(|path| (path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn files_and_folders_arrive_as_they_are() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let big = file(from.path(), "big größe.bin", &payload(1, 5_000_001));
    let script = from.path().join("tree/deep/er/script");
    fs::create_dir_all(script.parent().unwrap()).unwrap();
    fs::create_dir_all(from.path().join("tree/empty")).unwrap();
    fs::write(&script, "#!").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
    File::open(&script).unwrap().set_modified(time).unwrap();
    fs::write(from.path().join("tree/nothing"), "").unwrap();
    symlink("/etc/passwd", from.path().join("tree/link")).unwrap();

    let tree = from.path().join("tree");
    let sender = Sender::start(relay.address(), &["-j", "3", &big, text(&tree)]);
    let words: Vec<&str> = sender.code.split('-').collect();
    assert_eq!(words.len(), 4, "a number and three words alone: {}", sender.code);
    let said = success(&received_into(relay.address(), &sender.code, to.path()));
    assert!(said.contains("received 3 files"), "{said}");
    let sent = sender.ended();
    assert!(sent.stdout.is_empty(), "nothing but the code");
    let said = success(&sent);
    assert!(said.contains("sent 3 files"), "{said}");
    assert!(said.contains("link is left out: it is a symbolic link"), "{said}");

    fs::remove_file(from.path().join("tree/link")).unwrap();
    assert!(contents(from.path()) == contents(to.path()));
    assert!(to.path().join("tree/empty").is_dir());
    let metadata = fs::metadata(to.path().join("tree/deep/er/script")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o750);
    assert_eq!(metadata.modified().unwrap(), time);
}

#[test]
fn stdin_becomes_stdout() {
    let relay = Setup::relay().start();
    let content = payload(2, 40_000_003);
    let (sender, mut pipe) = Sender::of_pipe(relay.address(), &[]);
    let writing = thread::spawn({
        let content = content.clone();
        move || pipe.write_all(&content)
    });
    let received =
        ended(receive(relay.address(), &sender.code, &["--yes", "-o", "-"]).spawn().unwrap());
    success(&received);
    assert!(received.stdout == content);
    writing.join().unwrap().unwrap();
    success(&sender.ended());
}

#[test]
fn a_file_goes_to_stdout_or_under_another_name_and_stdin_into_a_file() {
    let relay = Setup::relay().start();
    let dir = tempfile::tempdir().unwrap();
    let content = payload(3, 3_000_001);
    let path = file(dir.path(), "name", &content);
    let sender = Sender::start(relay.address(), &[&path]);
    let received = receive(relay.address(), &sender.code, &["--yes", "-o", "-"]).output().unwrap();
    assert!(received.stdout == content);
    success(&sender.ended());

    let out = dir.path().join("out");
    let sender = Sender::start(relay.address(), &[&path]);
    success(&ended(
        receive(relay.address(), &sender.code, &["--yes", "-o", text(&out)]).spawn().unwrap(),
    ));
    success(&sender.ended());
    assert!(fs::read(out).unwrap() == content);

    let (sender, mut pipe) = Sender::of_pipe(relay.address(), &["--name", "a tar.tar"]);
    pipe.write_all(b"through a pipe").unwrap();
    drop(pipe);
    success(&received_into(relay.address(), &sender.code, dir.path()));
    success(&sender.ended());
    assert_eq!(fs::read(dir.path().join("a tar.tar")).unwrap(), b"through a pipe");
}

#[test]
fn json_tells_the_code_each_file_and_the_sum() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = file(from.path(), "a", b"hello");
    let sender = Sender::start(relay.address(), &["--json", &path]);
    let code: Value = serde_json::from_str(&sender.code).unwrap();
    let arguments = ["--yes", "--json", "--dir", text(to.path())];
    let received = receive(relay.address(), code["code"].as_str().unwrap(), &arguments).output();
    let (sent, received) = (sender.ended(), received.unwrap());
    let hash = blake3::hash(b"hello").to_string();
    for (output, path) in [(sent, Value::Null), (received, to.path().join("a").to_str().into())] {
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["name"], "a");
        assert_eq!(told["size"], 5);
        assert_eq!(told["blake3"], hash.as_str());
        assert_eq!(told["path"], path);
        let said = success(&output);
        let sum: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!((&sum["files"], &sum["complete"]), (&1.into(), &true.into()), "{said}");
    }
}

#[test]
fn the_relay_sees_neither_names_nor_bytes() {
    let relay = Setup::relay().start();
    let (tap, heard) = Taker::tap(relay.address());
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = b"plain text that anybody could read ".repeat(60_000);
    file(from.path(), "unmistakable-name.txt", &content);
    let sender = Sender::start(tap.address(), &[text(from.path())]);
    success(&received_into(tap.address(), &sender.code, to.path()));
    success(&sender.ended());
    let heard = heard.lock().unwrap();
    assert!(heard.len() > content.len(), "everything passed here");
    let passed = letters(&heard);
    for secret in ["plain text that", "unmistakable", "anybody could"] {
        assert!(!passed.contains(secret), "{secret}");
    }
}

fn letters(heard: &[u8]) -> String {
    heard.iter().map(|byte| char::from(*byte)).collect()
}

/// A terminal that `script` plays: a code typed with completion, then the question.
#[test]
fn at_a_terminal_the_code_is_completed_and_a_question_asked() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no script here");
        return;
    }
    let relay = Setup::relay().start();
    for (answer, takes_it) in [("y\n", true), ("n\n", false)] {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = file(from.path(), "a\u{1b}[31mname", b"hello");
        let sender = Sender::start(relay.address(), &[&path]);
        let line = format!(
            "{} receive --relay {} --dir {}",
            env!("CARGO_BIN_EXE_ringhold"),
            relay.address(),
            text(to.path())
        );
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut terminal = terminal.stderr(Stdio::piped()).spawn().unwrap();
        let (mut keys, mut screen) =
            (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
        let mut shown = read_until(&mut screen, "code: ");
        let (number, words) = sender.code.split_once('-').unwrap();
        let keyed: Vec<String> = words.split('-').map(|word| word[..4].to_owned() + "\t").collect();
        keys.write_all(format!("{number}-{}\x7f\r", keyed.concat()).as_bytes()).unwrap();
        shown += &read_until(&mut screen, "[y/N] ");
        assert!(shown.contains(&sender.code), "it was completed: {shown}");
        assert!(shown.contains("5 B  \"a\\u{1b}[31mname\""), "no escape is obeyed: {shown}");
        keys.write_all(answer.as_bytes()).unwrap();
        shown +=
            &read_until(&mut screen, if takes_it { "received 1 file" } else { "nobody wants" });
        let output = sender.ended();
        if takes_it {
            success(&output);
            assert_eq!(fs::read(to.path().join("a[31mname")).unwrap(), b"hello");
        } else {
            let said = crate::harness::failure(&output);
            assert!(said.contains("the receiver declined: nobody wants it there"), "{said}");
            assert!(names_below(to.path()).is_empty());
        }
        drop(keys);
        ended(terminal);
    }
}

/// What a screen shows, to some words.
fn read_until(screen: &mut impl std::io::Read, words: &str) -> String {
    let mut shown = String::new();
    let mut byte = [0];
    while !shown.ends_with(words) {
        assert_eq!(screen.read(&mut byte).unwrap(), 1, "it ends before {words:?}: {shown}");
        shown.push(char::from(byte[0]));
    }
    shown
}

/// 256 MiB, or 4 GiB where heavy cases are wanted, of zeros.
#[test]
fn a_large_file_and_a_large_stream_need_little_memory_at_both_ends() {
    let size: u64 = if heavy() { 4 << 30 } else { 256 << 20 };
    let relay = Setup::relay().start();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("sparse");
    File::create(&path).unwrap().set_len(size).unwrap();
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    for how in ["a file", "a stream"] {
        let sender = if how == "a file" {
            Sender::start(relay.address(), &["-j", "4", text(&path)])
        } else {
            let (sender, mut pipe) = Sender::of_pipe(relay.address(), &["-j", "4"]);
            thread::spawn(move || {
                std::io::copy(&mut std::io::repeat(0).take(size), &mut pipe).unwrap()
            });
            sender
        };
        let arguments = ["--yes", "--dir", text(&to)];
        let receiver = receive(relay.address(), &sender.code, &arguments).spawn().unwrap();
        let watching =
            [sender.pid(), receiver.id()].map(|pid| thread::spawn(move || peak_kib(pid)));
        success(&ended(receiver));
        success(&sender.ended());
        let [at_sender, at_receiver] = watching.map(|watch| watch.join().unwrap());
        println!("{size} bytes of {how}: {at_sender} and {at_receiver} KiB resident (VmHWM)");
        assert!(at_sender < MEMORY_KIB && at_receiver < MEMORY_KIB, "{how}");
    }
    for name in ["sparse", "stdin"] {
        assert_eq!(fs::metadata(to.join(name)).unwrap().len(), size);
    }
}

/// The most that a process has resident, until it is gone.
fn peak_kib(pid: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
        let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
        peak = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    peak
}
