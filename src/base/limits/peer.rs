//! Transfers from peer to peer: codes, the agreement on a key, records, lines.

use super::relay::RENDEZVOUS_HEARTBEAT_S;

/// Fewest words of a code: one guess in a million.
pub const CODE_WORDS_MIN: usize = 2;
/// Words of a code if nothing else is asked for: one guess in a thousand million.
pub const CODE_WORDS_DEFAULT: usize = 3;
/// Most words of a code: 80 bits, and still a sentence that can be read out.
pub const CODE_WORDS_MAX: usize = 8;
/// Longest text that is looked at for a code, bytes: all digits of a number, and the most words of
/// the longest kind with generous spaces.
pub const CODE_TEXT_SIZE_MAX: usize = 256;
/// Content of one record, bytes. Sealing and opening gain nothing beyond 16 KiB, headers and tags
/// are 0.03 % of this, and what was just received is opened while it is in the cache of the core.
pub const RECORD_SIZE_MAX: usize = 64 << 10;
/// Message of a line, bytes: a block of 1 MiB and what is said about it.
pub const MESSAGE_SIZE_MAX: usize = (1 << 20) + (64 << 10);
/// Records under one key. 4 exabytes: nobody meets it, but a counter that comes round would repeat
/// nonces, which gives plain text away.
pub const RECORDS_PER_KEY_MAX: u64 = 1 << 46;
/// Sealed bytes that a line gathers before it writes them.
pub const LINE_WRITE_SIZE: usize = 256 << 10;
/// Room of a line for what is read at once: a few records of the longest kind.
pub const LINE_READ_SIZE: usize = 256 << 10;
/// Time for a connection to the relay, seconds.
pub const PEER_CONNECT_TIMEOUT_S: u64 = 15;
/// Time in which nothing can be written or is read, after which the other end is given up, seconds.
pub const PEER_IDLE_TIMEOUT_S: u64 = 60;
/// Time after which one who has nothing to say shows that he is there, seconds: twice within the
/// time in which he would be given up.
pub const PEER_KEEP_ALIVE_S: u64 = PEER_IDLE_TIMEOUT_S / 3;
/// Time in which the other end comes to a channel, seconds: it has to notice that its connection
/// broke, and to wait for its own pauses between tries.
pub const PEER_MEET_TIMEOUT_S: u64 = 120;
/// Time for each step of the agreement on a key, seconds: both ends are programs.
pub const PEER_AGREE_TIMEOUT_S: u64 = 30;

const _: () = assert!(CODE_WORDS_MIN <= CODE_WORDS_DEFAULT);
const _: () = assert!(CODE_WORDS_DEFAULT <= CODE_WORDS_MAX);
const _: () = assert!(RECORD_SIZE_MAX <= MESSAGE_SIZE_MAX);
// A record of the longest kind, its header and its tag always fit.
const _: () = assert!(LINE_READ_SIZE >= 2 * RECORD_SIZE_MAX);
// A relay that lives says so before it is taken for dead.
const _: () = assert!(PEER_IDLE_TIMEOUT_S > 2 * RENDEZVOUS_HEARTBEAT_S);
