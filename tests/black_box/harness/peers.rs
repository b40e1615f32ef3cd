//! The two ends of a transfer, as child processes that meet at a relay.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{payload, signal};

/// How long an end may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// `ringhold send` that has told its code.
pub(crate) struct Sender {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it printed first.
    pub(crate) code: String,
}

impl Sender {
    /// Sends by a relay, and waits for the code.
    pub(crate) fn start(relay: SocketAddr, arguments: &[&str]) -> Sender {
        Sender::with_stdin(relay, arguments, Stdio::null())
    }

    /// The same of what is written to the pipe.
    pub(crate) fn of_pipe(relay: SocketAddr, arguments: &[&str]) -> (Sender, ChildStdin) {
        let mut sender = Sender::with_stdin(relay, &[arguments, &["-"]].concat(), Stdio::piped());
        let pipe = sender.child.stdin.take().unwrap();
        (sender, pipe)
    }

    fn with_stdin(relay: SocketAddr, arguments: &[&str], stdin: Stdio) -> Sender {
        let mut child = end(relay, "send", arguments).stdin(stdin).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut code = String::new();
        stdout.read_line(&mut code).unwrap();
        Sender { child, stdout, code: code.trim_end().to_owned() }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end: what it printed after the code is its stdout.
    pub(crate) fn ended(mut self) -> Output {
        let mut rest = Vec::new();
        let reading = thread::spawn(move || self.stdout.read_to_end(&mut rest).map(|_| rest));
        let output = ended(self.child);
        Output { stdout: reading.join().unwrap().unwrap(), ..output }
    }
}

/// A stream that is in its middle: a receiver that has written some of it, and the pipe for the rest.
pub(crate) struct Halfway {
    pub(crate) sender: Sender,
    pub(crate) pipe: ChildStdin,
    pub(crate) receiver: Child,
}

impl Halfway {
    /// The receiver writes to a folder below `dir`, which has to be made.
    pub(crate) fn new(relay: SocketAddr, dir: &Path, more: &[&str]) -> Halfway {
        let arguments = [more, &["--name", "folder/stream"]].concat();
        let (sender, mut pipe) = Sender::of_pipe(relay, &arguments);
        let arguments = [more, &["--yes", "--dir", dir.to_str().unwrap()]].concat();
        let receiver = receive(relay, &sender.code, &arguments).spawn().unwrap();
        // Read when the receiver is there.
        pipe.write_all(&Halfway::begun()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !dir.join("folder").exists() {
            assert!(Instant::now() < deadline, "it does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        Halfway { sender, pipe, receiver }
    }

    /// What went into the pipe so far.
    pub(crate) fn begun() -> Vec<u8> {
        payload(1, 2 << 20)
    }
}

/// `ringhold receive` with a code that nobody sees.
pub(crate) fn receive(relay: SocketAddr, code: &str, arguments: &[&str]) -> Command {
    let mut command = end(relay, "receive", arguments);
    command.env("RINGHOLD_CODE", code);
    command
}

/// The same into a folder, without a question, to its end.
pub(crate) fn received_into(relay: SocketAddr, code: &str, dir: &Path) -> Output {
    let dir = dir.to_str().unwrap();
    ended(receive(relay, code, &["--yes", "--dir", dir]).spawn().unwrap())
}

/// An end of a transfer, with an environment of its own.
fn end(relay: SocketAddr, command: &str, arguments: &[&str]) -> Command {
    let mut end = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    end.arg(command).args(arguments).env_clear().env("RINGHOLD_RELAY", relay.to_string());
    end.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    end
}

/// Waits for a process's end, but not for ever.
pub(crate) fn ended(child: Child) -> Output {
    let pid = child.id();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    told.recv_timeout(PATIENCE)
        .unwrap_or_else(|_| {
            signal(pid, "KILL");
            panic!("it does not end");
        })
        .unwrap()
}

/// What an end said that had to succeed.
pub(crate) fn success(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// What an end said that had to fail with 1.
pub(crate) fn failure(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}
