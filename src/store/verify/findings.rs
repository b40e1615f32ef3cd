//! What `verify` finds, as data: which object, which blocks, what is wrong. How it is said is for
//! whoever prints it.

use std::ops::Range;
use std::path::PathBuf;

use crate::base::limits::DAMAGES_TOLD_MAX;

/// One entry of the store that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An object, or a directory of objects, that cannot be handed out as it was taken in.
    Damaged(Damaged),
    /// Something that is none of ours, and does no harm.
    Strange {
        /// Where, from the root on.
        path: PathBuf,
        /// What is strange about it.
        why: &'static str,
    },
}

/// A damaged object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where, from the root on.
    pub path: PathBuf,
    /// Its original name and size, if its seal could be read.
    pub sealed: Option<(String, u64)>,
    /// What is wrong; at most [`DAMAGES_TOLD_MAX`] of them.
    pub damages: Vec<Damage>,
    /// How many more there are.
    pub untold: u64,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It cannot be opened, or is no file.
    Unreadable(String),
    /// It lies in another directory than its number says: no ID finds it.
    Misplaced,
    /// Its seal cannot be read, or is not what was written.
    Seal(String),
    /// Blocks that follow one another and have the same fault.
    Blocks {
        /// Index of the first.
        first: u64,
        /// Index of the last.
        last: u64,
        /// The bytes of the data that they cover.
        bytes: Range<u64>,
        /// What is wrong with them.
        fault: BlockFault,
    },
    /// The hashes of the blocks do not make the hash of the object.
    Root,
    /// The zeros between data and seal are not all zero. The data itself may be whole.
    Padding,
}

/// What is wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockFault {
    /// Its bytes are not those that were sealed.
    Hash,
    /// It cannot be read, and why.
    Read(String),
}

impl Damaged {
    /// Nothing is wrong yet.
    pub(super) fn at(path: PathBuf) -> Damaged {
        Damaged { path, sealed: None, damages: Vec::new(), untold: 0 }
    }

    /// One more thing.
    pub(super) fn add(&mut self, damage: Damage) {
        if self.damages.len() < DAMAGES_TOLD_MAX {
            self.damages.push(damage);
        } else {
            self.untold += 1;
        }
    }

    /// One more block, joined with the one before it if it has the same fault.
    pub(super) fn add_block(&mut self, index: u64, block: Range<u64>, fault: BlockFault) {
        if let Some(Damage::Blocks { last, bytes, fault: same, .. }) = self.damages.last_mut()
            && *last + 1 == index
            && *same == fault
        {
            *last = index;
            bytes.end = block.end;
            return;
        }
        self.add(Damage::Blocks { first: index, last: index, bytes: block, fault });
    }

    /// The finding, if anything was wrong.
    pub(super) fn finding(self) -> Option<Finding> {
        (!self.damages.is_empty()).then_some(Finding::Damaged(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_with_one_fault_are_told_together() {
        let mut damaged = Damaged::at(PathBuf::from("x"));
        for (index, fault) in [
            (3, BlockFault::Hash),
            (4, BlockFault::Hash),
            (5, BlockFault::Read("EIO".to_owned())),
            (7, BlockFault::Hash),
        ] {
            damaged.add_block(index, index * 10..index * 10 + 10, fault);
        }
        let runs = damaged.damages.iter().map(|damage| {
            let Damage::Blocks { first, last, bytes, .. } = damage else { panic!("{damage:?}") };
            (*first, *last, bytes.clone())
        });
        assert_eq!(runs.collect::<Vec<_>>(), [(3, 4, 30..50), (5, 5, 50..60), (7, 7, 70..80)]);
    }

    #[test]
    fn what_is_told_of_one_object_is_bounded() {
        let mut damaged = Damaged::at(PathBuf::from("x"));
        for index in 0..1000 {
            damaged.add_block(2 * index, 0..1, BlockFault::Hash);
        }
        assert_eq!(damaged.damages.len(), DAMAGES_TOLD_MAX);
        assert_eq!(damaged.untold, 1000 - DAMAGES_TOLD_MAX as u64);
    }
}
