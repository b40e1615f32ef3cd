//! `ringhold send` and `ringhold receive` when something goes wrong on the way: it goes on, or both
//! ends say what happened, and nothing half is left.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::harness::{
    Halfway, Sender, Setup, Taker, Volume, ended, failure, names_below, payload, receive,
    received_into, signal, success,
};
use crate::put::file;

const MIB: usize = 1 << 20;

/// What a proxy does with the bytes of one connection from an end to the relay.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Flip,
    Lose,
    Cut,
}

/// A proxy before a relay that makes trouble once on each of the first connections that carry much,
/// and how often it did.
fn troubling(relay: SocketAddr, trouble: Trouble, most: usize) -> (Taker, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&count);
    let proxy = Taker::start(move |_, client| {
        let server = TcpStream::connect(relay)?;
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ended = io::copy(&mut from, &mut to);
            let _gone = to.shutdown(Shutdown::Both);
        });
        let mut carried = 0;
        let mut piece = vec![0; 64 << 10];
        loop {
            let size = client.read(&mut piece)?;
            if size == 0 {
                return server.shutdown(Shutdown::Write);
            }
            let mut bytes = piece[..size].to_vec();
            let is_late = carried > 700_000;
            carried += size;
            if is_late && made.fetch_add(1, Ordering::SeqCst) < most {
                match trouble {
                    Trouble::Flip => bytes[size / 2] ^= 4,
                    Trouble::Lose => drop(bytes.remove(size / 2)),
                    Trouble::Cut => return client.shutdown(Shutdown::Both),
                }
                carried = 0;
            }
            (&server).write_all(&bytes)?;
        }
    });
    (proxy, count)
}

#[test]
fn bytes_that_are_changed_lost_or_cut_on_the_way_never_reach_a_file() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = payload(1, 12 * MIB + 3);
    for trouble in [Trouble::Flip, Trouble::Lose, Trouble::Cut] {
        let path = file(from.path(), &format!("{trouble:?}"), &content);
        let (proxy, made) = troubling(relay.address(), trouble, 3);
        let sender = Sender::start(proxy.address(), &[&path]);
        let said = success(&received_into(relay.address(), &sender.code, to.path()));
        assert!(said.contains("are connected again"), "{said}");
        success(&sender.ended());
        assert!(made.load(Ordering::SeqCst) >= 3, "{trouble:?} happened");
        assert!(fs::read(to.path().join(format!("{trouble:?}"))).unwrap() == content);
    }
}

#[test]
fn a_relay_that_is_restarted_in_the_middle_costs_nothing() {
    let mut relay = Setup::relay().start();
    let address = relay.address();
    let dir = tempfile::tempdir().unwrap();
    let Halfway { sender, mut pipe, receiver } = Halfway::new(address, dir.path(), &[]);
    relay.kill();
    let _relay = Setup::relay().flag("--listen", address).start();
    let rest = payload(2, 3 * MIB + 1);
    pipe.write_all(&rest).unwrap();
    drop(pipe);
    for (output, end) in [(ended(receiver), "receiver"), (sender.ended(), "sender")] {
        let said = success(&output);
        assert!(said.contains("are connected again"), "{end}: {said}");
        assert!(said.contains("connected again\""), "{end}: {said}");
    }
    let content = [Halfway::begun(), rest].concat();
    assert!(fs::read(dir.path().join("folder/stream")).unwrap() == content);
}

#[test]
fn a_relay_that_does_not_come_back_is_waited_for_as_long_as_was_said() {
    let mut relay = Setup::relay().start();
    let dir = tempfile::tempdir().unwrap();
    let patience = ["--patience", "2s"];
    let Halfway { sender, pipe: _pipe, receiver } =
        Halfway::new(relay.address(), dir.path(), &patience);
    relay.kill();
    for output in [ended(receiver), sender.ended()] {
        let said = failure(&output);
        assert!(said.contains("no line to the other end for 2 s"), "{said}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn an_end_that_is_killed_in_the_middle_is_waited_for_as_long_as_was_said() {
    let relay = Setup::relay().start();
    for kills_sender in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let patience = ["--patience", "2s"];
        let Halfway { sender, pipe: _pipe, receiver } =
            Halfway::new(relay.address(), dir.path(), &patience);
        let said = if kills_sender {
            signal(sender.pid(), "KILL");
            failure(&ended(receiver))
        } else {
            signal(receiver.id(), "KILL");
            let said = failure(&sender.ended());
            ended(receiver);
            said
        };
        assert!(said.contains("no line to the other end for 2 s"), "{said}");
        assert!(!dir.path().join("folder/stream").exists());
    }
}

#[test]
fn an_end_that_is_stopped_tells_the_other_and_nothing_is_left() {
    let relay = Setup::relay().start();
    for (stops_sender, name) in [(true, "INT"), (false, "TERM")] {
        let dir = tempfile::tempdir().unwrap();
        let Halfway { sender, pipe: _pipe, receiver } =
            Halfway::new(relay.address(), dir.path(), &[]);
        signal(if stops_sender { sender.pid() } else { receiver.id() }, name);
        let (received, sent) = (failure(&ended(receiver)), failure(&sender.ended()));
        let (stopped, other) = if stops_sender { (sent, received) } else { (received, sent) };
        assert!(stopped.contains(&format!("SIG{name} stopped it")), "{stopped}");
        let words = format!("the other end gave up: it was stopped there (SIG{name})");
        assert!(other.contains(&words), "{other}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "folders neither");
    }
}

#[test]
fn a_file_that_is_written_to_is_left_out_and_told_to_both() {
    let relay = Setup::relay().start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [changes, stays] = ["changes", "stays"].map(|name| file(from.path(), name, b"12345"));
    let sender = Sender::start(relay.address(), &[&changes, &stays]);
    fs::write(&changes, b"123456").unwrap();
    let received = received_into(relay.address(), &sender.code, to.path());
    for output in [received, sender.ended()] {
        let said = failure(&output);
        assert!(
            said.contains("\\\"changes\\\" is left out: it changed while it was sent"),
            "{said}"
        );
        assert!(said.contains("1 file is left out"), "{said}");
    }
    assert!(!to.path().join("changes").exists());
    assert_eq!(fs::read(to.path().join("stays")).unwrap(), b"12345");
}

#[test]
fn a_disk_that_is_full_is_told_to_both_before_or_in_the_middle() {
    let volume = match Volume::tmpfs(8 << 20) {
        Ok(volume) => volume,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let relay = Setup::relay().start();
    let from = tempfile::tempdir().unwrap();
    let path = file(from.path(), "big", &payload(1, 12 * MIB));
    let to = volume.mount_point();
    let sender = Sender::start(relay.address(), &[&path]);
    let said = failure(&received_into(relay.address(), &sender.code, &to));
    assert!(said.contains("has room for"), "{said}");
    let said = failure(&sender.ended());
    assert!(said.contains("declined") && said.contains("has room for"), "{said}");

    let (sender, mut pipe) = Sender::of_pipe(relay.address(), &[]);
    let writing = thread::spawn(move || pipe.write_all(&payload(1, 64 * MIB)));
    let said = failure(&received_into(relay.address(), &sender.code, &to));
    assert!(said.contains("no room"), "{said}");
    let said = failure(&sender.ended());
    assert!(said.contains("the other end gave up") && said.contains("no room"), "{said}");
    assert!(writing.join().unwrap().is_err(), "the pipe is closed");
    assert!(names_below(&to).is_empty());
}

#[test]
fn who_reads_no_more_of_stdout_ends_it_and_is_told_of() {
    let relay = Setup::relay().start();
    let (sender, mut pipe) = Sender::of_pipe(relay.address(), &[]);
    let writing = thread::spawn(move || pipe.write_all(&payload(1, 64 * MIB)));
    let mut receiver =
        receive(relay.address(), &sender.code, &["--yes", "-o", "-"]).spawn().unwrap();
    let mut stdout = receiver.stdout.take().unwrap();
    stdout.read_exact(&mut vec![0; MIB]).unwrap();
    drop(stdout);
    let said = failure(&ended(receiver));
    assert!(said.contains("stdout cannot be written"), "{said}");
    assert!(failure(&sender.ended()).contains("stdout cannot be written"));
    assert!(writing.join().unwrap().is_err());
}
