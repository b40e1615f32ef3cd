//! The hot cache: whole small objects in memory, shared by all workers.
//!
//! One per process. Objects never change, so only a delete invalidates. Protocol:
//! 1. A miss gives a [`Ticket`] before the reader opens the file.
//! 2. What was read is offered with that ticket, and refused if a delete came in between: a reader
//!    that opened the file before its delete must not bring it back.
//!
//! Eviction is second chance: an object that was read since it was last looked at goes round once
//! more. Bounded in bytes, counted with a fixed overhead per object.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::seal::Seal;
use crate::base::limits::{CACHE_ENTRY_OVERHEAD, CACHE_OBJECT_SIZE_MAX, CACHE_SHARDS};
use crate::id::ObjectNumber;

/// A small object in memory.
#[derive(Clone, Debug)]
pub struct Hot {
    /// Its seal.
    pub seal: Arc<Seal>,
    /// Its data.
    pub data: Bytes,
}

/// Whole small objects, bounded in bytes.
#[derive(Debug)]
pub struct HotCache {
    shards: Vec<Mutex<Shard>>,
    shard_size_max: usize,
}

/// Proof of when a reader missed.
#[derive(Debug)]
pub struct Ticket {
    deletes: u64,
}

#[derive(Debug, Default)]
struct Shard {
    objects: HashMap<ObjectNumber, Entry>,
    order: VecDeque<ObjectNumber>,
    size: usize,
    deletes: u64,
}

#[derive(Debug)]
struct Entry {
    hot: Hot,
    read: bool,
}

impl HotCache {
    /// A cache of at most `size_max` bytes; 0 keeps nothing.
    pub fn new(size_max: usize) -> HotCache {
        let shards = (0..CACHE_SHARDS).map(|_| Mutex::default()).collect();
        HotCache { shards, shard_size_max: size_max / CACHE_SHARDS }
    }

    /// The object, or a ticket to offer it with.
    pub fn get(&self, object: ObjectNumber) -> Result<Hot, Ticket> {
        let mut shard = self.shard(object);
        let deletes = shard.deletes;
        let entry = shard.objects.get_mut(&object).ok_or(Ticket { deletes })?;
        entry.read = true;
        Ok(entry.hot.clone())
    }

    /// Keeps an object that was read after `ticket` was given out, if it is small enough.
    pub fn offer(&self, object: ObjectNumber, ticket: &Ticket, hot: Hot) {
        let cost = cost(&hot);
        if hot.data.len() > CACHE_OBJECT_SIZE_MAX || cost > self.shard_size_max {
            return;
        }
        let mut shard = self.shard(object);
        if shard.deletes != ticket.deletes || shard.objects.contains_key(&object) {
            return;
        }
        shard.make_room(self.shard_size_max - cost);
        shard.size += cost;
        shard.order.push_back(object);
        shard.objects.insert(object, Entry { hot, read: false });
    }

    /// Forgets a deleted object and voids the tickets of readers that may have opened it before.
    pub fn forget(&self, object: ObjectNumber) {
        let mut shard = self.shard(object);
        shard.deletes += 1;
        if let Some(entry) = shard.objects.remove(&object) {
            shard.size -= cost(&entry.hot);
            shard.order.retain(|&other| other != object);
        }
    }

    fn shard(&self, object: ObjectNumber) -> MutexGuard<'_, Shard> {
        // The last byte: the first is shared by the objects of one publish batch.
        let index = usize::from(object.as_bytes()[15]) % self.shards.len();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Evicts until at most `size_max` bytes are kept. Each round either evicts or takes a mark
    /// away, so it ends.
    fn make_room(&mut self, size_max: usize) {
        while self.size > size_max {
            let Some(object) = self.order.pop_front() else { return };
            let spared = self.objects.get_mut(&object).is_some_and(|e| std::mem::take(&mut e.read));
            if spared {
                self.order.push_back(object);
            } else if let Some(entry) = self.objects.remove(&object) {
                self.size -= cost(&entry.hot);
            }
        }
    }
}

fn cost(hot: &Hot) -> usize {
    hot.data.len() + hot.seal.name.len() + hot.seal.content_type.len() + CACHE_ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn number(last: u8) -> ObjectNumber {
        let mut bytes = [0; 16];
        bytes[0] = last;
        ObjectNumber::from_bytes(bytes)
    }

    fn hot(size: usize) -> Hot {
        let seal = Seal {
            size_bytes: size as u64,
            created: UNIX_EPOCH,
            content_type: String::new(),
            name: String::new(),
            blake3: [0; 32],
            block_size_bytes: 1 << 20,
            block_hashes: Vec::new(),
        };
        Hot { seal: Arc::new(seal), data: Bytes::from(vec![1; size]) }
    }

    /// Room for `count` objects of 1000 bytes in the one shard that `number` uses.
    fn cache(count: usize) -> HotCache {
        HotCache::new(count * (1000 + CACHE_ENTRY_OVERHEAD) * CACHE_SHARDS)
    }

    fn put(cache: &HotCache, object: ObjectNumber) {
        let ticket = cache.get(object).unwrap_err();
        cache.offer(object, &ticket, hot(1000));
    }

    #[test]
    fn the_bound_holds_and_what_was_read_stays() {
        let cache = cache(2);
        put(&cache, number(1));
        put(&cache, number(2));
        assert!(cache.get(number(1)).is_ok());
        put(&cache, number(3));
        assert!(cache.get(number(1)).is_ok(), "it was read, so it got a second chance");
        assert!(cache.get(number(2)).is_err());
        assert!(cache.get(number(3)).is_ok());
    }

    #[test]
    fn a_reader_that_opened_before_the_delete_does_not_bring_it_back() {
        let cache = cache(4);
        let ticket = cache.get(number(1)).unwrap_err();
        cache.forget(number(1));
        cache.offer(number(1), &ticket, hot(10));
        assert!(cache.get(number(1)).is_err());
    }

    #[test]
    fn a_deleted_object_is_gone_and_its_room_is_free() {
        let cache = cache(1);
        put(&cache, number(1));
        cache.forget(number(1));
        assert!(cache.get(number(1)).is_err());
        put(&cache, number(2));
        assert!(cache.get(number(2)).is_ok());
    }

    #[test]
    fn large_objects_are_not_kept() {
        let cache = HotCache::new(64 << 20);
        let ticket = cache.get(number(1)).unwrap_err();
        cache.offer(number(1), &ticket, hot(CACHE_OBJECT_SIZE_MAX + 1));
        assert!(cache.get(number(1)).is_err());
    }
}
