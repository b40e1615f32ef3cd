//! Proxy mode: the bytes of two ends, both directions, until both have said their last, one breaks
//! off, or a limit is reached. Nothing of the bytes is looked at.
//!
//! A direction that ends is passed on (half-close): the other goes on by itself. Nothing is read
//! from one end before the other took what was read before, so TCP makes the sender wait.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use super::RelayOptions;
use super::pairing::{Ending, Pairing};
use super::pipes::{Lent, Pipes};
use crate::base::limits::{RELAY_PIPE_SIZE_SMALL, RELAY_RATE_STEPS, RELAY_TURN_SIZE};
use crate::plan::Throttle;

/// What the two directions of a pairing have in common.
struct Ledger<'a> {
    begun: Instant,
    moved_last: Cell<Instant>,
    rate: Option<u64>,
    throttle: RefCell<Throttle>,
    pairing: &'a Pairing,
}

/// Moves bytes between two ends, and says what ended it.
pub(super) async fn proxy(
    near: &TcpStream,
    far: &TcpStream,
    options: &RelayOptions,
    pipes: &Pipes,
    pairing: &Pairing,
) -> Ending {
    let ledger = Ledger::new(options.rate, pairing);
    let both = async {
        tokio::try_join!(flow(near, far, pipes, &ledger), flow(far, near, pipes, &ledger))
    };
    tokio::select! {
        ended = both => ended.map_or_else(Ending::Broken, |_| Ending::Closed),
        () = ledger.silence(options.idle) => Ending::Idle,
        () = sleep(options.lifetime) => Ending::Lifetime,
    }
}

/// One direction, to its end, which is passed on.
async fn flow(
    source: &TcpStream,
    target: &TcpStream,
    pipes: &Pipes,
    ledger: &Ledger<'_>,
) -> io::Result<()> {
    loop {
        source.readable().await?;
        // Where the rate is bounded, pieces are small.
        let mut lent = pipes.lend(ledger.rate.is_none())?;
        if move_what_is_there(source, target, &mut lent, ledger).await? {
            break;
        }
    }
    match SockRef::from(target).shutdown(Shutdown::Write) {
        // It has closed everything already.
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
        shut => shut,
    }
}

/// Moves until nothing more is there; says whether nothing more will ever be.
async fn move_what_is_there(
    source: &TcpStream,
    target: &TcpStream,
    lent: &mut Lent,
    ledger: &Ledger<'_>,
) -> io::Result<bool> {
    let piece_size = ledger.piece_size(lent.capacity());
    let mut turn_size = 0;
    loop {
        match source.try_io(Interest::READABLE, || lent.fill(source, piece_size)) {
            Ok(0) => return Ok(true),
            Ok(size) => turn_size += size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        ledger.pay(lent.held_bytes()).await;
        while lent.held_bytes() > 0 {
            match target.try_io(Interest::WRITABLE, || lent.empty(target)) {
                Ok(size) => ledger.note(size),
                Err(error) if error.kind() == ErrorKind::WouldBlock => target.writable().await?,
                Err(error) => return Err(error),
            }
        }
        if turn_size >= RELAY_TURN_SIZE {
            turn_size = 0;
            tokio::task::yield_now().await;
        }
    }
}

impl Ledger<'_> {
    fn new(rate: Option<u64>, pairing: &Pairing) -> Ledger<'_> {
        let now = Instant::now();
        Ledger {
            begun: now,
            moved_last: Cell::new(now),
            rate,
            throttle: RefCell::new(Throttle::new(rate)),
            pairing,
        }
    }

    /// Resolves when no byte was moved for as long as may be.
    async fn silence(&self, idle: Duration) {
        loop {
            let deadline = self.moved_last.get() + idle;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    /// What is moved at once; of a bounded rate what is due in a moment.
    fn piece_size(&self, capacity: usize) -> usize {
        let Some(rate) = self.rate else { return capacity };
        let due = usize::try_from(rate / RELAY_RATE_STEPS).unwrap_or(RELAY_PIPE_SIZE_SMALL);
        due.clamp(1, RELAY_PIPE_SIZE_SMALL.min(capacity))
    }

    /// Waits until these bytes may go on.
    async fn pay(&self, size: usize) {
        if self.rate.is_some() {
            let paid = self.throttle.borrow_mut().reserve(self.begun.elapsed(), size as u64);
            sleep_until(self.begun + paid).await;
        }
    }

    fn note(&self, size: usize) {
        self.moved_last.set(Instant::now());
        self.pairing.note(size as u64);
    }
}
