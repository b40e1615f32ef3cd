//! The log.

/// Log lines that wait to be written, bytes: three thousand requests. As many may be on their way
/// to stderr: 2 MiB of the memory contract's 32, when the log's reader is slow.
pub const LOG_BUFFER_SIZE: usize = 1 << 20;
/// Least time between two writes of log lines, milliseconds: twenty system calls a second instead
/// of one for each request, and still at once for whoever watches.
pub const LOG_INTERVAL_MS: u64 = 50;
/// Longest wait for the last log lines to be written, milliseconds: a reader who is stuck does not
/// keep the process from its end.
pub const LOG_FLUSH_TIMEOUT_MS: u64 = 1_000;
