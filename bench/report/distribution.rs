//! How long operations took: a histogram of nanoseconds. One per cell and thread that measures;
//! threads merge theirs at the end, so that nobody waits for anybody while the clock runs.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::approximate;

/// Shortest time told apart from zero, nanoseconds.
const LATENCY_NS_MIN: u64 = 1;
/// Longest time, nanoseconds: an hour. Longer ones count as that. With the digits below this makes
/// 264 KiB a histogram, whatever is recorded.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Decimal digits that are kept of every value.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The distribution of latencies.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    histogram: Histogram<u64>,
}

impl Distribution {
    /// An empty one.
    pub(crate) fn new() -> Distribution {
        let bounds = Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, SIGNIFICANT_DIGITS);
        match bounds {
            Ok(histogram) => Distribution { histogram },
            Err(error) => unreachable!("constant bounds that the tests have tried: {error}"),
        }
    }

    /// Counts one operation.
    pub(crate) fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(ns);
    }

    /// Counts what another one counted.
    pub(crate) fn merge(&mut self, other: &Distribution) {
        if let Err(error) = self.histogram.add(&other.histogram) {
            unreachable!("all distributions have the same bounds: {error}");
        }
    }

    /// Operations counted.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that `percentile` of 100 operations do not exceed, microseconds; 0 of none.
    pub(crate) fn percentile_us(&self, percentile: f64) -> f64 {
        microseconds(self.histogram.value_at_percentile(percentile))
    }

    /// The longest, microseconds, rounded up to the histogram's digits.
    pub(crate) fn max_us(&self) -> f64 {
        microseconds(self.histogram.max())
    }

    /// The mean, microseconds.
    pub(crate) fn mean_us(&self) -> f64 {
        self.histogram.mean() / 1000.0
    }

    /// For the writer of `.hgrm` files.
    pub(super) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

/// Nanoseconds as microseconds.
pub(super) fn microseconds(ns: u64) -> f64 {
    approximate(ns) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(latencies_us: impl IntoIterator<Item = u64>) -> Distribution {
        let mut distribution = Distribution::new();
        latencies_us.into_iter().for_each(|us| distribution.record(Duration::from_micros(us)));
        distribution
    }

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let distribution = of(1..=10_000);
        for (percentile, us) in [(50.0, 5000.0), (99.0, 9900.0), (99.9, 9990.0)] {
            let found = distribution.percentile_us(percentile);
            assert!((found / us - 1.0).abs() < 0.001, "p{percentile}: {found}");
        }
        assert!((distribution.max_us() / 10_000.0 - 1.0).abs() < 0.001);
        assert!((distribution.mean_us() / 5000.5 - 1.0).abs() < 0.001);
    }

    #[test]
    fn merging_counts_both() {
        let mut one = of([1, 2]);
        one.merge(&of([3000]));
        assert_eq!(one.count(), 3);
        assert!(one.max_us() >= 3000.0);
        assert_eq!(Distribution::new().count(), 0);
        assert!(Distribution::new().percentile_us(99.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_out_of_range_is_counted_at_its_border() {
        let mut distribution = Distribution::new();
        distribution.record(Duration::ZERO);
        distribution.record(Duration::MAX);
        assert_eq!(distribution.count(), 2);
        assert!(distribution.max_us() < 3_700_000_000.0);
    }
}
