//! The plan of a transfer, shared by its data lines: who asks takes from it, who receives gives to
//! it, and all are woken when it changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::plan::{Arrival, NotAsked, Place, Wanted};

/// One per transfer, at the receiver.
#[derive(Debug)]
pub(super) struct Questions {
    wanted: Mutex<Wanted>,
    /// Whether everything is over; told at each change of the plan.
    over: watch::Sender<bool>,
}

impl Questions {
    pub(super) fn new(wanted: Wanted) -> Questions {
        Questions { wanted: Mutex::new(wanted), over: watch::Sender::new(false) }
    }

    /// Told when there may be something to ask for; its value is whether everything is over.
    pub(super) fn changes(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    /// Nothing is asked any more.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }

    /// The next block for a line, and what never has to be sent again.
    pub(super) fn take(&self, line: u16) -> Option<(Place, u64)> {
        let mut wanted = self.wanted();
        let place = wanted.take(line)?;
        Some((place, wanted.low()))
    }

    pub(super) fn arrived(&self, line: u16, place: Place) -> Result<Arrival, NotAsked> {
        let arrival = self.wanted().arrived(line, place);
        self.wake();
        arrival
    }

    pub(super) fn ended(&self, line: u16, place: Place, size: u64) -> Result<(), NotAsked> {
        let ended = self.wanted().ended(line, place, size);
        self.wake();
        ended
    }

    /// The sender cannot give a file, as it says when it is asked for a block of it.
    pub(super) fn spoiled(&self, line: u16, place: Place) -> Result<(), NotAsked> {
        let mut wanted = self.wanted();
        wanted.answered(line, place)?;
        wanted.spoil(place.0);
        drop(wanted);
        self.wake();
        Ok(())
    }

    pub(super) fn lost(&self, line: u16) {
        self.wanted().lost(line);
        self.wake();
    }

    pub(super) fn advance(&self, low: u64) {
        self.wanted().advance(low);
        self.wake();
    }

    fn wake(&self) {
        // Also when the value is as before.
        self.over.send_modify(|_| {});
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        // Nothing in here panics halfway.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
