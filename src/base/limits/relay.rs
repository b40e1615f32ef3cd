//! The relay: its messages, who waits, who is paired.

/// Value of a rendezvous message, bytes. The longest there is, a refusal, has 257.
pub const RENDEZVOUS_VALUE_SIZE_MAX: usize = 512;
/// Sentence of a refusal, bytes of UTF-8: three lines of a terminal.
pub const REFUSAL_SENTENCE_SIZE_MAX: usize = 256;
/// Time between two signs of life of a relay to an end that waits, seconds. Home routers forget
/// TCP connections after five minutes at the earliest, mobile networks after half a minute.
pub const RENDEZVOUS_HEARTBEAT_S: u64 = 20;

const _: () = assert!(REFUSAL_SENTENCE_SIZE_MAX < RENDEZVOUS_VALUE_SIZE_MAX);
