//! The daemon as a child process, or the relay.
//!
//! 1. [`Setup`] collects flags; [`Setup::start`] runs `ringhold serve` on a free port and waits
//!    for the log line `listening`, which names the address.
//! 2. Its log (JSON lines, since stderr is no terminal) is collected by a thread.
//! 3. [`Daemon::stop`] sends SIGTERM and expects exit code 0; [`Daemon::kill`] is `kill -9`.
//! 4. When a `Daemon` goes, an unexpected WARN or ERROR in its log fails the test.

use std::fmt::Display;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::payload::seed;
use super::{Client, Response, request};

/// How long a start or a stop may take before the test fails. Generous: builds and other tests
/// share the machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at something that is about to happen.
const TICK: Duration = Duration::from_millis(5);
/// The secret of every daemon under test.
const SECRET_KEY: &str = "a secret for tests, 32 bytes long";

/// What moves bytes to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    IoUring,
    Threads,
}

impl Engine {
    /// Its value of `--engine`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::IoUring => "io_uring",
            Engine::Threads => "threads",
        }
    }
}

/// The engines that work here: `threads` always, `io_uring` unless the kernel refuses it.
pub(crate) fn engines() -> Vec<Engine> {
    static REFUSAL: OnceLock<Option<String>> = OnceLock::new();
    let refusal = REFUSAL.get_or_init(|| Setup::new().engine(Engine::IoUring).refusal());
    match refusal {
        None => vec![Engine::IoUring, Engine::Threads],
        Some(reason) => {
            println!("skipped on io_uring, which this machine refuses: {reason}");
            vec![Engine::Threads]
        }
    }
}

/// What a binary that is not optimized takes beyond one that is, KiB: 22 MB of code against 8, most
/// of which a test touches. What memory promises is said of the latter.
pub(crate) const UNOPTIMIZED_KIB: u64 = if cfg!(debug_assertions) { 12 << 10 } else { 0 };

/// Whether the cases that take minutes and gigabytes were asked for.
pub(crate) fn heavy() -> bool {
    std::env::var_os("RINGHOLD_TEST_HEAVY").is_some_and(|value| value == "1")
}

/// Sends a signal, by its name without `SIG`. The shell's own `kill`, which every system has.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success(), "SIG{name} to {pid}");
}

/// How to start a daemon; can be used again to restart it on the same root.
#[derive(Clone)]
pub(crate) struct Setup {
    command: &'static str,
    root: Arc<TempDir>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    allowed: Vec<&'static str>,
    user: Option<(u32, PathBuf)>,
    memlock_kib: Option<u32>,
    passed_socket: Option<Arc<OwnedFd>>,
    wrapper: Vec<String>,
}

impl Setup {
    /// The defaults, on a fresh root beside the build's own output.
    pub(crate) fn new() -> Setup {
        Setup::at(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// A relay alone instead of the daemon.
    pub(crate) fn relay() -> Setup {
        Setup { command: "relay", ..Setup::new() }
    }

    /// The defaults, on a fresh root below `dir`.
    pub(crate) fn at(dir: &Path) -> Setup {
        // The test runner shows it with the output of a test that fails.
        println!("RINGHOLD_TEST_SEED={}", seed());
        let root = tempfile::Builder::new().prefix("ringhold-test-").tempdir_in(dir).unwrap();
        Setup {
            command: "serve",
            root: Arc::new(root),
            flags: Vec::new(),
            environment: vec![("SECRET_KEY".to_owned(), SECRET_KEY.to_owned())],
            allowed: Vec::new(),
            user: None,
            memlock_kib: None,
            passed_socket: None,
            wrapper: Vec::new(),
        }
    }

    /// Adds a flag and its value.
    pub(crate) fn flag(mut self, name: &str, value: impl Display) -> Setup {
        self.flags.extend([name.to_owned(), format!("{value}")]);
        self
    }

    /// Adds a flag that takes no value.
    pub(crate) fn bare_flag(mut self, name: &str) -> Setup {
        self.flags.push(name.to_owned());
        self
    }

    /// Picks the engine.
    pub(crate) fn engine(self, engine: Engine) -> Setup {
        self.flag("--engine", engine.name())
    }

    /// Sets the number of workers.
    pub(crate) fn workers(self, count: usize) -> Setup {
        self.flag("--workers", count)
    }

    /// Expects a WARN or ERROR whose line contains `part`.
    pub(crate) fn allow(mut self, part: &'static str) -> Setup {
        self.allowed.push(part);
        self
    }

    /// Takes a variable out of the daemon's environment.
    pub(crate) fn without_env(mut self, name: &str) -> Setup {
        self.environment.retain(|(present, _)| present != name);
        self
    }

    /// Sets a variable of the daemon's environment, which holds nothing else.
    pub(crate) fn env(self, name: &str, value: &str) -> Setup {
        let mut setup = self.without_env(name);
        setup.environment.push((name.to_owned(), value.to_owned()));
        setup
    }

    /// Runs as user and group `uid`, from a copy of the binary that this user can reach.
    pub(crate) fn user(mut self, uid: u32, binary: PathBuf) -> Setup {
        self.user = Some((uid, binary));
        self
    }

    /// Caps `RLIMIT_MEMLOCK`.
    pub(crate) fn memlock_kib(mut self, limit: u32) -> Setup {
        self.memlock_kib = Some(limit);
        self
    }

    /// Passes a socket as a service manager does: as descriptor 3, announced to the process.
    pub(crate) fn pass_socket(mut self, socket: impl Into<OwnedFd>) -> Setup {
        self.passed_socket = Some(Arc::new(socket.into()));
        self.env("LISTEN_FDS", "1")
    }

    /// Runs on a host of [`Hosts`](super::Hosts), by the name of its namespace.
    pub(crate) fn on_host(self, namespace: &str) -> Setup {
        self.below(&["ip", "netns", "exec", namespace])
    }

    /// Runs by a program, which becomes the daemon with the same process ID.
    pub(crate) fn below(mut self, wrapper: &[&str]) -> Setup {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The directory the daemon keeps its files in.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Starts the daemon and waits until it listens.
    pub(crate) fn start(&self) -> Daemon {
        self.try_start().unwrap_or_else(|log| panic!("the daemon did not start:\n{log}"))
    }

    /// Why the daemon does not start; `None` when it does.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self.try_start() {
            Ok(mut daemon) => {
                daemon.stop();
                None
            }
            Err(log) => Some(log),
        }
    }

    fn try_start(&self) -> Result<Daemon, String> {
        let mut child = self.command().spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let log = Arc::new(Mutex::new(Vec::new()));
        let collector = collect(stderr, Arc::clone(&log));
        let placeholder = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut daemon = Daemon {
            child,
            log,
            collector: Some(collector),
            address: placeholder,
            setup: self.clone(),
            status: None,
        };
        if let Some(address) = daemon.await_listening() {
            daemon.address = address;
            return Ok(daemon);
        }
        // A daemon that refuses to start says why, and may say it loudly.
        daemon.setup.allowed.push("");
        daemon.reap();
        Err(daemon.log_text())
    }

    fn command(&self) -> Command {
        let binary = match &self.user {
            Some((_, copy)) => copy.clone(),
            None => PathBuf::from(env!("CARGO_BIN_EXE_ringhold")),
        };
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("{}exec \"$0\" \"$@\"", self.preparation())]).arg(&binary);
        let is_prepared = self.memlock_kib.is_some() || self.passed_socket.is_some();
        let mut command = match self.wrapper.split_first() {
            Some((program, arguments)) => {
                let mut wrapper = Command::new(program);
                wrapper.args(arguments).arg(binary);
                wrapper
            }
            None if is_prepared => shell,
            None => Command::new(binary),
        };
        if let Some((uid, _)) = &self.user {
            command.uid(*uid).gid(*uid);
        }
        command.arg(self.command);
        if self.command == "serve" {
            command.arg("--root").arg(self.root());
        }
        if !self.flags.iter().any(|flag| flag == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
            .args(&self.flags)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(self.stdin())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// What a shell does before it becomes the daemon.
    fn preparation(&self) -> String {
        let limit = self.memlock_kib.map(|limit| format!("ulimit -l {limit}; "));
        let pass = "exec 3<&0 0</dev/null; export LISTEN_PID=$$; ".to_owned();
        let pass = self.passed_socket.is_some().then_some(pass);
        [limit, pass].into_iter().flatten().collect()
    }

    fn stdin(&self) -> Stdio {
        self.passed_socket.as_ref().map_or_else(Stdio::null, |socket| {
            Stdio::from(socket.try_clone().expect("a descriptor is free"))
        })
    }
}

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    collector: Option<JoinHandle<()>>,
    setup: Setup,
    status: Option<ExitStatus>,
}

impl Daemon {
    /// With the defaults.
    pub(crate) fn start() -> Daemon {
        Setup::new().start()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory it keeps its files in.
    pub(crate) fn root(&self) -> &Path {
        self.setup.root()
    }

    /// Another address that the line `listening` names, by its field.
    pub(crate) fn address_of(&self, field: &str) -> SocketAddr {
        let log = self.log.lock().unwrap();
        let found = log.iter().find_map(|line| listening_field(line, field));
        found.unwrap_or_else(|| panic!("no `{field}` in the line `listening`"))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection to it.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One GET on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], b"")
    }

    /// One request on a connection of its own.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        request(self.address, method, target, headers, body)
    }

    /// The samples of `/metrics` whose lines start with `name`.
    pub(crate) fn samples(&self, name: &str) -> Vec<(String, f64)> {
        let text = String::from_utf8(self.get("/metrics").body).unwrap();
        text.lines()
            .filter(|line| !line.starts_with('#') && line.starts_with(name))
            .map(|line| line.rsplit_once(' ').expect("a sample has a value"))
            .map(|(series, value)| (series.to_owned(), value.parse().expect("a number")))
            .collect()
    }

    /// The most memory it ever had resident, KiB.
    pub(crate) fn resident_kib_max(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of kB")
    }

    /// Its log so far, one JSON object a line.
    pub(crate) fn log_text(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Stops it with SIGTERM; it must exit with code 0.
    pub(crate) fn stop(&mut self) {
        signal(self.pid(), "TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{status}\n{}", self.log_text());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.reap();
    }

    /// Another daemon with the same flags on the same root. This one must have ended.
    pub(crate) fn restart(&self) -> Daemon {
        assert!(self.status.is_some(), "two daemons on one root");
        self.setup.start()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reap();
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.log_text());
            std::thread::sleep(TICK);
        }
    }

    /// The address in the line `listening`; `None` if the daemon ended before.
    fn await_listening(&mut self) -> Option<SocketAddr> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let found = self.log.lock().unwrap().iter().find_map(|line| listening_address(line));
            if found.is_some() {
                return found;
            }
            if self.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(TICK);
        }
        panic!("no line `listening` within {PATIENCE:?}:\n{}", self.log_text());
    }

    fn reap(&mut self) {
        self.status = Some(self.child.wait().unwrap());
        if let Some(collector) = self.collector.take() {
            collector.join().unwrap();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _gone = self.child.kill();
            self.reap();
        }
        if std::thread::panicking() {
            println!("the daemon's log:\n{}", self.log_text());
            return;
        }
        let allowed = &self.setup.allowed;
        let log = self.log.lock().unwrap();
        let unexpected = log
            .iter()
            .filter(|line| is_complaint(line))
            .find(|line| !allowed.iter().any(|part| line.contains(part)));
        assert!(unexpected.is_none(), "unexpected in the log: {}", unexpected.unwrap());
    }
}

fn collect(stderr: ChildStderr, log: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    })
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    listening_field(line, "address")
}

fn listening_field(line: &str, field: &str) -> Option<SocketAddr> {
    let json: Value = serde_json::from_str(line).ok()?;
    let fields = json.get("fields").unwrap_or(&json);
    (fields["message"] == "listening").then(|| fields[field].as_str()?.parse().ok()).flatten()
}

/// Whether a log line is a WARN, an ERROR, or no log line at all (a panic, say).
fn is_complaint(line: &str) -> bool {
    let level = serde_json::from_str::<Value>(line).ok().map(|json| json["level"].clone());
    !level.is_some_and(|level| level == "INFO" || level == "DEBUG" || level == "TRACE")
}
