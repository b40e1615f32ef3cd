//! Secrets that are read or made at start.

/// Random bytes of a secret made at start; written as twice as many hex digits. 256 bits, as much
/// as the keys derived from it.
pub const SECRET_SIZE_NEW: usize = 32;
/// Largest secret file, bytes: a key in any encoding, and not a file given by mistake.
pub const SECRET_FILE_SIZE_MAX: u64 = 4096;
