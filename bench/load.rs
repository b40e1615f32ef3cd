//! A load generator that costs little beside the server it measures: one thread a connection,
//! bodies sent from one buffer, received bodies dropped in the kernel (`MSG_TRUNC`).
//!
//! ```text
//! load put ADDRESS PREFIX SIZE CONNECTIONS COUNT   COUNT files of SIZE bytes; prints their paths
//! load get ADDRESS CONNECTIONS COUNT < PATHS       COUNT downloads, taking turns over the paths
//! ```
//! Paths go to stdout, one result line to stderr: `requests N bytes N seconds S`. Any answer but
//! 200 or 201 ends the run with exit code 1.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use socket2::SockRef;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of a large body sent at once; the same buffer every time.
const SEND_SIZE: usize = 1 << 20;
/// Bytes of a body dropped at once.
const DROP_SIZE: usize = 4 << 20;
/// Longest head of a response, with the JSON after it, bytes.
const HEAD_SIZE_MAX: usize = 16 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["put", address, prefix, size, connections, count] => {
            put(address, prefix, size, connections, count)
        }
        ["get", address, connections, count] => get(address, connections, count),
        _ => Err("usage: load put ADDRESS PREFIX SIZE CONNECTIONS COUNT | \
                  load get ADDRESS CONNECTIONS COUNT < PATHS"
            .into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn put(address: &str, prefix: &str, size: &str, connections: &str, count: &str) -> Outcome<()> {
    let (size, count): (usize, usize) = (size.parse()?, count.parse()?);
    let body = noise(size.min(SEND_SIZE));
    let paths = run(address, connections.parse()?, count, size, |connection, turn| {
        let path = format!("{prefix}/{size}-{turn}.bin");
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n");
        connection.send(head.as_bytes(), &body, size)?;
        let answer = connection.answer(201)?;
        Ok(Some(file_id(&answer).map_or(path, |file_id| format!("{prefix}/{file_id}"))))
    })?;
    io::stdout().write_all(paths.concat().as_bytes())?;
    Ok(())
}

fn get(address: &str, connections: &str, count: &str) -> Outcome<()> {
    let paths = io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() {
        return Err("no paths on stdin".into());
    }
    run(address, connections.parse()?, count.parse()?, 0, |connection, turn| {
        let path = &paths[turn % paths.len()];
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.send(head.as_bytes(), &[], 0)?;
        connection.answer(200)?;
        Ok(None)
    })?;
    Ok(())
}

/// `count` turns over `connections` threads; what the turns return, a line each.
fn run(
    address: &str,
    connections: usize,
    count: usize,
    sent_size: usize,
    turn: impl Fn(&mut Connection, usize) -> Outcome<Option<String>> + Sync,
) -> Outcome<Vec<String>> {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let work = || -> Outcome<(Vec<String>, u64)> {
        let mut connection = Connection::open(address)?;
        let mut lines = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok((lines, connection.received));
            }
            lines.extend(turn(&mut connection, index)?.map(|line| line + "\n"));
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let (mut lines, mut received) = (Vec::new(), 0);
    for result in results {
        let (more, bytes) = result.map_err(|_| "a connection's thread panicked")??;
        lines.extend(more);
        received += bytes;
    }
    let bytes = if sent_size > 0 { (sent_size * count) as u64 } else { received };
    eprintln!("requests {count} bytes {bytes} seconds {seconds:.4}");
    Ok(lines)
}

/// One keep-alive connection.
struct Connection {
    stream: TcpStream,
    dropped: Box<[MaybeUninit<u8>]>,
    received: u64,
}

impl Connection {
    fn open(address: &str) -> Outcome<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, dropped: Box::new_uninit_slice(DROP_SIZE), received: 0 })
    }

    /// A head and `size` bytes of body, which repeat `body`. What fits goes out in one call.
    fn send(&mut self, head: &[u8], body: &[u8], size: usize) -> Outcome<()> {
        if size <= HEAD_SIZE_MAX {
            self.stream.write_all(&[head, &body[..size]].concat())?;
            return Ok(());
        }
        self.stream.write_all(head)?;
        let mut left = size;
        while left > 0 {
            let count = left.min(body.len());
            self.stream.write_all(&body[..count])?;
            left -= count;
        }
        Ok(())
    }

    /// The answer's head and the start of its body; the rest is counted and dropped.
    fn answer(&mut self, status: u16) -> Outcome<String> {
        let mut received = vec![0; HEAD_SIZE_MAX];
        let mut held = 0;
        let head_size = loop {
            let count = self.stream.read(&mut received[held..])?;
            if count == 0 {
                return Err("the server closed the connection".into());
            }
            held += count;
            if let Some(at) = received[..held].windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let body_size = content_length(&String::from_utf8_lossy(&received[..head_size]), status)?;
        let whole = head_size + body_size;
        while held < whole.min(HEAD_SIZE_MAX) {
            let end = whole.min(HEAD_SIZE_MAX);
            held += self.stream.read(&mut received[held..end])?;
        }
        self.drop_bytes(whole - held)?;
        self.received += body_size as u64;
        received.truncate(held);
        Ok(String::from_utf8_lossy(&received).into_owned())
    }

    fn drop_bytes(&mut self, size: usize) -> Outcome<()> {
        let socket = SockRef::from(&self.stream);
        let mut left = size;
        while left > 0 {
            let end = left.min(DROP_SIZE);
            match socket.recv_with_flags(&mut self.dropped[..end], libc::MSG_TRUNC)? {
                0 => return Err("the server closed the connection in a body".into()),
                count => left -= count,
            }
        }
        Ok(())
    }
}

fn content_length(head: &str, status: u16) -> Outcome<usize> {
    if !head.starts_with(&format!("HTTP/1.1 {status} ")) {
        return Err(head.lines().next().unwrap_or_default().to_owned().into());
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    Ok(length.ok_or("an answer without Content-Length")?.parse()?)
}

/// The `file_id` of an upload's JSON answer.
fn file_id(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once("\"file_id\"")?;
    rest.split('"').nth(1).map(str::to_owned)
}

/// Bytes that no compression or sparse file can make cheap.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}
