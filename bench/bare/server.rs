//! The loop: one a thread, one `epoll`, two calls a request.
//!
//! An answer that the socket has no room for closes the connection: whoever measures with answers
//! that are larger than a socket's buffer measures something else.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _, stderr};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use memchr::memmem;
use ringhold::base::cores::{allowed_cores, pin_current_thread};
use ringhold::cli::Failure;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::arguments::BareArguments;
use super::shelf::{Shelf, whole_request};

/// Largest answer, bytes: it has to fit into the buffer of a socket.
const SIZE_MAX: u64 = 64 << 10;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
/// Sockets that one call tells of.
const EVENTS_MAX: usize = 128;
/// Bytes of one read: several heads of a generator that sends ahead.
const READ_SIZE: usize = 16 << 10;
/// Largest request that is kept, bytes.
const HELD_SIZE_MAX: usize = 64 << 10;
/// As long as the head of a stored file's answer, so that the kernel has as much to move.
const HEAD_FIELDS: &str = "content-type: application/octet-stream\r\n\
    content-disposition: attachment; filename=\"bench-00000000.bin\"\r\n\
    accept-ranges: bytes\r\nx-content-type-options: nosniff\r\n\
    content-security-policy: sandbox; default-src 'none'\r\n\
    etag: \"0000000000000000000000000000000000000000000000000000000000000000\"\r\n\
    last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
/// The listener's mark among the connections, whose marks are their descriptors.
const LISTENER: u64 = u64::MAX;

/// Serves until it is killed.
pub(crate) fn run(arguments: &BareArguments) -> Result<(), Failure> {
    let size = arguments.size.0;
    if size > SIZE_MAX {
        let message = format!("--size {size} is more than a socket takes at once: {SIZE_MAX}");
        return Err(Failure::usage(message));
    }
    let head = format!("HTTP/1.1 200 OK\r\n{HEAD_FIELDS}content-length: {size}\r\n\r\n");
    let body = vec![b'x'; usize::try_from(size).map_err(Failure::usage)?];
    let answer: Arc<[u8]> = [head.as_bytes(), &body].concat().into();
    let mut address = arguments.listen;
    let mut listeners = Vec::new();
    for _ in 0..arguments.workers {
        let listener = listen(address)
            .map_err(|error| Failure::failed(format!("cannot listen on {address}: {error}")))?;
        address = listener.local_addr().map_err(Failure::failed)?;
        listeners.push(listener);
    }
    // Who closed stderr does not want to know.
    let _ = writeln!(stderr(), "listening on {address}");
    serve_all(listeners, &answer, arguments.store.as_ref())
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One thread a listener, a core each; the first failure ends it.
fn serve_all(
    listeners: Vec<TcpListener>,
    answer: &Arc<[u8]>,
    store: Option<&PathBuf>,
) -> Result<(), Failure> {
    let cores = allowed_cores().unwrap_or_default();
    let threads = listeners.into_iter().enumerate().map(|(index, listener)| {
        let core = index.checked_rem(cores.len()).and_then(|place| cores.get(place)).copied();
        let answer = Arc::clone(answer);
        let shelf = store.map(|directory| Shelf::new(directory.clone(), index));
        thread::spawn(move || {
            if let Some(core) = core {
                // Where it cannot be pinned it runs where it may.
                let _ = pin_current_thread(core);
            }
            serve(&listener, &answer, shelf)
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        let ended = thread.join().map_err(|_panic| Failure::failed("a thread panicked"))?;
        ended.map_err(|error| Failure::failed(format!("a loop failed: {error}")))?;
    }
    Ok(())
}

fn serve(listener: &TcpListener, answer: &[u8], mut shelf: Option<Shelf>) -> std::io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections = HashMap::new();
    let mut events = [MaybeUninit::uninit(); EVENTS_MAX];
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let (ready, _) = epoll::wait(&epoll, &mut events, None)?;
        for event in &*ready {
            let mark = { event.data }.u64();
            if mark == LISTENER {
                if let Some(stream) = accept(listener)? {
                    let mark = u64::from(stream.as_raw_fd().unsigned_abs());
                    epoll::add(&epoll, &stream, EventData::new_u64(mark), EventFlags::IN)?;
                    connections.insert(mark, Connection { stream, held: Vec::new() });
                }
            } else if let Some(connection) = connections.get_mut(&mark)
                && !match &mut shelf {
                    None => connection.answer_all(&mut buffer, answer),
                    Some(shelf) => connection.keep_all(&mut buffer, answer, shelf)?,
                }
            {
                // Closing it takes it out of the watch.
                connections.remove(&mark);
            }
        }
    }
}

fn accept(listener: &TcpListener) -> std::io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            Ok(Some(stream))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(None),
        Err(error) => Err(error),
    }
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a request that is to be kept.
    held: Vec<u8>,
}

impl Connection {
    /// Answers what one read brings; false when the connection has ended.
    fn answer_all(&mut self, buffer: &mut [u8], answer: &[u8]) -> bool {
        let size = match self.stream.read(buffer) {
            Ok(0) => return false,
            Ok(size) => size,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let requests = memmem::find_iter(&buffer[..size], b"\r\n\r\n").count();
        (0..requests).all(|_| self.answer(answer))
    }

    /// The same of requests whose bodies are kept first; an error when that cannot be done.
    fn keep_all(
        &mut self,
        buffer: &mut [u8],
        answer: &[u8],
        bodies: &mut Shelf,
    ) -> std::io::Result<bool> {
        match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(size) => self.held.extend_from_slice(&buffer[..size]),
            Err(error) => return Ok(error.kind() == ErrorKind::WouldBlock),
        }
        while let Some((start, end)) = whole_request(&self.held) {
            bodies.keep(&self.held[start..end])?;
            self.held.drain(..end);
            if !self.answer(answer) {
                return Ok(false);
            }
        }
        Ok(self.held.len() <= HELD_SIZE_MAX)
    }

    fn answer(&mut self, answer: &[u8]) -> bool {
        self.stream.write(answer).is_ok_and(|sent| sent == answer.len())
    }
}
