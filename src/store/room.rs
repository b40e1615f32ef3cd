//! The room that uploads may still take on the volume. One per process.
//!
//! A reading of the free space grows old while uploads write, so what they take is counted. Three
//! numbers that only grow, in bytes since the start:
//!
//! ```text
//!   settled ≤ taken ≤ mark
//!
//!   taken    let through to the disk
//!   settled  of that, what is written or preallocated: the kernel counts it as used
//!   mark     = settled before the reading + free - reserve: how far `taken` may go
//! ```
//!
//! So the reserve holds whoever writes how much between two readings, and what is on its way to
//! the disk during a reading is not counted as free. Worked example: 10 MB are free, 4 of them
//! reserved, 2 are on their way (taken 102, settled 100): the mark is 106, and 4 MB may be taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::limits::FULL_REFUSAL_INTERVAL_MS;

/// The room on the volume.
#[derive(Debug)]
pub(super) struct Room {
    began: Instant,
    taken: AtomicU64,
    settled: AtomicU64,
    mark: AtomicU64,
    free: AtomicU64,
    has_files: AtomicBool,
    /// Milliseconds since `began`, and one more; 0 for never.
    read_at: AtomicU64,
    refused_at: AtomicU64,
}

/// Leave to write so many bytes, until it is dropped: when they are written.
#[derive(Debug)]
pub(super) struct Grant {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// Unread: there is no room.
    pub(super) fn new() -> Room {
        Room {
            began: Instant::now(),
            taken: AtomicU64::default(),
            settled: AtomicU64::default(),
            mark: AtomicU64::default(),
            free: AtomicU64::default(),
            has_files: AtomicBool::default(),
            read_at: AtomicU64::default(),
            refused_at: AtomicU64::default(),
        }
    }

    /// Whether the reading is younger than `age_ms`.
    pub(super) fn is_fresh(&self, age_ms: u64) -> bool {
        match self.read_at.load(Ordering::Relaxed) {
            0 => false,
            read_at => self.now() - read_at.min(self.now()) < age_ms,
        }
    }

    /// To be asked for before a reading, and given to [`Room::read`] after it.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::SeqCst)
    }

    /// Notes a reading: `free` bytes, `reserve` of which are nobody's, and whether a file can be
    /// made. Of two readings at once either may win: both are true.
    pub(super) fn read(&self, settled: u64, free: u64, reserve: u64, has_files: bool) {
        let mark = settled.saturating_add(free.saturating_sub(reserve));
        self.mark.store(mark, Ordering::SeqCst);
        self.free.store(free, Ordering::Relaxed);
        self.has_files.store(has_files, Ordering::Relaxed);
        self.read_at.store(self.now(), Ordering::Relaxed);
    }

    /// What was free at the last reading, bytes.
    pub(super) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Whether a file could be made at the last reading.
    pub(super) fn has_files(&self) -> bool {
        self.has_files.load(Ordering::Relaxed)
    }

    /// Whether there is room for so many bytes. Takes nothing.
    pub(super) fn holds(&self, bytes: u64) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        taken.saturating_add(bytes) <= self.mark.load(Ordering::Relaxed)
    }

    /// Takes so many bytes, if there is room.
    pub(super) fn take(self: &Arc<Room>, bytes: u64) -> Option<Grant> {
        let mark = self.mark.load(Ordering::SeqCst);
        let further = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= mark);
        let taken = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, further);
        taken.is_ok().then(|| Grant { room: Arc::clone(self), bytes })
    }

    /// Whether an upload that found no room is to give up now: one does at a time, and its blocks
    /// are the others'.
    pub(super) fn gives_up(&self) -> bool {
        let now = self.now();
        let due = |last: u64| (last == 0 || now >= last + FULL_REFUSAL_INTERVAL_MS).then_some(now);
        self.refused_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    fn now(&self) -> u64 {
        let elapsed: Duration = self.began.elapsed();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.room.settled.fetch_add(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(free: u64, reserve: u64) -> Arc<Room> {
        let room = Arc::new(Room::new());
        room.read(room.settled(), free, reserve, true);
        room
    }

    #[test]
    fn nothing_is_taken_beyond_the_reserve_however_often_it_is_asked_for() {
        let room = room(100, 40);
        let granted: Vec<_> = (0..100).filter_map(|_| room.take(7)).collect();
        assert_eq!(granted.len(), 8, "8 x 7 of 60");
        assert!(!room.holds(7));
        assert!(room.holds(4));
        drop(granted);
        assert!(room.take(7).is_none(), "what was written is not free again");
    }

    #[test]
    fn what_is_on_its_way_during_a_reading_is_not_free() {
        let room = room(100, 0);
        let written = room.take(30);
        let on_its_way = room.take(20);
        drop(written);
        // The kernel sees 30 used; 20 more are coming.
        room.read(room.settled(), 70, 0, true);
        assert!(room.holds(50));
        assert!(!room.holds(51));
        // Written between the question and the answer: counted twice, never missed.
        let settled = room.settled();
        drop(on_its_way);
        room.read(settled, 50, 0, true);
        assert!(!room.holds(31));
        room.read(room.settled(), 50, 0, true);
        assert!(room.holds(50));
    }

    #[test]
    fn a_reserve_larger_than_the_disk_leaves_no_room_at_all() {
        let room = room(100, u64::MAX);
        assert!(room.take(1).is_none());
        assert!(room.holds(0));
    }

    #[test]
    fn a_reading_is_fresh_for_a_while() {
        let room = Room::new();
        assert!(!room.is_fresh(u64::MAX), "never read");
        room.read(0, 1, 0, false);
        assert!(room.is_fresh(60_000));
        assert!(!room.is_fresh(0));
    }

    #[test]
    fn one_upload_gives_up_at_a_time() {
        let room = Room::new();
        assert!(room.gives_up());
        assert!(!room.gives_up());
        std::thread::sleep(Duration::from_millis(FULL_REFUSAL_INTERVAL_MS + 1));
        assert!(room.gives_up());
    }
}
