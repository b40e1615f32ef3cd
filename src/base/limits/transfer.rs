//! Transfers between two ends of a relay: what is offered, asked for and held.

use super::http::NAME_SIZE_MAX;
use super::plan::CHUNK_SIZE_DEFAULT;

/// Bytes of a block, the unit that is asked for, sent again and hashed; the last of a file may be
/// shorter. A chunk of the disk, and a subtree of BLAKE3.
pub const PEER_BLOCK_SIZE: usize = CHUNK_SIZE_DEFAULT;
/// Files and folders of one transfer: each needs a few hundred bytes at both ends.
pub const PEER_ENTRIES_MAX: usize = 100_000;
/// Bytes of all that an offer says: 160 for each of the most entries.
pub const PEER_OFFER_SIZE_MAX: usize = 16 << 20;
/// Bytes of one message of an offer.
pub const PEER_ENTRIES_SIZE_MAX: usize = 64 << 10;
/// Bytes of a path below the folder that it goes to, slashes included: what Linux takes in one call.
pub const PEER_PATH_SIZE_MAX: usize = 4095;
/// Folders that a path may lead through, its file included.
pub const PEER_PATH_DEPTH_MAX: usize = 64;
/// Bytes of a sentence for the other end's user.
pub const PEER_REASON_SIZE_MAX: usize = 1 << 10;
/// Data lines of a transfer. More than there are cores gain nothing but where the way is long.
pub const PEER_LINES_MAX: u8 = 16;
/// Data lines unless told otherwise: one may wait for its disk while the other has the network.
pub const PEER_LINES_DEFAULT: u8 = 2;
/// Blocks that are asked for on a line and have not come: many small files in the time that one
/// question takes, and as many descriptors at the receiver.
pub const PEER_WANTS_MAX: usize = 64;
/// Bytes that are asked for on a line and have not come: 160 MB/s where an answer takes 100 ms. They
/// are nowhere but on the way.
pub const PEER_WANTS_SIZE_MAX: u64 = 16 << 20;
/// Blocks of a stream that are held at either end: what may come out of order, and what may have to
/// be sent again.
pub const PEER_STREAM_WINDOW: u64 = 32;
/// Blocks that the receiver hashes and writes at the same time.
pub const PEER_LANDINGS_IN_FLIGHT: usize = 8;
/// Files that get their names at the same time at the receiver: they share the waits for the disk.
pub const PEER_NAMINGS_IN_FLIGHT: usize = 32;
/// Files that the sender keeps open: those that blocks in flight belong to.
pub const PEER_SOURCES_OPEN_MAX: usize = 64;
/// Time that ends try to get over broken lines unless told otherwise, seconds: a relay's restart, a
/// laptop that changes its network.
pub const PEER_PATIENCE_DEFAULT_S: u64 = 300;
/// Longest such time that may be asked for, seconds: a day.
pub const PEER_PATIENCE_MAX_S: u64 = 86_400;
/// Doublings of the pause before a line is connected again: 8 s at most, so that both ends are there
/// soon after the relay is.
pub const PEER_RETRY_DOUBLINGS_MAX: u32 = 4;
/// Tries in a row that a line may break without having been of use: with the longest pauses a quarter
/// of an hour.
pub const PEER_FRUITLESS_TRIES_MAX: u32 = 120;
/// Lines of one transfer that may be given up because bytes on them were changed: a network that
/// does it by accident does it rarely.
pub const PEER_TAMPERED_LINES_MAX: u32 = 16;
/// Time that a line has to last so that it was of use, seconds.
pub const PEER_LINE_USEFUL_S: u64 = 10;
/// Messages of a control line that wait to be looked at.
pub const PEER_INBOX_SIZE: usize = 16;
/// Files that are whole at the receiver and wait for the sender's word or their name: as many keep
/// their descriptors.
pub const PEER_UNCONFIRMED_MAX: usize = 256;
/// Blocks that the sender reads ahead of the one that it sends, on each line.
pub const PEER_READS_AHEAD: usize = 2;
/// What happens that waits to be told to the user.
pub const PEER_NOTICES_QUEUED: usize = 64;
/// Time that the receiver, which has everything, tries to tell the sender so over another line,
/// seconds.
pub const PEER_DONE_TIMEOUT_S: u64 = 15;
/// Time to tell the other end why the transfer ends, seconds: it is a courtesy.
pub const PEER_FAREWELL_TIMEOUT_S: u64 = 3;

const _: () = assert!(PEER_PATH_SIZE_MAX > NAME_SIZE_MAX);
const _: () = assert!(PEER_WANTS_SIZE_MAX >= 2 * PEER_BLOCK_SIZE as u64);
const _: () = assert!(PEER_ENTRIES_SIZE_MAX > PEER_PATH_SIZE_MAX + 64);
