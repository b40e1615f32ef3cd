//! Every bound of the daemon, named, with its reason. Nothing in the house queues, loops, retries
//! or allocates without a constant from here (or a flag whose default is one).

/// Unit of alignment for direct I/O and of an object's padding, bytes. The largest logical block
/// size found on common devices; `O_DIRECT` needs offset, length and address aligned to it.
pub const BLOCK_SIZE: usize = 4096;

/// What a connection may take of memory, bytes: hyper's buffers, the head, the tail of a paused
/// upload (docs/architecture.md, "Memory").
pub const CONNECTION_MEMORY: usize = 64 << 10;
/// What the process may take beside slabs and connections, bytes.
pub const PROCESS_MEMORY: usize = 32 << 20;

// ---- plan -----------------------------------------------------------------------------------

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

// ---- store ----------------------------------------------------------------------------------

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
/// Largest frame of a download, bytes. Most connections have one at a time, so that what a peer does
/// not take fits into the connection's share of the memory contract when it is set aside.
pub const FRAME_SIZE_MAX: usize = 32 << 10;
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
/// Small objects kept in memory, bytes, all workers together: part of the 32 MiB of the memory
/// contract.
pub const CACHE_SIZE: usize = 4 << 20;
/// Objects kept open with their seals, bytes of memory, all workers together: ten thousand small
/// ones, beside [`CACHE_SIZE`] in the memory contract.
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
/// Locks of a cache, so that workers seldom meet.
pub const CACHE_SHARDS: usize = 16;
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

// ---- copy -----------------------------------------------------------------------------------

/// Default chunk of a copy, bytes: as that of an upload. Smaller ones cost CPU; larger ones gained
/// nothing in runs that took turns.
pub const COPY_CHUNK_SIZE_DEFAULT: usize = 1 << 20;
/// Default chunks of a copy in flight, each being read or written: eight and eight, where reading
/// alone and writing alone reach the disk's limit. 16 MiB of buffers.
pub const COPY_QUEUE_DEPTH_DEFAULT: usize = 16;
/// Most memory that a copy takes for its chunks in flight, bytes: 64 of the largest chunk, 1024 of
/// 1 MiB.
pub const COPY_MEMORY_MAX: usize = 1 << 30;

// ---- worker ---------------------------------------------------------------------------------

/// Connections one worker holds unless told otherwise; further ones wait in the listener's
/// backlog. 625 MiB of the memory contract when all of them are slow.
pub const CONNECTIONS_PER_WORKER_DEFAULT: usize = 10_000;
/// Most connections a worker may be told to hold: each is a descriptor, and the kernel gives a
/// process a million (`fs.nr_open`).
pub const CONNECTIONS_PER_WORKER_MAX: usize = 100_000;
/// Most workers: more threads than the largest common machine has cores help nobody.
pub const WORKERS_MAX: usize = 512;
/// Connections that wait to be accepted, per listener; the kernel cuts it to `somaxconn`.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Pause after an accept that failed, milliseconds. Out of descriptors, the next one fails too
/// until a connection ends; ten tries a second are no load.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// Most bytes of one read from a socket that has not shown that more is there at once. hyper's
/// buffer stays at twice that: 16 KiB of a slow upload's 64, beside the 8 that it keeps aside.
pub const SOCKET_READ_SIZE_FIRST: usize = 8 << 10;
/// Full reads of that size, less the others, before the next.
pub const FULL_READS_BEFORE_SMALL: usize = 8;
/// Most bytes of one read from a socket after that, unless it holds a permit to read large. hyper's buffer
/// is twice that (`worker/socket.rs`), and an upload that turns slow touches all of it in time: 32
/// KiB of the connection's 64, beside the 8 that it keeps aside.
pub const SOCKET_READ_SIZE_SMALL: usize = 16 << 10;
/// Most bytes of one read with a permit.
pub const SOCKET_READ_SIZE_LARGE: usize = 1 << 20;
/// By how many the full small reads outnumber the others before a connection asks for a permit:
/// 256 KiB that were there when they were asked for. Not
/// in a row: a fresh socket's receive buffer holds eight, then the sender has its turn.
pub const FULL_READS_BEFORE_LARGE: usize = 16;
/// Connections that may read large at once, all workers together: 4 x 2 MiB of the 32 MiB that
/// the daemon has besides slabs and connections. Eight of them overran it (64 uploads, 2 workers).
pub const LARGE_READS_MAX: usize = 4;
/// The same for one worker: four streams saturate a core. A machine with more workers than
/// [`LARGE_READS_MAX`] has one each: 2 MiB beside a slab of 80 MiB by default.
pub const LARGE_READS_PER_WORKER_MAX: usize = 4;

// ---- import ---------------------------------------------------------------------------------

/// Imports at once, all workers together; each costs twice [`IMPORT_BUFFER_SIZE`] and 128 KiB for
/// TLS, with what the allocator rounds up 1 MiB: 4 MiB of the memory contract's 32.
pub const IMPORTS_MAX: usize = 4;
/// Most that is read of a source in one call, bytes, and the longest head of an answer; as much
/// again may be on its way to the store. hyper's own choice (8 KiB and 100 pages of 4), which
/// reqwest does not let us change; a test of `import/` notices when it grows.
pub const IMPORT_BUFFER_SIZE: usize = 408 << 10;
/// Longest URL, bytes: what RFC 9110, section 4.1, asks everybody to support.
pub const URL_SIZE_MAX: usize = 8000;
/// Redirects followed. A chain of a link shortener, a mirror list and a mirror has three.
pub const IMPORT_REDIRECTS_MAX: usize = 5;
/// Addresses of one name that are tried.
pub const IMPORT_ADDRESSES_MAX: usize = 4;
/// Time for a connection to one of them, its TLS included, seconds: all of them fit the time for
/// an answer.
pub const IMPORT_CONNECT_TIMEOUT_S: u64 = 7;
/// Time from a request's name lookup to the head of its answer, seconds.
pub const IMPORT_ANSWER_TIMEOUT_S: u64 = 30;
/// Time without a byte from a source, seconds.
pub const IMPORT_IDLE_TIMEOUT_S: u64 = 30;
/// Slowest average rate of a source, bytes a second, reckoned as that of a client's body. A modem;
/// below it somebody holds one of few places.
pub const IMPORT_RATE_MIN: u64 = 4 << 10;
/// Time for one import, seconds: 2 TB at 100 MB/s.
pub const IMPORT_TIMEOUT_S: u64 = 6 * 60 * 60;
/// Times that one import asks for the rest after its transfer broke.
pub const IMPORT_RESUMES_MAX: u32 = 5;
/// Pause before the first of them, milliseconds; doubled for each: 16 s in all.
pub const IMPORT_RESUME_PAUSE_MS: u64 = 500;
/// How much older than the answer a `Last-Modified` must be to tell two states of a file apart,
/// seconds: that much may the clocks of the source's parts disagree.
pub const VALIDATOR_AGE_MIN_S: u64 = 60;
/// Name lookups at once, all workers together. One that its import gave up on keeps its thread
/// until the system's resolver does, 30 s by default.
pub const LOOKUPS_MAX: usize = 4 * IMPORTS_MAX;
/// Stack of such a thread, bytes: the C library's resolver, and what it is configured to load, keep
/// packets and lines on it.
pub const LOOKUP_THREAD_STACK_SIZE: usize = 512 << 10;

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
/// Headers of a request: the parser behind has room for as many.
pub const HEADERS_MAX: usize = 100;
/// Bytes of one read while a head or the frame of a chunk is expected: a head of the largest size.
pub const HEAD_READ_SIZE: usize = HEAD_SIZE_MAX;
/// Content of a chunk from which on it is read straight into the parser's buffer, bytes: a copy of
/// less costs no more than a call of its own.
pub const CHUNK_DIRECT_SIZE_MIN: u64 = 16 << 10;
/// Extensions of all chunks of a body together, bytes. Nobody uses them.
pub const CHUNK_EXTENSIONS_SIZE_MAX: usize = 8 << 10;
/// Trailers of a chunked body, bytes. Nothing of them is used.
pub const TRAILERS_SIZE_MAX: usize = 8 << 10;
/// Time a client has for sending a request head from its first byte on, or from connecting,
/// seconds.
pub const HEAD_TIMEOUT_S: u64 = 10;
/// Time that a connection without a request yet has for its first one once the drain begins,
/// milliseconds: a round trip around the world. It was accepted, so its client is not told to try
/// elsewhere; browsers also open connections that they never use.
pub const FIRST_REQUEST_GRACE_MS: u64 = 500;
/// Time a connection may stay open between two requests, seconds.
pub const KEEP_ALIVE_TIMEOUT_S: u64 = 60;
/// Most that hyper reads in one call and holds for writing, bytes. Large reads are what makes
/// uploads fast; the socket adapter bounds how many connections read large at once. No more than
/// one such read: hyper would allocate twice what is read, and 1 MiB more per connection stays
/// resident (measured).
pub const CONNECTION_BUFFER_SIZE_MAX: usize = SOCKET_READ_SIZE_LARGE;
/// Time without a byte from the client after which a body is given up, seconds.
pub const BODY_IDLE_TIMEOUT_S: u64 = 30;
/// Time in which a client's system acknowledges nothing of an answer after which it is given up,
/// seconds. At 1 KiB a second, a receiver that tells of its room in steps of 64 KiB is silent for
/// a minute between two; an answer that waits holds nothing but its 64 KiB.
pub const SEND_IDLE_TIMEOUT_S: u64 = 120;
/// Time without room in the client's socket after which an answer gives its buffers back,
/// milliseconds: what waits to be sent, a frame and a head, is set aside. Longer than the pauses
/// of a client that is busy with what it got, shorter than what anybody would notice.
pub const SEND_PARK_AFTER_MS: u64 = 100;
/// Frames that a connection with a permit may have out, one write of 256 KiB: 0.21 CPU-seconds a
/// gigabyte, where one of 64 KiB a write took 0.25.
pub const FRAMES_OUTSTANDING_MAX: usize = 8;
/// Such permits a worker. They cost memory only when their clients stop reading all at once: 1 MiB,
/// beside a slab of 80 MiB by default.
pub const LARGE_SENDS_PER_WORKER_MAX: usize = 4;
/// Frames that a client has taken without a pause before its connection asks for a permit: a
/// mebibyte.
pub const FRAMES_BEFORE_LARGE: usize = 32;
/// Waiting for a client that is free of any rate, seconds: a pause on a mobile network.
pub const BODY_RATE_GRACE_S: u64 = 30;
/// Slowest average rate of a body, up or down, over the time spent waiting, bytes per second. A tenth
/// of GPRS; below it is no network, but somebody who holds connections.
pub const BODY_RATE_MIN: u64 = 512;
/// Waiting for a sender after which an upload gives its buffer back, milliseconds. Longer than the
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

// ---- client ---------------------------------------------------------------------------------

/// Bytes of one frame of an upload: one read of the source, one write to the socket.
pub const UPLOAD_FRAME_SIZE: usize = 256 << 10;
/// Frames between an upload and its connection; hyper takes two more of them in advance.
pub const UPLOAD_FRAMES_QUEUED: usize = 2;
/// Buffers of a source that is read ahead on a thread of its own: those that may be queued or on
/// their way to the socket, one being read and one to spare. 1.5 MiB.
pub const READ_AHEAD_BUFFERS: usize = UPLOAD_FRAMES_QUEUED + 4;
/// Stack of such a thread, bytes: it reads, and nothing deep.
pub const READ_AHEAD_STACK_SIZE: usize = 128 << 10;
/// Time for a connection to a server, TLS included, seconds.
pub const CLIENT_CONNECT_TIMEOUT_S: u64 = 15;
/// Time in which a server takes no byte of an upload, or does not answer a whole one, after which it
/// is given up, seconds: one that waits for a disk with a long queue is still served.
pub const CLIENT_IDLE_TIMEOUT_S: u64 = 120;
/// Time after which an idle connection is not used again, seconds: the server keeps it for longer,
/// so that a request does not meet its end.
pub const CLIENT_KEEP_ALIVE_S: u64 = KEEP_ALIVE_TIMEOUT_S / 2;
/// Longest answer to an upload, bytes: 2 KiB for each of the most files.
pub const UPLOAD_ANSWER_SIZE_MAX: usize = PARTS_MAX * (2 << 10);

// ---- config ---------------------------------------------------------------------------------

/// Random bytes of a secret made at start; written as twice as many hex digits. 256 bits, as much
/// as the keys derived from it.
pub const SECRET_SIZE_NEW: usize = 32;
/// Largest secret file, bytes: a key in any encoding, and not a file given by mistake.
pub const SECRET_FILE_SIZE_MAX: u64 = 4096;

// ---- cli ------------------------------------------------------------------------------------

/// Times that `put` tries again unless told otherwise: 15 s in all, a daemon's restart.
pub const PUT_RETRIES_DEFAULT: u32 = 5;
/// Most that it may be told to try again: with the longest pauses, most of an hour.
pub const PUT_RETRIES_MAX: u32 = 100;
/// Longest wait of `health` for one step of the answer, seconds. A container's health check has
/// its own limit above that; a worker that needs longer for `/readyz` is not well.
pub const HEALTH_TIMEOUT_S: u64 = 3;
/// Longest answer that `health` reads, bytes: a head of a few hundred and a sentence.
pub const HEALTH_ANSWER_SIZE_MAX: u64 = 16 << 10;
/// Longest wait for a service manager to take a notification, milliseconds. It has room for
/// thousands; one that is stuck does not keep the daemon from serving or stopping.
pub const NOTIFY_TIMEOUT_MS: u64 = 1_000;

const _: () = assert!(CHUNK_SIZE_DEFAULT.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(SOCKET_READ_SIZE_SMALL < SOCKET_READ_SIZE_LARGE);
const _: () = assert!(LARGE_READS_PER_WORKER_MAX <= LARGE_READS_MAX);
const _: () =
    assert!(IMPORT_ADDRESSES_MAX as u64 * IMPORT_CONNECT_TIMEOUT_S < IMPORT_ANSWER_TIMEOUT_S);
const _: () = assert!(2 * IMPORT_BUFFER_SIZE + (128 << 10) < 1 << 20);
const _: () = assert!(DIGEST_STEP_SIZE.is_multiple_of(READ_SIZE));
const _: () = assert!(DIGEST_PIECE_SIZE <= DIGEST_TURN_SIZE);
const _: () = assert!(HASH_BLOCK_SIZE_MIN.is_multiple_of(HASH_STEP_SIZE as u64));
const _: () = assert!(READ_SIZE.is_multiple_of(BLOCK_SIZE));
const _: () = assert!(READ_SIZE.is_multiple_of(FRAME_SIZE_MAX));
const _: () = assert!(HEAP_READ_SIZE <= FRAME_SIZE_MAX);
const _: () = assert!(CHUNK_SIZE_DEFAULT as u64 <= HASH_BLOCK_SIZE_MIN);
const _: () = assert!(OPEN_READ_SIZE >= CACHE_OBJECT_SIZE_MAX + BLOCK_SIZE);
const _: () = assert!(CACHE_OBJECT_SIZE_MAX < CACHE_SIZE / CACHE_SHARDS);
const _: () = assert!(VERIFY_READ_SIZE as u64 <= HASH_BLOCK_SIZE_MIN);
const _: () = assert!(SYNCS_IN_FLIGHT_MAX < DISK_THREADS_MAX);
const _: () = assert!(PREALLOCATION_STEP_MIN.is_multiple_of(BLOCK_SIZE as u64));
const _: () = assert!(PREALLOCATION_STEP_MIN <= PREALLOCATION_STEP_MAX);
const _: () = assert!(FREE_SPACE_AGE_REFUSAL_MS < FULL_REFUSAL_INTERVAL_MS);
const _: () = assert!(VOLUME_FAILURES_MAX > 1);
