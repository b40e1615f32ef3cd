//! One connection of a driver: the socket, where it stands, and the exchange under way. It is
//! moved by what `epoll` says of its socket, never waits, and tells the driver what came of it.

use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::Instant;

use ringhold::wire::ChunkFault;
use socket2::{Domain, Protocol, Socket, Type};

use super::answer::{Framing, HEAD_SIZE_MAX, Head, read_head};
use super::body::Body;
use super::content::Content;
use super::request::{Kind, Request};
use super::stage::{Event, Stage};
use super::stored::stored_path;
use super::work::{Check, Task};

/// Bytes of an answer that are read at once where its head is expected: small answers come whole
/// in one call, and little of a large one is copied.
const HEAD_READ_SIZE: usize = 16 << 10;
/// Bytes of an answer that are read at once where they are looked at.
const LOOK_SIZE: usize = 256 << 10;
/// Bytes of an answer that the kernel drops in one call: more than a socket's buffer holds.
const DROP_SIZE: usize = 4 << 20;
/// Bytes kept of an answer that says where an upload lies, or what went wrong.
const KEPT_SIZE_MAX: usize = 4 << 10;
/// Calls that send or receive much, before others have their turn.
const CALLS_A_TURN: u32 = 8;

/// What the connections of a driver use in turn.
pub(crate) struct Shared {
    pub(crate) content: Content,
    received: Box<[u8]>,
    /// Where dropped bytes would go. Never written to, so it costs addresses and no memory.
    dropped: Box<[MaybeUninit<u8>]>,
}

/// A connection and its exchange.
#[derive(Debug)]
pub(crate) struct Connection {
    stage: Stage,
    pub(crate) socket: Option<Socket>,
    pub(crate) request: Request,
    pub(crate) task: Task,
    /// The last time that bytes moved, or that they were given reason to.
    pub(crate) moved_at: Instant,
    /// Answers on this socket.
    answered: u64,
    answer: Answer,
    is_readable: bool,
    is_hung_up: bool,
}

/// What is known of the answer that is coming in.
#[derive(Debug)]
struct Answer {
    /// The start of a head whose end is not in.
    held: Vec<u8>,
    /// Whether any byte of it came.
    is_heard: bool,
    body: Body,
    status: u16,
    is_kept: bool,
    content_received: u64,
    look: Look,
    kept: Vec<u8>,
    stored: Option<String>,
    problem: Option<String>,
}

/// What is done with the bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Drop,
    Keep,
    /// Compare, as the bytes at `offset` of the file of `size` bytes.
    Compare {
        size: u64,
        offset: u64,
    },
}

/// What a connection tells the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It needs the kernel to go on.
    Waits,
    /// It could go on at once, and lets others have their turn.
    Yields,
    /// It is open, with nothing to do.
    Opened,
    /// Its exchange is over, see [`Connection::finish`].
    Answered,
    /// The socket is of no use any more, see [`Connection::lose`].
    Lost,
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Bytes of file content that went out or came in.
    pub(crate) content_size: u64,
    /// The body was compared, and right.
    pub(crate) is_verified: bool,
    /// Where the upload lies, if that is wanted.
    pub(crate) stored: Option<String>,
    /// What went wrong.
    pub(crate) problem: Option<String>,
    /// The socket may be used again.
    pub(crate) is_kept: bool,
}

/// Why a socket was lost, and what becomes of its exchange.
#[derive(Debug)]
pub(crate) enum Loss {
    /// It had nothing to do: open another one.
    Unused,
    /// It never was open.
    Unopened(String),
    /// The server closed it between two requests and took nothing of this one: ask again.
    Stale,
    /// The exchange failed.
    Failed(String),
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            content: Content::new(),
            received: vec![0; LOOK_SIZE].into(),
            dropped: Box::new_uninit_slice(DROP_SIZE),
        }
    }
}

impl Answer {
    fn none() -> Answer {
        Answer {
            held: Vec::new(),
            is_heard: false,
            body: Body::new(Framing::Sized(0)),
            status: 0,
            is_kept: true,
            content_received: 0,
            look: Look::Drop,
            kept: Vec::new(),
            stored: None,
            problem: None,
        }
    }

    fn reset(&mut self) {
        self.held.clear();
        self.is_heard = false;
        self.kept.clear();
        self.status = 0;
        self.content_received = 0;
        self.look = Look::Drop;
        self.stored = None;
        self.problem = None;
    }

    /// Decides from the head what is to be seen of the body.
    fn begin(&mut self, head: &Head<'_>, request: &Request, task: &mut Task) {
        self.status = head.status;
        self.is_kept = head.is_kept;
        self.body = Body::new(head.framing);
        let checked = task.check_head(head);
        self.look = match checked {
            Err(problem) => {
                self.problem = Some(problem);
                Look::Keep
            }
            Ok(Check::Compare { size, offset }) => Look::Compare { size, offset },
            Ok(Check::Nothing) if task.wants_path && head.location.is_none() => Look::Keep,
            Ok(Check::Nothing) => Look::Drop,
        };
        if task.wants_path && head.location.is_some() {
            self.stored = Some(stored_path(head.location, b"", &request.path));
        }
    }

    /// Takes the next bytes and looks at their content; how many belong to the body.
    fn see(&mut self, content: &Content, bytes: &[u8]) -> Result<usize, ChunkFault> {
        let Answer { body, content_received, look, kept, problem, .. } = self;
        body.feed(bytes, |bytes| {
            match *look {
                Look::Drop => {}
                Look::Keep => {
                    let room = KEPT_SIZE_MAX.saturating_sub(kept.len());
                    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Look::Compare { .. } if problem.is_some() => {}
                Look::Compare { size, offset } => {
                    let at = offset + *content_received;
                    *problem = content.first_wrong(size, at, bytes).map(|at| {
                        format!("the byte at offset {at} is not the one that was uploaded")
                    });
                }
            }
            *content_received += bytes.len() as u64;
        })
    }
}

impl Connection {
    /// Closed, with nothing to do.
    pub(crate) fn new(now: Instant) -> Connection {
        Connection {
            stage: Stage::Closed,
            socket: None,
            request: Request::new(),
            task: Task::nothing(),
            moved_at: now,
            answered: 0,
            answer: Answer::none(),
            is_readable: false,
            is_hung_up: false,
        }
    }

    /// Where it stands.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Asks for a connection; the socket is to be watched from now on.
    pub(crate) fn dial(&mut self, address: SocketAddr, now: Instant) -> io::Result<&Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        self.happen(Event::Dial);
        (self.answered, self.is_readable, self.is_hung_up) = (0, false, false);
        self.moved_at = now;
        Ok(self.socket.insert(socket))
    }

    /// Starts the exchange that the request and the task describe.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.happen(Event::Ask);
        self.request.rewind();
        self.answer.reset();
        self.moved_at = now;
    }

    /// Notes what the kernel said of the socket.
    pub(crate) fn notice(&mut self, is_readable: bool, is_hung_up: bool) {
        self.is_readable |= is_readable || is_hung_up;
        self.is_hung_up |= is_hung_up;
    }

    /// Goes on as far as it can without waiting.
    pub(crate) fn advance(&mut self, shared: &mut Shared, now: Instant) -> Step {
        self.moved_at = now;
        let outcome = match self.stage {
            Stage::Closed => return Step::Waits,
            Stage::Connecting => self.open(),
            // A server that says something unasked, or hangs up, is done with this connection.
            Stage::Idle | Stage::Spent if !self.is_readable => return Step::Waits,
            Stage::Idle | Stage::Spent => match self.read(&mut shared.received[..1]) {
                Ok(None) => return Step::Waits,
                Ok(Some(_)) | Err(_) => return Step::Lost,
            },
            Stage::Sending => self.send(shared),
            Stage::Awaiting => self.await_head(shared),
            Stage::Receiving | Stage::Refused => self.receive(shared),
        };
        outcome.unwrap_or_else(|problem| {
            self.answer.problem = Some(problem);
            Step::Lost
        })
    }

    /// Takes the outcome of an answered exchange.
    pub(crate) fn finish(&mut self) -> Outcome {
        self.answered += 1;
        let problem = self.answer.problem.take();
        let problem = problem.or_else(|| self.task.check_size(self.answer.content_received));
        let problem = problem.map(|problem| self.with_kept(&problem));
        let is_compared = matches!(self.answer.look, Look::Compare { .. });
        if self.task.wants_path && problem.is_none() && self.answer.stored.is_none() {
            let path = stored_path(None, &self.answer.kept, &self.task.path_of_upload);
            self.answer.stored = Some(path);
        }
        Outcome {
            content_size: match self.task.kind {
                Kind::Upload => self.request.content_size(),
                Kind::Download | Kind::Range => self.answer.content_received,
            },
            is_verified: is_compared && problem.is_none(),
            stored: self.answer.stored.take(),
            problem,
            is_kept: self.answer.is_kept && self.stage == Stage::Idle,
        }
    }

    /// Gives up the socket.
    pub(crate) fn lose(&mut self) -> Loss {
        let (was, reason) = (self.stage, self.answer.problem.take());
        self.happen(Event::Lost);
        self.socket = None;
        let took_nothing = matches!(was, Stage::Sending | Stage::Awaiting)
            && !self.answer.is_heard
            && self.answered > 0;
        match reason {
            Some(reason) if was == Stage::Connecting => Loss::Unopened(reason),
            _ if !was.is_busy() => Loss::Unused,
            _ if took_nothing => Loss::Stale,
            reason => {
                let reason = reason.unwrap_or_else(|| "the connection was lost".to_owned());
                Loss::Failed(self.with_kept(&reason))
            }
        }
    }

    /// Waits no longer for the server.
    pub(crate) fn give_up(&mut self, reason: String) -> Loss {
        // What timed out is not asked again: it would wait as long.
        self.answered = 0;
        self.answer.problem = Some(reason);
        self.lose()
    }

    fn happen(&mut self, event: Event) {
        match self.stage.next(event) {
            Some(stage) => self.stage = stage,
            None => unreachable!("{event:?} in {:?}", self.stage),
        }
    }

    fn with_kept(&self, problem: &str) -> String {
        let (path, body) = (&self.request.path, String::from_utf8_lossy(&self.answer.kept));
        match body.trim() {
            "" => format!("{path}: {problem}"),
            body => format!("{path}: {problem}: {body}"),
        }
    }

    fn open(&mut self) -> Result<Step, String> {
        let socket = self.socket.as_ref().ok_or("no socket")?;
        match socket.take_error().and_then(|error| error.map_or(Ok(()), Err)) {
            Ok(()) if socket.peer_addr().is_err() => Ok(Step::Waits),
            Ok(()) => {
                self.happen(Event::Opened);
                Ok(Step::Opened)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn send(&mut self, shared: &mut Shared) -> Result<Step, String> {
        for _ in 0..CALLS_A_TURN {
            let socket = self.socket.as_ref().ok_or("no socket")?;
            let (slices, count) = self.request.rest(&shared.content);
            match socket.send_vectored(&slices[..count]) {
                Ok(sent) => self.request.advance(sent),
                Err(error) if is_interrupted(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.answered_early(shared);
                }
                // The server may have said why before it hung up.
                Err(error) => {
                    self.notice(true, true);
                    let said = self.answered_early(shared)?;
                    return if said == Step::Waits { Err(error.to_string()) } else { Ok(said) };
                }
            }
            if self.request.is_sent() {
                self.happen(Event::Sent);
                return if self.is_readable { self.await_head(shared) } else { Ok(Step::Waits) };
            }
        }
        Ok(Step::Yields)
    }

    /// An answer may come before the request is out: a refusal.
    fn answered_early(&mut self, shared: &mut Shared) -> Result<Step, String> {
        if self.is_readable { self.await_head(shared) } else { Ok(Step::Waits) }
    }

    fn await_head(&mut self, shared: &mut Shared) -> Result<Step, String> {
        while self.is_readable {
            let Some(count) = self.read(&mut shared.received[..HEAD_READ_SIZE])? else {
                return Ok(Step::Waits);
            };
            self.answer.is_heard = true;
            let mut held = std::mem::take(&mut self.answer.held);
            let come = &shared.received[..count];
            let outcome = if held.is_empty() {
                self.take_head(&shared.content, come)
            } else {
                held.extend_from_slice(come);
                self.take_head(&shared.content, &held)
            };
            match outcome? {
                None if held.is_empty() => held.extend_from_slice(come),
                None => {}
                Some(()) => {
                    held.clear();
                    self.answer.held = held;
                    return self.receive(shared);
                }
            }
            self.answer.held = held;
        }
        Ok(Step::Waits)
    }

    /// Reads the head at the start of `bytes` and what of the body follows it, if the head is all
    /// there.
    fn take_head(&mut self, content: &Content, bytes: &[u8]) -> Result<Option<()>, String> {
        let mut at = 0;
        let (head, size) = loop {
            match read_head(&bytes[at..]).map_err(|fault| fault.to_string())? {
                None => return Ok(None),
                // Interim answers say nothing that matters here (RFC 9110, section 15.2).
                Some((head, size)) if (100..200).contains(&head.status) => at += size,
                Some(head) => break head,
            }
        };
        self.happen(Event::Head);
        self.answer.begin(&head, &self.request, &mut self.task);
        self.feed(content, &bytes[at + size..])?;
        Ok(Some(()))
    }

    fn receive(&mut self, shared: &mut Shared) -> Result<Step, String> {
        for _ in 0..CALLS_A_TURN {
            if self.answer.body.has_ended() {
                return Ok(self.end());
            }
            if !self.is_readable {
                return Ok(Step::Waits);
            }
            let droppable = match self.answer.look {
                Look::Drop => self.answer.body.content_left(),
                Look::Keep | Look::Compare { .. } => 0,
            };
            let outcome = if droppable > 0 {
                self.drop_content(droppable, &mut shared.dropped)
            } else {
                let Shared { content, received, .. } = shared;
                match self.read(received) {
                    Ok(Some(count)) => self.feed(content, &received[..count]),
                    outcome => outcome.map(drop),
                }
            };
            if let Err(reason) = outcome {
                return if self.answer.body.close() { Ok(self.end()) } else { Err(reason) };
            }
        }
        Ok(Step::Yields)
    }

    fn end(&mut self) -> Step {
        self.happen(Event::End);
        Step::Answered
    }

    fn feed(&mut self, content: &Content, bytes: &[u8]) -> Result<(), String> {
        let fed = self.answer.see(content, bytes).map_err(|fault| fault.to_string())?;
        if fed < bytes.len() {
            return Err(format!("the server sent {} bytes after its answer", bytes.len() - fed));
        }
        Ok(())
    }

    /// Lets the kernel drop at most `size` bytes.
    fn drop_content(&mut self, size: u64, dropped: &mut [MaybeUninit<u8>]) -> Result<(), String> {
        let size = usize::try_from(size).unwrap_or(DROP_SIZE).min(DROP_SIZE);
        let socket = self.socket.as_ref().ok_or("no socket")?;
        let outcome = socket.recv_with_flags(&mut dropped[..size], libc::MSG_TRUNC);
        if let Some(count) = self.judge(outcome, size)? {
            self.answer.body.skip(count as u64);
            self.answer.content_received += count as u64;
        }
        Ok(())
    }

    /// Reads into `buffer`; nothing when nothing is there.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        let mut socket = self.socket.as_ref().ok_or("no socket")?;
        let outcome = socket.read(buffer);
        self.judge(outcome, buffer.len())
    }

    /// What a receiving call says of the socket. The watch is edge-triggered: after fewer bytes
    /// than were asked for there are none until it tells of more, unless the end is in (epoll(7)).
    fn judge(&mut self, outcome: io::Result<usize>, asked: usize) -> Result<Option<usize>, String> {
        match outcome {
            Ok(0) => Err("the server closed the connection before the end of its answer".into()),
            Ok(count) => {
                self.is_readable = count == asked || self.is_hung_up;
                Ok(Some(count))
            }
            Err(error) if is_interrupted(&error) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

const _: () = assert!(HEAD_READ_SIZE <= HEAD_SIZE_MAX && HEAD_READ_SIZE <= LOOK_SIZE);
