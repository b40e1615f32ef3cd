//! Requests, bodies, peers.

use super::worker::SOCKET_READ_SIZE_LARGE;

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
/// Largest piece of the page cache that its answer's head waits for, to go out in one segment with
/// it, bytes: a segment has 64 KiB at most. Of 4 KiB a sixth more are answered so, of 64 KiB a fifth
/// fewer.
pub const JOINED_SIZE_MAX: usize = 48 << 10;
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

const _: () = assert!(DIGEST_PIECE_SIZE <= DIGEST_TURN_SIZE);
