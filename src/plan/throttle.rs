//! When the next bytes may be moved, so that on average no more than a rate is. Pure: the caller
//! brings the time and does the waiting.

use std::time::Duration;

/// A rate and what was taken of it. One per work that is held to it.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// Bytes per second; `None` for as many as come.
    rate: Option<u64>,
    /// Since the start of the work: when everything taken so far is paid for.
    paid: Duration,
}

impl Throttle {
    /// At most `rate` bytes per second; `None` or 0 for no bound.
    pub fn new(rate: Option<u64>) -> Throttle {
        Throttle { rate: rate.filter(|&rate| rate > 0), paid: Duration::ZERO }
    }

    /// Takes `size_bytes` at `now`, and says when to begin with them. Both times are counted from
    /// the start of the work. Time that passed unused is gone: there is no burst after a pause.
    pub fn reserve(&mut self, now: Duration, size_bytes: u64) -> Duration {
        let Some(rate) = self.rate else { return now };
        let begin = self.paid.max(now);
        // Rounded up, so that many small pieces are not free.
        let cost_ns = (u128::from(size_bytes) * 1_000_000_000).div_ceil(u128::from(rate));
        let cost = Duration::from_nanos(u64::try_from(cost_ns).unwrap_or(u64::MAX));
        self.paid = begin.saturating_add(cost);
        begin
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_piece_begins_when_those_before_it_are_paid_for() {
        let mut throttle = Throttle::new(Some(1000));
        assert_eq!(throttle.reserve(ms(0), 500), ms(0));
        assert_eq!(throttle.reserve(ms(0), 500), ms(500));
        assert_eq!(throttle.reserve(ms(100), 1), ms(1000));
        assert_eq!(throttle.reserve(ms(5000), 1000), ms(5000), "what was not used is gone");
        assert_eq!(throttle.reserve(ms(5000), 1), ms(6000));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        for rate in [None, Some(0)] {
            let mut throttle = Throttle::new(rate);
            assert_eq!(throttle.reserve(ms(7), u64::MAX), ms(7));
            assert_eq!(throttle.reserve(ms(7), u64::MAX), ms(7));
        }
    }

    #[test]
    fn extreme_figures_do_not_overflow() {
        let mut throttle = Throttle::new(Some(1));
        throttle.reserve(Duration::MAX, u64::MAX);
        assert_eq!(throttle.reserve(ms(0), u64::MAX), Duration::MAX);
    }

    proptest! {
        #[test]
        fn the_rate_is_never_exceeded(
            rate in 1_u64..10_000_000,
            pieces in proptest::collection::vec((0_u64..100_000, 0_u64..50), 1..50),
        ) {
            let mut throttle = Throttle::new(Some(rate));
            let (mut now, mut moved) = (Duration::ZERO, 0);
            for (size, pause_ms) in pieces {
                let begin = throttle.reserve(now, size);
                prop_assert!(begin >= now);
                let allowed = begin.as_nanos() * u128::from(rate) / 1_000_000_000;
                prop_assert!(moved <= allowed, "{moved} of {allowed} at {begin:?}");
                moved += u128::from(size);
                now += ms(pause_ms);
            }
        }
    }
}
