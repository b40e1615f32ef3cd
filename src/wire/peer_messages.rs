//! What two ends of a transfer say to each other inside of their lines, where the relay cannot read
//! it. Pure.
//!
//! ```text
//! type u8 | value                                                    numbers are big-endian
//!
//! 0x01 Hello     version u8 | has offer u8                           the receiver, first on the
//!                                                                    control line, each time
//! 0x10 Offer     version u8 | lines u8 | entries u32 | size u64      the sender, control line
//! 0x11 Entries   entry ...
//! 0x12 Match     file u32
//! 0x20 Accept                                                        the receiver, control line
//! 0x21 Decline   sentence
//! 0x22 Whole     file u32 | size u64 | BLAKE3 [32]
//! 0x30 Done                                                          both, control line
//! 0x31 Failed    sentence
//! 0x40 Want      file u32 | block u64 | low u64                      the receiver, data lines
//! 0x50 Block     file u32 | block u64 | bytes                        the sender, data lines
//! 0x51 End       file u32 | block u64 | size u64
//! 0x52 Spoiled   file u32 | block u64 | sentence                     there and on the control line
//!
//! entry          kind u8 | mode u16 | modified s i64 | modified ns u32 | size u64
//!                | path length u16 | path, UTF-8
//! sentence       UTF-8, at most 1 KiB
//! ```
//!
//! A line keeps the borders of messages, so none says how long it is. What is said in which order is
//! in docs/transfer.md. A file is the number of its entry in the offer.

use std::fmt;

use bytes::{Buf, Bytes};

use super::peer_path::{PeerPath, PeerPathError};
use crate::base::limits::{
    OBJECT_SIZE_MAX, PEER_BLOCK_SIZE, PEER_ENTRIES_MAX, PEER_LINES_MAX, PEER_REASON_SIZE_MAX,
};

/// The version that is spoken here.
pub const PEER_VERSION: u8 = 1;
/// What comes before the bytes of a block, bytes.
pub const BLOCK_HEAD_SIZE: usize = 13;

const HELLO: u8 = 0x01;
const OFFER: u8 = 0x10;
const ENTRIES: u8 = 0x11;
const MATCH: u8 = 0x12;
const ACCEPT: u8 = 0x20;
const DECLINE: u8 = 0x21;
const WHOLE: u8 = 0x22;
const DONE: u8 = 0x30;
const FAILED: u8 = 0x31;
const WANT: u8 = 0x40;
const BLOCK: u8 = 0x50;
const END: u8 = 0x51;
const SPOILED: u8 = 0x52;

/// Permissions that travel: those of reading, writing and executing.
const MODE_MAX: u16 = 0o777;
const NANOSECONDS: u32 = 1_000_000_000;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// A control line is there.
    Hello {
        /// Of the receiver.
        version: u8,
        /// Whether it has the offer, from an earlier control line.
        has_offer: bool,
    },
    /// What is offered, in all; its entries follow.
    Offer(OfferHead),
    /// Some of the entries, in order.
    Entries(Vec<Entry>),
    /// The sender's file has the BLAKE3 that the receiver's has.
    Match {
        /// Which.
        file: u32,
    },
    /// The receiver wants all of it.
    Accept,
    /// The receiver wants nothing of it.
    Decline(String),
    /// The receiver has a file.
    Whole {
        /// Which.
        file: u32,
        /// Its size, bytes.
        size_bytes: u64,
        /// Of what was received.
        blake3: [u8; 32],
    },
    /// Every file that can be has its name; and the same back.
    Done,
    /// This end gives up.
    Failed(String),
    /// The receiver asks for a block.
    Want {
        /// Which.
        id: BlockId,
        /// Blocks below it never have to be sent again: what a stream need not hold.
        low: u64,
    },
    /// A block.
    Block {
        /// Which.
        id: BlockId,
        /// At most [`PEER_BLOCK_SIZE`] bytes.
        bytes: Bytes,
    },
    /// A stream ends before that block.
    End {
        /// The block that is not there.
        id: BlockId,
        /// Of the whole stream, bytes.
        size_bytes: u64,
    },
    /// The sender's file cannot be sent as it was offered.
    Spoiled {
        /// The block that was asked for; 0 where none was.
        id: BlockId,
        /// Why.
        reason: String,
    },
}

/// A block of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The file's number in the offer.
    pub file: u32,
    /// The block's number in the file.
    pub block: u64,
}

/// What is offered, in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferHead {
    /// Of the sender.
    pub version: u8,
    /// Data lines that both ends open.
    pub lines: u8,
    /// Entries that follow.
    pub entries: u32,
    /// Of all files together, bytes; a stream counts nothing.
    pub size_bytes: u64,
}

/// A file, a folder or a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its permissions, `0o777` at most.
    pub mode: u16,
    /// When it was changed, seconds since 1970.
    pub modified_s: i64,
    /// And the nanoseconds after that.
    pub modified_ns: u32,
    /// Its size, bytes; 0 of a folder and of a stream.
    pub size_bytes: u64,
    /// Where it goes.
    pub path: PeerPath,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file whose size is known.
    File,
    /// A folder.
    Folder,
    /// Bytes whose end nobody knows yet.
    Stream,
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerMessageError {
    /// A type that nobody sends, or no byte at all.
    Type,
    /// It ends before its value does, or goes on after it.
    Length,
    /// A value that means nothing, and which.
    Value(&'static str),
    /// A path that does not lead down.
    Path(PeerPathError),
}

impl PeerMessage {
    /// The message as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            PeerMessage::Hello { version, has_offer } => {
                out.extend([HELLO, *version, u8::from(*has_offer)]);
            }
            PeerMessage::Offer(head) => {
                out.extend([OFFER, head.version, head.lines]);
                out.extend(head.entries.to_be_bytes());
                out.extend(head.size_bytes.to_be_bytes());
            }
            PeerMessage::Entries(entries) => {
                out.push(ENTRIES);
                for entry in entries {
                    entry.encode(&mut out);
                }
            }
            PeerMessage::Match { file } => {
                out.push(MATCH);
                out.extend(file.to_be_bytes());
            }
            PeerMessage::Accept => out.push(ACCEPT),
            PeerMessage::Decline(why) => put_sentence(&mut out, DECLINE, why),
            PeerMessage::Whole { file, size_bytes, blake3 } => {
                out.push(WHOLE);
                out.extend(file.to_be_bytes());
                out.extend(size_bytes.to_be_bytes());
                out.extend(blake3);
            }
            PeerMessage::Done => out.push(DONE),
            PeerMessage::Failed(why) => put_sentence(&mut out, FAILED, why),
            PeerMessage::Want { id, low } => {
                out.extend(id.head(WANT));
                out.extend(low.to_be_bytes());
            }
            PeerMessage::Block { id, bytes } => {
                out.extend(id.block_head());
                out.extend_from_slice(bytes);
            }
            PeerMessage::End { id, size_bytes } => {
                out.extend(id.head(END));
                out.extend(size_bytes.to_be_bytes());
            }
            PeerMessage::Spoiled { id, reason } => {
                out.extend(id.head(SPOILED));
                out.extend(sentence(reason).bytes());
            }
        }
        out
    }

    /// Reads a message. Takes what [`PeerMessage::encode`] writes and nothing else. The bytes of a
    /// block are shared, not copied.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn decode(message: Bytes) -> Result<PeerMessage, PeerMessageError> {
        let mut value = Value(message);
        let kind = value.u8().map_err(|_| PeerMessageError::Type)?;
        let decoded = match kind {
            HELLO => PeerMessage::Hello { version: value.u8()?, has_offer: value.flag()? },
            OFFER => PeerMessage::Offer(OfferHead::decode(&mut value)?),
            ENTRIES => PeerMessage::Entries(value.entries()?),
            MATCH => PeerMessage::Match { file: value.u32()? },
            ACCEPT => PeerMessage::Accept,
            DECLINE => PeerMessage::Decline(value.sentence()?),
            WHOLE => PeerMessage::Whole {
                file: value.u32()?,
                size_bytes: value.size()?,
                blake3: value.array()?,
            },
            DONE => PeerMessage::Done,
            FAILED => PeerMessage::Failed(value.sentence()?),
            WANT => PeerMessage::Want { id: value.id()?, low: value.u64()? },
            BLOCK => PeerMessage::Block { id: value.id()?, bytes: value.block()? },
            END => PeerMessage::End { id: value.id()?, size_bytes: value.size()? },
            SPOILED => PeerMessage::Spoiled { id: value.id()?, reason: value.sentence()? },
            _ => return Err(PeerMessageError::Type),
        };
        if value.0.has_remaining() { Err(PeerMessageError::Length) } else { Ok(decoded) }
    }
}

impl BlockId {
    /// What comes before a block's bytes: the two are one message, and need not lie side by side.
    pub fn block_head(self) -> [u8; BLOCK_HEAD_SIZE] {
        self.head(BLOCK)
    }

    fn head(self, kind: u8) -> [u8; BLOCK_HEAD_SIZE] {
        let mut head = [kind; BLOCK_HEAD_SIZE];
        let (file, block) = head[1..].split_at_mut(size_of::<u32>());
        file.copy_from_slice(&self.file.to_be_bytes());
        block.copy_from_slice(&self.block.to_be_bytes());
        head
    }
}

impl OfferHead {
    fn decode(value: &mut Value) -> Result<OfferHead, PeerMessageError> {
        let (version, lines) = (value.u8()?, value.u8()?);
        let (entries, size_bytes) = (value.u32()?, value.size()?);
        if !(1..=PEER_LINES_MAX).contains(&lines) {
            return Err(PeerMessageError::Value("number of lines"));
        }
        if !(1..=PEER_ENTRIES_MAX).contains(&(entries as usize)) {
            return Err(PeerMessageError::Value("number of files"));
        }
        Ok(OfferHead { version, lines, entries, size_bytes })
    }
}

impl Entry {
    /// Bytes that it takes in an offer.
    pub fn encoded_size(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let path = self.path.to_string();
        let size = u16::try_from(path.len()).unwrap_or(u16::MAX);
        assert_eq!(usize::from(size), path.len(), "a path is shorter than PEER_PATH_SIZE_MAX");
        out.push(match self.kind {
            EntryKind::File => 0,
            EntryKind::Folder => 1,
            EntryKind::Stream => 2,
        });
        out.extend(self.mode.to_be_bytes());
        out.extend(self.modified_s.to_be_bytes());
        out.extend(self.modified_ns.to_be_bytes());
        out.extend(self.size_bytes.to_be_bytes());
        out.extend(size.to_be_bytes());
        out.extend(path.bytes());
    }

    fn decode(value: &mut Value) -> Result<Entry, PeerMessageError> {
        let kind = match value.u8()? {
            0 => EntryKind::File,
            1 => EntryKind::Folder,
            2 => EntryKind::Stream,
            _ => return Err(PeerMessageError::Value("kind of an entry")),
        };
        let mode = u16::from_be_bytes(value.array()?);
        let seconds = i64::from_be_bytes(value.array()?);
        let (nanoseconds, size_bytes) = (value.u32()?, value.size()?);
        let path_size = u16::from_be_bytes(value.array()?);
        let path = value.text(usize::from(path_size))?;
        let path = PeerPath::parse(&path).map_err(PeerMessageError::Path)?;
        if mode > MODE_MAX {
            return Err(PeerMessageError::Value("permissions"));
        }
        if nanoseconds >= NANOSECONDS {
            return Err(PeerMessageError::Value("nanoseconds"));
        }
        if kind != EntryKind::File && size_bytes != 0 {
            return Err(PeerMessageError::Value("size of what has none"));
        }
        Ok(Entry { kind, mode, modified_s: seconds, modified_ns: nanoseconds, size_bytes, path })
    }
}

/// The beginning of a sentence that is too long.
fn sentence(why: &str) -> &str {
    why.split_at(why.floor_char_boundary(PEER_REASON_SIZE_MAX)).0
}

fn put_sentence(out: &mut Vec<u8>, kind: u8, why: &str) {
    out.push(kind);
    out.extend(sentence(why).bytes());
}

/// What is left of a message.
struct Value(Bytes);

impl Value {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], PeerMessageError> {
        let mut array = [0; N];
        self.0.try_copy_to_slice(&mut array).map_err(|_| PeerMessageError::Length)?;
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, PeerMessageError> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, PeerMessageError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, PeerMessageError> {
        self.array().map(u64::from_be_bytes)
    }

    fn flag(&mut self) -> Result<bool, PeerMessageError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(PeerMessageError::Value("flag")),
        }
    }

    /// A size that a file may have.
    fn size(&mut self) -> Result<u64, PeerMessageError> {
        let size = self.u64()?;
        if size > OBJECT_SIZE_MAX { Err(PeerMessageError::Value("size")) } else { Ok(size) }
    }

    fn id(&mut self) -> Result<BlockId, PeerMessageError> {
        Ok(BlockId { file: self.u32()?, block: self.u64()? })
    }

    /// The rest, as the bytes of a block: there is no empty one.
    fn block(&mut self) -> Result<Bytes, PeerMessageError> {
        match self.0.len() {
            1..=PEER_BLOCK_SIZE => Ok(std::mem::take(&mut self.0)),
            _ => Err(PeerMessageError::Length),
        }
    }

    fn text(&mut self, size: usize) -> Result<String, PeerMessageError> {
        if size > self.0.len() {
            return Err(PeerMessageError::Length);
        }
        let text = self.0.split_to(size);
        let text = str::from_utf8(&text).map_err(|_| PeerMessageError::Value("text"))?;
        Ok(text.to_owned())
    }

    fn sentence(&mut self) -> Result<String, PeerMessageError> {
        if self.0.len() > PEER_REASON_SIZE_MAX {
            return Err(PeerMessageError::Length);
        }
        self.text(self.0.len())
    }

    /// At least one: a message without any says nothing.
    fn entries(&mut self) -> Result<Vec<Entry>, PeerMessageError> {
        let mut entries = vec![Entry::decode(self)?];
        while self.0.has_remaining() {
            entries.push(Entry::decode(self)?);
        }
        Ok(entries)
    }
}

impl fmt::Display for PeerMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerMessageError::Type => f.write_str("a message of a kind that is not known here"),
            PeerMessageError::Length => f.write_str("a message of a wrong length"),
            PeerMessageError::Value(which) => write!(f, "a message whose {which} means nothing"),
            PeerMessageError::Path(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PeerMessageError {}

#[cfg(test)]
mod tests;
