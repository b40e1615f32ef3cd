//! What every floor counts in.

/// Unit of alignment for direct I/O and of an object's padding, bytes. The largest logical block
/// size found on common devices; `O_DIRECT` needs offset, length and address aligned to it.
pub const BLOCK_SIZE: usize = 4096;

/// What a connection may take of memory, bytes: hyper's buffers, the head, the tail of a paused
/// upload (docs/architecture.md, "Memory").
pub const CONNECTION_MEMORY: usize = 64 << 10;
/// What the process may take beside slabs and connections, bytes.
pub const PROCESS_MEMORY: usize = 32 << 20;
