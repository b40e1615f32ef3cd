//! How far ahead of an upload to reserve room on the disk. One per upload.
//!
//! A claimed length reserves nothing: what is reserved follows what was received. Each step is as
//! large as everything received so far, from [`PREALLOCATION_STEP_MIN`] to
//! [`PREALLOCATION_STEP_MAX`], and it is taken when less than one step is left ahead:
//!
//! ```text
//!                received          reserved before      reserved now
//! |---------------------|--- less than a step ---|------- a step -------|
//! ```
//!
//! So an upload holds at most [`PREALLOCATION_AHEAD_MAX`] that it has not filled, and early on no
//! more than twice what it has sent. The writer asks after each chunk, starts what is planned
//! beside its writes, and cuts the file at the end, which frees the rest.

use std::ops::Range;

use super::{PlanError, Tail};
use crate::base::limits::{
    BLOCK_SIZE, OBJECT_SIZE_MAX, PREALLOCATION_AHEAD_MAX, PREALLOCATION_STEP_MAX,
    PREALLOCATION_STEP_MIN,
};

/// What is reserved for one upload.
#[derive(Clone, Debug)]
pub struct Preallocation {
    /// Bytes received before the first step.
    received_min: u64,
    /// Nothing is reserved from here on: the padded claimed length.
    limit: u64,
    /// Everything below was planned, or written before it was.
    reserved: u64,
}

impl Preallocation {
    /// For an upload of a claimed length, or `None` when it claims none. One that claims less than
    /// a step gets nothing reserved; one that claims nothing, from the first step received on.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn new(claimed_size: Option<u64>) -> Result<Preallocation, PlanError> {
        let (received_min, limit) = match claimed_size {
            Some(size) if size < PREALLOCATION_STEP_MIN => (0, 0),
            Some(size) => (1, Tail::of(size)?.padded_size()),
            None => (PREALLOCATION_STEP_MIN, floor_to_block(OBJECT_SIZE_MAX)),
        };
        Ok(Preallocation { received_min, limit, reserved: 0 })
    }

    /// Reserves nothing more: there is no room, or the filesystem cannot.
    pub fn stop(&mut self) {
        self.limit = 0;
    }

    /// The range to reserve now, block-aligned; `None` while there is enough ahead. A range that
    /// was handed out is not handed out again, whatever becomes of it.
    pub fn next(&mut self, received: u64) -> Option<Range<u64>> {
        if received < self.received_min {
            return None;
        }
        let filled = floor_to_block(received);
        let start = self.reserved.max(filled);
        let step = floor_to_block(received.clamp(PREALLOCATION_STEP_MIN, PREALLOCATION_STEP_MAX));
        if start >= self.limit || start - filled >= step {
            return None;
        }
        let end = start.saturating_add(step).min(self.limit);
        self.reserved = end;
        Some(start..end)
    }
}

const _: () = assert!(PREALLOCATION_AHEAD_MAX == 2 * PREALLOCATION_STEP_MAX, "as `next` has it");

fn floor_to_block(size: u64) -> u64 {
    size / BLOCK_SIZE as u64 * BLOCK_SIZE as u64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::strategies::any_size;
    use super::*;

    const MIB: u64 = 1 << 20;

    /// All that is planned while `total` bytes arrive in steps of `piece`, in MiB.
    fn plan_mib(claimed: Option<u64>, total: u64, piece: u64) -> Vec<(u64, u64, u64)> {
        let mut preallocation = Preallocation::new(claimed).unwrap();
        let received = (0..=total / piece).map(|index| index * piece);
        received
            .filter_map(|received| {
                let range = preallocation.next(received)?;
                Some((received / MIB, range.start / MIB, range.end / MIB))
            })
            .collect()
    }

    #[test]
    fn an_upload_is_reserved_in_growing_steps_ahead_of_its_bytes() {
        // (received, from, to). At 9 MiB a step is 9 MiB and only 8 are left: the next one. From
        // 64 MiB on a step is 64 MiB.
        let plan = plan_mib(Some(256 * MIB), 256 * MIB, MIB);
        assert_eq!(
            plan,
            [
                (1, 1, 9),
                (2, 9, 17),
                (9, 17, 26),
                (14, 26, 40),
                (21, 40, 61),
                (31, 61, 92),
                (47, 92, 139),
                (76, 139, 203),
                (140, 203, 256)
            ]
        );
    }

    #[test]
    fn a_small_upload_reserves_nothing() {
        assert_eq!(plan_mib(Some(8 * MIB - 1), 8 * MIB, MIB), []);
        assert_eq!(plan_mib(Some(0), 8 * MIB, MIB), []);
        assert_eq!(plan_mib(None, 7 * MIB, MIB), []);
        assert_eq!(plan_mib(None, 8 * MIB, MIB), [(8, 8, 16)]);
    }

    #[test]
    fn a_claim_alone_reserves_nothing() {
        let mut preallocation = Preallocation::new(Some(1 << 40)).unwrap();
        assert_eq!(preallocation.next(0), None);
        assert_eq!(preallocation.next(1), Some(0..8 * MIB));
        assert_eq!(preallocation.next(1), None, "asking again plans nothing more");
    }

    #[test]
    fn nothing_is_reserved_after_a_stop() {
        let mut preallocation = Preallocation::new(Some(1 << 40)).unwrap();
        assert!(preallocation.next(1).is_some());
        preallocation.stop();
        assert_eq!(preallocation.next(100 * MIB), None);
    }

    #[test]
    fn the_last_step_ends_with_the_last_block() {
        let mut preallocation = Preallocation::new(Some(8 * MIB + 1)).unwrap();
        assert_eq!(preallocation.next(4096), Some(4096..8 * MIB + 4096));
        assert_eq!(preallocation.next(8 * MIB + 1), None);
        assert_eq!(Preallocation::new(Some(1 << 63)).unwrap_err(), PlanError::TooLarge);
    }

    proptest! {
        #[test]
        fn reserved_ranges_are_in_order_aligned_bounded_and_below_the_claim(
            claimed in proptest::option::of(any_size()),
            start in any_size(),
            pieces in vec(0..80 * MIB, 1..60),
        ) {
            let claimed = claimed.map(|size| size.min(OBJECT_SIZE_MAX - 4096));
            let limit = claimed.map_or(OBJECT_SIZE_MAX, |size| size.next_multiple_of(4096));
            let mut preallocation = Preallocation::new(claimed).unwrap();
            let (mut received, mut reserved) = (start, 0);
            for piece in pieces {
                if let Some(range) = preallocation.next(received) {
                    prop_assert!(range.start >= reserved && range.start < range.end);
                    prop_assert!(range.start.is_multiple_of(4096) && range.end.is_multiple_of(4096));
                    prop_assert!(range.end <= limit);
                    prop_assert!(range.end - range.start <= PREALLOCATION_STEP_MAX);
                    let ahead = range.end - received.min(range.end);
                    prop_assert!(ahead < PREALLOCATION_AHEAD_MAX);
                    prop_assert!(ahead < 2 * received.max(PREALLOCATION_STEP_MIN));
                    reserved = range.end;
                }
                received = received.saturating_add(piece).min(claimed.unwrap_or(OBJECT_SIZE_MAX));
            }
        }
    }
}
