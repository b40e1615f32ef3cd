//! Listeners, sockets, reads.

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

const _: () = assert!(SOCKET_READ_SIZE_SMALL < SOCKET_READ_SIZE_LARGE);
const _: () = assert!(LARGE_READS_PER_WORKER_MAX <= LARGE_READS_MAX);
