//! One thread's loop over its share of the connections.
//!
//! 1. Free connections get the next turns ([`Turns`]), oldest first.
//! 2. `epoll` tells which sockets moved; each connection goes as far as it can.
//! 3. What is answered is counted and its connection gets the next turn at once, before the other
//!    sockets are looked at: the server has something to do meanwhile.
//!
//! The watch is edge-triggered and set once a connection, so that a small request costs two calls
//! beside its share of an `epoll_wait`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::connection::{Connection, Loss, Shared, Step};
use super::stage::Stage;
use super::tally::Tally;
use super::turns::{Turn, Turns};
use super::work::{Memory, Plan};
use crate::report::Stop;

/// Sockets that one call tells of.
const EVENTS_MAX: usize = 128;
/// Longest wait: how soon an interrupt and a silent server are noticed.
const TICK: Duration = Duration::from_millis(100);

/// The server closed its side, or both.
const HUNG_UP: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// What all drivers use.
pub(crate) struct Common {
    pub(crate) address: SocketAddr,
    pub(crate) plan: Plan,
    /// Longest time without a byte moving, for a request and for connecting.
    pub(crate) timeout: Duration,
    /// Gets the paths of uploads, a line each.
    pub(crate) paths_out: Option<Mutex<BufWriter<File>>>,
    /// Somebody wants the run to end.
    pub(crate) stop: Stop,
}

/// A loop and its connections.
pub(crate) struct Driver<'a> {
    common: &'a Common,
    epoll: OwnedFd,
    slots: Vec<Slot>,
    /// Open connections without a request, those waiting longest first.
    free: VecDeque<usize>,
    /// Connections that can go on without the kernel.
    yielded: VecDeque<usize>,
    /// Requests under way.
    busy: usize,
    expired_at: Instant,
    shared: Shared,
    memory: Memory,
    tally: Tally,
}

/// A connection and the request it has.
struct Slot {
    connection: Connection,
    /// When the request was due; none without a request.
    due: Option<Instant>,
}

/// The requests of a phase, and when it began.
#[derive(Clone, Copy)]
pub(crate) struct Phase<'a> {
    pub(crate) turns: &'a Turns,
    pub(crate) start: Instant,
}

/// What is left to hand out.
enum Handed {
    /// Nothing: every request was made.
    Everything,
    /// A request that is due after so long.
    UpTo(Duration),
    /// Requests for which no connection is free.
    NoneFree,
}

impl<'a> Driver<'a> {
    /// With so many connections, which are opened.
    pub(crate) fn open(common: &'a Common, connection_count: usize) -> Result<Driver<'a>, String> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| error.to_string())?;
        let now = Instant::now();
        let slot = || Slot { connection: Connection::new(now), due: None };
        let mut driver = Driver {
            common,
            epoll,
            slots: std::iter::repeat_with(slot).take(connection_count).collect(),
            free: VecDeque::new(),
            yielded: VecDeque::new(),
            busy: 0,
            expired_at: now,
            shared: Shared::new(),
            memory: Memory::default(),
            tally: Tally::new(),
        };
        (0..connection_count).try_for_each(|index| driver.dial(index))?;
        while driver.free.len() < connection_count && !driver.is_interrupted() {
            driver.turn(None, TICK)?;
        }
        Ok(driver)
    }

    /// Makes the requests of one phase; what came of them.
    ///
    /// # Errors
    /// What ends the whole run: nobody listens there any more, or the paths cannot be written.
    pub(crate) fn run(&mut self, phase: Phase<'_>) -> Result<Tally, String> {
        self.tally = Tally::new();
        loop {
            let wait = match self.hand_out(phase)? {
                Handed::Everything if self.busy == 0 => break,
                Handed::UpTo(wait) => wait.min(TICK),
                Handed::Everything | Handed::NoneFree => TICK,
            };
            if self.is_interrupted() {
                break;
            }
            self.turn(Some(phase), wait)?;
        }
        Ok(std::mem::replace(&mut self.tally, Tally::new()))
    }

    /// Gives free connections what is due.
    fn hand_out(&mut self, phase: Phase<'_>) -> Result<Handed, String> {
        while let Some(&index) = self.free.front() {
            let now = Instant::now();
            let elapsed = now.duration_since(phase.start);
            let (turn, due) = match phase.turns.take(elapsed) {
                Turn::Over => return Ok(Handed::Everything),
                Turn::Wait(due) => return Ok(Handed::UpTo(due.saturating_sub(elapsed))),
                Turn::Go { index, due } => (index, phase.start + due),
            };
            self.free.pop_front();
            self.busy += 1;
            let Slot { connection, due: slot_due } = &mut self.slots[index];
            *slot_due = Some(due);
            let Connection { request, task, .. } = connection;
            self.common.plan.prepare(turn, &mut self.memory, request, task);
            connection.ask(now);
            self.step(index, now)?;
        }
        let is_over = phase.turns.is_over(phase.start.elapsed());
        Ok(if is_over { Handed::Everything } else { Handed::NoneFree })
    }

    /// Waits for the kernel, at most so long, and lets every connection go on that can.
    fn turn(&mut self, phase: Option<Phase<'_>>, wait: Duration) -> Result<(), String> {
        let wait = if self.yielded.is_empty() { wait } else { Duration::ZERO };
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_MAX];
        let timeout = Timespec::try_from(wait).unwrap_or_default();
        let events = match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok((events, _)) => &*events,
            Err(Errno::INTR) => &[],
            Err(error) => return Err(format!("epoll_wait: {error}")),
        };
        let now = Instant::now();
        for event in events {
            let (flags, data) = (event.flags, event.data);
            let Ok(index) = usize::try_from(data.u64()) else { continue };
            let is_hung_up = flags.intersects(HUNG_UP);
            self.slots[index].connection.notice(flags.intersects(EventFlags::IN), is_hung_up);
            self.step(index, now)?;
            phase.map_or(Ok(()), |phase| self.hand_out(phase).map(drop))?;
        }
        for _ in 0..self.yielded.len() {
            if let Some(index) = self.yielded.pop_front() {
                self.step(index, now)?;
            }
        }
        self.expire(now)
    }

    /// Lets one connection go on, and does what follows from it.
    fn step(&mut self, index: usize, now: Instant) -> Result<(), String> {
        match self.slots[index].connection.advance(&mut self.shared, now) {
            Step::Waits => Ok(()),
            Step::Yields => {
                self.yielded.push_back(index);
                Ok(())
            }
            Step::Opened => self.use_opened(index, now),
            Step::Answered => self.finish(index),
            Step::Lost => {
                let is_new = self.slots[index].connection.stage() == Stage::Connecting;
                let loss = self.slots[index].connection.lose();
                if let (Loss::Failed(reason) | Loss::Unopened(reason), true) = (&loss, is_new) {
                    return Err(self.unreachable(reason));
                }
                self.replace(index, loss)
            }
        }
    }

    /// A new connection repeats the request that the one before lost, or waits for one.
    fn use_opened(&mut self, index: usize, now: Instant) -> Result<(), String> {
        let slot = &mut self.slots[index];
        if slot.due.is_none() {
            self.free.push_back(index);
            return Ok(());
        }
        slot.connection.ask(now);
        self.step(index, now)
    }

    fn finish(&mut self, index: usize) -> Result<(), String> {
        let now = Instant::now();
        let Slot { connection, due } = &mut self.slots[index];
        let outcome = connection.finish();
        let latency = due.take().map_or(Duration::ZERO, |due| now.duration_since(due));
        self.busy -= 1;
        self.tally.ended = Some(now);
        let stored = outcome.stored.as_deref();
        if let Some(problem) = outcome.problem {
            self.tally.fail(problem);
        } else {
            self.common.plan.remember(&mut self.memory, &connection.task, stored);
            self.tally.succeed(connection.task.kind, outcome.content_size, latency);
            self.tally.verified += u64::from(outcome.is_verified);
            if let (Some(paths), Some(path)) = (&self.common.paths_out, stored) {
                write_path(paths, path)?;
            }
        }
        if outcome.is_kept {
            self.free.push_back(index);
            return Ok(());
        }
        let _unused = connection.lose();
        self.replace(index, Loss::Unused)
    }

    /// Opens a connection in place of one that was lost.
    fn replace(&mut self, index: usize, loss: Loss) -> Result<(), String> {
        self.tally.reopened += 1;
        self.free.retain(|&free| free != index);
        if let Loss::Failed(reason) = loss {
            self.slots[index].due = None;
            self.busy -= 1;
            self.tally.ended = Some(Instant::now());
            self.tally.fail(reason);
        }
        self.dial(index)
    }

    fn dial(&mut self, index: usize) -> Result<(), String> {
        let (address, now) = (self.common.address, Instant::now());
        let watch = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let connection = &mut self.slots[index].connection;
        let opened = connection.dial(address, now).and_then(|socket| {
            let data = EventData::new_u64(index as u64);
            epoll::add(&self.epoll, socket, data, watch).map_err(io::Error::from)
        });
        opened.map_err(|error| self.unreachable(&error.to_string()))
    }

    /// Gives up connections on which nothing moved for too long.
    fn expire(&mut self, now: Instant) -> Result<(), String> {
        if now.duration_since(self.expired_at) < TICK {
            return Ok(());
        }
        self.expired_at = now;
        let timeout = self.common.timeout;
        for index in 0..self.slots.len() {
            let connection = &mut self.slots[index].connection;
            let stage = connection.stage();
            if now.saturating_duration_since(connection.moved_at) <= timeout {
                continue;
            }
            let reason = format!("nothing moved for {} s", timeout.as_secs_f64());
            if stage == Stage::Connecting {
                return Err(self.unreachable(&reason));
            }
            if stage.is_busy() {
                self.yielded.retain(|&yielded| yielded != index);
                let loss = connection.give_up(reason);
                self.replace(index, loss)?;
            }
        }
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.common.stop.is_asked()
    }

    fn unreachable(&self, reason: &str) -> String {
        format!("cannot connect to {}: {reason}. Is the server running?", self.common.address)
    }
}

fn write_path(paths: &Mutex<BufWriter<File>>, path: &str) -> Result<(), String> {
    let mut paths = paths.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(paths, "{path}").map_err(|error| format!("cannot write --paths-out: {error}"))
}
