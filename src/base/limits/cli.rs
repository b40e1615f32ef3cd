//! Commands.

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
