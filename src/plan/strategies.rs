//! What the property tests of this floor draw from.

use proptest::prelude::*;

use super::Geometry;
use crate::base::limits::{CHUNK_SIZE_MAX, CHUNK_SIZE_MIN, OBJECT_SIZE_MAX};

/// Any chunk size that is allowed.
pub(super) fn any_geometry() -> impl Strategy<Value = Geometry> {
    let (least, most) = (CHUNK_SIZE_MIN.trailing_zeros(), CHUNK_SIZE_MAX.trailing_zeros());
    (least..=most).prop_map(|shift| Geometry::new(1 << shift).unwrap())
}

/// Any size up to 2^63-1, as often small as huge, and often at or beside a round number.
pub(super) fn any_size() -> impl Strategy<Value = u64> {
    let beside_round = (0_u32..63, -2_i64..=2).prop_map(|(shift, step)| {
        (1_u64 << shift).saturating_add_signed(step).min(OBJECT_SIZE_MAX)
    });
    let any = (0..=OBJECT_SIZE_MAX, 0_u32..63).prop_map(|(size, shift)| size >> shift);
    prop_oneof![any, beside_round, (0_u64..3 << 20), OBJECT_SIZE_MAX - 10_000..=OBJECT_SIZE_MAX,]
}
