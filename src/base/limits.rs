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

// ---- store ----------------------------------------------------------------------------------

/// Hash block, bytes, until an object has more than [`HASH_BLOCKS_MAX`] of them; doubled then.
pub const HASH_BLOCK_SIZE_MIN: u64 = 1 << 20;
/// Most chaining values in one seal: 2 MiB of them.
pub const HASH_BLOCKS_MAX: usize = 65_536;

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
const _: () = assert!(SYNCS_IN_FLIGHT_MAX < DISK_THREADS_MAX);
