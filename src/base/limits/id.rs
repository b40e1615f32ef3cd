//! Secrets of file IDs.

/// Shortest secret accepted, bytes: 128 bits, the strength of the SipHash-2-4 keys made from
/// it.
pub const SECRET_SIZE_MIN: usize = 16;
/// Most previous secrets kept for old IDs. An ID is tried against those with its fingerprint,
/// so this bounds what a stranger's ID can cost.
pub const SECRETS_PREVIOUS_MAX: usize = 64;
