//! Which request is next, and when: the one thing that the drivers share. Pure but for an atomic
//! counter; the clock is the caller's.
//!
//! - **Closed loop**: a connection asks as soon as it has its answer. A server that stalls is asked
//!   less, so its stall is felt by one request a connection.
//! - **Open loop**: request `k` is due `k / rate` after the start, whatever became of the others.
//!   Its latency counts from then. A request that is due while no connection is free waits, and its
//!   waiting is part of its latency: nothing is omitted because the server was slow.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a due request may have waited for a free connection. Beyond it the server does not
/// keep up with the rate, waiting longer shows nothing more, and the run ends.
pub(crate) const BEHIND_MAX: Duration = Duration::from_secs(10);

const NANOSECONDS_PER_S: u128 = 1_000_000_000;

/// How much work there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many requests.
    Count(u64),
    /// Requests are started for so long.
    Duration(Duration),
}

/// The requests of one phase of a run.
#[derive(Debug)]
pub(crate) struct Turns {
    first: u64,
    next: AtomicU64,
    end: u64,
    until: Option<Duration>,
    rate: Option<NonZeroU64>,
    is_behind: AtomicBool,
}

/// What a free connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Request this index; it was due at this time after the start.
    Go { index: u64, due: Duration },
    /// Nothing before this time after the start.
    Wait(Duration),
    /// Everything was handed out.
    Over,
}

impl Turns {
    /// Requests from index `first` on, at `rate` a second or as fast as they are answered.
    pub(crate) fn new(first: u64, extent: Extent, rate: Option<NonZeroU64>) -> Turns {
        let (count, until) = match (extent, rate) {
            (Extent::Count(count), _) => (count, None),
            (Extent::Duration(until), None) => (u64::MAX - first, Some(until)),
            (Extent::Duration(until), Some(rate)) => {
                let count =
                    until.as_nanos().saturating_mul(u128::from(rate.get())) / NANOSECONDS_PER_S;
                (u64::try_from(count).unwrap_or(u64::MAX - first), None)
            }
        };
        let end = first.saturating_add(count);
        let is_behind = AtomicBool::new(false);
        Turns { first, next: AtomicU64::new(first), end, until, rate, is_behind }
    }

    /// What is to be done `elapsed` after the start.
    pub(crate) fn take(&self, elapsed: Duration) -> Turn {
        let mut index = self.next.load(Ordering::Relaxed);
        loop {
            if index >= self.end || self.is_over(elapsed) {
                return Turn::Over;
            }
            let due = self.due(index).unwrap_or(elapsed);
            if due > elapsed {
                return Turn::Wait(due);
            }
            if elapsed.saturating_sub(due) > BEHIND_MAX {
                self.is_behind.store(true, Ordering::Relaxed);
                return Turn::Over;
            }
            let claim = (Ordering::Relaxed, Ordering::Relaxed);
            match self.next.compare_exchange_weak(index, index + 1, claim.0, claim.1) {
                Ok(_) => return Turn::Go { index, due },
                Err(other) => index = other,
            }
        }
    }

    /// Whether nothing is left to be handed out.
    pub(crate) fn is_over(&self, elapsed: Duration) -> bool {
        let is_late = self.until.is_some_and(|until| elapsed >= until);
        self.next.load(Ordering::Relaxed) >= self.end || is_late || self.is_behind()
    }

    /// Requests that were not handed out though they were due.
    pub(crate) fn overdue(&self, elapsed: Duration) -> u64 {
        let due = |rate: NonZeroU64| {
            elapsed.as_nanos().saturating_mul(u128::from(rate.get())) / NANOSECONDS_PER_S
        };
        let due = self.rate.map_or(0, |rate| u64::try_from(due(rate)).unwrap_or(u64::MAX));
        let due = self.first.saturating_add(due).min(self.end);
        due.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Whether the server fell too far behind the rate, which ended the run.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// When a request of an open loop is due.
    fn due(&self, index: u64) -> Option<Duration> {
        let rate = u128::from(self.rate?.get());
        let ns = u128::from(index - self.first) * NANOSECONDS_PER_S / rate;
        Some(Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn go(index: u64, due: Duration) -> Turn {
        Turn::Go { index, due }
    }

    #[test]
    fn a_closed_loop_asks_at_once_until_its_count_is_reached() {
        let turns = Turns::new(5, Extent::Count(2), None);
        assert_eq!(turns.take(MS), go(5, MS));
        assert_eq!(turns.take(9 * MS), go(6, 9 * MS));
        assert_eq!(turns.take(9 * MS), Turn::Over);
    }

    #[test]
    fn a_closed_loop_asks_nothing_after_its_time() {
        let turns = Turns::new(0, Extent::Duration(10 * MS), None);
        assert_eq!(turns.take(9 * MS), go(0, 9 * MS));
        assert_eq!(turns.take(10 * MS), Turn::Over);
    }

    #[test]
    fn an_open_loop_counts_from_when_a_request_was_due() {
        let turns = Turns::new(100, Extent::Count(4), NonZeroU64::new(500));
        assert_eq!(turns.take(Duration::ZERO), go(100, Duration::ZERO));
        assert_eq!(turns.take(MS), Turn::Wait(2 * MS));
        // Nobody was free for a while: what was missed is asked, and was due when it was due.
        assert_eq!(turns.take(100 * MS), go(101, 2 * MS));
        assert_eq!(turns.take(100 * MS), go(102, 4 * MS));
        assert_eq!(turns.take(100 * MS), go(103, 6 * MS));
        assert_eq!(turns.take(100 * MS), Turn::Over);
        assert!(!turns.is_behind());
    }

    #[test]
    fn an_open_loop_for_a_time_has_as_many_requests_as_fit() {
        let turns = Turns::new(0, Extent::Duration(2500 * MS), NonZeroU64::new(2));
        let late = 5000 * MS;
        assert_eq!((0..5).filter(|_| turns.take(late) != Turn::Over).count(), 5);
        assert_eq!(turns.take(late), Turn::Over);
    }

    #[test]
    fn a_server_that_falls_far_behind_ends_the_run() {
        let turns = Turns::new(0, Extent::Count(1_000_000), NonZeroU64::new(1000));
        assert_eq!(turns.take(BEHIND_MAX), go(0, Duration::ZERO));
        assert_eq!(turns.take(BEHIND_MAX + 2 * MS), Turn::Over);
        assert!(turns.is_behind());
        assert_eq!(turns.take(MS), Turn::Over);
    }

    #[test]
    fn no_figure_overflows() {
        let turns = Turns::new(u64::MAX - 1, Extent::Count(u64::MAX), NonZeroU64::new(1));
        assert_eq!(turns.take(Duration::ZERO), go(u64::MAX - 1, Duration::ZERO));
        assert_eq!(turns.take(Duration::ZERO), Turn::Over);
        let long = Extent::Duration(Duration::MAX);
        let turns = Turns::new(0, long, NonZeroU64::new(u64::MAX));
        assert_eq!(turns.take(Duration::ZERO), go(0, Duration::ZERO));
    }
}
