//! Wall time as it is stored: whole milliseconds since 1970 (UTC). Both ways saturate, so a clock
//! that is set wrong or a damaged file gives an odd date and never a failure. The clock itself is
//! read at the top of the house and passed in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, rounded down; 0 for anything earlier.
pub fn to_unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time `unix_ms` milliseconds after 1970.
pub fn from_unix_ms(unix_ms: u64) -> SystemTime {
    // `u64::MAX` ms are 1.8e16 s; a `SystemTime` of Linux goes to 9.2e18 s.
    UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_time_comes_back() {
        for unix_ms in [0, 1, 999, 1000, 1_700_000_000_123, u64::MAX - 1, u64::MAX] {
            assert_eq!(to_unix_ms(from_unix_ms(unix_ms)), unix_ms);
        }
    }

    #[test]
    fn times_out_of_reach_saturate() {
        assert_eq!(to_unix_ms(UNIX_EPOCH - Duration::from_secs(1)), 0);
        let far = UNIX_EPOCH + Duration::from_secs(u64::MAX / 4);
        assert_eq!(to_unix_ms(far), u64::MAX);
    }

    #[test]
    fn parts_of_a_millisecond_are_dropped() {
        assert_eq!(to_unix_ms(UNIX_EPOCH + Duration::from_micros(1999)), 1);
    }
}
