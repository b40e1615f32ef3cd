//! Transfers to and from a daemon.

use super::http::{KEEP_ALIVE_TIMEOUT_S, PARTS_MAX};

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
