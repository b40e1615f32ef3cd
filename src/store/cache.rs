//! What is remembered of objects, so that the next request for one costs less. One [`Caches`] per
//! process, shared by all workers. Objects never change, so only a delete invalidates.
//!
//! Beside these, notes of which parts of files were read past the page cache lately, and which lie in
//! it (`way.rs`).
//!
//! Two of one kind: whole small objects ([`Hot`]: no call to the kernel), and objects that are open
//! and whose seal was checked ([`Opened`]: one read). Protocol of each:
//! 1. A miss gives a [`Ticket`] before the reader opens the file.
//! 2. What was read is offered with that ticket, and refused if a delete came in between: a reader
//!    that opened the file before its delete must not bring it back.
//! 3. A full cache takes one of [`CACHE_NEWCOMERS_PER_ENTRY`] newcomers, and looks at few entries
//!    for one that nobody asked for since it was last looked at. That one makes room; where there
//!    is none, the newcomer is not kept. So a walk over more objects than fit, once or again and
//!    again, does not push out what is in use, and a lock is held for a bounded time.
//!
//! Bounded in bytes, counted with a fixed overhead per object, and in entries.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::error::StoreError;
use super::notes::Notes;
use super::seal::Seal;
use crate::base::limits::{
    CACHE_ENTRY_OVERHEAD, CACHE_LOOKS_MAX, CACHE_NEWCOMERS_PER_ENTRY, CACHE_SHARD_SIZE,
    CACHE_SHARDS_MAX, CACHE_SHARDS_MIN, CACHE_SIZE_DEFAULT, DESCRIPTORS_KEPT_SHARE,
    OPENED_AGE_MAX_S, OPENED_SIZE,
};
use crate::disk::File;
use crate::id::ObjectNumber;

/// A small object in memory.
#[derive(Clone, Debug)]
pub(super) struct Hot {
    /// Its seal.
    pub(super) seal: Arc<Seal>,
    /// Its data.
    pub(super) data: Bytes,
}

/// An object that is open, its seal read and checked.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Its seal.
    pub(super) seal: Arc<Seal>,
    /// Its data, from offset 0 on.
    pub(super) file: File,
    /// When it was opened.
    pub(super) since: Instant,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheSizes {
    /// Small objects, bytes; 0 keeps none.
    pub hot_bytes: usize,
    /// Seals of open objects, bytes; 0 keeps none.
    pub opened_bytes: usize,
    /// Open objects: as many descriptors.
    pub opened_count: usize,
}

/// What is remembered of objects.
#[derive(Debug)]
pub struct Caches {
    pub(super) hot: Cache<Hot>,
    pub(super) opened: Cache<Opened>,
    /// Windows of files that were read past the page cache.
    pub(super) cold: Notes,
    /// Pieces of files whose pages in the page cache were found filled.
    pub(super) filled: Notes,
}

/// An object whose data is read from a file that may be remembered.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) object: ObjectNumber,
    pub(super) caches: Arc<Caches>,
}

/// What a cache keeps. Cloning it is cheap.
pub(super) trait Kept: Clone {
    /// Bytes of it beside the fixed overhead.
    fn size(&self) -> usize;
}

/// A bounded memory of objects.
#[derive(Debug)]
pub(super) struct Cache<V> {
    shards: Vec<Mutex<Shard<V>>>,
    shard_size_max: usize,
    shard_count_max: usize,
}

/// Proof of when a reader missed.
#[derive(Debug)]
pub(super) struct Ticket {
    deletes: u64,
}

#[derive(Debug)]
struct Shard<V> {
    /// Where an object is among the entries.
    places: HashMap<ObjectNumber, usize, BuildHasherDefault<Drawn>>,
    entries: Vec<Entry<V>>,
    /// The entry that is looked at next.
    hand: usize,
    size: usize,
    /// Newcomers since it was full.
    newcomers: u64,
    deletes: u64,
}

#[derive(Debug)]
struct Entry<V> {
    object: ObjectNumber,
    value: V,
    was_read: bool,
}

/// A hash that is a part of the object's number. Numbers are drawn by the daemon, 128 random bits
/// each, and those that are asked for come out of IDs that were checked: nobody can choose them so
/// that they meet.
#[derive(Debug, Default)]
struct Drawn(u64);

impl Hasher for Drawn {
    fn write(&mut self, bytes: &[u8]) {
        // The middle: the first byte names the directory, the last ones the shard.
        if let Some(&[.., a, b, c, d, e, f, g, h, _, _, _, _]) = bytes.first_chunk::<16>() {
            self.0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        }
    }

    /// The length of a number, which all of them have.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl CacheSizes {
    /// The daemon's, where a process may have so many descriptors.
    pub fn of_process(descriptors_max: Option<u64>) -> CacheSizes {
        let descriptors_max = descriptors_max.unwrap_or(u64::MAX);
        let kept = usize::try_from(descriptors_max).unwrap_or(usize::MAX) / DESCRIPTORS_KEPT_SHARE;
        let hot_bytes = CACHE_SIZE_DEFAULT;
        CacheSizes { hot_bytes, opened_bytes: OPENED_SIZE, opened_count: kept }
    }

    /// The same with so many bytes of small objects. How many objects stay open is bounded by
    /// descriptors, and does not follow.
    #[must_use]
    pub fn with_hot_bytes(self, hot_bytes: usize) -> CacheSizes {
        CacheSizes { hot_bytes, ..self }
    }

    /// Nothing is remembered.
    pub fn none() -> CacheSizes {
        CacheSizes::default()
    }
}

impl Caches {
    /// Empty ones.
    pub fn new(sizes: CacheSizes) -> Caches {
        let CacheSizes { hot_bytes, opened_bytes, opened_count } = sizes;
        Caches {
            hot: Cache::new(hot_bytes, usize::MAX),
            opened: Cache::new(opened_bytes, opened_count),
            cold: Notes::new(),
            filled: Notes::new(),
        }
    }

    /// Forgets a deleted object and voids the tickets of readers that may have opened it before.
    /// Its descriptor is closed when the last download that runs has ended.
    pub(super) fn forget(&self, object: ObjectNumber) {
        self.hot.forget(object);
        self.opened.forget(object);
    }
}

impl Origin {
    /// The error of a read, told of its object. The next request opens the file anew, and learns
    /// what is wrong before it is answered.
    pub(super) fn failed(&self, error: StoreError) -> StoreError {
        self.caches.forget(self.object);
        error.of(self.object)
    }
}

impl Kept for Hot {
    fn size(&self) -> usize {
        self.data.len() + self.seal.text_size()
    }
}

impl Kept for Opened {
    fn size(&self) -> usize {
        self.seal.text_size() + size_of_val(&self.seal.block_hashes[..])
    }
}

impl Opened {
    /// Whether it has been open for too long.
    fn is_old(&self) -> bool {
        self.since.elapsed() > Duration::from_secs(OPENED_AGE_MAX_S)
    }
}

impl Cache<Opened> {
    /// As [`Cache::get`]; what has been open for too long is closed.
    pub(super) fn get_fresh(&self, object: ObjectNumber) -> Result<Opened, Ticket> {
        let opened = self.get(object)?;
        if !opened.is_old() {
            return Ok(opened);
        }
        self.forget(object);
        self.get(object)
    }
}

impl<V: Kept> Cache<V> {
    /// A cache of at most `size_max` bytes and `count_max` objects; 0 of either keeps nothing.
    fn new(size_max: usize, count_max: usize) -> Cache<V> {
        let shard_count = (size_max / CACHE_SHARD_SIZE).clamp(CACHE_SHARDS_MIN, CACHE_SHARDS_MAX);
        let shards = (0..shard_count).map(|_| Mutex::new(Shard::new())).collect();
        let (shard_size_max, shard_count_max) = (size_max / shard_count, count_max / shard_count);
        Cache { shards, shard_size_max, shard_count_max }
    }

    /// The object, or a ticket to offer it with.
    pub(super) fn get(&self, object: ObjectNumber) -> Result<V, Ticket> {
        let mut shard = self.shard(object);
        let Some(&place) = shard.places.get(&object) else {
            return Err(Ticket { deletes: shard.deletes });
        };
        let entry = &mut shard.entries[place];
        entry.was_read = true;
        Ok(entry.value.clone())
    }

    /// Keeps what was read after `ticket` was given out, if there is room for it; whether it is
    /// kept now.
    pub(super) fn offer(&self, object: ObjectNumber, ticket: &Ticket, value: V) -> bool {
        let cost = cost(&value);
        if cost > self.shard_size_max || self.shard_count_max == 0 {
            return false;
        }
        let mut shard = self.shard(object);
        if shard.deletes != ticket.deletes {
            return false;
        }
        if shard.places.contains_key(&object) {
            return true;
        }
        let (size_max, count_max) = (self.shard_size_max - cost, self.shard_count_max - 1);
        let (evicted, has_room) = shard.make_room(size_max, count_max);
        if has_room {
            shard.insert(object, value);
        }
        drop(shard);
        // Without the lock: descriptors may be closed by this.
        drop(evicted);
        has_room
    }

    fn forget(&self, object: ObjectNumber) {
        let mut shard = self.shard(object);
        shard.deletes += 1;
        let forgotten = shard.places.get(&object).copied().map(|place| shard.remove(place));
        drop(shard);
        drop(forgotten);
    }

    fn shard(&self, object: ObjectNumber) -> MutexGuard<'_, Shard<V>> {
        // The last bytes: the first is shared by the objects of one publish batch.
        let [.., high, low] = *object.as_bytes();
        let index = usize::from(u16::from_be_bytes([high, low])) % self.shards.len();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Kept> Shard<V> {
    fn new() -> Shard<V> {
        Shard {
            places: HashMap::default(),
            entries: Vec::new(),
            hand: 0,
            size: 0,
            newcomers: 0,
            deletes: 0,
        }
    }

    /// Evicts until at most `size_max` bytes and `count_max` entries are kept; what was evicted,
    /// and whether that was reached.
    fn make_room(&mut self, size_max: usize, count_max: usize) -> (Vec<V>, bool) {
        let mut evicted = Vec::new();
        let has_room = self.size <= size_max && self.entries.len() <= count_max;
        if !has_room {
            self.newcomers += 1;
            if !self.newcomers.is_multiple_of(CACHE_NEWCOMERS_PER_ENTRY) {
                return (evicted, false);
            }
        }
        let mut looks_left = CACHE_LOOKS_MAX;
        while self.size > size_max || self.entries.len() > count_max {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            let place = self.hand;
            self.hand += 1;
            if !mem::take(&mut self.entries[place].was_read) {
                // The youngest takes its place, which the hand has passed.
                evicted.push(self.remove(place));
                continue;
            }
            looks_left -= 1;
            if looks_left == 0 {
                return (evicted, false);
            }
        }
        (evicted, true)
    }

    fn insert(&mut self, object: ObjectNumber, value: V) {
        self.size += cost(&value);
        self.places.insert(object, self.entries.len());
        self.entries.push(Entry { object, value, was_read: false });
    }

    /// Takes an entry out; the last one takes its place.
    fn remove(&mut self, place: usize) -> V {
        let removed = self.entries.swap_remove(place);
        self.places.remove(&removed.object);
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.object, place);
        }
        self.size -= cost(&removed.value);
        removed.value
    }
}

fn cost(value: &impl Kept) -> usize {
    value.size() + CACHE_ENTRY_OVERHEAD
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
    fn cache(count: usize) -> Cache<Hot> {
        Cache::new(count * (1000 + CACHE_ENTRY_OVERHEAD) * CACHE_SHARDS_MIN, usize::MAX)
    }

    fn put(cache: &Cache<Hot>, object: ObjectNumber) {
        if let Err(ticket) = cache.get(object) {
            cache.offer(object, &ticket, hot(1000));
        }
    }

    /// As often as it takes a full cache to let it in.
    fn put_until_kept(cache: &Cache<Hot>, object: ObjectNumber) {
        for _ in 0..CACHE_NEWCOMERS_PER_ENTRY {
            put(cache, object);
        }
    }

    fn kept(cache: &Cache<Hot>) -> (usize, usize) {
        let shard = cache.shard(number(0));
        assert_eq!(shard.places.len(), shard.entries.len());
        assert_eq!(shard.size, shard.entries.iter().map(|entry| cost(&entry.value)).sum::<usize>());
        (shard.entries.len(), shard.size)
    }

    #[test]
    fn the_bound_holds_and_what_was_read_stays() {
        let cache = cache(2);
        put(&cache, number(1));
        put(&cache, number(2));
        assert!(cache.get(number(1)).is_ok());
        put_until_kept(&cache, number(3));
        assert!(cache.get(number(1)).is_ok(), "it was read, so it got a second chance");
        assert!(cache.get(number(2)).is_err());
        assert!(cache.get(number(3)).is_ok());
        assert_eq!(kept(&cache).0, 2);
    }

    #[test]
    fn neither_bytes_nor_entries_exceed_their_bounds() {
        let by_size = cache(3);
        let by_count = Cache::new(CACHE_SIZE_DEFAULT, 2 * CACHE_SHARDS_MIN);
        for object in 0..=u8::MAX {
            put(&by_size, number(object));
            put(&by_count, number(object));
            assert!(kept(&by_size).1 <= by_size.shard_size_max);
            assert!(kept(&by_count).0 <= 2);
        }
        assert_eq!((kept(&by_size).0, kept(&by_count).0), (3, 2));
    }

    #[test]
    fn a_walk_over_more_objects_than_fit_leaves_most_of_them_there() {
        let cache = cache(40);
        let walk = || {
            (0..50)
                .filter(|&object| {
                    cache
                        .get(number(object))
                        .map_err(|ticket| {
                            cache.offer(number(object), &ticket, hot(1000));
                        })
                        .is_ok()
                })
                .count()
        };
        for _ in 0..10 {
            walk();
        }
        let hits = walk();
        assert!(hits >= 30, "{hits} hits of 50 with room for 40");
    }

    #[test]
    fn what_nobody_reads_any_more_makes_room() {
        let cache = cache(10);
        for object in 0..10 {
            put(&cache, number(object));
            cache.get(number(object)).unwrap();
        }
        for object in 100..200 {
            put_until_kept(&cache, number(object));
        }
        assert!((0..10).all(|object| cache.get(number(object)).is_err()));
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
        assert_eq!(kept(&cache).0, 1);
    }

    #[test]
    fn what_has_no_room_is_not_kept() {
        let cache = cache(1);
        let ticket = cache.get(number(1)).unwrap_err();
        cache.offer(number(1), &ticket, hot(1001));
        assert!(cache.get(number(1)).is_err());
        let none = Cache::new(1 << 20, 0);
        put(&none, number(1));
        assert!(none.get(number(1)).is_err());
    }
}
