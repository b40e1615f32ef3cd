//! A data line at the sender: questions in, blocks out.
//!
//! 1. Questions are heard and queued; there are never more of them than the receiver may ask.
//! 2. A few blocks are read ahead of the one that is on its way, and answered in the order of the
//!    questions. What was gathered is written when nothing is ready.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use futures_util::{FutureExt as _, try_join};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::error::{Fault, TransferError};
use super::inbox::receive;
use super::sending::Shared;
use super::stream_supply::StreamSupply;
use super::supply::{Answer, Senseless, Supply};
use crate::base::limits::{PEER_KEEP_ALIVE_S, PEER_READS_AHEAD, PEER_WANTS_MAX};
use crate::client::peer::{Line, LineReader, LineWriter};
use crate::wire::{BlockId, PeerMessage};

/// Where blocks come from.
#[derive(Debug)]
pub(super) enum Supplies {
    Files(Arc<Supply>),
    Stream(StreamSupply),
}

/// A question for a block.
#[derive(Clone, Copy, Debug)]
struct Want {
    id: BlockId,
    low: u64,
}

type Reading = BoxFuture<'static, Result<(BlockId, Answer), Fault>>;

impl Supplies {
    /// Whether the receiver has a file; if not, why.
    pub(super) fn check(
        &self,
        file: u32,
        size_bytes: u64,
        blake3: &[u8; 32],
    ) -> Result<Result<(), String>, Senseless> {
        match self {
            Supplies::Files(files) => files.check(file, size_bytes, blake3),
            Supplies::Stream(stream) if file == 0 => stream.check(size_bytes, blake3),
            Supplies::Stream(_) => Err(Senseless),
        }
    }
}

/// Keeps one data line, until the receiver ends it.
pub(super) async fn keep_serving(shared: Arc<Shared>, index: u16) -> Result<(), TransferError> {
    let mut keeper = shared.upkeep.keeper(index);
    loop {
        let line = keeper.line().await?;
        match serve(&shared, line).await {
            Ok(()) => return Ok(()),
            Err(fault) => keeper.broken(fault)?,
        }
    }
}

async fn serve(shared: &Arc<Shared>, line: Line) -> Result<(), Fault> {
    let (mut writer, mut reader) = line.split();
    let (queue, wants) = mpsc::channel(PEER_WANTS_MAX);
    try_join!(hear(shared, &mut reader, queue), answer(shared, &mut writer, wants))?;
    Ok(writer.finish().await?)
}

/// Queues questions to the receiver's last word.
async fn hear(
    shared: &Shared,
    reader: &mut LineReader,
    queue: mpsc::Sender<Want>,
) -> Result<(), Fault> {
    while let Some(message) = receive(reader).await? {
        let PeerMessage::Want { id, low } = message else {
            return Err(Fault::nonsense("a message that does not belong on a data line"));
        };
        shared.upkeep.is_of_use();
        // A queue that is gone belongs to a line that broke.
        if let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(Want { id, low }) {
            return Err(Fault::nonsense("it asks for more blocks than it may"));
        }
    }
    Ok(())
}

async fn answer(
    shared: &Arc<Shared>,
    writer: &mut LineWriter,
    mut wants: mpsc::Receiver<Want>,
) -> Result<(), Fault> {
    let mut pulse = interval(Duration::from_secs(PEER_KEEP_ALIVE_S));
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ahead = FuturesOrdered::<Reading>::new();
    let (mut is_over, mut is_flushed) = (false, true);
    while !(is_over && ahead.is_empty()) {
        tokio::select! {
            biased;
            want = wants.recv(), if !is_over && ahead.len() < PEER_READS_AHEAD => match want {
                Some(want) => ahead.push_back(read(shared, want)),
                None => is_over = true,
            },
            Some(read) = ahead.next() => {
                let (id, answer) = read?;
                say(shared, writer, id, answer).await?;
                is_flushed = false;
            }
            flushed = writer.flush(), if !is_flushed => {
                flushed?;
                is_flushed = true;
            }
            _ = pulse.tick() => writer.keep_alive().await?,
        }
    }
    Ok(())
}

/// Begins to read a block at once; whoever waits for it comes later.
fn read(shared: &Arc<Shared>, want: Want) -> Reading {
    let id = want.id;
    match &shared.supplies {
        Supplies::Files(files) => {
            let files = Arc::clone(files);
            let reading = spawn_blocking(move || files.block(id));
            async move {
                let read = reading
                    .await
                    .map_err(|error| TransferError::Source(format!("a task failed: {error}")))?;
                answered(id, read)
            }
            .boxed()
        }
        Supplies::Stream(_) => {
            let shared = Arc::clone(shared);
            async move {
                let Supplies::Stream(stream) = &shared.supplies else {
                    return answered(id, Err(Senseless));
                };
                let is_there = id.file == 0;
                let answer =
                    if is_there { stream.block(id.block, want.low).await } else { Err(Senseless) };
                answered(id, answer)
            }
            .boxed()
        }
    }
}

fn answered(id: BlockId, answer: Result<Answer, Senseless>) -> Result<(BlockId, Answer), Fault> {
    match answer {
        Ok(answer) => Ok((id, answer)),
        Err(Senseless) => Err(Fault::nonsense("it asks for a block that is not there")),
    }
}

async fn say(
    shared: &Shared,
    writer: &mut LineWriter,
    id: BlockId,
    answer: Answer,
) -> Result<(), Fault> {
    match answer {
        Answer::Block(bytes) => {
            writer.send(&[&id.block_head(), &bytes]).await?;
            shared.notices.moved(bytes.len());
        }
        Answer::End(size_bytes) => {
            writer.send(&[&PeerMessage::End { id, size_bytes }.encode()]).await?;
        }
        Answer::Needless => {}
        Answer::Spoiled(reason) => {
            shared.spoil(id.file, &reason).await;
            writer.send(&[&PeerMessage::Spoiled { id, reason }.encode()]).await?;
        }
    }
    Ok(())
}
