//! Engines, buffers, operations in flight.

use super::base::BLOCK_SIZE;
use super::store::FRAME_SIZE_MAX;

/// Default in-flight file SQEs (reads and writes) per worker: the queue that stands in for the
/// goroutine count of the older system.
pub const QUEUE_DEPTH_DEFAULT: usize = 64;
/// Largest queue depth accepted; a worker's slab grows with it.
pub const QUEUE_DEPTH_MAX: usize = 1024;
/// Syncs in flight per worker. Measured: 16 concurrent write+fdatasync+dirsync reach 3.3 times
/// the rate of one, 64 fall back to 1.2 times.
pub const SYNCS_IN_FLIGHT_MAX: usize = 8;
/// Other metadata operations (open, link, stat, ...) in flight per worker; each may occupy a
/// kernel worker thread.
pub const METADATA_IN_FLIGHT_MAX: usize = 32;
/// Longest call on a worker's own thread, milliseconds, that is taken for one that waits for no
/// device. They take tens of microseconds; memory full of dirty pages holds one for up to 200 ms.
pub const INLINE_CALL_MS_MAX: u64 = 5;
/// Time after a longer one in which such calls are made on another thread, milliseconds: a worker
/// loses no more than one call's wait a second.
pub const INLINE_PAUSE_MS: u64 = 1_000;
/// Names given on a worker's own thread in one turn of its loop: 0.4 ms at 6 microseconds each.
pub const INLINE_LINKS_MAX: usize = 64;
/// Small files, and batches of names, on their way at once per worker; those beyond the threads
/// wait in a queue, so that a thread that is done finds the next without sleeping.
pub const SMALL_FILES_IN_FLIGHT_MAX: usize = 64;
/// Threads per worker that make small files in one step. Measured with 32 connections on 2 workers:
/// 4 are 10 % slower, 12 and 16 no faster.
pub const SMALL_FILE_THREADS: usize = 8;
/// Largest file, bytes with its seal, that is made in one step; larger ones are worth a write
/// through the ring, from a registered buffer.
pub const SMALL_FILE_SIZE_MAX: u64 = 64 << 10;
/// Directories one worker keeps open for syncing: the 256 of the store, those above them, and room
/// to spare. The whole set is dropped when it is full.
pub const DIRECTORIES_OPEN_MAX: usize = 300;
/// Resubmissions of one transfer that keeps coming back short or interrupted.
pub const TRANSFER_RETRIES_MAX: usize = 64;
/// Download buffer, bytes: one read SQE. 256 KiB stays in the L2 cache between the copy from the
/// page cache and the copy to the socket.
pub const READ_SIZE: usize = 256 << 10;
/// Tries to resolve a stranger's path when renames race with it (`openat2` answers `EAGAIN`).
pub const RESOLVE_TRIES_MAX: usize = 16;
/// Threads per worker of the `threads` engine: the 8 writes of 1 MiB that reach the disk's limit,
/// beside all the syncs that may be in flight.
pub const DISK_THREADS_MAX: usize = 16;
/// Stack of such a thread, bytes: it makes kernel calls and lists directories, nothing deep.
pub const DISK_THREAD_STACK_SIZE: usize = 256 << 10;
/// Symbolic links followed on one path of the memory disk: the kernel's own limit.
pub const SYMLINKS_FOLLOWED_MAX: usize = 40;
/// Room on a memory disk unless told otherwise, bytes: a test's mistake in an offset is a full
/// disk and not a machine out of memory.
pub const MEMORY_DISK_SIZE_DEFAULT: u64 = 1 << 30;
/// Operations that pass through a faulty disk at once; the disk below has the gates that matter.
pub const FAULTY_IN_FLIGHT_MAX: usize = 1 << 16;

const _: () = assert!(READ_SIZE.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(READ_SIZE.is_multiple_of(FRAME_SIZE_MAX));
const _: () = assert!(SYNCS_IN_FLIGHT_MAX < DISK_THREADS_MAX);
