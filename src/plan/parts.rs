//! One transfer over several connections: contiguous parts of nearly equal size.

use std::num::NonZeroU8;
use std::ops::Range;

use super::PlanError;
use crate::base::limits::OBJECT_SIZE_MAX;

/// Divides `total` bytes into at most `count` parts (1 to 255, as in the older system), in order,
/// each byte in exactly one. Every border but the last is a multiple of `alignment`, no part is
/// empty, and sizes differ by one `alignment` at most (the last part may lack some more): 10 MiB
/// in 4 parts of 1 MiB blocks are 3, 3, 2 and 2 MiB; 2.5 MiB in 4 are 1, 1 and 0.5 MiB.
///
/// # Errors
/// `TooLarge`; `Alignment` when that is zero.
pub fn parts(total: u64, count: NonZeroU8, alignment: u64) -> Result<Vec<Range<u64>>, PlanError> {
    if total > OBJECT_SIZE_MAX {
        return Err(PlanError::TooLarge);
    }
    if alignment == 0 {
        return Err(PlanError::Alignment);
    }
    let unit_count = total.div_ceil(alignment);
    let part_count = unit_count.min(u64::from(count.get()));
    if part_count == 0 {
        return Ok(Vec::new());
    }
    // Rounded down; the remainder goes to the first parts, one unit each.
    let (units_each, longer_count) = (unit_count / part_count, unit_count % part_count);
    // Only the last border can lie beyond the total, or beyond u64.
    let border = |index: u64| {
        let units = index * units_each + index.min(longer_count);
        units.saturating_mul(alignment).min(total)
    };
    Ok((0..part_count).map(|index| border(index)..border(index + 1)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::strategies::any_size;
    use super::*;

    fn sizes(total: u64, count: u8, alignment: u64) -> Vec<u64> {
        let parts = parts(total, NonZeroU8::new(count).unwrap(), alignment).unwrap();
        parts.iter().map(|part| part.end - part.start).collect()
    }

    #[test]
    fn parts_are_nearly_equal_and_never_empty() {
        assert_eq!(sizes(10 << 20, 4, 1 << 20), [3 << 20, 3 << 20, 2 << 20, 2 << 20]);
        assert_eq!(sizes(5 << 19, 4, 1 << 20), [1 << 20, 1 << 20, 1 << 19]);
        assert_eq!(sizes(1, 255, 1 << 20), [1]);
        assert!(sizes(0, 255, 1 << 20).is_empty());
        assert_eq!(sizes(255, 255, 1), [1; 255]);
    }

    #[test]
    fn impossible_parts_are_errors() {
        let one = NonZeroU8::MIN;
        assert_eq!(parts(OBJECT_SIZE_MAX + 1, one, 4096), Err(PlanError::TooLarge));
        assert_eq!(parts(1, one, 0), Err(PlanError::Alignment));
        assert_eq!(sizes(OBJECT_SIZE_MAX, 1, u64::MAX), [OBJECT_SIZE_MAX]);
    }

    proptest! {
        #[test]
        fn every_byte_is_in_exactly_one_part(
            total in any_size(), count: NonZeroU8, shift in 0_u32..64, odd in 0_u64..5000,
        ) {
            for alignment in [1_u64 << shift, odd + 1] {
                let parts = parts(total, count, alignment).unwrap();
                let mut at = 0;
                for part in &parts {
                    prop_assert_eq!(part.start, at);
                    prop_assert!(part.end > part.start);
                    prop_assert!(part.start.is_multiple_of(alignment));
                    at = part.end;
                }
                prop_assert_eq!(at, total);
                let count_possible = total.div_ceil(alignment).min(u64::from(count.get()));
                prop_assert_eq!(parts.len() as u64, count_possible);
                let sizes = parts.iter().map(|part| (part.end - part.start).div_ceil(alignment));
                let (least, most) = (sizes.clone().min(), sizes.max());
                prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1);
            }
        }
    }
}
