//! A data line at the receiver: questions out, blocks in. When the line breaks, what was asked for on
//! it goes back to the plan, and other lines may ask for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::try_join;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::arrivals::{Arrivals, Event};
use super::error::{Fault, TransferError};
use super::inbox::receive;
use super::notice::Notices;
use super::ordered::Piece;
use super::questions::Questions;
use super::upkeep::Upkeep;
use crate::base::limits::{PEER_BLOCK_SIZE, PEER_KEEP_ALIVE_S};
use crate::client::peer::{Line, LineReader, LineWriter, PeerError};
use crate::plan::Arrival;
use crate::wire::{BlockId, PeerMessage};

/// Where blocks go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Each to its place in its file.
    Files(Arrivals),
    /// One after another.
    Ordered(mpsc::Sender<Piece>),
}

/// What all data lines of a transfer share.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) questions: Arc<Questions>,
    pub(super) sink: Sink,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) upkeep: Upkeep,
    pub(super) notices: Notices,
}

/// Keeps one data line until everything is over.
pub(super) async fn keep_fetching(
    fetching: Arc<Fetching>,
    index: u16,
) -> Result<(), TransferError> {
    let mut keeper = fetching.upkeep.keeper(index);
    loop {
        let line = keeper.line().await?;
        let fetched = fetching.fetch(index, line).await;
        fetching.questions.lost(index);
        match fetched {
            Ok(()) => return Ok(()),
            Err(fault) => keeper.broken(fault)?,
        }
    }
}

impl Fetching {
    async fn fetch(&self, index: u16, line: Line) -> Result<(), Fault> {
        let (writer, mut reader) = line.split();
        try_join!(self.ask(index, writer), self.take(index, &mut reader))?;
        Ok(())
    }

    async fn ask(&self, index: u16, mut writer: LineWriter) -> Result<(), Fault> {
        let mut pulse = interval(Duration::from_secs(PEER_KEEP_ALIVE_S));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.questions.changes();
        loop {
            let is_over = *changes.borrow_and_update();
            if is_over {
                return Ok(writer.finish().await?);
            }
            while let Some(((file, block), low)) = self.questions.take(index) {
                let want = PeerMessage::Want { id: BlockId { file, block }, low };
                writer.send(&[&want.encode()]).await?;
            }
            writer.flush().await?;
            tokio::select! {
                // The plan is there as long as its lines.
                _ = changes.changed() => {}
                _ = pulse.tick() => writer.keep_alive().await?,
            }
        }
    }

    async fn take(&self, index: u16, reader: &mut LineReader) -> Result<(), Fault> {
        let changes = self.questions.changes();
        while let Some(message) = receive(reader).await? {
            self.upkeep.is_of_use();
            match message {
                PeerMessage::Block { id, bytes } => {
                    let place = (id.file, id.block);
                    let arrival = self.questions.arrived(index, place).map_err(Fault::nonsense)?;
                    let fits = match arrival {
                        Arrival::Useless => continue,
                        Arrival::Welcome(Some(size)) => size == bytes.len(),
                        Arrival::Welcome(None) => bytes.len() <= PEER_BLOCK_SIZE,
                    };
                    if !fits {
                        return Err(Fault::nonsense("a block of another size"));
                    }
                    self.notices.moved(bytes.len());
                    match &self.sink {
                        Sink::Files(arrivals) => arrivals.land(id, bytes).await,
                        Sink::Ordered(pieces) => pass(pieces, Piece::Block(id.block, bytes)).await,
                    }
                }
                PeerMessage::End { id, size_bytes } => {
                    let ended = self.questions.ended(index, (id.file, id.block), size_bytes);
                    ended.map_err(Fault::nonsense)?;
                    if let Sink::Ordered(pieces) = &self.sink {
                        pass(pieces, Piece::End(size_bytes)).await;
                    }
                }
                PeerMessage::Spoiled { id, reason } => {
                    let told = self.questions.spoiled(index, (id.file, id.block));
                    told.map_err(Fault::nonsense)?;
                    let event = Event::Spoiled { file: id.file, reason };
                    // Whoever listened may have gone.
                    let _ = self.events.send(event).await;
                }
                PeerMessage::Hello { .. }
                | PeerMessage::Offer(_)
                | PeerMessage::Entries(_)
                | PeerMessage::Match { .. }
                | PeerMessage::Accept
                | PeerMessage::Decline(_)
                | PeerMessage::Whole { .. }
                | PeerMessage::Done
                | PeerMessage::Failed(_)
                | PeerMessage::Want { .. } => {
                    return Err(Fault::nonsense("a message that does not belong on a data line"));
                }
            }
        }
        if *changes.borrow() {
            return Ok(());
        }
        Err(Fault::Line(PeerError::Broken("the sender closed it".to_owned())))
    }
}

/// Whoever writes may have gone; the transfer ends then.
async fn pass(pieces: &mpsc::Sender<Piece>, piece: Piece) {
    let _ = pieces.send(piece).await;
}
