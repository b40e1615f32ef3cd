//! Other ends for an upload: a server that does what a test tells it to, and a tap that lies between
//! a client and the daemon and counts what passes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes read at once.
const PIECE_SIZE: usize = 256 << 10;
/// What ends a chunked body.
const BODY_END: &[u8] = b"\r\n0\r\n\r\n";

/// A listener whose connections are counted; each has a thread. It listens to the end of the test
/// process.
pub(crate) struct Taker {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Taker {
    /// Lets `script` have each connection, with how many came before it.
    pub(crate) fn start<F>(script: F) -> Taker
    where
        F: Fn(usize, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, script) = (Arc::new(AtomicUsize::new(0)), Arc::new(script));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (index, script) = (count.fetch_add(1, Ordering::SeqCst), Arc::clone(&script));
                // How it ends is for the other side to judge.
                thread::spawn(move || script(index, &mut stream));
            }
        });
        Taker { address, connections }
    }

    /// A tap in front of `daemon`, and what clients sent through it.
    pub(crate) fn tap(daemon: SocketAddr) -> (Taker, Arc<Mutex<Vec<u8>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&heard);
        let tap = Taker::start(move |_, client| {
            let server = TcpStream::connect(daemon)?;
            let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
            thread::spawn(move || {
                let _ended = io::copy(&mut from, &mut to);
                let _gone = to.shutdown(Shutdown::Both);
            });
            let mut piece = vec![0; PIECE_SIZE];
            loop {
                let count = client.read(&mut piece)?;
                if count == 0 {
                    return server.shutdown(Shutdown::Write);
                }
                record.lock().unwrap().extend_from_slice(&piece[..count]);
                (&server).write_all(&piece[..count])?;
            }
        });
        (tap, heard)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request to the end of its body, in constant memory. The content of a chunked one must not
/// hold what ends a body.
pub(crate) fn take_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => {
            let length = length.parse().unwrap();
            let taken = io::copy(&mut stream.take(length), &mut io::sink())?;
            if taken == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        }
        None => take_chunks(stream),
    }
}

fn take_chunks(stream: &mut TcpStream) -> io::Result<()> {
    let (mut piece, mut last) = (vec![0; PIECE_SIZE], Vec::new());
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        last.extend_from_slice(&piece[count.saturating_sub(BODY_END.len())..count]);
        last.drain(..last.len().saturating_sub(BODY_END.len()));
        if last == BODY_END {
            return Ok(());
        }
    }
}

/// Answers with a status line's code and words, more headers (each closed by a line break), JSON.
pub(crate) fn answer(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    json: &str,
) -> io::Result<()> {
    let length = json.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {length}\r\n\r\n{json}"
    )
}

/// What a daemon says that stored a file of this size and BLAKE3.
pub(crate) fn stored(size: u64, blake3: &str) -> String {
    format!(
        r#"{{"file_id":"00:ab","name":"a","size":{size},"blake3":"{blake3}","delete_token":"0","url":""}}"#
    )
}
