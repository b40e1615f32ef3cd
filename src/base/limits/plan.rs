//! Chunks, preallocation, pauses before retries.

use super::base::BLOCK_SIZE;
use super::store::HASH_BLOCK_SIZE_MIN;

/// Default chunk, bytes: one write SQE of an upload. 1 MiB at depth 8 reaches the limit of a fast
/// drive; smaller chunks cost CPU, larger ones cost memory per upload.
pub const CHUNK_SIZE_DEFAULT: usize = 1 << 20;
/// Smallest chunk accepted, bytes: one block.
pub const CHUNK_SIZE_MIN: usize = BLOCK_SIZE;
/// Largest chunk accepted, bytes. A slab of the default depth stays at 1 GiB.
pub const CHUNK_SIZE_MAX: usize = 16 << 20;
/// Largest object planned for, bytes: the largest offset the kernel takes (`loff_t` is signed).
/// Twice this still fits in a `u64`, so a sum of two checked positions cannot wrap.
pub const OBJECT_SIZE_MAX: u64 = i64::MAX as u64;
/// First preallocation, bytes. A smaller upload has one or two extents anyway, and none is
/// preallocated for it: `fallocate` and the cut at the end would cost more than they save.
pub const PREALLOCATION_STEP_MIN: u64 = 8 << 20;
/// Largest preallocation, bytes: at 4 GB/s one `fallocate` every 16 ms.
pub const PREALLOCATION_STEP_MAX: u64 = 64 << 20;
/// Furthest that preallocation runs ahead of the bytes received: what one upload whose peer
/// went silent can hold of the disk. Two steps, so that the next one is under way while the last
/// one is written.
pub const PREALLOCATION_AHEAD_MAX: u64 = 2 * PREALLOCATION_STEP_MAX;

/// Shortest pause before something that failed is tried again, milliseconds; doubled for each try.
pub const RETRY_PAUSE_MIN_MS: u64 = 500;
/// Longest such pause, milliseconds: nobody waits longer for a server that is back.
pub const RETRY_PAUSE_MAX_MS: u64 = 30_000;

const _: () = assert!(CHUNK_SIZE_DEFAULT.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(CHUNK_SIZE_DEFAULT as u64 <= HASH_BLOCK_SIZE_MIN);
const _: () = assert!(PREALLOCATION_STEP_MIN.is_multiple_of(BLOCK_SIZE as u64));
const _: () = assert!(PREALLOCATION_STEP_MIN <= PREALLOCATION_STEP_MAX);
