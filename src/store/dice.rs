//! Random bytes for object numbers. One [`Dice`] per worker.
//!
//! A kernel call for each number costs more than the number, so a few hundred are drawn together.
//! Each byte is given out once and wiped as it goes: what is left in memory says nothing of the
//! numbers that exist.

use std::cell::RefCell;

use zeroize::{Zeroize as _, Zeroizing};

use super::error::{StoreError, StoreErrorKind, StoreResult};
use crate::base::limits::RANDOM_DRAW_SIZE;

/// The kernel's random numbers, drawn ahead.
pub(super) struct Dice(RefCell<Drawn>);

struct Drawn {
    bytes: Zeroizing<[u8; RANDOM_DRAW_SIZE]>,
    /// Up to here they were given out.
    used: usize,
}

impl Dice {
    /// Nothing is drawn before it is asked for.
    pub(super) fn new() -> Dice {
        let bytes = Zeroizing::new([0; RANDOM_DRAW_SIZE]);
        Dice(RefCell::new(Drawn { bytes, used: RANDOM_DRAW_SIZE }))
    }

    /// Bytes that nobody had before.
    pub(super) fn draw<const N: usize>(&self) -> StoreResult<[u8; N]> {
        const { assert!(N <= RANDOM_DRAW_SIZE) };
        let mut drawn = self.0.borrow_mut();
        if drawn.used + N > RANDOM_DRAW_SIZE {
            getrandom::fill(&mut *drawn.bytes).map_err(|error| {
                StoreError::new(StoreErrorKind::Failed, format!("no random numbers: {error}"))
            })?;
            drawn.used = 0;
        }
        let range = drawn.used..drawn.used + N;
        drawn.used = range.end;
        let mut given = [0; N];
        given.copy_from_slice(&drawn.bytes[range.clone()]);
        drawn.bytes[range].zeroize();
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_differ_across_draws_from_the_kernel_and_between_dice() {
        let dice = [Dice::new(), Dice::new()];
        let count = 3 * RANDOM_DRAW_SIZE / 16;
        let mut seen = HashSet::new();
        for turn in 0..count {
            for dice in &dice {
                // Draws of other sizes in between leave a rest that does not fit.
                if turn % 5 == 0 {
                    dice.draw::<1>().unwrap();
                }
                let number = dice.draw::<16>().unwrap();
                assert!(number.iter().any(|&byte| byte != 0), "wiped bytes were given out");
                assert!(seen.insert(number), "a number came twice");
            }
        }
        assert_eq!(seen.len(), 2 * count);
    }

    #[test]
    fn what_was_given_out_is_no_longer_in_memory() {
        let dice = Dice::new();
        dice.draw::<1>().unwrap();
        dice.draw::<16>().unwrap();
        let drawn = dice.0.borrow();
        assert_eq!(drawn.bytes[..17], [0; 17]);
        assert!(drawn.bytes[17..].iter().any(|&byte| byte != 0));
    }
}
