//! The sending end of a transfer.
//!
//! 1. On the control line, the receiver says whether it has the offer; it is sent if not. Then the
//!    receiver accepts or declines.
//! 2. Once it accepted, each data line has a task that answers questions for blocks (`serving.rs`).
//! 3. The receiver says which files it has; each is compared, and matched or spoiled.
//! 4. When it is done the same is said back, and both close.
//!
//! A control line that broke begins at 1. again, whatever was said on the one before; all that the
//! receiver repeats is answered as the first time.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::error::{Fault, TransferError};
use super::farewell::farewell;
use super::inbox::Inbox;
use super::notice::{Notice, Notices, Watch, WholeFile, notices};
use super::offer::Offer;
use super::serving::{Supplies, keep_serving};
use super::stream_supply::StreamSupply;
use super::supply::Supply;
use super::upkeep::{Meeting, Upkeep};
use super::verdicts::{Verdict, Verdicts};
use crate::base::limits::PEER_KEEP_ALIVE_S;
use crate::client::peer::{Line, LineWriter};
use crate::wire::{BlockId, OfferHead, PEER_VERSION, PeerMessage};

/// The bytes of a stream that is sent.
pub type Frames = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// How something is sent.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions {
    /// Data lines.
    pub lines: u8,
    /// How long broken lines are tried again.
    pub patience: Duration,
}

/// What was sent, or came, to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Files, and a stream.
    pub files: u64,
    /// Files that could not be sent as they were offered.
    pub spoiled: u64,
    /// Bytes of the files.
    pub size_bytes: u64,
}

/// A transfer, before it begins.
pub struct Sending {
    offer: Offer,
    frames: Option<Frames>,
    options: SendOptions,
    shared: Arc<Shared>,
}

/// What the tasks of all lines need.
pub(super) struct Shared {
    pub(super) supplies: Supplies,
    pub(super) upkeep: Upkeep,
    pub(super) notices: Notices,
    /// Of every entry that is a folder, nothing is ever said.
    verdicts: Verdicts,
    names: Vec<String>,
}

/// How a conversation ended for good.
enum Ending {
    Done,
    Declined(String),
    GivenUp(String),
}

impl Sending {
    /// Of an offer; `frames` are the bytes of one that is a stream.
    pub fn new(
        meeting: Meeting,
        offer: Offer,
        frames: Option<Frames>,
        options: SendOptions,
    ) -> (Sending, Watch) {
        let (notices, watch) = notices();
        let upkeep = Upkeep::new(meeting, options.patience, notices.clone());
        let supplies = if offer.is_stream() {
            Supplies::Stream(StreamSupply::new())
        } else {
            Supplies::Files(Arc::new(Supply::new(offer.items.clone())))
        };
        let names = offer.items.iter().map(|item| item.entry.path.to_string()).collect();
        let verdicts = Verdicts::new(offer.items.len());
        let shared = Arc::new(Shared { supplies, upkeep, notices, verdicts, names });
        (Sending { offer, frames, options, shared }, watch)
    }

    /// Sends it, to its end or until `stop` says that it is stopped, and by what.
    ///
    /// # Errors
    /// Any but `Unwanted` and `Target`.
    pub async fn run(self, stop: impl Future<Output = String>) -> Result<Moved, TransferError> {
        let Sending { offer, frames, options, shared } = self;
        let work = Work {
            offer,
            frames,
            lines: options.lines,
            tasks: JoinSet::new(),
            has_begun: false,
            size_bytes: 0,
            shared,
        };
        work.run(stop).await
    }
}

struct Work {
    offer: Offer,
    frames: Option<Frames>,
    lines: u8,
    shared: Arc<Shared>,
    /// Those of the data lines and the stream, once the offer is accepted.
    tasks: JoinSet<Result<(), TransferError>>,
    has_begun: bool,
    /// Of the files that were matched.
    size_bytes: u64,
}

impl Shared {
    /// A file cannot be sent as it was offered.
    pub(super) async fn spoil(&self, file: u32, reason: &str) {
        if self.verdicts.note(file, Verdict::Spoiled) {
            let (name, reason) = (self.name(file), reason.to_owned());
            self.notices.tell(Notice::Spoiled { name, reason }).await;
        }
    }

    fn name(&self, file: u32) -> String {
        self.names.get(file as usize).cloned().unwrap_or_default()
    }
}

impl Work {
    async fn run(mut self, stop: impl Future<Output = String>) -> Result<Moved, TransferError> {
        let mut stop = pin!(stop);
        let mut keeper = self.shared.upkeep.keeper(0);
        loop {
            let line = tokio::select! {
                biased;
                name = &mut stop => return Err(TransferError::Stopped(name)),
                line = keeper.line() => line?,
                error = failure(&mut self.tasks) => return Err(error),
            };
            match self.talk(line, stop.as_mut()).await {
                Ok(Ending::Done) => return Ok(self.moved()),
                Ok(Ending::Declined(why)) => return Err(TransferError::Declined(why)),
                Ok(Ending::GivenUp(why)) => return Err(TransferError::GivenUp(why)),
                Err(fault) => keeper.broken(fault)?,
            }
        }
    }

    /// A conversation on one control line. Why it ends for good is told on it.
    async fn talk<S: Future<Output = String>>(
        &mut self,
        line: Line,
        stop: Pin<&mut S>,
    ) -> Result<Ending, Fault> {
        let (mut writer, reader) = line.split();
        let mut inbox = Inbox::new(reader);
        let talked = self.converse(&mut writer, &mut inbox, stop).await;
        let last = match &talked {
            Ok(Ending::Done) => Some(PeerMessage::Done),
            Ok(_) => None,
            Err(Fault::Over(error)) => Some(PeerMessage::Failed(error.farewell())),
            Err(Fault::Line(_)) => return talked,
        };
        farewell(writer, inbox, last).await;
        talked
    }

    async fn converse<S: Future<Output = String>>(
        &mut self,
        writer: &mut LineWriter,
        inbox: &mut Inbox,
        mut stop: Pin<&mut S>,
    ) -> Result<Ending, Fault> {
        let mut pulse = interval(Duration::from_secs(PEER_KEEP_ALIVE_S));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_greeted = false;
        loop {
            tokio::select! {
                biased;
                name = &mut stop => return Err(TransferError::Stopped(name).into()),
                message = inbox.next() => {
                    let Some(message) = message? else {
                        return Err(Fault::nonsense("it has nothing to say"));
                    };
                    self.shared.upkeep.is_of_use();
                    if !is_greeted {
                        self.greet(&message, writer).await?;
                        is_greeted = true;
                    } else if let Some(ending) = self.answer(message, writer).await? {
                        return Ok(ending);
                    }
                    if !inbox.has_more() {
                        writer.flush().await?;
                    }
                }
                error = failure(&mut self.tasks) => return Err(error.into()),
                _ = pulse.tick() => writer.keep_alive().await?,
            }
        }
    }

    /// The receiver's first word on a line, and the offer if that is what it needs.
    async fn greet(&mut self, message: &PeerMessage, writer: &mut LineWriter) -> Result<(), Fault> {
        let PeerMessage::Hello { version, has_offer } = *message else {
            return Err(Fault::nonsense("it does not begin with a greeting"));
        };
        if version != PEER_VERSION {
            let why = format!("it speaks version {version} of this, not {PEER_VERSION}");
            return Err(Fault::nonsense(why));
        }
        if has_offer {
            return Ok(());
        }
        let head = PeerMessage::Offer(OfferHead {
            version: PEER_VERSION,
            lines: self.lines,
            // At most PEER_ENTRIES_MAX.
            entries: u32::try_from(self.offer.items.len()).unwrap_or(u32::MAX),
            size_bytes: self.offer.size_bytes(),
        });
        writer.send(&[&head.encode()]).await?;
        for message in self.offer.messages() {
            writer.send(&[&message.encode()]).await?;
        }
        self.shared.notices.tell(Notice::Offered).await;
        Ok(())
    }

    async fn answer(
        &mut self,
        message: PeerMessage,
        writer: &mut LineWriter,
    ) -> Result<Option<Ending>, Fault> {
        match message {
            PeerMessage::Accept => self.begin().await,
            PeerMessage::Decline(why) => return Ok(Some(Ending::Declined(why))),
            PeerMessage::Failed(why) => return Ok(Some(Ending::GivenUp(why))),
            PeerMessage::Done if self.is_complete() => return Ok(Some(Ending::Done)),
            PeerMessage::Whole { file, size_bytes, blake3 } => {
                let reply = self.judge(file, size_bytes, blake3).await?;
                writer.send(&[&reply.encode()]).await?;
            }
            PeerMessage::Hello { .. }
            | PeerMessage::Offer(_)
            | PeerMessage::Entries(_)
            | PeerMessage::Match { .. }
            | PeerMessage::Done
            | PeerMessage::Want { .. }
            | PeerMessage::Block { .. }
            | PeerMessage::End { .. }
            | PeerMessage::Spoiled { .. } => {
                return Err(Fault::nonsense("a message that does not belong there"));
            }
        }
        Ok(None)
    }

    /// Opens the data lines, once.
    async fn begin(&mut self) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        for index in 1..=u16::from(self.lines) {
            self.tasks.spawn(keep_serving(Arc::clone(&self.shared), index));
        }
        if let Some(frames) = self.frames.take() {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move {
                match &shared.supplies {
                    Supplies::Stream(stream) => stream.fill(frames).await,
                    Supplies::Files(_) => Ok(()),
                }
            });
        }
        self.shared.notices.tell(Notice::Accepted).await;
    }

    /// Whether something was said of every file.
    fn is_complete(&self) -> bool {
        self.has_begun && self.shared.verdicts.count(None) == self.offer.folder_count()
    }

    fn moved(&self) -> Moved {
        let count = |verdict| self.shared.verdicts.count(Some(verdict)) as u64;
        let (files, spoiled) = (count(Verdict::Matched), count(Verdict::Spoiled));
        Moved { files, spoiled, size_bytes: self.size_bytes }
    }

    async fn judge(
        &mut self,
        file: u32,
        size_bytes: u64,
        blake3: [u8; 32],
    ) -> Result<PeerMessage, Fault> {
        let shared = Arc::clone(&self.shared);
        let checking = spawn_blocking(move || shared.supplies.check(file, size_bytes, &blake3));
        let judged = checking
            .await
            .map_err(|error| TransferError::Source(format!("a task failed: {error}")))?;
        let judged = judged.map_err(|_| Fault::nonsense("it has a file that was not sent"))?;
        if let Err(reason) = judged {
            self.shared.spoil(file, &reason).await;
            return Ok(PeerMessage::Spoiled { id: BlockId { file, block: 0 }, reason });
        }
        if self.shared.verdicts.note(file, Verdict::Matched) {
            self.size_bytes += size_bytes;
            let name = self.shared.name(file);
            let whole = WholeFile { name, path: None, size_bytes, blake3 };
            self.shared.notices.tell(Notice::Whole(whole)).await;
        }
        Ok(PeerMessage::Match { file })
    }
}

/// The first task that fails; those that end well are none of it.
pub(super) async fn failure(tasks: &mut JoinSet<Result<(), TransferError>>) -> TransferError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => return TransferError::Source(format!("a task failed: {error}")),
            None => return std::future::pending().await,
        }
    }
}
