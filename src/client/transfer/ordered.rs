//! One file whose blocks are taken in order: a stream, or whatever goes to standard output. Blocks
//! that come early wait here, no more of them than the plan lets ahead.

use std::collections::BTreeMap;
use std::io::{self, Write as _, stdout};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::arrivals::Event;
use super::error::{Fault, TransferError};
use super::questions::Questions;
use crate::base::limits::{PEER_BLOCK_SIZE, PEER_STREAM_WINDOW};
use crate::client::landing::Landing;

/// What comes.
#[derive(Debug)]
pub(super) enum Piece {
    Block(u64, Bytes),
    /// The stream has that many bytes.
    End(u64),
}

/// Where it goes.
#[derive(Clone, Debug)]
pub(super) enum Outlet {
    File(Landing),
    Stdout,
}

/// The queue of an [`Ordered`]: everything that may be ahead fits into it, so a line that has blocks
/// for it is never held up by a slow reader.
pub(super) fn pieces() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
    // At most 32, and one for the end.
    mpsc::channel(usize::try_from(PEER_STREAM_WINDOW + 1).unwrap_or(usize::MAX))
}

/// The file in the making.
pub(super) struct Ordered {
    pub(super) outlet: Outlet,
    pub(super) pieces: mpsc::Receiver<Piece>,
    pub(super) questions: Arc<Questions>,
    pub(super) events: mpsc::Sender<Event>,
    /// Its size, once it is known.
    pub(super) size_bytes: Option<u64>,
}

impl Ordered {
    /// Writes it to its end.
    pub(super) async fn run(mut self) -> Result<(), TransferError> {
        let mut hasher = blake3::Hasher::new();
        let (mut early, mut low, mut written) = (BTreeMap::new(), 0_u64, 0_u64);
        while self.size_bytes != Some(written) {
            match self.pieces.recv().await {
                Some(Piece::Block(block, bytes)) => drop(early.insert(block, bytes)),
                Some(Piece::End(size)) => self.size_bytes = Some(size),
                // The lines are gone, and with them the transfer.
                None => return Ok(()),
            }
            while let Some(bytes) = early.remove(&low) {
                // Only the last block may be shorter.
                if written != low * PEER_BLOCK_SIZE as u64 {
                    return Err(nonsense("a block is missing"));
                }
                hasher.update(&bytes);
                let size = bytes.len() as u64;
                self.write(written, bytes).await?;
                written += size;
                low += 1;
                self.questions.advance(low);
            }
            if self.size_bytes.is_some_and(|size| size < written) {
                return Err(nonsense("more than there is"));
            }
        }
        let blake3 = *hasher.finalize().as_bytes();
        let event = Event::Whole { file: 0, size_bytes: written, blake3 };
        // Whoever listened may have gone.
        let _ = self.events.send(event).await;
        Ok(())
    }

    async fn write(&self, offset: u64, bytes: Bytes) -> Result<(), TransferError> {
        match &self.outlet {
            Outlet::File(landing) => {
                let written = landing.write(offset, bytes).await;
                written.map_err(|error| TransferError::of_landing("the stream", &error))
            }
            Outlet::Stdout => {
                let writing = spawn_blocking(move || print(&bytes));
                let written = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                written.map_err(|error| {
                    TransferError::Target(format!("stdout cannot be written: {error}"))
                })
            }
        }
    }
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn nonsense(why: &str) -> TransferError {
    match Fault::nonsense(why) {
        Fault::Over(error) => error,
        Fault::Line(error) => TransferError::Peer(error),
    }
}
