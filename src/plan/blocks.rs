//! Which blocks of a download are missing, on their way, there. One per download; pure.
//!
//! ```text
//!              take                  done
//!   missing ─────────► in flight ─────────► there ◄── found from before ── missing
//!      ▲                   │
//!      └───────────────────┘ failed: a try less; given back: none less
//! ```
//! Blocks are taken in order. A failed one comes first again, so that what fails for everybody uses up
//! its tries soon; when one has none left, no other is begun either. Where blocks go out in order, none
//! is taken that is further ahead than the window of those that wait.

use std::collections::BTreeMap;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    InFlight,
    There,
}

/// What happens to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Take,
    Done,
    Fail,
    GiveBack,
    /// A journal says that it is there, and it was looked at.
    Find,
}

/// What a connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextBlock {
    /// Fetch this block, which is its own now.
    Take(u32),
    /// Nothing is left that nobody has, or that may be taken yet, or at all.
    Wait,
    /// All blocks are there.
    Finished,
}

/// The blocks of one download.
#[derive(Clone, Debug)]
pub struct BlockPlan {
    states: Vec<State>,
    /// None before it is missing.
    cursor: usize,
    there_count: usize,
    /// Times that a block may fail.
    tries: u32,
    /// How often each of the failed ones did.
    failures: BTreeMap<u32, u32>,
    failure_count: u64,
    /// Whether a block has no tries left: the download fails.
    is_hopeless: bool,
    /// Blocks from this one on may be taken, so many of them; all where there is no order.
    window: Option<(u32, u32)>,
}

impl BlockPlan {
    /// For `count` blocks, each of which may be tried `tries` times.
    pub fn new(count: u32, tries: u32) -> BlockPlan {
        BlockPlan {
            states: vec![State::Missing; count as usize],
            cursor: 0,
            there_count: 0,
            tries,
            failures: BTreeMap::new(),
            failure_count: 0,
            is_hopeless: false,
            window: None,
        }
    }

    /// Hands out no block that is `size` or more after the first that did not go out.
    #[must_use]
    pub fn in_order(mut self, size: u32) -> BlockPlan {
        self.window = Some((0, size));
        self
    }

    /// The next block for a connection.
    pub fn take(&mut self) -> NextBlock {
        if self.is_finished() {
            return NextBlock::Finished;
        }
        let missing = |state: &State| *state == State::Missing;
        let rest = self.states.get(self.cursor..).unwrap_or_default();
        self.cursor += rest.iter().position(missing).unwrap_or(rest.len());
        if self.is_hopeless || self.cursor >= self.end() {
            return NextBlock::Wait;
        }
        let index = index_of(self.cursor);
        self.change(index, Event::Take);
        NextBlock::Take(index)
    }

    /// A block in flight is there, checked and written.
    pub fn done(&mut self, index: u32) {
        self.change(index, Event::Done);
    }

    /// A block in flight could not be fetched, or is not what it should be; whether it may be tried
    /// again.
    pub fn failed(&mut self, index: u32) -> bool {
        self.change(index, Event::Fail);
        self.failure_count += 1;
        let failures = self.failures.entry(index).or_default();
        *failures += 1;
        let may_go_on = *failures < self.tries;
        self.is_hopeless |= !may_go_on;
        may_go_on
    }

    /// A block in flight that did not come, and not by its own fault.
    pub fn give_back(&mut self, index: u32) {
        self.change(index, Event::GiveBack);
    }

    /// Nobody fetches any more: what was in flight is missing.
    pub fn give_all_back(&mut self) {
        for index in 0..index_of(self.states.len()) {
            if self.states[index as usize] == State::InFlight {
                self.change(index, Event::GiveBack);
            }
        }
    }

    /// A block is missing, and taken by who has it already; whether that is so.
    pub fn take_one(&mut self, index: u32) -> bool {
        let is_missing = self.states.get(index as usize) == Some(&State::Missing);
        if is_missing {
            self.change(index, Event::Take);
        }
        is_missing
    }

    /// A block is there from before.
    pub fn found(&mut self, index: u32) {
        self.change(index, Event::Find);
    }

    /// Whether a block is there.
    pub fn is_there(&self, index: u32) -> bool {
        self.states.get(index as usize) == Some(&State::There)
    }

    /// All blocks before this one went out: those after them may be taken.
    pub fn went_out(&mut self, end: u32) {
        if let Some((start, _)) = &mut self.window {
            *start = end.max(*start);
        }
    }

    /// Times that a block failed, all together.
    pub fn failure_count(&self) -> u64 {
        self.failure_count
    }

    /// Whether all blocks are there.
    pub fn is_finished(&self) -> bool {
        self.there_count == self.states.len()
    }

    fn end(&self) -> usize {
        let count = self.states.len();
        self.window.map_or(count, |(start, size)| count.min(start.saturating_add(size) as usize))
    }

    /// # Panics
    /// When that cannot happen to the block: our own mistake.
    fn change(&mut self, index: u32, event: Event) {
        let at = index as usize;
        let Some(next) = self.states.get(at).and_then(|state| next_state(*state, event)) else {
            panic!("block {index} cannot {event:?}")
        };
        self.states[at] = next;
        match next {
            State::There => self.there_count += 1,
            State::Missing => self.cursor = self.cursor.min(at),
            State::InFlight => {}
        }
    }
}

/// The table under the diagram.
fn next_state(state: State, event: Event) -> Option<State> {
    match (state, event) {
        (State::Missing, Event::Take) => Some(State::InFlight),
        (State::InFlight, Event::Done) | (State::Missing, Event::Find) => Some(State::There),
        (State::InFlight, Event::Fail | Event::GiveBack) => Some(State::Missing),
        (State::Missing, Event::Done | Event::Fail | Event::GiveBack)
        | (State::InFlight, Event::Take | Event::Find)
        | (State::There, _) => None,
    }
}

/// There are no more blocks than a `u32` counts: [`BlockPlan::new`] was given one.
fn index_of(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_state_and_event_leads_where_the_diagram_says_or_nowhere() {
        use Event::{Done, Fail, Find, GiveBack, Take};
        use State::{InFlight, Missing, There};
        for (state, event, next) in [
            (Missing, Take, Some(InFlight)),
            (Missing, Done, None),
            (Missing, Fail, None),
            (Missing, GiveBack, None),
            (Missing, Find, Some(There)),
            (InFlight, Take, None),
            (InFlight, Done, Some(There)),
            (InFlight, Fail, Some(Missing)),
            (InFlight, GiveBack, Some(Missing)),
            (InFlight, Find, None),
            (There, Take, None),
            (There, Done, None),
            (There, Fail, None),
            (There, GiveBack, None),
            (There, Find, None),
        ] {
            assert_eq!(next_state(state, event), next, "{state:?} {event:?}");
        }
    }

    #[test]
    fn blocks_that_nobody_has_are_taken_in_order() {
        let mut plan = BlockPlan::new(5, 3);
        plan.found(3);
        for index in [0, 1, 2, 4] {
            assert_eq!(plan.take(), NextBlock::Take(index));
        }
        assert_eq!(plan.take(), NextBlock::Wait);
        plan.done(0);
        plan.give_back(4);
        assert!(plan.failed(1));
        assert_eq!(plan.take(), NextBlock::Take(1), "what failed comes first");
        assert_eq!(plan.take(), NextBlock::Take(4));
        for index in [1, 2, 4] {
            assert!(!plan.is_finished());
            plan.done(index);
        }
        assert_eq!(plan.take(), NextBlock::Finished);
        assert_eq!(plan.failure_count(), 1);
    }

    #[test]
    fn a_block_has_so_many_tries_and_no_more() {
        let mut plan = BlockPlan::new(2, 3);
        for may_go_on in [true, true, false] {
            assert_eq!(plan.take(), NextBlock::Take(0));
            assert_eq!(plan.failed(0), may_go_on);
        }
        assert_eq!(plan.take(), NextBlock::Wait, "neither by another connection");
    }

    #[test]
    fn in_order_nothing_runs_ahead_of_what_goes_out() {
        let mut plan = BlockPlan::new(5, 3).in_order(2);
        assert_eq!([plan.take(), plan.take()], [NextBlock::Take(0), NextBlock::Take(1)]);
        plan.done(1);
        assert_eq!(plan.take(), NextBlock::Wait, "block 0 did not go out");
        plan.done(0);
        plan.went_out(1);
        assert_eq!([plan.take(), plan.take()], [NextBlock::Take(2), NextBlock::Wait]);
        plan.went_out(2);
        plan.went_out(1);
        assert_eq!(plan.take(), NextBlock::Take(3), "it never moves back");
    }

    #[test]
    fn nothing_is_finished_at_once() {
        assert_eq!(BlockPlan::new(0, 1).take(), NextBlock::Finished);
    }

    proptest! {
        #[test]
        fn whatever_fails_every_block_is_fetched_by_one_at_a_time(
            count in 0_u32..40, fates in prop::collection::vec(0_u8..4, 1..400),
            window in prop::option::of(1_u32..5),
        ) {
            let plan = BlockPlan::new(count, u32::MAX);
            let mut plan = window.map_or(plan.clone(), |window| plan.in_order(window));
            let mut there = vec![false; count as usize];
            let mut held: Vec<u32> = Vec::new();
            let mut out = 0;
            for fate in fates.into_iter().chain(std::iter::repeat_n(1, 400)) {
                if let NextBlock::Take(index) = plan.take() {
                    prop_assert!(!there[index as usize] && !held.contains(&index));
                    prop_assert!(window.is_none_or(|window| index < out + window));
                    held.push(index);
                }
                let Some(index) = held.pop() else { continue };
                match fate {
                    0 => held.insert(0, index),
                    2 => plan.give_back(index),
                    3 => drop(plan.failed(index)),
                    _ => {
                        plan.done(index);
                        there[index as usize] = true;
                    }
                }
                while out < count && there[out as usize] {
                    out += 1;
                }
                plan.went_out(out);
            }
            prop_assert!(plan.is_finished());
            prop_assert!(there.into_iter().all(|there| there));
        }
    }
}
