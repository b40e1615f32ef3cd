//! Which blocks of a transfer are still to be asked for, and on which line those are that were. Pure.
//!
//! ```text
//!              take                 arrived
//!   missing ──────────► asked for ──────────► here
//!      ▲                 │     │
//!      └──── lost line ──┘     └─ the file is spoiled, or ends before: gone
//! ```
//!
//! One per transfer, at the receiver. Blocks are given out in the order of the files, those of lost
//! lines first. What is remembered are the blocks that are asked for or came back, so memory does
//! not grow with the files. Who writes in order allows blocks a bounded distance ahead of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::base::limits::{OBJECT_SIZE_MAX, PEER_WANTS_MAX, PEER_WANTS_SIZE_MAX};

/// A file's number and a block's number in it.
pub type Place = (u32, u64);

/// The blocks of all files.
#[derive(Debug)]
pub struct Wanted {
    block_size: u64,
    /// Bytes of each file; `None` while nobody knows.
    sizes: Vec<Option<u64>>,
    spoiled: BTreeSet<u32>,
    /// The first block that was never given out.
    next: Place,
    /// Asked for on lines that are gone.
    returned: BTreeSet<Place>,
    lines: BTreeMap<u16, Asked>,
    /// How far blocks may be ahead of `low`.
    ahead_max: u64,
    /// Below it everything is where it belongs, in a transfer of one file.
    low: u64,
}

/// What is asked for on a line.
#[derive(Debug, Default)]
struct Asked {
    /// Bytes that each may have.
    sizes: BTreeMap<Place, u64>,
    size_bytes: u64,
}

/// An answer to what was not asked, or one that cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAsked;

/// What a block is that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It belongs to the file, and has to have that many bytes; `None` in a stream, where any block
    /// may be the last.
    Welcome(Option<usize>),
    /// Its file is spoiled: nobody needs it.
    Useless,
}

impl Wanted {
    /// Files of these sizes; at most one, which is then the only one, of a size that nobody knows.
    pub fn new(sizes: Vec<Option<u64>>, block_size: usize) -> Wanted {
        Wanted {
            block_size: block_size as u64,
            sizes,
            spoiled: BTreeSet::new(),
            next: (0, 0),
            returned: BTreeSet::new(),
            lines: BTreeMap::new(),
            ahead_max: u64::MAX,
            low: 0,
        }
    }

    /// Gives out blocks less than `ahead_max` blocks ahead of the one that is to be written next.
    pub fn in_order(self, ahead_max: u64) -> Wanted {
        Wanted { ahead_max, ..self }
    }

    /// The next block to ask for on a line; `None` when that has enough to do, or nothing is left
    /// for now.
    pub fn take(&mut self, line: u16) -> Option<Place> {
        let asked = self.lines.get(&line);
        let (count, size) = asked.map_or((0, 0), |asked| (asked.sizes.len(), asked.size_bytes));
        let place = self.returned.first().copied().or_else(|| self.never_given())?;
        let block_size = self.size_of(place);
        let is_full = count >= PEER_WANTS_MAX || size + block_size > PEER_WANTS_SIZE_MAX;
        if is_full || place.1 >= self.low.saturating_add(self.ahead_max) {
            return None;
        }
        if !self.returned.remove(&place) {
            self.next.1 += 1;
        }
        let asked = self.lines.entry(line).or_default();
        asked.sizes.insert(place, block_size);
        asked.size_bytes += block_size;
        Some(place)
    }

    /// A block came on a line.
    ///
    /// # Errors
    /// When it was not asked for there.
    pub fn arrived(&mut self, line: u16, place: Place) -> Result<Arrival, NotAsked> {
        self.answered(line, place)?;
        if self.spoiled.contains(&place.0) {
            return Ok(Arrival::Useless);
        }
        // What ends before this block has no bytes for it.
        if !self.is_within(place) {
            return Err(NotAsked);
        }
        let size = self.size(place.0).map(|_| self.size_of(place));
        Ok(Arrival::Welcome(size.and_then(|size| usize::try_from(size).ok())))
    }

    /// A stream has `size` bytes, and so not this block.
    ///
    /// # Errors
    /// When the block was not asked for there, or when it was said otherwise before.
    pub fn ended(&mut self, line: u16, place: Place, size: u64) -> Result<(), NotAsked> {
        self.answered(line, place)?;
        let block_count = size.div_ceil(self.block_size);
        let known = self.sizes.get_mut(place.0 as usize).ok_or(NotAsked)?;
        let is_new = known.is_none() && block_count >= self.low && size <= OBJECT_SIZE_MAX;
        if block_count > place.1 || !(is_new || *known == Some(size)) {
            return Err(NotAsked);
        }
        *known = Some(size);
        self.returned.retain(|returned| returned.1 < block_count);
        Ok(())
    }

    /// The sender cannot give a file: nothing more of it is asked for. For an answer to a block,
    /// see [`Wanted::answered`].
    pub fn spoil(&mut self, file: u32) {
        self.spoiled.insert(file);
        self.returned.retain(|place| place.0 != file);
    }

    /// A line is gone: its blocks are to be asked for again.
    pub fn lost(&mut self, line: u16) {
        let Some(asked) = self.lines.remove(&line) else { return };
        let again = asked.sizes.into_keys();
        let again =
            again.filter(|place| !self.spoiled.contains(&place.0) && self.is_within(*place));
        self.returned.extend(again.collect::<Vec<_>>());
    }

    /// Everything below block `low` of the only file is where it belongs.
    pub fn advance(&mut self, low: u64) {
        self.low = self.low.max(low);
    }

    /// What is never asked for again.
    pub fn low(&self) -> u64 {
        self.low
    }

    /// Bytes of a file, if they are known.
    pub fn size(&self, file: u32) -> Option<u64> {
        self.sizes.get(file as usize).copied().flatten()
    }

    /// Takes a block off those that are asked for on a line.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn answered(&mut self, line: u16, place: Place) -> Result<(), NotAsked> {
        let asked = self.lines.get_mut(&line).ok_or(NotAsked)?;
        let size = asked.sizes.remove(&place).ok_or(NotAsked)?;
        asked.size_bytes = asked.size_bytes.saturating_sub(size);
        Ok(())
    }

    /// Skips files that are over, and says where the next block is.
    fn never_given(&mut self) -> Option<Place> {
        loop {
            let (file, _) = self.next;
            self.sizes.get(file as usize)?;
            if !self.spoiled.contains(&file) && self.is_within(self.next) {
                return Some(self.next);
            }
            self.next = (file + 1, 0);
        }
    }

    fn is_within(&self, (file, block): Place) -> bool {
        self.size(file).is_none_or(|size| block < size.div_ceil(self.block_size))
    }

    /// Bytes of a block, as far as its file's size is known.
    fn size_of(&self, (file, block): Place) -> u64 {
        let Some(size) = self.size(file) else { return self.block_size };
        let start = block.saturating_mul(self.block_size);
        size.saturating_sub(start).min(self.block_size)
    }
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer to a question that was not asked")
    }
}

impl std::error::Error for NotAsked {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = 1 << 20;
    const MIB: u64 = 1 << 20;

    fn all(wanted: &mut Wanted, line: u16) -> Vec<Place> {
        std::iter::from_fn(|| wanted.take(line)).collect()
    }

    #[test]
    fn blocks_are_given_out_in_order_and_those_of_a_lost_line_first() {
        let mut wanted = Wanted::new(vec![Some(MIB + 1), Some(0), Some(1)], BLOCK);
        assert_eq!([wanted.take(1), wanted.take(2)], [Some((0, 0)), Some((0, 1))]);
        assert_eq!(wanted.arrived(2, (0, 1)), Ok(Arrival::Welcome(Some(1))));
        wanted.lost(1);
        assert_eq!(all(&mut wanted, 2), [(0, 0), (2, 0)]);
        assert_eq!(wanted.arrived(2, (0, 0)), Ok(Arrival::Welcome(Some(BLOCK))));
        wanted.lost(1);
        assert_eq!(all(&mut wanted, 1), [], "a line is lost once");
    }

    #[test]
    fn what_was_not_asked_for_on_a_line_is_refused() {
        let mut wanted = Wanted::new(vec![Some(3 * MIB)], BLOCK);
        wanted.take(1);
        assert_eq!(wanted.arrived(2, (0, 0)), Err(NotAsked), "another line");
        assert_eq!(wanted.arrived(1, (0, 1)), Err(NotAsked), "another block");
        assert!(wanted.arrived(1, (0, 0)).is_ok());
        assert_eq!(wanted.arrived(1, (0, 0)), Err(NotAsked), "twice");
        wanted.take(1);
        assert_eq!(wanted.ended(1, (0, 1), MIB), Err(NotAsked), "its size is known");
    }

    #[test]
    fn a_line_has_a_bounded_number_of_blocks_and_bytes() {
        let mut small = Wanted::new(vec![Some(1); 1000], BLOCK);
        assert_eq!(all(&mut small, 1).len(), PEER_WANTS_MAX);
        let mut large = Wanted::new(vec![Some(1000 * MIB)], BLOCK);
        assert_eq!(all(&mut large, 1).len() as u64 * MIB, PEER_WANTS_SIZE_MAX);
        assert!(large.take(2).is_some(), "another line has room of its own");
        large.arrived(1, (0, 0)).unwrap();
        assert_eq!(all(&mut large, 1).len(), 1);
    }

    #[test]
    fn a_stream_goes_on_until_its_end_and_not_too_far_ahead() {
        let mut wanted = Wanted::new(vec![None], BLOCK).in_order(4);
        assert_eq!(all(&mut wanted, 1), [(0, 0), (0, 1), (0, 2), (0, 3)]);
        assert_eq!(wanted.arrived(1, (0, 0)), Ok(Arrival::Welcome(None)));
        assert_eq!(wanted.take(2), None, "it was not written yet");
        wanted.advance(1);
        assert_eq!(all(&mut wanted, 2), [(0, 4)]);
        assert_eq!(wanted.ended(1, (0, 1), MIB + 1), Err(NotAsked), "it has that block");
        assert_eq!(wanted.take(1), None);
        assert_eq!(wanted.ended(1, (0, 2), MIB + 1), Ok(()));
        assert_eq!(wanted.size(0), Some(MIB + 1));
        assert_eq!(wanted.ended(1, (0, 3), MIB), Err(NotAsked), "another size");
        assert_eq!(wanted.arrived(2, (0, 4)), Err(NotAsked), "beyond the end");
        wanted.lost(1);
        wanted.lost(2);
        assert_eq!(all(&mut wanted, 3), [], "block 1 was answered");
    }

    #[test]
    fn nothing_more_of_a_spoiled_file_is_asked_for() {
        let mut wanted = Wanted::new(vec![Some(3 * MIB), Some(1)], BLOCK);
        wanted.take(1);
        wanted.take(2);
        wanted.answered(1, (0, 0)).unwrap();
        wanted.spoil(0);
        assert_eq!(wanted.arrived(2, (0, 1)), Ok(Arrival::Useless));
        assert_eq!(all(&mut wanted, 1), [(1, 0)]);
    }

    proptest! {
        #[test]
        fn every_block_arrives_once_whatever_is_lost(
            sizes in prop::collection::vec(0..5 * MIB, 1..6),
            steps in prop::collection::vec((0..3_u16, 0..4_u8, any::<prop::sample::Index>()), 0..300),
        ) {
            let sizes: Vec<_> = sizes.into_iter().map(Some).collect();
            let blocks = sizes.iter().flatten().map(|size| size.div_ceil(MIB)).sum::<u64>();
            let mut wanted = Wanted::new(sizes, BLOCK);
            let mut asked: Vec<(u16, Place)> = Vec::new();
            let mut arrived = BTreeSet::new();
            let mut arrive = |wanted: &mut Wanted, line, place| {
                let came = wanted.arrived(line, place);
                assert!(matches!(came, Ok(Arrival::Welcome(Some(1..)))), "{came:?}");
                assert!(arrived.insert(place), "{place:?} came twice");
            };
            for (line, step, which) in steps {
                match step {
                    0 => {
                        wanted.lost(line);
                        asked.retain(|one| one.0 != line);
                    }
                    1 if !asked.is_empty() => {
                        let (line, place) = asked.swap_remove(which.index(asked.len()));
                        arrive(&mut wanted, line, place);
                    }
                    _ => asked.extend(wanted.take(line).map(|place| (line, place))),
                }
            }
            for (line, place) in asked {
                arrive(&mut wanted, line, place);
            }
            while let Some(place) = wanted.take(9) {
                arrive(&mut wanted, 9, place);
            }
            prop_assert_eq!(arrived.len() as u64, blocks);
        }
    }
}
