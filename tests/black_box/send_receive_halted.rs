//! `ringhold send` and `ringhold receive` when one end is halted whole, as a laptop that sleeps: it
//! keeps its connections and says nothing. The other end waits, gives a silent line up and connects
//! it again, or ends after its patience; nothing is lost.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use ringhold::base::limits::PEER_IDLE_TIMEOUT_S;

use crate::harness::{Halfway, Setup, ended, failure, heavy, payload, signal, success};

/// How long a process may take to halt before the test fails.
const HALT_TIMEOUT: Duration = Duration::from_secs(10);
/// Short: for the lines to fill, not to be given up.
const NAP: Duration = Duration::from_millis(500);
/// A little longer than an end believes in a line on which nothing comes.
const SLEEP: Duration = Duration::from_secs(PEER_IDLE_TIMEOUT_S + 5);

#[derive(Clone, Copy, Debug)]
enum End {
    Sender,
    Receiver,
}

impl End {
    const BOTH: [End; 2] = [End::Sender, End::Receiver];

    fn pid(self, halfway: &Halfway) -> u32 {
        match self {
            End::Sender => halfway.sender.pid(),
            End::Receiver => halfway.receiver.id(),
        }
    }

    /// This end's output of both, and the other one's.
    fn of(self, sender: Output, receiver: Output) -> (Output, Output) {
        match self {
            End::Sender => (sender, receiver),
            End::Receiver => (receiver, sender),
        }
    }
}

/// Halts a process, and waits until it is (proc(5), `stat`).
fn halt(pid: u32) {
    signal(pid, "STOP");
    let deadline = Instant::now() + HALT_TIMEOUT;
    while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        assert!(Instant::now() < deadline, "it does not halt");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A transfer of which one end is halted for a while: what the other one said, when all is there.
fn halted_for(relay: SocketAddr, end: End, time: Duration) -> String {
    let dir = tempfile::tempdir().unwrap();
    let halfway = Halfway::new(relay, dir.path(), &[]);
    let pid = end.pid(&halfway);
    let Halfway { sender, mut pipe, receiver } = halfway;
    halt(pid);
    let rest = payload(2, (40 << 20) + 1);
    let content = [Halfway::begun(), rest.clone()].concat();
    let writing = thread::spawn(move || pipe.write_all(&rest));
    thread::sleep(time);
    signal(pid, "CONT");
    let (sent, received) = (sender.ended(), ended(receiver));
    writing.join().unwrap().unwrap();
    let (halted, other) = end.of(sent, received);
    success(&halted);
    let said = success(&other);
    assert!(fs::read(dir.path().join("folder/stream")).unwrap() == content, "{end:?}");
    said
}

/// A transfer of which one end is halted and goes on when the other one has given up.
fn halted_for_too_long(relay: SocketAddr, end: End) {
    let dir = tempfile::tempdir().unwrap();
    let halfway = Halfway::new(relay, dir.path(), &["--patience", "2s"]);
    let pid = end.pid(&halfway);
    let Halfway { sender, pipe: _pipe, receiver } = halfway;
    halt(pid);
    let outputs = match end {
        End::Sender => {
            let received = ended(receiver);
            signal(pid, "CONT");
            [received, sender.ended()]
        }
        End::Receiver => {
            let sent = sender.ended();
            signal(pid, "CONT");
            [sent, ended(receiver)]
        }
    };
    for output in outputs {
        let said = failure(&output);
        assert!(said.contains("no line to the other end for 2 s"), "{end:?}: {said}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn a_transfer_goes_on_when_an_end_that_was_halted_does() {
    let relay = Setup::relay().start();
    for end in End::BOTH {
        let said = halted_for(relay.address(), end, NAP);
        assert!(!said.contains("are connected again"), "no line broke: {said}");
    }
}

#[test]
fn an_end_that_is_halted_for_long_is_met_again_or_given_up() {
    if !heavy() {
        println!("skipped: it takes more than a minute; set RINGHOLD_TEST_HEAVY=1");
        return;
    }
    let relay = Setup::relay().start();
    let address = relay.address();
    thread::scope(|scope| {
        for end in End::BOTH {
            scope.spawn(move || halted_for_too_long(address, end));
            scope.spawn(move || {
                let said = halted_for(address, end, SLEEP);
                assert!(said.contains("are connected again"), "{end:?}: {said}");
            });
        }
    });
}
