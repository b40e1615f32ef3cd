//! Transfers to and from a daemon.

use super::http::{KEEP_ALIVE_TIMEOUT_S, PARTS_MAX};
use super::store::HASH_BLOCKS_MAX;

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
/// Default pieces of an arriving file on their way to the disk at once: eight reach the limit of a
/// fast drive, and there are as many again to fill the gaps between them.
pub const DOCK_IN_FLIGHT_DEFAULT: usize = 16;
/// Most of them.
pub const DOCK_IN_FLIGHT_MAX: usize = 64;
/// Bytes of one buffer of an arriving file.
pub const DOCK_CHUNK_SIZE: usize = 1 << 20;
/// Stack of the thread that writes arriving files, bytes: it submits, and copies into buffers.
pub const DOCK_STACK_SIZE: usize = 1 << 20;
/// Longest wait for what the disk has under way after a file was given up, seconds: a disk that
/// hangs does not hold whoever waits for the error.
pub const DOCK_END_TIMEOUT_S: u64 = 10;
/// Time in which a part that another process has may become free, milliseconds: the kernel takes
/// that long, and less, to take a killed process's ring apart.
pub const PART_LOCK_PATIENCE_MS: u64 = 3_000;
/// Pause between two looks whether it is, milliseconds.
pub const PART_LOCK_INTERVAL_MS: u64 = 20;
/// Smallest block that a journal of a download can be about, bytes: smaller ones are more of them
/// than anybody has a use for.
pub const JOURNAL_BLOCK_SIZE_MIN: u64 = 4096;
/// Longest journal that is read, bytes: twice the records that a file can have, for those that were
/// written again after their block was found bad.
pub const JOURNAL_SIZE_MAX: u64 = 72 + 2 * 48 * HASH_BLOCKS_MAX as u64;
/// Longest manifest that is read, bytes: a quoted hash and its comma for each of the most blocks, and
/// room for spaces.
pub const MANIFEST_SIZE_MAX: usize = (HASH_BLOCKS_MAX + 100) * 68;
/// Redirects followed for one request of a download.
pub const DOWNLOAD_REDIRECTS_MAX: usize = 5;
/// Default connections of a download.
pub const DOWNLOAD_CONNECTIONS_DEFAULT: u8 = 4;
/// Bytes written at once: a block of the usual size; larger ones come in several pieces, so that
/// memory does not grow with the file.
pub const DOWNLOAD_PIECE_SIZE: usize = 1 << 20;
/// Default time without a byte after which a connection of a download is given up, seconds.
pub const DOWNLOAD_STALL_DEFAULT_S: u64 = 30;
/// Default tries of a block after its first.
pub const DOWNLOAD_RETRIES_DEFAULT: u32 = 5;
/// Most of them: with the longest pauses, most of an hour.
pub const DOWNLOAD_RETRIES_MAX: u32 = 100;
/// Most blocks, bytes together, that wait for those before them where a file goes out in order.
pub const DOWNLOAD_WINDOW_SIZE_MAX: u64 = 64 << 20;
/// Pieces of a stream that wait to go out: one is written while the next comes.
pub const STREAM_PIECES_QUEUED: usize = 2;
/// Pieces of a download on their way to the disk at once, and buffers for them: what reaches the limit
/// of a fast drive. More connections wait for their turns.
pub const DOWNLOAD_WRITES_IN_FLIGHT: usize = 8;
/// Pieces of a part read at once when it is looked at again.
pub const DOWNLOAD_READS_IN_FLIGHT: usize = 8;

const _: () = assert!(DOWNLOAD_READS_IN_FLIGHT <= DOWNLOAD_WRITES_IN_FLIGHT, "a turn for each");
const _: () = assert!(DOWNLOAD_PIECE_SIZE == DOCK_CHUNK_SIZE, "a piece is one write");
