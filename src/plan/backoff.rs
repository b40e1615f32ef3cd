//! How long to wait before something is tried again. Pure: the caller brings the randomness and does
//! the waiting.

use std::time::Duration;

use crate::base::limits::{RETRY_PAUSE_MAX_MS, RETRY_PAUSE_MIN_MS};

/// The pause before try number `try_index` + 1 (the first retry has 0): the smallest pause doubled
/// for each, up to the largest, of which `random` takes away up to a half, so that many who failed
/// together do not come back together. Never less than the server asked for in `retry_after`, but
/// that is held to the largest pause too.
pub fn retry_pause(try_index: u32, random: u8, retry_after: Option<Duration>) -> Duration {
    let doubled = RETRY_PAUSE_MIN_MS.saturating_mul(1 << try_index.min(32));
    let full = doubled.min(RETRY_PAUSE_MAX_MS);
    let pause = Duration::from_millis(full - full / 2 * u64::from(random) / 255);
    let asked = retry_after.unwrap_or_default().min(Duration::from_millis(RETRY_PAUSE_MAX_MS));
    pause.max(asked)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_pause_doubles_to_its_bound() {
        assert_eq!(retry_pause(0, 0, None), Duration::from_millis(RETRY_PAUSE_MIN_MS));
        assert_eq!(retry_pause(3, 0, None), 8 * retry_pause(0, 0, None));
        let longest = Duration::from_millis(RETRY_PAUSE_MAX_MS);
        assert_eq!(retry_pause(u32::MAX, 0, None), longest);
        assert_eq!(retry_pause(3, 255, None), retry_pause(2, 0, None), "half of it is chance");
    }

    #[test]
    fn what_the_server_asks_for_is_waited_for_within_reason() {
        let five = Duration::from_secs(5);
        assert_eq!(retry_pause(0, 0, Some(five)), five);
        let longest = Duration::from_millis(RETRY_PAUSE_MAX_MS);
        assert_eq!(retry_pause(0, 0, Some(Duration::MAX)), longest);
    }

    proptest! {
        #[test]
        fn no_pause_is_nothing_and_none_is_too_long(index: u32, random: u8, asked: Option<u32>) {
            let asked = asked.map(|s| Duration::from_secs(u64::from(s)));
            let pause = retry_pause(index, random, asked);
            prop_assert!(pause >= Duration::from_millis(RETRY_PAUSE_MIN_MS / 2));
            prop_assert!(pause <= Duration::from_millis(RETRY_PAUSE_MAX_MS));
        }
    }
}
