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

// ---- telemetry ------------------------------------------------------------------------------

/// Log lines that wait to be written, bytes: three thousand requests. As many may be on their way
/// to stderr: 2 MiB of the memory contract's 32, when the log's reader is slow.
pub const LOG_BUFFER_SIZE: usize = 1 << 20;
/// Least time between two writes of log lines, milliseconds: twenty system calls a second instead
/// of one for each request, and still at once for whoever watches.
pub const LOG_INTERVAL_MS: u64 = 50;
/// Longest wait for the last log lines to be written, milliseconds: a reader who is stuck does not
/// keep the process from its end.
pub const LOG_FLUSH_TIMEOUT_MS: u64 = 1_000;

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

// ---- store ----------------------------------------------------------------------------------

/// Hash block, bytes, until an object has more than [`HASH_BLOCKS_MAX`] of them; doubled then.
pub const HASH_BLOCK_SIZE_MIN: u64 = 1 << 20;
/// Most chaining values in one seal: 2 MiB of them.
pub const HASH_BLOCKS_MAX: usize = 65_536;
/// Chunks of one upload in flight. Eight of 1 MiB reach the disk's limit.
pub const WRITES_PER_UPLOAD_MAX: usize = 8;
/// Files from this size on (seal included) bypass the page cache even when the operator asked for
/// no durability; smaller ones profit from it then.
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

// ---- worker ---------------------------------------------------------------------------------

/// Connections one worker holds; further ones wait in the listener's backlog.
pub const CONNECTIONS_PER_WORKER_MAX: usize = 10_000;
/// Most workers: more threads than the largest common machine has cores help nobody.
pub const WORKERS_MAX: usize = 512;
/// Connections that wait to be accepted, per listener; the kernel cuts it to `somaxconn`.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Pause after an accept that failed, milliseconds. Out of descriptors, the next one fails too
/// until a connection ends; ten tries a second are no load.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// Most bytes of one read from a socket, unless it holds a permit to read large. hyper's buffer
/// is twice that and two may be filled (`worker/socket.rs`): 64 KiB touched per connection.
pub const SOCKET_READ_SIZE_SMALL: usize = 32 << 10;
/// Most bytes of one read with a permit.
pub const SOCKET_READ_SIZE_LARGE: usize = 1 << 20;
/// By how many the full small reads outnumber the others before a connection asks for a permit:
/// about 200 KiB that were there when they were asked for (hyper's first reads are of 8 KiB). Not
/// in a row: a fresh socket's receive buffer holds four, then the sender has its turn.
pub const FULL_READS_BEFORE_LARGE: usize = 8;
/// Connections that may read large at once, all workers together: 4 x 2 MiB of the 32 MiB that
/// the daemon has besides slabs and connections. Eight of them overran it (64 uploads, 2 workers).
pub const LARGE_READS_MAX: usize = 4;
/// The same for one worker: four streams saturate a core. A machine with more workers than
/// [`LARGE_READS_MAX`] has one each: 2 MiB beside a slab of 80 MiB by default.
pub const LARGE_READS_PER_WORKER_MAX: usize = 4;

// ---- http -----------------------------------------------------------------------------------

/// Longest file name kept, bytes of UTF-8: the limit of every common filesystem (`NAME_MAX`).
pub const NAME_SIZE_MAX: usize = 255;
/// Longest file ID accepted, bytes.
pub const FILE_ID_SIZE_MAX: usize = 1024;
/// Ranges read in one `Range` header; a longer list is ignored. Players and download managers ask
/// for a handful, and each one costs a part with a header of its own.
pub const RANGES_MAX: usize = 64;
/// Request head (request line and headers), bytes. Browsers stay below 8 KiB, cookies included.
pub const HEAD_SIZE_MAX: usize = 16 << 10;
/// Time a client has for sending a request head from its first byte on, or from connecting,
/// seconds.
pub const HEAD_TIMEOUT_S: u64 = 10;
/// Time a connection may stay open between two requests, seconds.
pub const KEEP_ALIVE_TIMEOUT_S: u64 = 60;
/// Most that hyper reads in one call and holds for writing, bytes. Large reads are what makes
/// uploads fast; the socket adapter bounds how many connections read large at once. No more than
/// one such read: hyper would allocate twice what is read, and 1 MiB more per connection stays
/// resident (measured).
pub const CONNECTION_BUFFER_SIZE_MAX: usize = SOCKET_READ_SIZE_LARGE;
/// Time without a byte from the client after which a body is given up, seconds.
pub const BODY_IDLE_TIMEOUT_S: u64 = 30;
/// Time without room in the client's socket after which an answer is given up, seconds. Until
/// then the answer holds read buffers.
pub const SEND_IDLE_TIMEOUT_S: u64 = 30;
/// Waiting for a client that is free of any rate, seconds: a pause on a mobile network.
pub const BODY_RATE_GRACE_S: u64 = 30;
/// Slowest average rate of a body over the time spent waiting for it, bytes per second. A tenth
/// of GPRS; below it is no network, but somebody who holds connections.
pub const BODY_RATE_MIN: u64 = 512;
/// Waiting for a client after which an upload gives its buffer back, milliseconds. Longer than the
/// pauses inside a fast transfer, shorter than a round trip around the world.
pub const PARK_AFTER_MS: u64 = 20;
/// Bytes of an upload hashed for a digest field before they are handed on: they are still in the
/// L2 cache when BLAKE3 and the copy into the chunk come to them.
pub const DIGEST_PIECE_SIZE: usize = 64 << 10;
/// Bytes so hashed, times algorithms, until the other connections of the worker have their turn:
/// 0.4 ms of MD5, the slowest.
pub const DIGEST_TURN_SIZE: usize = 256 << 10;
/// Parts in one upload request.
pub const PARTS_MAX: usize = 1_000;
/// Headers of one part, bytes.
pub const PART_HEAD_SIZE_MAX: usize = 8 << 10;
/// Longest multipart boundary, bytes (RFC 2046, section 5.1.1).
pub const BOUNDARY_SIZE_MAX: usize = 70;
/// Text before the first boundary of a multipart document, and blank lines between two, bytes.
pub const PREAMBLE_SIZE_MAX: usize = 8 << 10;
/// A form field that is not a file, bytes.
pub const FIELD_SIZE_MAX: usize = 64 << 10;
/// A JSON or urlencoded request, bytes.
pub const DOCUMENT_SIZE_MAX: usize = 64 << 10;
/// Body read and thrown away after a refusal, bytes: a client that is still sending must reach
/// the end of what it has in flight before it reads the answer (RFC 9112, section 9.6).
pub const LINGER_SIZE_MAX: u64 = 64 << 20;
/// Time spent on that, seconds.
pub const LINGER_TIMEOUT_S: u64 = 5;
/// Hash values written into one frame of a manifest: 64 KiB of text.
pub const MANIFEST_HASHES_PER_FRAME: usize = 1_000;

// ---- config ---------------------------------------------------------------------------------

/// Random bytes of a secret made at start; written as twice as many hex digits. 256 bits, as much
/// as the keys derived from it.
pub const SECRET_SIZE_NEW: usize = 32;
/// Largest secret file, bytes: a key in any encoding, and not a file given by mistake.
pub const SECRET_FILE_SIZE_MAX: u64 = 4096;

const _: () = assert!(CHUNK_SIZE_DEFAULT.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(SOCKET_READ_SIZE_SMALL < SOCKET_READ_SIZE_LARGE);
const _: () = assert!(LARGE_READS_PER_WORKER_MAX <= LARGE_READS_MAX);
const _: () = assert!(DIGEST_STEP_SIZE.is_multiple_of(READ_SIZE));
const _: () = assert!(DIGEST_PIECE_SIZE <= DIGEST_TURN_SIZE);
const _: () = assert!(READ_SIZE.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(CHUNK_SIZE_DEFAULT as u64 <= HASH_BLOCK_SIZE_MIN);
const _: () = assert!(OPEN_READ_SIZE >= CACHE_OBJECT_SIZE_MAX + BLOCK_SIZE);
const _: () = assert!(SYNCS_IN_FLIGHT_MAX < DISK_THREADS_MAX);
const _: () = assert!(PREALLOCATION_STEP_MIN.is_multiple_of(BLOCK_SIZE as u64));
const _: () = assert!(PREALLOCATION_STEP_MIN <= PREALLOCATION_STEP_MAX);
