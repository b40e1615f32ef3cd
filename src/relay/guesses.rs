//! Numbers that nobody has, claimed from one address again and again: somebody who guesses, and burns
//! the codes of those whose numbers he hits. Pure: the caller brings the time.
//!
//! 1. A wrong number costs its address [`NAMEPLATE_GUESS_S`], which time alone pays off.
//! 2. Who owes [`NAMEPLATE_GUESSES_MAX`] of them claims nothing until one is paid off, not even a number
//!    that somebody has: it would be burnt by that.
//! 3. What is remembered is bounded, in two halves. Debts are noted in the young one, which takes the
//!    place of the old one when it is full, or when all that the old one holds is paid off.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::book::household;
use crate::base::limits::{NAMEPLATE_GUESS_S, NAMEPLATE_GUESSERS_MAX, NAMEPLATE_GUESSES_MAX};

const GUESS: Duration = Duration::from_secs(NAMEPLATE_GUESS_S);
/// The most that anybody owes.
const DEBT_MAX: Duration = Duration::from_secs(NAMEPLATE_GUESS_S * NAMEPLATE_GUESSES_MAX);

/// When each address has paid for its guesses. All times are counted from the relay's start.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    young: HashMap<IpAddr, Duration>,
    old: HashMap<IpAddr, Duration>,
    /// When the young ones were begun with.
    turned: Duration,
}

impl Guesses {
    /// Whether an address may claim a number; if not, the time until it may.
    pub(super) fn check(&self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        let owed = self.owed(household(address), now);
        let too_much = (owed + GUESS).saturating_sub(DEBT_MAX);
        if too_much.is_zero() { Ok(()) } else { Err(too_much) }
    }

    /// It claimed a number that nobody has.
    pub(super) fn note(&mut self, address: IpAddr, now: Duration) {
        if self.young.len() >= NAMEPLATE_GUESSERS_MAX || now.saturating_sub(self.turned) > DEBT_MAX
        {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        let address = household(address);
        let paid = now + self.owed(address, now) + GUESS;
        self.young.insert(address, paid);
    }

    fn owed(&self, address: IpAddr, now: Duration) -> Duration {
        let paid = self.young.get(&address).or_else(|| self.old.get(&address));
        paid.map_or(Duration::ZERO, |paid| paid.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn exhausted(address: IpAddr, now: Duration) -> Guesses {
        let mut guesses = Guesses::default();
        for _ in 0..NAMEPLATE_GUESSES_MAX {
            assert_eq!(guesses.check(address, now), Ok(()));
            guesses.note(address, now);
        }
        guesses
    }

    #[test]
    fn so_many_guesses_are_free_and_then_each_costs_its_time() {
        let mut guesses = exhausted(HERE, at(7));
        assert_eq!(guesses.check(HERE, at(7)), Err(GUESS));
        assert_eq!(guesses.check(HERE, at(7) + GUESS / 2), Err(GUESS / 2));
        assert_eq!(guesses.check(HERE, at(7) + GUESS), Ok(()));
        guesses.note(HERE, at(7) + GUESS);
        assert_eq!(guesses.check(HERE, at(7) + GUESS), Err(GUESS));
        assert_eq!(guesses.check("127.0.0.2".parse().unwrap(), at(7)), Ok(()));
        let paid = at(7) + GUESS + DEBT_MAX;
        for _ in 0..NAMEPLATE_GUESSES_MAX {
            assert_eq!(guesses.check(HERE, paid), Ok(()), "all are free again");
            guesses.note(HERE, paid);
        }
        assert!(guesses.check(HERE, paid).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_guesser() {
        let guesses = exhausted("2001:db8::1".parse().unwrap(), at(0));
        assert!(guesses.check("2001:db8::ffff:1".parse().unwrap(), at(0)).is_err());
        assert!(guesses.check("2001:db8:0:1::1".parse().unwrap(), at(0)).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_debts_survive_half_of_it() {
        let mut guesses = exhausted(HERE, at(0));
        let other = |index: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(index).unwrap()));
        for index in 1..=NAMEPLATE_GUESSERS_MAX {
            guesses.note(other(index), at(1));
        }
        assert!(guesses.check(HERE, at(1)).is_err(), "it is among the old ones");
        for index in 0..4 * NAMEPLATE_GUESSERS_MAX {
            guesses.note(other(index), at(1));
            assert!(guesses.young.len() + guesses.old.len() <= 2 * NAMEPLATE_GUESSERS_MAX);
        }
        assert_eq!(guesses.check(HERE, at(1)), Ok(()), "who has so many addresses needs no more");
        guesses.note(HERE, at(2) + DEBT_MAX);
        guesses.note(HERE, at(4) + 2 * DEBT_MAX);
        assert_eq!(guesses.young.len() + guesses.old.len(), 2, "time clears it, too");
    }

    proptest! {
        #[test]
        fn in_any_time_no_more_is_guessed_than_its_share(
            pauses_ms in prop::collection::vec(0_u64..120_000, 1..200),
        ) {
            let (mut guesses, mut now, mut guessed) = (Guesses::default(), Duration::ZERO, Vec::new());
            for pause in pauses_ms {
                now += Duration::from_millis(pause);
                if guesses.check(HERE, now).is_ok() {
                    guesses.note(HERE, now);
                    guessed.push(now);
                }
            }
            for (index, begin) in guessed.iter().enumerate() {
                for (count, end) in (1..).zip(&guessed[index..]) {
                    let share = end.saturating_sub(*begin).as_secs() / NAMEPLATE_GUESS_S;
                    prop_assert!(count <= NAMEPLATE_GUESSES_MAX + share, "{count} until {end:?}");
                }
            }
        }
    }
}
