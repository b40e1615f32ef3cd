//! Objects: writing, publishing, caches, checks.

use super::base::BLOCK_SIZE;
use super::disk::READ_SIZE;
use super::http::NAME_SIZE_MAX;

/// Hash block, bytes, until an object has more than [`HASH_BLOCKS_MAX`] of them; doubled then.
pub const HASH_BLOCK_SIZE_MIN: u64 = 1 << 20;
/// Most chaining values in one seal: 2 MiB of them.
pub const HASH_BLOCKS_MAX: usize = 65_536;
/// Bytes of an upload hashed at a time, from one multiple of it to the next: BLAKE3 fills its SIMD
/// lanes only where it gets whole, aligned subtrees of its tree, 16 chunks of 1 KiB with AVX-512.
/// Cut anywhere, the same bytes take 1.4 times as long. As many fit the L2 cache beside their source.
pub const HASH_STEP_SIZE: usize = 64 << 10;
/// Chunks of one upload in flight. Eight of 1 MiB reach the disk's limit.
pub const WRITES_PER_UPLOAD_MAX: usize = 8;
/// Bytes that a parked upload keeps beside the slab before it takes a buffer again: at 1 KiB a
/// second one of 20 ms every 8 s. An eighth of the connection's share of memory.
pub const PARKED_SIZE_MAX: usize = 8 << 10;
/// Files from this size on (seal included) bypass the page cache even when the operator asked for
/// no durability; smaller ones profit from it then.
pub const DIRECT_SIZE_MIN: u64 = 256 << 10;
/// Random bytes drawn from the kernel together, for 256 object numbers.
pub const RANDOM_DRAW_SIZE: usize = 4096;
/// Upload requests named and synced together.
pub const PUBLISH_BATCH_MAX: usize = 256;
/// First read of an object, from its end, bytes: a small object whole, or the seal of one of up to
/// 2,000 hash blocks.
pub const OPEN_READ_SIZE: usize = 72 << 10;
/// Reads of one download in flight.
pub const READS_AHEAD_MAX: usize = 4;
/// The same where they go past the page cache and nobody reads ahead for them, while half of the
/// worker's buffers are free.
pub const DIRECT_READS_AHEAD_MAX: usize = 8;
/// Bytes of one download read ahead past the page cache: four reads of a chunk of 1 MiB, or eight
/// of [`READ_SIZE`] where uploads have most of those buffers. A disk does more with few large reads.
pub const DIRECT_AHEAD_SIZE_MAX: u64 = 4 << 20;
/// A download decides so many bytes at a time whether to read past the page cache: 16 reads, of
/// which the first ones find the disk at work.
pub const COLD_WINDOW_SIZE: u64 = 4 << 20;
/// Least of a window that is worth it, bytes: a smaller range is soon read, and whoever seeks in a
/// file is served by what the kernel reads ahead.
pub const COLD_READ_SIZE_MIN: u64 = 1 << 20;
/// How long it is remembered of a part of a file that it was read past the page cache, seconds: what
/// is asked for again so soon comes through it, and who comes later finds the disk as fast as the
/// first one did. And that its pages in the page cache are filled.
pub const NOTES_MEMORY_S: u64 = 60;
/// Notes of either kind, all workers together: the last 32 GiB, in 64 KiB of memory.
pub const NOTES_COUNT: usize = 8192;
/// From so many bytes on, pages in the page cache are looked at through a mapping, and it is noted
/// that they are filled. Less is looked at by reading it, and again each time: a mapping was a fifth
/// of the CPU of a download of 4 KiB.
pub const FILLED_MAPPED_SIZE_MIN: u64 = 64 << 10;
/// Largest frame of a download, bytes. Most connections have one at a time, so that what a peer does
/// not take fits into the connection's share of the memory contract when it is set aside.
pub const FRAME_SIZE_MAX: usize = 32 << 10;
/// Largest piece that a connection sends from the page cache in one call, bytes: 16 GB/s take 60 µs
/// for it. What left the page cache meanwhile is read by that call, and the worker waits for it.
pub const EXTENT_SIZE_MAX: usize = 1 << 20;
/// Bytes of one copy to the socket where the kernel cannot send from the page cache.
pub const EXTENT_COPY_SIZE: usize = 64 << 10;
/// Buffer of a download that got none from the slab or whose peer was slow, bytes: what a slow
/// peer does not take lies in it, in the connection's share of the memory contract.
pub const HEAP_READ_SIZE: usize = 16 << 10;
/// Small reads of a download whose peer was slow before it asks the slab again: a quarter of a
/// mebibyte taken without a pause, more than what the kernel buffers for a peer that takes nothing.
pub const READS_AFTER_PARK: usize = 16;
/// Oldest reading of the free space that an upload is let in on, milliseconds. What uploads take
/// meanwhile is counted, so it goes stale only by what others write to the volume.
pub const FREE_SPACE_AGE_MAX_MS: u64 = 500;
/// Oldest reading that an upload is refused on, milliseconds: room that was just made is seen, and
/// a storm of refusals asks the kernel fifty times a second and not for each of them.
pub const FREE_SPACE_AGE_REFUSAL_MS: u64 = 20;
/// Least time between two uploads that lose their room while they grow, milliseconds: each of them
/// gives its blocks back, and those that stay go on with them.
pub const FULL_REFUSAL_INTERVAL_MS: u64 = 50;
/// Such intervals that a growing upload waits for room before it is refused in any case: 5 s,
/// during which it holds the chunk that it could not write.
pub const FULL_WAITS_MAX: u32 = 100;
/// A preallocation takes one of so many parts of the room there is, at most: what is ahead of one
/// upload when the disk fills up is not missing to another.
pub const PREALLOCATION_ROOM_PARTS: u64 = 4;
/// Objects lost in a row, to failed writes or syncs, after which the volume counts as failed. One
/// may be a bad sector that the drive then replaces; three without a success between are not.
pub const VOLUME_FAILURES_MAX: u8 = 3;
/// Pause before each probe of a failed volume, milliseconds: a write and a sync of one block, no
/// load for the sickest drive, and what a false alarm costs at most.
pub const VOLUME_PROBE_INTERVAL_MS: u64 = 5_000;
/// Longest media type kept, bytes.
pub const CONTENT_TYPE_SIZE_MAX: usize = 255;
/// Largest object the hot cache keeps, bytes: with its seal it fits the first read.
pub const CACHE_OBJECT_SIZE_MAX: usize = 64 << 10;
/// Small objects kept in memory, bytes, all workers together, unless the operator says otherwise
/// (`--cache-size`): part of the 32 MiB of the memory contract.
pub const CACHE_SIZE_DEFAULT: usize = 4 << 20;
/// Least that keeps every small object, bytes: of less, the share of one lock holds no object of
/// [`CACHE_OBJECT_SIZE_MAX`].
pub const CACHE_SIZE_MIN: usize = 2 << 20;
/// Most, bytes: more than one machine has for this; a unit too large is found at the start.
pub const CACHE_SIZE_MAX: usize = 1 << 40;
/// Objects kept open with their seals, bytes of memory, all workers together: ten thousand small
/// ones, beside [`CACHE_SIZE_DEFAULT`] in the memory contract.
pub const OPENED_SIZE: usize = 4 << 20;
/// How long an object is kept open before it is opened anew, seconds: what somebody replaced in the
/// root by hand is seen after that.
pub const OPENED_AGE_MAX_S: u64 = 60;
/// Objects are kept open on one of so many of the descriptors that the process may have: the others
/// are for connections and for what is being written.
pub const DESCRIPTORS_KEPT_SHARE: usize = 4;
/// What one object in a cache costs beside its bytes: its seal, its place among the others, the
/// handle of its file.
pub const CACHE_ENTRY_OVERHEAD: usize = 400;
/// Locks of a cache, at least, so that workers seldom meet.
pub const CACHE_SHARDS_MIN: usize = 16;
/// Bytes behind one lock of a larger cache: two thousand objects, which are moved within some
/// 50 us when what they are found by has to grow.
pub const CACHE_SHARD_SIZE: usize = 1 << 20;
/// Locks of a cache, at most: as many as two bytes of an object's number tell apart.
pub const CACHE_SHARDS_MAX: usize = 1 << 16;
/// Entries in use that a full cache looks at for one that is not, for each that comes in.
pub const CACHE_LOOKS_MAX: usize = 2;
/// A full cache takes one of so many newcomers: what is read often gets in soon, and a walk over
/// more objects than fit costs little beside its reads.
pub const CACHE_NEWCOMERS_PER_ENTRY: u64 = 8;
/// Bytes given to the thread that computes digests at a time: 1.6 ms of MD5, so that looking every
/// [`DIGEST_POLL_MS`] whether it is done costs little. A computation has two such buffers and one
/// of [`READ_SIZE`], and there is one computation at a time in the process: 2.3 MiB of the memory
/// contract's 32.
pub const DIGEST_STEP_SIZE: usize = 1 << 20;
/// Bytes that thread hashes before it offers its core to others (`sched_yield`): 50 us of MD5. A
/// kernel that does not interrupt a running thread takes it off there.
pub const DIGEST_YIELD_SIZE: usize = 32 << 10;
/// Pause between two looks at that thread, milliseconds: nobody waits for it.
pub const DIGEST_POLL_MS: u64 = 1;
/// Computations that run or wait for their turn, all workers together. Each holds a file open.
pub const DIGEST_JOBS_MAX: usize = 16;
/// Largest object a digest is computed of, bytes: more would keep the others waiting for longer
/// than the seven minutes that MD5 takes for this.
pub const DIGEST_OBJECT_SIZE_MAX: u64 = 256 << 30;
/// Longest a request waits for a digest, milliseconds: 8 GiB of SHA-256 on an idle core. Then it is
/// answered without.
pub const DIGEST_WAIT_MS: u64 = 5_000;
/// Digests remembered, all workers together: with 250 bytes each, 1 MiB of the memory contract.
pub const DIGESTS_REMEMBERED_MAX: usize = 4096;
/// Objects that `verify` checks side by side: so many reads of small ones are in flight.
pub const VERIFY_OBJECTS_IN_FLIGHT_MAX: usize = 16;
/// Read of a large object by `verify`, bytes; eight of them in flight reach the disk's limit.
pub const VERIFY_READ_SIZE: usize = 1 << 20;
/// Such reads of one object in flight.
pub const VERIFY_READS_AHEAD_MAX: usize = 8;
/// Buffers for them, all objects together: 16 MiB, two objects at full speed.
pub const VERIFY_BUFFERS: usize = 2 * VERIFY_READS_AHEAD_MAX;
/// What `verify` counts for an object at least, bytes: a disk with an arm has spent the time of
/// that much reading when it has found the object.
pub const VERIFY_OBJECT_COST: u64 = 256 << 10;
/// Damages of one object that are told, each one a run of blocks; the rest is counted.
pub const DAMAGES_TOLD_MAX: usize = 64;

const _: () = assert!(DIGEST_STEP_SIZE.is_multiple_of(READ_SIZE));
const _: () = assert!(HASH_BLOCK_SIZE_MIN.is_multiple_of(HASH_STEP_SIZE as u64));
const _: () = assert!(HEAP_READ_SIZE <= FRAME_SIZE_MAX);
const _: () = assert!(COLD_WINDOW_SIZE.is_multiple_of(READ_SIZE as u64));
const _: () = assert!(COLD_READ_SIZE_MIN >= 2 * READ_SIZE as u64);
const _: () = assert!(DIRECT_READS_AHEAD_MAX as u64 * (READ_SIZE as u64) < COLD_WINDOW_SIZE);
const _: () = assert!(OPEN_READ_SIZE >= CACHE_OBJECT_SIZE_MAX + BLOCK_SIZE);
const _: () = assert!(
    CACHE_OBJECT_SIZE_MAX + CONTENT_TYPE_SIZE_MAX + NAME_SIZE_MAX + CACHE_ENTRY_OVERHEAD
        <= CACHE_SIZE_MIN / CACHE_SHARDS_MIN
);
const _: () = assert!(CACHE_SIZE_MIN <= CACHE_SIZE_DEFAULT && CACHE_SIZE_DEFAULT <= CACHE_SIZE_MAX);
const _: () = assert!(VERIFY_READ_SIZE as u64 <= HASH_BLOCK_SIZE_MIN);
const _: () = assert!(FREE_SPACE_AGE_REFUSAL_MS < FULL_REFUSAL_INTERVAL_MS);
const _: () = assert!(VOLUME_FAILURES_MAX > 1);
