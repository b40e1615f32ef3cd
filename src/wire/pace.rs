//! Whether a client sends too slowly to be waited for any longer.
//!
//! Only the time spent waiting for the client counts: while the disk is the slow one, the client
//! is not at fault.

use std::time::Duration;

use crate::base::limits::{BODY_RATE_GRACE_S, BODY_RATE_MIN};

/// The pace of one body.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate_min: u64,
    waited: Duration,
    received_bytes: u64,
}

impl Pace {
    /// A client's body of which nothing has come yet.
    pub fn new() -> Pace {
        Pace::of_at_least(BODY_RATE_MIN)
    }

    /// The same of a sender of whom this many bytes a second are expected.
    pub fn of_at_least(rate_min: u64) -> Pace {
        Pace { rate_min, waited: Duration::ZERO, received_bytes: 0 }
    }

    /// Adds a frame that came after a wait.
    pub fn record(&mut self, waited: Duration, size_bytes: u64) {
        self.waited = self.waited.saturating_add(waited);
        self.received_bytes = self.received_bytes.saturating_add(size_bytes);
    }

    /// Bytes so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether the average rate since the grace time is below the least one.
    pub fn is_too_slow(&self) -> bool {
        let counted = self.waited.saturating_sub(Duration::from_secs(BODY_RATE_GRACE_S));
        self.received_bytes < counted.as_secs().saturating_mul(self.rate_min)
    }
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_time_is_free() {
        let mut pace = Pace::new();
        pace.record(Duration::from_secs(BODY_RATE_GRACE_S), 0);
        assert!(!pace.is_too_slow());
        pace.record(Duration::from_secs(1), 0);
        assert!(pace.is_too_slow());
    }

    #[test]
    fn the_least_rate_itself_is_fast_enough() {
        let mut pace = Pace::new();
        pace.record(Duration::from_secs(BODY_RATE_GRACE_S + 10), 10 * BODY_RATE_MIN);
        assert!(!pace.is_too_slow());
        pace.record(Duration::from_secs(1), BODY_RATE_MIN - 1);
        assert!(pace.is_too_slow());
        assert_eq!(pace.received_bytes(), 11 * BODY_RATE_MIN - 1);
    }

    #[test]
    fn a_client_that_is_never_waited_for_is_never_too_slow() {
        let mut pace = Pace::new();
        (0..1_000).for_each(|_| pace.record(Duration::ZERO, 1));
        assert!(!pace.is_too_slow());
    }

    #[test]
    fn extreme_figures_do_not_overflow() {
        let mut pace = Pace::new();
        pace.record(Duration::MAX, u64::MAX);
        pace.record(Duration::MAX, u64::MAX);
        assert!(!pace.is_too_slow());
    }
}
