//! Percentile distributions as text, `.hgrm`: what `HdrHistogram` prints (`outputPercentileDistribution`)
//! and its plotter reads (<https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>). Values are
//! in microseconds.

use std::fmt::Write as _;

use super::Distribution;
use super::distribution::microseconds;

/// Lines each time the distance to 100 % halves: the format's own default.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// The distribution as the text of a `.hgrm` file.
pub(crate) fn hgrm(distribution: &Distribution) -> String {
    let histogram = distribution.histogram();
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total_count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total_count += step.count_since_last_iteration();
        let (value, quantile) =
            (microseconds(step.value_iterated_to()), step.quantile_iterated_to());
        // Writing to a String cannot fail.
        let _ = write!(text, "{value:12.3} {quantile:2.12} {total_count:10}");
        // The last line has no end of its scale.
        let _ = if quantile < 1.0 {
            writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(text)
        };
    }
    let (mean, deviation) = (distribution.mean_us(), histogram.stdev() / 1000.0);
    let (max, count) = (distribution.max_us(), distribution.count());
    let sub_buckets = 2 * 10_u64.pow(u32::from(histogram.sigfig()));
    let _ = write!(
        text,
        "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n\
         #[Max     = {max:12.3}, Total count    = {count:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        histogram.buckets(),
        sub_buckets.next_power_of_two(),
    );
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_text_is_what_the_plotter_reads() {
        let mut distribution = Distribution::new();
        for us in [10, 10, 10, 20, 20, 40, 80, 1000] {
            distribution.record(Duration::from_micros(us));
        }
        let expected = concat!(
            "       Value     Percentile TotalCount 1/(1-Percentile)\n",
            "\n",
            "      10.007 0.000000000000          3           1.00\n",
            "      10.007 0.100000000000          3           1.11\n",
            "      10.007 0.200000000000          3           1.25\n",
            "      10.007 0.300000000000          3           1.43\n",
            "      20.015 0.400000000000          5           1.67\n",
            "      20.015 0.500000000000          5           2.00\n",
            "      20.015 0.550000000000          5           2.22\n",
            "      20.015 0.600000000000          5           2.50\n",
            "      40.031 0.650000000000          6           2.86\n",
            "      40.031 0.700000000000          6           3.33\n",
            "      80.063 0.750000000000          7           4.00\n",
            "      80.063 0.775000000000          7           4.44\n",
            "      80.063 0.800000000000          7           5.00\n",
            "      80.063 0.825000000000          7           5.71\n",
            "      80.063 0.850000000000          7           6.67\n",
            "    1000.447 0.875000000000          8           8.00\n",
            "    1000.447 1.000000000000          8\n",
            "#[Mean    =      148.784, StdDeviation   =      322.568]\n",
            "#[Max     =     1000.447, Total count    =            8]\n",
            "#[Buckets =           32, SubBuckets     =         2048]\n",
        );
        assert_eq!(hgrm(&distribution), expected);
    }

    #[test]
    fn nothing_recorded_is_a_file_too() {
        let text = hgrm(&Distribution::new());
        assert!(text.contains("Total count    =            0]"), "{text}");
    }
}
