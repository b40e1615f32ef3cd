//! Which parts of a file are sent as they lie in the page cache: those that are in it whole. And
//! which are read past it: those that are not in it and that nobody asked for lately. What the disk
//! has just put into a page of the cache is slow to copy out of there; straight into a buffer of
//! ours it costs next to nothing (docs/decisions.md).
//!
//! One [`ColdReads`] per process, one [`Way`] per download of a file. Protocol:
//! 1. A download decides anew with each window of the file, at the first read of it.
//! 2. What is wanted of a window that is all in the page cache is resident, whatever comes of it
//!    later: whose client was slow asks again ([`Way::forget_resident`]).
//! 3. A window that is mostly in the page cache, or of which little is wanted, is read through it.
//! 4. Any other is read past it, by a handle of the download's own, and that is noted. A window
//!    noted within [`COLD_MEMORY_S`] is read through the cache instead: what is asked for again
//!    gets in, and the disk reads it twice for the first minute's crowd and not for each of them.
//! 5. Where the filesystem cannot do it, or nobody can tell what is in the cache, all of it is read
//!    through the cache.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::FutureExt;

use super::cache::Caches;
use crate::base::limits::{
    COLD_MEMORY_S, COLD_READ_SIZE_MIN, COLD_WINDOW_SIZE, COLD_WINDOWS_NOTED,
};
use crate::disk::{Disk, DiskResult, File, Op};

/// Bits of a note that say when it was made, in seconds: half a year, then they begin anew.
const TIME_BITS: u32 = 24;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// The windows that were read past the cache lately. One that another one displaced is forgotten.
pub(super) struct ColdReads {
    notes: Box<[AtomicU64]>,
    hasher: RandomState,
    began: Instant,
}

/// How one download reads one file.
pub(super) struct Way {
    caches: Arc<Caches>,
    /// Stands for the file.
    key: u64,
    /// Up to here it is decided.
    decided: u64,
    course: Course,
    handle: Handle,
}

/// How a window is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// All of it is in the page cache.
    Resident,
    /// Through the page cache.
    Cached,
    /// Past it.
    Direct,
}

/// The handle for direct reads.
enum Handle {
    Unasked,
    Opening(Op<DiskResult<File>>),
    Open(File),
    Refused,
}

impl ColdReads {
    /// Nothing was read yet.
    pub(super) fn new() -> ColdReads {
        ColdReads {
            notes: (0..COLD_WINDOWS_NOTED).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            began: Instant::now(),
        }
    }

    /// Notes that a window is about to be read past the cache; false if that is noted already.
    fn note(&self, key: u64, window: u64) -> bool {
        // From 1 on: no note is zero.
        self.note_at(key, window, self.began.elapsed().as_secs() + 1)
    }

    fn note_at(&self, key: u64, window: u64, now_s: u64) -> bool {
        let hash = self.hasher.hash_one((key, window));
        let place = usize::try_from(hash & TIME_MASK).unwrap_or(0) % self.notes.len();
        let note = (hash & !TIME_MASK) | (now_s & TIME_MASK);
        let is_same = |other: u64| {
            let age_s = now_s.wrapping_sub(other) & TIME_MASK;
            (other ^ note) & !TIME_MASK == 0 && age_s <= COLD_MEMORY_S
        };
        let found = self.notes[place].load(Ordering::Relaxed);
        if is_same(found) {
            return false;
        }
        let (order, slot) = (Ordering::Relaxed, &self.notes[place]);
        // Who loses against the same window leaves it to the other one.
        slot.compare_exchange(found, note, order, order)
            .map_or_else(|other| !is_same(other), |_| true)
    }
}

impl fmt::Debug for ColdReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ColdReads({} windows)", self.notes.len())
    }
}

impl Way {
    /// Of a download of the file that `file` stands for: the same value for the same bytes.
    pub(super) fn new(caches: &Arc<Caches>, file: &impl Hash) -> Way {
        let key = caches.cold.hasher.hash_one(file);
        let (caches, handle) = (Arc::clone(caches), Handle::Unasked);
        Way { caches, key, decided: 0, course: Course::Cached, handle }
    }

    /// How what comes first in `unread` is read.
    pub(super) fn course(&mut self, disk: &dyn Disk, file: &File, unread: &Range<u64>) -> Course {
        if unread.start >= self.decided {
            self.decide(disk, file, unread);
        }
        self.course
    }

    /// What is resident is to be looked at anew.
    pub(super) fn forget_resident(&mut self) {
        if self.course == Course::Resident {
            self.decided = 0;
        }
    }

    /// The handle for direct reads; `None` where they cannot be. Waits while it is being opened.
    pub(super) fn poll_handle(
        &mut self,
        cx: &mut Context<'_>,
        disk: &dyn Disk,
        file: &File,
    ) -> Poll<Option<File>> {
        if matches!(self.handle, Handle::Unasked) {
            self.handle = Handle::Opening(disk.open_direct(file));
        }
        if let Handle::Opening(opening) = &mut self.handle {
            self.handle = match opening.poll_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(direct)) => Handle::Open(direct),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "no direct reads here");
                    Handle::Refused
                }
            };
        }
        match &self.handle {
            Handle::Open(direct) => Poll::Ready(Some(direct.clone())),
            Handle::Unasked | Handle::Opening(_) | Handle::Refused => Poll::Ready(None),
        }
    }

    /// Up to where the last answer holds.
    pub(super) fn decided(&self) -> u64 {
        self.decided
    }

    /// Whether somebody waits for a handle.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.handle, Handle::Opening(_))
    }

    fn decide(&mut self, disk: &dyn Disk, file: &File, unread: &Range<u64>) {
        let window = unread.start / COLD_WINDOW_SIZE;
        let wanted = unread.start..unread.end.min((window + 1) * COLD_WINDOW_SIZE);
        self.decided = wanted.end;
        let size = wanted.end - wanted.start;
        let resident_size = disk.resident_size(file, wanted);
        let is_cold = size >= COLD_READ_SIZE_MIN
            && resident_size.is_some_and(|resident_size| resident_size < size / 2);
        let may_be_direct = is_cold && !matches!(self.handle, Handle::Refused);
        self.course = if resident_size == Some(size) {
            Course::Resident
        } else if may_be_direct && self.caches.cold.note(self.key, window) {
            Course::Direct
        } else {
            Course::Cached
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_noted_once_in_a_while_and_is_not_another_one() {
        let cold = ColdReads::new();
        assert!(cold.note_at(1, 0, 1));
        assert!(!cold.note_at(1, 0, 1) && !cold.note_at(1, 0, COLD_MEMORY_S + 1));
        assert!(cold.note_at(1, 1, 1) && cold.note_at(2, 0, 1));
        assert!(cold.note_at(1, 0, COLD_MEMORY_S + 2), "a while is over");
        assert!(!cold.note_at(1, 0, COLD_MEMORY_S + 3), "and began anew");
    }

    #[test]
    fn the_clock_of_a_note_begins_anew_without_a_fault() {
        let cold = ColdReads::new();
        assert!(cold.note_at(1, 0, TIME_MASK));
        assert!(!cold.note_at(1, 0, TIME_MASK + 1));
        assert!(cold.note_at(1, 0, TIME_MASK + COLD_MEMORY_S + 1));
    }

    #[test]
    fn of_many_windows_most_are_remembered() {
        let cold = ColdReads::new();
        let count = COLD_WINDOWS_NOTED as u64 / 8;
        assert!((0..count).filter(|&window| cold.note_at(7, window, 1)).count() as u64 == count);
        let again = (0..count).filter(|&window| cold.note_at(7, window, 2)).count() as u64;
        assert!(again < count / 4, "{again} of {count} were forgotten");
    }
}
