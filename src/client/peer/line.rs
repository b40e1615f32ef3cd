//! An encrypted line: a connection on which two ends that share a session key exchange messages. One
//! a connection; a broken one is replaced by another, with other keys.
//!
//! 1. Each end sends 32 random bytes, and derives the keys of this line from both.
//! 2. Each sends a greeting, the first record, and waits for the other's: from here on both know
//!    that the other has the session key, and that this line is no recording of an earlier one.
//! 3. Messages go both ways, independently. Whoever has nothing to say for a while shows life.
//! 4. Each sends the final record when it is done. A connection that ends without is broken.
//!
//! **Cancellation.** [`LineReader::receive`] and [`LineWriter::flush`] may be dropped and called
//! again: nothing is lost. A dropped [`LineWriter::send`] leaves a message in its middle, so that half
//! of the line refuses everything that follows.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::error::PeerError;
use super::keys::{NONCE_SIZE, SessionKey};
use super::record::{Opened, Opener, Pieces, Sealer};
use super::relay_address::{Patience, within};
use crate::base::limits::{LINE_READ_SIZE, LINE_WRITE_SIZE, MESSAGE_SIZE_MAX};
use crate::wire::{RecordKind, RecordStage, Role};

const OTHER_END: &str = "the other end";

/// Both halves of a line.
#[derive(Debug)]
pub struct Line {
    writer: LineWriter,
    reader: LineReader,
}

/// The half that sends.
pub struct LineWriter {
    connection: Box<dyn AsyncWrite + Send + Unpin>,
    sealer: Sealer,
    /// Sealed records, of which the first `written` bytes are gone.
    sealed: Vec<u8>,
    written: usize,
    idle: Duration,
    /// Whether a call is on its way, or failed.
    is_broken: bool,
}

/// The half that receives.
pub struct LineReader {
    connection: Box<dyn AsyncRead + Send + Unpin>,
    opener: Opener,
    /// What was received: `start..end` of it is not opened yet.
    received: Box<[u8]>,
    start: usize,
    end: usize,
    idle: Duration,
    is_broken: bool,
}

impl Line {
    /// Over a connection to the other end. Ready when it has proved that it knows the key.
    pub(super) async fn open<R, W>(
        connection: (R, W),
        session: &SessionKey,
        role: Role,
        index: u16,
        patience: Patience,
    ) -> Result<Line, PeerError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (mut from, mut to) = connection;
        let mut own = [0; NONCE_SIZE];
        getrandom::fill(&mut own).map_err(|error| PeerError::Unequipped(error.to_string()))?;
        let other = within(patience.agree, OTHER_END, exchange(&mut from, &mut to, &own)).await?;
        let keys = match role {
            Role::Sender => session.record_keys(index, &own, &other),
            Role::Receiver => session.record_keys(index, &other, &own),
        };
        let (seals, opens) = keys.of(role);
        let writer = LineWriter::new(Box::new(to), Sealer::new(&seals), patience.idle);
        let reader = LineReader::new(Box::new(from), Opener::new(&opens), patience.idle);
        let mut line = Line { writer, reader };
        within(patience.agree, OTHER_END, line.greet()).await?;
        Ok(line)
    }

    /// The halves, each for its own task.
    pub fn split(self) -> (LineWriter, LineReader) {
        (self.writer, self.reader)
    }

    async fn greet(&mut self) -> Result<(), PeerError> {
        self.writer.sealer.seal_mark(RecordKind::Greeting, &mut self.writer.sealed)?;
        self.writer.flush().await?;
        self.reader.expect_greeting().await
    }
}

/// Sends a nonce and takes the other end's.
async fn exchange<R, W>(
    from: &mut R,
    to: &mut W,
    own: &[u8; NONCE_SIZE],
) -> Result<[u8; NONCE_SIZE], PeerError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    to.write_all(own).await.map_err(broken)?;
    to.flush().await.map_err(broken)?;
    let mut other = [0; NONCE_SIZE];
    from.read_exact(&mut other).await.map_err(broken)?;
    Ok(other)
}

impl LineWriter {
    fn new(
        connection: Box<dyn AsyncWrite + Send + Unpin>,
        sealer: Sealer,
        idle: Duration,
    ) -> LineWriter {
        LineWriter { connection, sealer, sealed: Vec::new(), written: 0, idle, is_broken: false }
    }

    /// Sends a message, given in parts, the boundaries of which the other end does not see. It is
    /// gathered with others until there is enough to write: [`flush`](LineWriter::flush) when nothing
    /// is to be said for now.
    ///
    /// # Errors
    /// [`PeerError::TooLarge`], after which the line is as before; any other breaks this half.
    pub async fn send(&mut self, parts: &[&[u8]]) -> Result<(), PeerError> {
        let size = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        if size > MESSAGE_SIZE_MAX {
            return Err(PeerError::TooLarge(size));
        }
        self.begin()?;
        let mut message = Pieces::new(parts);
        // The first record is sealed of an empty message, too.
        loop {
            self.sealer.seal_next(&mut message, &mut self.sealed)?;
            if self.sealed.len() >= LINE_WRITE_SIZE {
                self.write_out().await?;
            }
            if message.is_empty() {
                break;
            }
        }
        self.is_broken = false;
        Ok(())
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// Any breaks this half.
    pub async fn flush(&mut self) -> Result<(), PeerError> {
        if self.is_broken {
            return Err(PeerError::Abandoned);
        }
        let done = self.flush_out().await;
        self.is_broken = done.is_err();
        done
    }

    /// Shows the other end that this one is still there, at once. Needed every
    /// [`PEER_KEEP_ALIVE_S`](crate::base::limits::PEER_KEEP_ALIVE_S) seconds by whoever has nothing
    /// to say.
    ///
    /// # Errors
    /// Any breaks this half.
    pub async fn keep_alive(&mut self) -> Result<(), PeerError> {
        self.begin()?;
        self.sealer.seal_mark(RecordKind::Idle, &mut self.sealed)?;
        self.is_broken = false;
        self.flush().await
    }

    /// Says that nothing follows, and closes this half.
    ///
    /// # Errors
    /// The other end may or may not have seen the end then.
    pub async fn finish(mut self) -> Result<(), PeerError> {
        self.begin()?;
        self.sealer.seal_mark(RecordKind::Final, &mut self.sealed)?;
        self.flush_out().await?;
        let connection = &mut self.connection;
        bounded(self.idle, connection.shutdown()).await
    }

    /// From here to the end of the call this half counts as broken.
    fn begin(&mut self) -> Result<(), PeerError> {
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(PeerError::Abandoned);
        }
        Ok(())
    }

    async fn flush_out(&mut self) -> Result<(), PeerError> {
        self.write_out().await?;
        bounded(self.idle, self.connection.flush()).await
    }

    /// What was written is accounted for before anything else is waited for.
    async fn write_out(&mut self) -> Result<(), PeerError> {
        while self.written < self.sealed.len() {
            let rest = &self.sealed[self.written..];
            match bounded(self.idle, self.connection.write(rest)).await? {
                0 => return Err(PeerError::Broken("it takes no more bytes".to_owned())),
                size => self.written += size,
            }
        }
        self.sealed.clear();
        self.written = 0;
        Ok(())
    }
}

impl LineReader {
    fn new(
        connection: Box<dyn AsyncRead + Send + Unpin>,
        opener: Opener,
        idle: Duration,
    ) -> LineReader {
        let received = vec![0; LINE_READ_SIZE].into_boxed_slice();
        LineReader { connection, opener, received, start: 0, end: 0, idle, is_broken: false }
    }

    /// The next message; `None` when the other end has said that nothing follows.
    ///
    /// # Errors
    /// Any breaks this half. What was given out before is right.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, PeerError> {
        if self.is_broken {
            return Err(PeerError::Abandoned);
        }
        let message = self.next_message().await;
        self.is_broken = message.is_err();
        message
    }

    async fn next_message(&mut self) -> Result<Option<Bytes>, PeerError> {
        while self.opener.stage() != RecordStage::Ended {
            match self.next_opened().await? {
                Opened::Progress => {}
                Opened::Message(message) => return Ok(Some(message)),
                Opened::End => break,
            }
        }
        Ok(None)
    }

    async fn expect_greeting(&mut self) -> Result<(), PeerError> {
        self.next_opened().await.map(drop)
    }

    async fn next_opened(&mut self) -> Result<Opened, PeerError> {
        loop {
            let received = &mut self.received[self.start..self.end];
            if let Some((size, opened)) = self.opener.open(received)? {
                self.start += size;
                return Ok(opened);
            }
            self.read_more().await?;
        }
    }

    /// Reads as much as there is room for, behind what is not a whole record yet.
    async fn read_more(&mut self) -> Result<(), PeerError> {
        self.received.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = &mut self.received[self.end..];
        match bounded(self.idle, self.connection.read(room)).await? {
            0 => Err(PeerError::Broken("it ended without a final record".to_owned())),
            size => {
                self.end += size;
                Ok(())
            }
        }
    }
}

async fn bounded<T>(
    limit: Duration,
    step: impl Future<Output = std::io::Result<T>>,
) -> Result<T, PeerError> {
    within(limit, OTHER_END, async { step.await.map_err(broken) }).await
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
pub(super) fn broken(error: std::io::Error) -> PeerError {
    PeerError::Broken(error.to_string())
}

impl From<crate::wire::RecordFault> for PeerError {
    fn from(fault: crate::wire::RecordFault) -> PeerError {
        PeerError::Tampered(fault)
    }
}

impl fmt::Debug for LineWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineWriter")
            .field("sealer", &self.sealer)
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LineReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineReader")
            .field("opener", &self.opener)
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
