//! What lies between a download and its daemon, and bends what passes: flips a byte, cuts the
//! connection, forgets the range, answers with an error page, falls silent. It counts the bytes of
//! the file that it passed on.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::Taker;

/// Bytes passed on at once.
const PIECE_SIZE: usize = 64 << 10;
/// How long it is silent when it is: longer than a test.
const SILENCE: Duration = Duration::from_mins(5);
/// What calls itself a success.
const PAGE: &str = "<html>502 Bad Gateway</html>";

/// What happens to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bend {
    /// Nothing.
    Pass,
    /// This byte of its body has another bit.
    Flip(usize),
    /// It ends after so many bytes of its body.
    Cut(usize),
    /// The request had no range.
    Whole,
    /// It is a page that says 200.
    Page,
    /// It says nothing after so many bytes of its body.
    Silence(usize),
}

/// A request for a part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it begins.
    pub(crate) start: u64,
    /// How many for the same beginning came before it.
    pub(crate) try_index: usize,
}

/// The proxy. It listens to the end of the test process.
pub(crate) struct Bender {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    passed: Mutex<Passed>,
    /// Something passed, or may pass now.
    moved: Condvar,
}

#[derive(Default)]
struct Passed {
    bytes: u64,
    /// Nothing passes beyond so many.
    bytes_max: Option<u64>,
    /// How often that was set: answers of the time before do not go on.
    turn: usize,
    /// Requests by where their ranges began.
    parts: BTreeMap<u64, usize>,
    whole_count: usize,
}

type Script = dyn Fn(Part) -> Bend + Send + Sync;

impl Bender {
    /// A proxy of `daemon` that asks `script` what to do with each part of the file; `pause` is made
    /// before each piece.
    pub(crate) fn start<F>(daemon: SocketAddr, pause: Duration, script: F) -> Bender
    where
        F: Fn(Part) -> Bend + Send + Sync + 'static,
    {
        let counts = Arc::<Counts>::default();
        let script: Arc<Script> = Arc::new(script);
        let taker = Taker::start({
            let counts = Arc::clone(&counts);
            move |_, client| serve(client, daemon, pause, &counts, &*script)
        });
        Bender { address: taker.address(), counts }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes of the file that were passed on.
    pub(crate) fn passed_bytes(&self) -> u64 {
        self.counts.lock().bytes
    }

    /// Requests for parts: where they began, and how many.
    pub(crate) fn parts(&self) -> BTreeMap<u64, usize> {
        self.counts.lock().parts.clone()
    }

    /// Requests for the whole file.
    pub(crate) fn whole_count(&self) -> usize {
        self.counts.lock().whole_count
    }

    /// Lets so many bytes more pass, and then no more, until it is asked again: what was on its way
    /// then ends. Without a number all may pass.
    pub(crate) fn allow(&self, more: Option<u64>) {
        let mut passed = self.counts.lock();
        passed.bytes_max = more.map(|more| passed.bytes + more);
        passed.turn += 1;
        self.counts.moved.notify_all();
    }

    /// Waits until so many bytes were passed on, or `is_over` is; looks at that now and then.
    pub(crate) fn wait_for(&self, bytes: u64, mut is_over: impl FnMut() -> bool) {
        let mut passed = self.counts.lock();
        while passed.bytes < bytes && !is_over() {
            passed = self.counts.moved.wait_timeout(passed, Duration::from_millis(20)).unwrap().0;
        }
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap()
    }

    /// Takes a piece of at most this size; none when its time is over.
    fn take(&self, turn: usize, size: usize) -> usize {
        let mut passed = self.lock();
        loop {
            let left = passed.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(passed.bytes));
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(size);
            if passed.turn != turn {
                return 0;
            }
            if size > 0 {
                passed.bytes += size as u64;
                self.moved.notify_all();
                return size;
            }
            passed = self.moved.wait(passed).unwrap();
        }
    }
}

fn serve(
    client: &mut TcpStream,
    daemon: SocketAddr,
    pause: Duration,
    counts: &Counts,
    script: &Script,
) -> io::Result<()> {
    let mut server = BufReader::new(TcpStream::connect(daemon)?);
    let mut requests = BufReader::new(client.try_clone()?);
    loop {
        let mut request = head(&mut requests)?;
        let Some(first) = request.first() else { return Ok(()) };
        let is_head = first.starts_with("HEAD");
        let is_file = first.starts_with("GET") && !first.contains("/manifest");
        let bend = if is_file { bend(&request, counts, script) } else { Bend::Pass };
        if bend == Bend::Whole {
            request.retain(|line| !line.to_ascii_lowercase().starts_with("range:"));
        }
        server.get_mut().write_all((request.join("\r\n") + "\r\n\r\n").as_bytes())?;
        let answer = head(&mut server)?;
        let length = answer.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let length = if is_head { 0 } else { length.unwrap().unwrap() };
        if bend == Bend::Page {
            io::copy(&mut (&mut server).take(length as u64), &mut io::sink())?;
            let length = PAGE.len();
            write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{PAGE}")?;
            continue;
        }
        client.write_all((answer.join("\r\n") + "\r\n\r\n").as_bytes())?;
        let counted = is_file.then_some(counts);
        if !pass(&mut server, client, length, bend, pause, counted)? {
            return client.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// What happens to the answer to a request for the file, which is counted.
fn bend(request: &[String], counts: &Counts, script: &Script) -> Bend {
    let start = request.iter().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("range: bytes=")?.split('-').next()?.parse().ok()
    });
    let Some(start) = start else {
        counts.lock().whole_count += 1;
        return Bend::Pass;
    };
    let try_index = {
        let mut passed = counts.lock();
        let count = passed.parts.entry(start).or_default();
        *count += 1;
        *count - 1
    };
    script(Part { start, try_index })
}

/// Passes a body on; whether to its end.
fn pass(
    server: &mut impl Read,
    client: &mut TcpStream,
    length: usize,
    bend: Bend,
    pause: Duration,
    counts: Option<&Counts>,
) -> io::Result<bool> {
    let (mut at, mut piece) = (0, vec![0; PIECE_SIZE]);
    let turn = counts.map_or(0, |counts| counts.lock().turn);
    while at < length {
        let end = match bend {
            Bend::Cut(end) if at >= end => return Ok(false),
            Bend::Silence(end) if at >= end => {
                thread::sleep(SILENCE);
                return Ok(false);
            }
            Bend::Cut(end) | Bend::Silence(end) => end.min(length),
            Bend::Pass | Bend::Flip(_) | Bend::Whole | Bend::Page => length,
        };
        let size = PIECE_SIZE.min(end - at);
        let size = counts.map_or(size, |counts| counts.take(turn, size));
        if size == 0 {
            return Ok(false);
        }
        let piece = &mut piece[..size];
        server.read_exact(piece)?;
        if let Bend::Flip(flipped) = bend
            && let Some(byte) = flipped.checked_sub(at).and_then(|at| piece.get_mut(at))
        {
            *byte ^= 1;
        }
        thread::sleep(pause);
        client.write_all(piece)?;
        at += piece.len();
    }
    Ok(true)
}

/// The lines of a head; none at the end of the connection.
fn head(reader: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(Vec::new());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_owned()),
        }
    }
}
