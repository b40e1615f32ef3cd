//! Sizes and rates for people: three digits and a unit are enough to judge by.

use std::time::Duration;

const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

/// A size in the largest unit of powers of 1000 that leaves at least 1, with one digit after the
/// point, rounded down.
pub(super) fn size(bytes: u64) -> String {
    let (mut whole, mut tenths, mut unit) = (bytes, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 { format!("{whole} B") } else { format!("{whole}.{tenths} {}", UNITS[unit]) }
}

/// A size per second; nothing moved in no time is no rate.
pub(super) fn rate(bytes: u64, time: Duration) -> String {
    let bytes_per_s = u128::from(bytes) * 1000 / time.as_millis().max(1);
    format!("{}/s", size(u64::try_from(bytes_per_s).unwrap_or(u64::MAX)))
}

/// Seconds with one digit after the point.
pub(super) fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_say_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_990_000, "1.9 MB"),
            (64 << 20, "67.1 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(rate(3_000_000, Duration::from_millis(1500)), "2.0 MB/s");
        assert_eq!(rate(7, Duration::ZERO), "7.0 kB/s");
        assert_eq!(seconds(Duration::from_millis(12_345)), "12.3 s");
    }
}
