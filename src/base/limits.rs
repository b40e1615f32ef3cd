//! Every bound of the daemon, named, with its reason. Nothing in the house queues, loops, retries
//! or allocates without a constant from here (or a flag whose default is one).

/// Unit of alignment for direct I/O and of an object's padding, bytes. The largest logical block
/// size found on common devices; `O_DIRECT` needs offset, length and address aligned to it.
pub const BLOCK_SIZE: usize = 4096;

// ---- plan -----------------------------------------------------------------------------------

/// Default chunk, bytes: one write SQE of an upload. 1 MiB at depth 8 reaches the disk's limit
/// (docs/performance.md); smaller chunks cost CPU, larger ones cost memory per upload.
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

// ---- id -------------------------------------------------------------------------------------

/// Shortest secret accepted, bytes: 128 bits, the strength of the SipHash-2-4 keys made from
/// it.
pub const SECRET_SIZE_MIN: usize = 16;
/// Most previous secrets kept for old IDs. An ID is tried against those with its fingerprint,
/// so this bounds what a stranger's ID can cost.
pub const SECRETS_PREVIOUS_MAX: usize = 64;

// ---- disk -----------------------------------------------------------------------------------

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
/// Directories one worker keeps open for syncing and for `--public`: the 256 of the store, the
/// staging directory, the public one, and room to spare. The whole set is dropped when it is full.
pub const DIRECTORIES_OPEN_MAX: usize = 300;
/// Resubmissions of one transfer that keeps coming back short or interrupted.
pub const TRANSFER_RETRIES_MAX: usize = 64;
/// Download buffer, bytes: one read SQE. 256 KiB stays in the L2 cache between the copy from the
/// page cache and the copy to the socket.
pub const READ_SIZE: usize = 256 << 10;
/// Tries to resolve a stranger's path when renames race with it (`openat2` answers `EAGAIN`).
pub const RESOLVE_TRIES_MAX: usize = 16;
/// Threads per worker of the `threads` engine. More than the syncs that pay off at once, so that
/// syncs leave room for transfers; 16 blocking writers of 1 MiB saturate a disk.
pub const DISK_THREADS_MAX: usize = 16;
/// Stack of such a thread, bytes: it makes kernel calls and lists directories, nothing deep.
pub const DISK_THREAD_STACK_SIZE: usize = 256 << 10;

// ---- store ----------------------------------------------------------------------------------

/// Hash block, bytes, until an object has more than [`HASH_BLOCKS_MAX`] of them; doubled then.
pub const HASH_BLOCK_SIZE_MIN: u64 = 1 << 20;
/// Most chaining values in one seal: 2 MiB of them.
pub const HASH_BLOCKS_MAX: usize = 65_536;
/// Chunks of one upload in flight. Eight of 1 MiB reach the disk's limit.
pub const WRITES_PER_UPLOAD_MAX: usize = 8;
/// Files from this size on (seal included) bypass the page cache; smaller ones profit from it.
pub const DIRECT_SIZE_MIN: u64 = 256 << 10;
/// Upload requests named and synced together.
pub const PUBLISH_BATCH_MAX: usize = 256;
/// First read of an object, from its end, bytes: a small object whole, or the seal of one of up to
/// 2,000 hash blocks.
pub const OPEN_READ_SIZE: usize = 72 << 10;
/// Reads of one download in flight.
pub const READS_AHEAD_MAX: usize = 4;
/// Bytes of buffers that one download has handed to its socket and that were not sent yet; one
/// more frame may go beyond.
pub const FRAME_BYTES_OUTSTANDING_MAX: usize = 2 * READ_SIZE;
/// Buffer of a download that got none from the slab, bytes: its share of the memory contract.
pub const HEAP_READ_SIZE: usize = 64 << 10;
/// Longest media type kept, bytes.
pub const CONTENT_TYPE_SIZE_MAX: usize = 255;
/// Largest object the hot cache keeps, bytes: with its seal it fits the first read.
pub const CACHE_OBJECT_SIZE_MAX: usize = 64 << 10;
/// The hot cache, bytes, all workers together: part of the 32 MiB of the memory contract.
pub const CACHE_SIZE: usize = 8 << 20;
/// What one object in the cache costs beside its bytes.
pub const CACHE_ENTRY_OVERHEAD: usize = 512;
/// Locks of the hot cache, so that workers seldom meet.
pub const CACHE_SHARDS: usize = 16;

// ---- worker ---------------------------------------------------------------------------------

/// Connections one worker holds; further ones wait in the listener's backlog.
pub const CONNECTIONS_PER_WORKER_MAX: usize = 10_000;

// ---- http -----------------------------------------------------------------------------------

/// Longest file name kept, bytes of UTF-8: the limit of every common filesystem (`NAME_MAX`).
pub const NAME_SIZE_MAX: usize = 255;
/// Longest file ID accepted, bytes.
pub const FILE_ID_SIZE_MAX: usize = 1024;

const _: () = assert!(CHUNK_SIZE_DEFAULT.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(READ_SIZE.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(CHUNK_SIZE_DEFAULT as u64 <= HASH_BLOCK_SIZE_MIN);
const _: () = assert!(OPEN_READ_SIZE >= CACHE_OBJECT_SIZE_MAX + BLOCK_SIZE);
const _: () = assert!(SYNCS_IN_FLIGHT_MAX < DISK_THREADS_MAX);
const _: () = assert!(PREALLOCATION_STEP_MIN.is_multiple_of(BLOCK_SIZE as u64));
const _: () = assert!(PREALLOCATION_STEP_MIN <= PREALLOCATION_STEP_MAX);
