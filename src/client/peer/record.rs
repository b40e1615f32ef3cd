//! One direction of an encrypted line, without its connection: messages to sealed records, and back.
//! Pure. One [`Sealer`] and one [`Opener`] a line; a key is used by one of each and never again, so
//! the number of the record is its nonce.
//!
//! Records are sealed and opened where they lie: what is sealed goes into the writer's buffer first,
//! what is opened is copied into its message once, while it is in the cache of the core.

use std::fmt;

use bytes::{Bytes, BytesMut};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::base::limits::{MESSAGE_SIZE_MAX, RECORD_SIZE_MAX, RECORDS_PER_KEY_MAX};
use crate::wire::{
    RECORD_HEADER_SIZE, RecordFault, RecordKind, RecordStage, record_header, sealed_size,
};

/// A key with the number of its next record.
struct Cipher {
    key: LessSafeKey,
    record_index: u64,
}

impl Cipher {
    fn new(key: &[u8; 32]) -> Cipher {
        match UnboundKey::new(&CHACHA20_POLY1305, key) {
            Ok(key) => Cipher { key: LessSafeKey::new(key), record_index: 0 },
            Err(_wrong_size) => unreachable!("ChaCha20 has keys of 32 bytes"),
        }
    }

    /// Each number once: four zero bytes, then the number, big-endian.
    fn next_nonce(&mut self) -> Result<Nonce, RecordFault> {
        if self.record_index >= RECORDS_PER_KEY_MAX {
            return Err(RecordFault::KeyUsedUp);
        }
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.record_index.to_be_bytes());
        self.record_index += 1;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

/// Makes records.
pub struct Sealer {
    cipher: Cipher,
}

impl Sealer {
    /// For a key that nobody has sealed with.
    pub fn new(key: &[u8; 32]) -> Sealer {
        Sealer { cipher: Cipher::new(key) }
    }

    /// Appends a record of one kind without content.
    pub fn seal_mark(&mut self, kind: RecordKind, sealed: &mut Vec<u8>) -> Result<(), RecordFault> {
        let start = sealed.len();
        sealed.extend_from_slice(&[0; RECORD_HEADER_SIZE]);
        self.seal(kind, sealed, start)
    }

    /// Appends the next record of a message, and takes its content off the message.
    pub fn seal_next(
        &mut self,
        message: &mut Pieces<'_>,
        sealed: &mut Vec<u8>,
    ) -> Result<(), RecordFault> {
        let start = sealed.len();
        sealed.extend_from_slice(&[0; RECORD_HEADER_SIZE]);
        message.take(RECORD_SIZE_MAX, sealed);
        let kind = if message.is_empty() { RecordKind::Last } else { RecordKind::More };
        self.seal(kind, sealed, start)
    }

    /// Seals the content that begins behind the place for its header, at `start`.
    fn seal(
        &mut self,
        kind: RecordKind,
        sealed: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), RecordFault> {
        let nonce = self.cipher.next_nonce()?;
        let content_size = sealed.len() - start - RECORD_HEADER_SIZE;
        sealed.push(kind.byte());
        let header = record_header(content_size);
        let (head, content) = sealed[start..].split_at_mut(RECORD_HEADER_SIZE);
        head.copy_from_slice(&header);
        let tag = self.cipher.key.seal_in_place_separate_tag(nonce, Aad::from(header), content);
        // It fails for content of 256 GiB and more.
        sealed.extend_from_slice(tag.map_err(|_| RecordFault::MessageSize)?.as_ref());
        Ok(())
    }
}

/// What is left of a message that is given in parts.
pub struct Pieces<'m> {
    first: &'m [u8],
    rest: &'m [&'m [u8]],
}

impl<'m> Pieces<'m> {
    /// All of it.
    pub fn new(parts: &'m [&'m [u8]]) -> Pieces<'m> {
        let mut pieces = Pieces { first: &[], rest: parts };
        pieces.skip_empty();
        pieces
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Moves up to this many bytes.
    fn take(&mut self, size_max: usize, into: &mut Vec<u8>) {
        let mut left = size_max;
        while left > 0 && !self.is_empty() {
            let (taken, first) = self.first.split_at(left.min(self.first.len()));
            into.extend_from_slice(taken);
            left -= taken.len();
            self.first = first;
            self.skip_empty();
        }
    }

    fn skip_empty(&mut self) {
        while let ([], Some((next, rest))) = (self.first, self.rest.split_first()) {
            (self.first, self.rest) = (next, rest);
        }
    }
}

/// What came out of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// The greeting, a part of a message, or a sign of life.
    Progress,
    /// A whole message.
    Message(Bytes),
    /// The final record.
    End,
}

/// Opens records, and puts messages together.
pub struct Opener {
    cipher: Cipher,
    stage: RecordStage,
    /// Of the message that is not whole yet.
    message: BytesMut,
}

impl Opener {
    /// For a key that nobody has opened with.
    pub fn new(key: &[u8; 32]) -> Opener {
        Opener { cipher: Cipher::new(key), stage: RecordStage::Greeting, message: BytesMut::new() }
    }

    /// Where the line is.
    pub fn stage(&self) -> RecordStage {
        self.stage
    }

    /// Opens the record at the beginning of what was received, in place, and says how many bytes it
    /// took; `None` while it is not whole. After a fault nothing that comes is to be believed.
    pub fn open(&mut self, received: &mut [u8]) -> Result<Option<(usize, Opened)>, RecordFault> {
        let Some((header, rest)) = received.split_first_chunk_mut::<RECORD_HEADER_SIZE>() else {
            return Ok(None);
        };
        let size = sealed_size(*header)?;
        let Some(ciphertext) = rest.get_mut(..size) else { return Ok(None) };
        let nonce = self.cipher.next_nonce()?;
        let plain = self.cipher.key.open_in_place(nonce, Aad::from(*header), ciphertext);
        let plain = plain.map_err(|_| RecordFault::Seal)?;
        let (&mut kind, content) = plain.split_last_mut().ok_or(RecordFault::Size(0))?;
        let opened = self.accept(RecordKind::of(kind)?, content)?;
        Ok(Some((RECORD_HEADER_SIZE + size, opened)))
    }

    fn accept(&mut self, kind: RecordKind, content: &[u8]) -> Result<Opened, RecordFault> {
        self.stage = kind.next(self.stage, content.len())?;
        match kind {
            RecordKind::Greeting | RecordKind::Idle => Ok(Opened::Progress),
            RecordKind::Final => Ok(Opened::End),
            RecordKind::More | RecordKind::Last => self.append(kind, content),
        }
    }

    fn append(&mut self, kind: RecordKind, content: &[u8]) -> Result<Opened, RecordFault> {
        if self.message.len() + content.len() > MESSAGE_SIZE_MAX {
            return Err(RecordFault::MessageSize);
        }
        let goes_on = kind == RecordKind::More;
        if goes_on && self.message.is_empty() {
            // Most are blocks, whose size is not far from the longest there is.
            self.message.reserve(MESSAGE_SIZE_MAX);
        }
        self.message.extend_from_slice(content);
        if goes_on {
            return Ok(Opened::Progress);
        }
        Ok(Opened::Message(std::mem::take(&mut self.message).freeze()))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("record_index", &self.cipher.record_index)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("record_index", &self.cipher.record_index)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
