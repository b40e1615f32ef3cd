//! Digests that were computed or verified once: bounded in number, the oldest goes first. Objects
//! never change, so a digest is right as long as there is the object.

use std::collections::{HashMap, VecDeque};

use crate::id::ObjectNumber;
use crate::wire::{Digest, DigestAlgorithm};

/// Which digest of which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DigestKey {
    pub(super) object: ObjectNumber,
    pub(super) algorithm: DigestAlgorithm,
}

/// Digests by object and algorithm.
pub(super) struct DigestMemory {
    digests: HashMap<DigestKey, Digest>,
    /// The keys of `digests`, the oldest first.
    order: VecDeque<DigestKey>,
    count_max: usize,
}

impl DigestMemory {
    /// Of at most `count_max` digests.
    pub(super) fn new(count_max: usize) -> DigestMemory {
        DigestMemory { digests: HashMap::new(), order: VecDeque::new(), count_max }
    }

    pub(super) fn get(&self, key: DigestKey) -> Option<Digest> {
        self.digests.get(&key).copied()
    }

    pub(super) fn keep(&mut self, object: ObjectNumber, digest: Digest) {
        let key = DigestKey { object, algorithm: digest.algorithm() };
        if self.digests.insert(key, digest).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.count_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }

    pub(super) fn forget(&mut self, object: ObjectNumber) {
        let keys = DigestAlgorithm::ALL.map(|algorithm| DigestKey { object, algorithm });
        let forgotten = keys.into_iter().filter(|key| self.digests.remove(key).is_some()).count();
        if forgotten > 0 {
            self.order.retain(|key| key.object != object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::DigestHasher;

    fn number(last: u8) -> ObjectNumber {
        ObjectNumber::from_bytes([last; 16])
    }

    fn digest(algorithm: DigestAlgorithm) -> Digest {
        DigestHasher::new(algorithm).finish()
    }

    fn kept(memory: &DigestMemory, last: u8, algorithm: DigestAlgorithm) -> bool {
        memory.get(DigestKey { object: number(last), algorithm }).is_some()
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut memory = DigestMemory::new(2);
        memory.keep(number(1), digest(DigestAlgorithm::Md5));
        memory.keep(number(1), digest(DigestAlgorithm::Sha256));
        memory.keep(number(1), digest(DigestAlgorithm::Md5));
        memory.keep(number(2), digest(DigestAlgorithm::Md5));
        assert!(!kept(&memory, 1, DigestAlgorithm::Md5));
        assert!(kept(&memory, 1, DigestAlgorithm::Sha256));
        assert!(kept(&memory, 2, DigestAlgorithm::Md5));
        assert_eq!((memory.digests.len(), memory.order.len()), (2, 2));
    }

    #[test]
    fn an_object_is_forgotten_with_all_its_digests() {
        let mut memory = DigestMemory::new(5);
        for algorithm in DigestAlgorithm::ALL {
            memory.keep(number(1), digest(algorithm));
        }
        memory.keep(number(2), digest(DigestAlgorithm::Md5));
        memory.forget(number(1));
        memory.forget(number(3));
        assert_eq!((memory.digests.len(), memory.order.len()), (1, 1));
        assert!(kept(&memory, 2, DigestAlgorithm::Md5));
    }
}
