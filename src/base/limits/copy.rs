//! Copies.

/// Default chunk of a copy, bytes: as that of an upload. Smaller ones cost CPU; larger ones gained
/// nothing in runs that took turns.
pub const COPY_CHUNK_SIZE_DEFAULT: usize = 1 << 20;
/// Default chunks of a copy in flight, each being read or written: eight and eight, where reading
/// alone and writing alone reach the disk's limit. 16 MiB of buffers.
pub const COPY_QUEUE_DEPTH_DEFAULT: usize = 16;
/// Most memory that a copy takes for its chunks in flight, bytes: 64 of the largest chunk, 1024 of
/// 1 MiB.
pub const COPY_MEMORY_MAX: usize = 1 << 30;
