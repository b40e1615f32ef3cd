//! Notes of what happened lately to parts of files. One [`Notes`] per kind of note and process,
//! shared by all workers, without a lock.
//!
//! A note that another one displaces is forgotten, and two parts may be taken for one: whoever asks
//! has to be right without the answer, only slower.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::base::limits::{NOTES_COUNT, NOTES_MEMORY_S};

/// Bits of a note that say when it was made, in seconds: half a year, then they begin anew.
const TIME_BITS: u32 = 24;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// What was noted within [`NOTES_MEMORY_S`].
pub(super) struct Notes {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    began: Instant,
}

/// A note as it is now, and where it belongs.
struct Note<'a> {
    slot: &'a AtomicU64,
    value: u64,
    now_s: u64,
}

impl Notes {
    /// Nothing was noted yet.
    pub(super) fn new() -> Notes {
        Notes {
            slots: (0..NOTES_COUNT).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            began: Instant::now(),
        }
    }

    /// A number that stands for something.
    pub(super) fn key(&self, what: &impl Hash) -> u64 {
        self.hasher.hash_one(what)
    }

    /// Whether it was noted lately.
    pub(super) fn is_noted(&self, what: &impl Hash) -> bool {
        self.of(what, self.now_s()).is_made()
    }

    /// Notes it; false if that was done lately.
    pub(super) fn note(&self, what: &impl Hash) -> bool {
        self.of(what, self.now_s()).make()
    }

    /// From 1 on: no note is zero.
    fn now_s(&self) -> u64 {
        self.began.elapsed().as_secs() + 1
    }

    fn of(&self, what: &impl Hash, now_s: u64) -> Note<'_> {
        let hash = self.key(what);
        let place = usize::try_from(hash & TIME_MASK).unwrap_or(0) % self.slots.len();
        let value = (hash & !TIME_MASK) | (now_s & TIME_MASK);
        Note { slot: &self.slots[place], value, now_s }
    }
}

impl Note<'_> {
    fn is_same(&self, other: u64) -> bool {
        let age_s = self.now_s.wrapping_sub(other) & TIME_MASK;
        (other ^ self.value) & !TIME_MASK == 0 && age_s <= NOTES_MEMORY_S
    }

    fn is_made(&self) -> bool {
        self.is_same(self.slot.load(Ordering::Relaxed))
    }

    fn make(&self) -> bool {
        let found = self.slot.load(Ordering::Relaxed);
        if self.is_same(found) {
            return false;
        }
        // Who loses against the same note leaves it to the other one.
        let order = Ordering::Relaxed;
        self.slot
            .compare_exchange(found, self.value, order, order)
            .map_or_else(|other| !self.is_same(other), |_| true)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notes({} slots)", self.slots.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_made_once_in_a_while_and_is_not_another_one() {
        let notes = Notes::new();
        let make = |what: (i32, i32), now_s| notes.of(&what, now_s).make();
        assert!(!notes.of(&(1, 0), 1).is_made());
        assert!(make((1, 0), 1));
        assert!(notes.of(&(1, 0), NOTES_MEMORY_S + 1).is_made());
        assert!(!make((1, 0), 1) && !make((1, 0), NOTES_MEMORY_S + 1));
        assert!(make((1, 1), 1) && make((2, 0), 1));
        assert!(!notes.of(&(1, 0), NOTES_MEMORY_S + 2).is_made());
        assert!(make((1, 0), NOTES_MEMORY_S + 2), "a while is over");
        assert!(!make((1, 0), NOTES_MEMORY_S + 3), "and began anew");
    }

    #[test]
    fn the_clock_of_a_note_begins_anew_without_a_fault() {
        let notes = Notes::new();
        assert!(notes.of(&1, TIME_MASK).make());
        assert!(!notes.of(&1, TIME_MASK + 1).make());
        assert!(notes.of(&1, TIME_MASK + NOTES_MEMORY_S + 1).make());
    }

    #[test]
    fn of_many_notes_most_are_remembered() {
        let notes = Notes::new();
        let count = NOTES_COUNT as u64 / 8;
        assert!((0..count).all(|what| notes.of(&what, 1).make()));
        let again = (0..count).filter(|what| notes.of(what, 2).make()).count() as u64;
        assert!(again < count / 4, "{again} of {count} were forgotten");
    }
}
