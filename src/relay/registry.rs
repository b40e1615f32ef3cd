//! Who waits at the relay, whichever worker it is with. One per relay, shared by its workers: the
//! lock is held for a look-up at a time, a few a connection, and never while anybody waits. What is
//! counted or entered is given up by a guard, however the connection ends.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::RelayOptions;
use super::book::{Book, Caps, Channel, Joined, Ticket};
use super::guesses::Guesses;
use super::meeting::{Meeting, Waiter};
use crate::wire::{RefusalCode, Role};

/// The waiting ends of one relay, and what the operator decided.
#[derive(Debug)]
pub struct Registry {
    options: RelayOptions,
    book: Mutex<Book<Waiter>>,
    /// Taken before the book, where both are.
    guesses: Mutex<Guesses>,
    /// What the times of guesses are counted from.
    begun: Instant,
    /// Pairings whose bytes each worker moves.
    pairings: Box<[AtomicUsize]>,
}

/// A connection that is counted while nothing was heard of it.
#[derive(Debug)]
pub(super) struct Unheard {
    registry: Arc<Registry>,
    address: IpAddr,
}

/// An entry in the book.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Arc<Registry>,
    ticket: Ticket,
}

/// A pairing that is counted with its worker.
#[derive(Debug)]
pub(super) struct Hosting {
    registry: Arc<Registry>,
    worker_index: usize,
}

/// What a join finds.
#[derive(Debug)]
pub(super) enum Arrival {
    /// The other role.
    Met(Waiter),
    /// Nobody yet.
    Queued(Entry),
}

impl Registry {
    /// Nobody waits.
    pub fn new(options: RelayOptions, worker_count: usize) -> Arc<Registry> {
        let pairings = (0..worker_count).map(|_| AtomicUsize::new(0)).collect();
        let caps = Caps { all: options.waiting_max, each_address: options.waiting_per_address_max };
        let (book, guesses) = (Mutex::new(Book::new(caps)), Mutex::default());
        Arc::new(Registry { options, book, guesses, begun: Instant::now(), pairings })
    }

    /// What the operator decided.
    pub(super) fn options(&self) -> &RelayOptions {
        &self.options
    }

    /// Counts a connection, if its address may have one more of which nothing was heard.
    pub(super) fn come(self: &Arc<Registry>, address: IpAddr) -> Result<Unheard, RefusalCode> {
        self.book().come(address)?;
        Ok(Unheard { registry: Arc::clone(self), address })
    }

    /// Gives a sender a nameplate, if one more may wait.
    pub(super) fn register(
        self: &Arc<Registry>,
        address: IpAddr,
        waiter: Waiter,
    ) -> Result<(u32, Entry), RefusalCode> {
        // Without random numbers the first free one is taken: a nameplate is no secret.
        let draw = || getrandom::u32().unwrap_or_default();
        let (nameplate, ticket) = self.book().register(address, waiter, draw)?;
        Ok((nameplate, self.entry(ticket)))
    }

    /// Whoever has the nameplate, which is used up, if the address may claim one; else the time until
    /// it may.
    pub(super) fn claim(
        &self,
        address: IpAddr,
        nameplate: u32,
    ) -> Result<Option<Waiter>, Duration> {
        let now = self.begun.elapsed();
        // Kept over both, so that those who come at once are counted one after the other.
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.check(address, now)?;
        let there = self.book().claim(nameplate);
        if there.is_none() {
            guesses.note(address, now);
        }
        Ok(there)
    }

    /// Who waits at the channel, or a place there, if one more may wait.
    pub(super) fn join(
        self: &Arc<Registry>,
        role: Role,
        channel: Channel,
        address: IpAddr,
        waiter: Waiter,
    ) -> Result<Arrival, RefusalCode> {
        let joined = self.book().join(role, channel, address, waiter)?;
        Ok(match joined {
            Joined::Met(there) => Arrival::Met(there),
            Joined::Queued { ticket, replaced } => {
                if let Some(replaced) = replaced {
                    // Who has left needs not be told.
                    let _ = replaced.meeting.send(Meeting::Replaced);
                }
                Arrival::Queued(self.entry(ticket))
            }
        })
    }

    /// Whether a worker moves the bytes of more pairings than another one.
    pub(super) fn is_busier(&self, worker_index: usize, other_index: usize) -> bool {
        let count = |index: usize| self.pairings[index].load(Ordering::Relaxed);
        count(worker_index) > count(other_index)
    }

    /// Counts a pairing with a worker.
    pub(super) fn host(self: &Arc<Registry>, worker_index: usize) -> Hosting {
        self.pairings[worker_index].fetch_add(1, Ordering::Relaxed);
        Hosting { registry: Arc::clone(self), worker_index }
    }

    fn entry(self: &Arc<Registry>, ticket: Ticket) -> Entry {
        Entry { registry: Arc::clone(self), ticket }
    }

    /// Each change of the book is complete in itself: what a thread that panicked left is whole.
    fn book(&self) -> MutexGuard<'_, Book<Waiter>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.registry.book().heard(self.address);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.book().withdraw(self.ticket);
    }
}

impl Drop for Hosting {
    fn drop(&mut self) {
        self.registry.pairings[self.worker_index].fetch_sub(1, Ordering::Relaxed);
    }
}
