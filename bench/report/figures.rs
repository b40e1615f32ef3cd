//! Arithmetic on figures that are measured, and so never exact.

/// A count as a real number. Beyond 2^53 (nine petabytes, or a hundred days in nanoseconds) the
/// last digits go, which no measurement has.
pub(crate) fn approximate(count: u64) -> f64 {
    #![expect(clippy::cast_precision_loss, reason = "no measurement has sixteen digits")]
    count as f64
}

/// The middle one, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => {
            f64::midpoint(*below, *above)
        }
        (_, Some(middle)) => *middle,
        (_, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        for (values, expected) in [
            (&[][..], 0.0),
            (&[3.0], 3.0),
            (&[5.0, 1.0], 3.0),
            (&[9.0, 1.0, 2.0], 2.0),
            (&[4.0, 1.0, 3.0, 100.0], 3.5),
        ] {
            assert!((median(values) - expected).abs() < 1e-9, "{values:?}");
        }
    }
}
