//! `ringhold send` and `ringhold receive` asked wrongly, with codes that do not fit, or with nobody
//! there: clear words at both ends, and the code of whoever was asked wrongly is not used up.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{
    Sender, Setup, ended, failure, names_below, receive, received_into, signal, success,
};
use crate::put::file;

fn last_word_changed(code: &str) -> String {
    let (rest, last) = code.rsplit_once('-').unwrap();
    // The list has both.
    let other = if last == "canoe" { "zebra" } else { "canoe" };
    format!("{rest}-{other}")
}

fn nothing_in(dir: &Path) -> bool {
    names_below(dir).is_empty()
}

#[test]
fn a_wrong_code_is_told_to_both_and_is_used_up() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = file(from.path(), "a", b"hello");
    let sender = Sender::start(relay.address(), &[&path]);
    let code = sender.code.clone();
    let said = failure(&received_into(relay.address(), &last_word_changed(&code), to.path()));
    assert!(said.contains("the code was wrong, and is used up"), "{said}");
    let said = failure(&sender.ended());
    assert!(said.contains("the code was wrong, and is used up"), "{said}");
    let said = failure(&received_into(relay.address(), &code, to.path()));
    assert!(said.contains("nobody waits under the number"), "the right one, too: {said}");
    assert!(nothing_in(to.path()));
}

#[test]
fn a_wrong_number_a_second_receiver_and_a_sender_that_left_find_nobody() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = file(from.path(), "a", b"hello");
    let sender = Sender::start(relay.address(), &[&path]);
    let code = sender.code.clone();
    let (number, words) = code.split_once('-').unwrap();
    let wrong = format!("{}-{words}", number.parse::<u32>().unwrap() ^ 1);
    let nobody = |code: &str| {
        let said = failure(&received_into(relay.address(), code, to.path()));
        assert!(said.contains("nobody waits under the number of this code"), "{said}");
    };
    nobody(&wrong);
    success(&received_into(relay.address(), &code, to.path()));
    success(&sender.ended());
    nobody(&code);
    let sender = Sender::start(relay.address(), &[&path]);
    let code = sender.code.clone();
    signal(sender.pid(), "KILL");
    sender.ended();
    nobody(&code);
}

#[test]
fn a_sender_that_is_stopped_while_it_waits_says_so() {
    let relay = Setup::relay().start();
    let from = tempfile::tempdir().unwrap();
    let sender = Sender::start(relay.address(), &[&file(from.path(), "a", b"hello")]);
    signal(sender.pid(), "INT");
    assert!(failure(&sender.ended()).contains("SIGINT stopped it: nothing was moved"));
}

#[test]
fn names_that_are_there_are_told_to_both_before_anything_is_taken() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = file(from.path(), "a", b"new");
    file(to.path(), "a", b"old");
    let sender = Sender::start(relay.address(), &[&path]);
    let said = failure(&received_into(relay.address(), &sender.code, to.path()));
    assert!(said.contains("is there already") && said.contains("--overwrite"), "{said}");
    let said = failure(&sender.ended());
    assert!(said.contains("declined") && said.contains("is there already"), "{said}");
    assert_eq!(fs::read(to.path().join("a")).unwrap(), b"old");

    let sender = Sender::start(relay.address(), &[&path]);
    let arguments = ["--yes", "--overwrite", "--dir", to.path().to_str().unwrap()];
    success(&ended(receive(relay.address(), &sender.code, &arguments).spawn().unwrap()));
    success(&sender.ended());
    assert_eq!(fs::read(to.path().join("a")).unwrap(), b"new");
}

#[test]
fn a_link_is_replaced_itself_and_what_it_leads_to_stays() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = file(from.path(), "a", b"new");
    let old = file(to.path(), "old", b"old");
    let out = to.path().join("out");
    symlink("old", to.path().join("a")).unwrap();
    symlink("/dev/null", &out).unwrap();
    for place in [["--dir", to.path().to_str().unwrap()], ["-o", out.to_str().unwrap()]] {
        let sender = Sender::start(relay.address(), &[&path]);
        let arguments = [&["--yes", "--overwrite"][..], &place].concat();
        success(&ended(receive(relay.address(), &sender.code, &arguments).spawn().unwrap()));
        success(&sender.ended());
    }
    for name in ["a", "out"] {
        let name = to.path().join(name);
        assert!(fs::symlink_metadata(&name).unwrap().is_file());
        assert_eq!(fs::read(&name).unwrap(), b"new");
    }
    assert_eq!(fs::read(old).unwrap(), b"old");
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sender = Sender::start(relay.address(), &[&file(from.path(), "a", b"new")]);
    let socket = to.path().join("socket");
    let _bound = UnixListener::bind(&socket).unwrap();
    let arguments = ["--yes", "--overwrite", "-o", socket.to_str().unwrap()];
    let receiver = receive(relay.address(), &sender.code, &arguments).spawn().unwrap();
    let said = failure(&ended(receiver));
    assert!(said.contains("something that is no regular file is there"), "{said}");
    assert!(failure(&sender.ended()).contains("no regular file"));
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
}

#[test]
fn who_asks_wrongly_uses_no_code_up() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = to.path().to_str().unwrap();
    let path = file(from.path(), "a", b"hello");
    let sender = Sender::start(relay.address(), &[&path]);
    for (arguments, exit, words) in [
        (&["--dir", dir][..], 2, "give --yes"),
        (&["--yes", "--dir", "/nowhere/at/all"], 1, "no directory"),
        (&["--yes", "-o", "/nowhere/at/all"], 1, "no directory"),
        (&["--yes", "--json", "-o", "-"], 2, "stdout"),
        (&["--yes", "no-code"], 2, "number"),
    ] {
        let output = ended(receive(relay.address(), &sender.code, arguments).spawn().unwrap());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{said}");
        assert!(said.contains(words), "{said}");
    }
    // It is still good, and comes as a line of stdin.
    let mut receiver = receive(relay.address(), "", &["--yes", "--dir", dir]);
    let mut receiver = receiver.stdin(Stdio::piped()).spawn().unwrap();
    let code = sender.code.to_uppercase().replace('-', " ") + "\n";
    std::io::Write::write_all(&mut receiver.stdin.take().unwrap(), code.as_bytes()).unwrap();
    success(&ended(receiver));
    success(&sender.ended());
}

#[test]
fn a_single_name_is_for_a_single_file() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a, b] = ["a", "b"].map(|name| file(from.path(), name, b"hello"));
    let sender = Sender::start(relay.address(), &[&a, &b]);
    let out = to.path().join("out");
    let arguments = ["--yes", "-o", out.to_str().unwrap()];
    let output = ended(receive(relay.address(), &sender.code, &arguments).spawn().unwrap());
    assert!(failure(&output).contains("-o takes one file"));
    assert!(failure(&sender.ended()).contains("-o takes one file"));
    assert!(nothing_in(to.path()));
}

#[test]
fn no_relay_and_no_file_are_told_at_once() {
    // Its port is known and nobody listens on it.
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let from = tempfile::tempdir().unwrap();
    let path = file(from.path(), "a", b"hello");
    let sender = Sender::start(nowhere, &[&path]);
    assert_eq!(sender.code, "");
    assert!(failure(&sender.ended()).contains("no connection to the relay"));
    let said = failure(&received_into(nowhere, "7-canoe-canoe-canoe", from.path()));
    assert!(said.contains("no connection to the relay"), "{said}");
    let missing = Sender::start(nowhere, &["/nowhere/at/all"]).ended();
    assert!(failure(&missing).contains("/nowhere/at/all"));
    let twice = Sender::start(nowhere, &["-", "-"]).ended();
    assert_eq!(twice.status.code(), Some(2));
}
