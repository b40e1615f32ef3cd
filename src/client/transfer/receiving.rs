//! The receiving end of a transfer.
//!
//! ```text
//!   greeted ─► offered ─► decided ─► accepted: data lines ask, files become whole ─► all named ─► done
//!                 └ no place for it, or nobody wants it ─► declined
//! ```
//! 1. On the control line this end greets and hears the offer, looks where it would go, and has
//!    somebody decide.
//! 2. Data lines bring blocks (`fetching.rs`, `arrivals.rs`). A file that is whole is told to the
//!    sender, and gets its name when the sender has the same hash.
//! 3. When every file has its name or is spoiled, this end is done and says so.
//!
//! A control line that broke is replaced, and everything that the sender has not answered is said
//! again.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem::take;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::arrivals::Event;
use super::error::{Fault, TransferError};
use super::farewell::farewell;
use super::inbox::Inbox;
use super::notice::{Notice, Notices, Watch, WholeFile, notices};
use super::places::{Destination, Places};
use super::reception::{Opening, Reception};
use super::sending::{Moved, failure};
use super::upkeep::{Meeting, Upkeep};
use crate::base::limits::{PEER_DONE_TIMEOUT_S, PEER_KEEP_ALIVE_S, PEER_UNCONFIRMED_MAX};
use crate::client::peer::{Line, LineWriter};
use crate::wire::{Entry, OfferHead, PEER_VERSION, PeerMessage};

/// Who decides about an offer: with a sentence for the sender, if it is declined.
pub type Decide = Box<dyn FnOnce(Arc<[Entry]>) -> BoxFuture<'static, Result<(), String>> + Send>;

/// How something is received.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// Where it goes.
    pub destination: Destination,
    /// Whether files that are there are replaced.
    pub overwrite: bool,
    /// How long broken lines are tried again.
    pub patience: Duration,
}

/// A transfer, before it begins.
pub struct Receiving {
    options: ReceiveOptions,
    decide: Decide,
    upkeep: Upkeep,
    notices: Notices,
}

impl Receiving {
    /// Of whatever comes.
    pub fn new(meeting: Meeting, options: ReceiveOptions, decide: Decide) -> (Receiving, Watch) {
        let (notices, watch) = notices();
        let upkeep = Upkeep::new(meeting, options.patience, notices.clone());
        (Receiving { options, decide, upkeep, notices }, watch)
    }

    /// Receives it, to its end or until `stop` says that it is stopped, and by what.
    ///
    /// # Errors
    /// Any but `Declined` and `Source`.
    pub async fn run(self, stop: impl Future<Output = String>) -> Result<Moved, TransferError> {
        let Receiving { options, decide, upkeep, notices } = self;
        let work = Work {
            options,
            upkeep,
            notices,
            stage: Stage::Greeting(decide),
            gathering: None,
            unconfirmed: BTreeMap::new(),
            tasks: JoinSet::new(),
            namings: JoinSet::new(),
            moved: Moved::default(),
        };
        work.run(stop).await
    }
}

/// How far it is.
#[derive(Default)]
enum Stage {
    /// The offer is not here yet.
    Greeting(Decide),
    /// Somebody decides.
    Deciding { offer: Offered, decision: BoxFuture<'static, Result<(), String>> },
    /// Bytes move.
    Accepted(Reception),
    /// Every file has its name or is spoiled; the sender does not know yet.
    Complete { until: Instant },
    /// Between two of them.
    #[default]
    Moving,
}

/// An offer that can be taken.
struct Offered {
    entries: Arc<[Entry]>,
    places: Arc<Places>,
    lines: u8,
}

/// An offer that is not here in whole.
struct Gathering {
    head: OfferHead,
    entries: Vec<Entry>,
}

struct Work {
    options: ReceiveOptions,
    upkeep: Upkeep,
    notices: Notices,
    stage: Stage,
    gathering: Option<Gathering>,
    /// Files that are whole, for which the sender has not given its word: size and hash.
    unconfirmed: BTreeMap<u32, (u64, [u8; 32])>,
    tasks: JoinSet<Result<(), TransferError>>,
    namings: JoinSet<Result<WholeFile, TransferError>>,
    moved: Moved,
}

/// What a conversation goes on with.
enum Heard {
    Stopped(String),
    Message(Option<PeerMessage>),
    Decision(Result<(), String>),
    Event(Event),
    Named(WholeFile),
    Failed(TransferError),
    TooLate,
    Pulse,
}

impl Work {
    async fn run(mut self, stop: impl Future<Output = String>) -> Result<Moved, TransferError> {
        let mut stop = pin!(stop);
        let ended = self.keep_talking(stop.as_mut()).await;
        if ended.is_err() {
            self.tasks.shutdown().await;
            self.namings.shutdown().await;
            if let Stage::Accepted(reception) = take(&mut self.stage) {
                Box::pin(reception.tidy()).await;
            }
        }
        ended.map(|()| self.moved)
    }

    async fn keep_talking<S: Future<Output = String>>(
        &mut self,
        mut stop: Pin<&mut S>,
    ) -> Result<(), TransferError> {
        let mut keeper = self.upkeep.keeper(0);
        loop {
            let line = tokio::select! {
                biased;
                name = &mut stop => Err(TransferError::Stopped(name)),
                line = keeper.line() => line,
                error = failure(&mut self.tasks) => Err(error),
                () = too_late(&self.stage) => return Ok(()),
            };
            let talked = match line {
                Ok(line) => self.talk(line, stop.as_mut()).await,
                Err(error) => Err(Fault::Over(error)),
            };
            match talked {
                Ok(()) => return Ok(()),
                // Everything is here: that the sender does not know is its loss alone.
                Err(Fault::Over(_)) if self.is_complete() => return Ok(()),
                Err(fault) => keeper.broken(fault)?,
            }
        }
    }

    /// A conversation on one control line. Why it ends for good is told on it.
    async fn talk<S: Future<Output = String>>(
        &mut self,
        line: Line,
        stop: Pin<&mut S>,
    ) -> Result<(), Fault> {
        let (mut writer, reader) = line.split();
        let mut inbox = Inbox::new(reader);
        let talked = self.converse(&mut writer, &mut inbox, stop).await;
        let last_word = match &talked {
            Ok(()) | Err(Fault::Over(TransferError::GivenUp(_))) => None,
            Err(Fault::Over(TransferError::Unwanted(why))) => {
                Some(PeerMessage::Decline(why.clone()))
            }
            Err(Fault::Over(error)) => Some(PeerMessage::Failed(error.farewell())),
            Err(Fault::Line(_)) => return talked,
        };
        farewell(writer, inbox, last_word).await;
        talked
    }

    async fn converse<S: Future<Output = String>>(
        &mut self,
        writer: &mut LineWriter,
        inbox: &mut Inbox,
        mut stop: Pin<&mut S>,
    ) -> Result<(), Fault> {
        let mut pulse = interval(Duration::from_secs(PEER_KEEP_ALIVE_S));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.say_all(writer).await?;
        loop {
            let heard = tokio::select! {
                biased;
                name = &mut stop => Heard::Stopped(name),
                message = inbox.next() => Heard::Message(message?),
                named = named(&mut self.namings) => named.map_or_else(Heard::Failed, Heard::Named),
                heard = onward(&mut self.stage, self.unconfirmed.len()) => heard,
                error = failure(&mut self.tasks) => Heard::Failed(error),
                _ = pulse.tick() => Heard::Pulse,
            };
            match heard {
                Heard::Stopped(name) => return Err(TransferError::Stopped(name).into()),
                Heard::Message(None) => return Err(Fault::nonsense("it has nothing to say")),
                Heard::Message(Some(PeerMessage::Done)) if self.is_complete() => return Ok(()),
                Heard::Message(Some(message)) => {
                    self.upkeep.is_of_use();
                    self.answer(message).await?;
                }
                Heard::Decision(decision) => {
                    decision.map_err(TransferError::Unwanted)?;
                    self.accept().await?;
                    writer.send(&[&PeerMessage::Accept.encode()]).await?;
                }
                Heard::Event(event) => self.note(event, writer).await?,
                Heard::Named(whole) => self.count(whole).await,
                Heard::Failed(error) => return Err(error.into()),
                Heard::TooLate => return Ok(()),
                Heard::Pulse => writer.keep_alive().await?,
            }
            self.conclude(writer).await?;
            writer.flush().await?;
        }
    }

    /// What the sender has to hear on a new line.
    async fn say_all(&mut self, writer: &mut LineWriter) -> Result<(), Fault> {
        self.gathering = None;
        let has_offer = !matches!(self.stage, Stage::Greeting(_));
        let hello = PeerMessage::Hello { version: PEER_VERSION, has_offer };
        writer.send(&[&hello.encode()]).await?;
        if matches!(self.stage, Stage::Accepted(_) | Stage::Complete { .. }) {
            writer.send(&[&PeerMessage::Accept.encode()]).await?;
        }
        for (&file, &(size_bytes, blake3)) in &self.unconfirmed {
            let whole = PeerMessage::Whole { file, size_bytes, blake3 };
            writer.send(&[&whole.encode()]).await?;
        }
        if self.is_complete() {
            writer.send(&[&PeerMessage::Done.encode()]).await?;
        }
        Ok(writer.flush().await?)
    }

    async fn answer(&mut self, message: PeerMessage) -> Result<(), Fault> {
        match message {
            PeerMessage::Offer(head) if self.wants_offer() && self.gathering.is_none() => {
                if head.version != PEER_VERSION {
                    let why = format!("it speaks version {}, not {PEER_VERSION}", head.version);
                    return Err(Fault::nonsense(why));
                }
                self.gathering = Some(Gathering { head, entries: Vec::new() });
            }
            PeerMessage::Entries(entries) if self.wants_offer() => self.gather(entries).await?,
            PeerMessage::Match { file } => self.matched(file),
            PeerMessage::Spoiled { id, reason } => {
                self.unconfirmed.remove(&id.file);
                self.spoil(id.file, reason).await;
            }
            PeerMessage::Failed(why) => return Err(TransferError::GivenUp(why).into()),
            PeerMessage::Hello { .. }
            | PeerMessage::Offer(_)
            | PeerMessage::Entries(_)
            | PeerMessage::Accept
            | PeerMessage::Decline(_)
            | PeerMessage::Whole { .. }
            | PeerMessage::Done
            | PeerMessage::Want { .. }
            | PeerMessage::Block { .. }
            | PeerMessage::End { .. } => {
                return Err(Fault::nonsense("a message that does not belong there"));
            }
        }
        Ok(())
    }

    /// Takes some of the entries; with the last of them the offer is there.
    async fn gather(&mut self, entries: Vec<Entry>) -> Result<(), Fault> {
        let Some(mut gathering) = self.gathering.take() else {
            return Err(Fault::nonsense("entries of no offer"));
        };
        gathering.entries.extend(entries);
        let (count, expected) = (gathering.entries.len(), gathering.head.entries as usize);
        if count > expected {
            return Err(Fault::nonsense("more entries than were announced"));
        }
        if count < expected {
            self.gathering = Some(gathering);
            return Ok(());
        }
        let offer = self.look_at(gathering).await?;
        self.notices.tell(Notice::Offered).await;
        // Nothing is gathered at another stage.
        if let Stage::Greeting(decide) = take(&mut self.stage) {
            let decision = decide(Arc::clone(&offer.entries));
            self.stage = Stage::Deciding { offer, decision };
        }
        Ok(())
    }

    /// Whether there is a place for it all, and room.
    async fn look_at(&mut self, gathering: Gathering) -> Result<Offered, Fault> {
        let Gathering { head, entries } = gathering;
        let size = entries.iter().fold(0, |sum: u64, one| sum.saturating_add(one.size_bytes));
        if size != head.size_bytes {
            return Err(Fault::nonsense("sizes that do not add up"));
        }
        let entries: Arc<[Entry]> = entries.into();
        let (looked_at, options) = (Arc::clone(&entries), self.options.clone());
        let looking = spawn_blocking(move || {
            let ReceiveOptions { destination, overwrite, .. } = options;
            let (places, renamed) = Places::new(&looked_at, &destination, overwrite)?;
            let free = (destination != Destination::Stdout).then(|| places.free_bytes()).flatten();
            match free {
                Some(free) if free < size => Err(TransferError::Unwanted(format!(
                    "{size} bytes are offered and the receiver has room for {free}: it can free \
                     some, or give another --dir"
                ))),
                Some(_) | None => Ok((places, renamed)),
            }
        });
        let looked = looking
            .await
            .map_err(|error| TransferError::Target(format!("a task failed: {error}")))?;
        let (places, renamed) = looked?;
        for (from, to) in renamed {
            self.notices.tell(Notice::Renamed { from, to }).await;
        }
        Ok(Offered { entries, places: Arc::new(places), lines: head.lines })
    }

    /// Opens the data lines.
    async fn accept(&mut self) -> Result<(), TransferError> {
        let Stage::Deciding { offer, .. } = take(&mut self.stage) else { return Ok(()) };
        let opening = Opening {
            entries: offer.entries,
            places: offer.places,
            lines: offer.lines,
            to_stdout: self.options.destination == Destination::Stdout,
            upkeep: self.upkeep.clone(),
            notices: self.notices.clone(),
        };
        self.stage = Stage::Accepted(opening.open(&mut self.tasks).await?);
        self.notices.tell(Notice::Accepted).await;
        Ok(())
    }

    async fn note(&mut self, event: Event, writer: &mut LineWriter) -> Result<(), Fault> {
        match event {
            Event::Whole { file, size_bytes, blake3 } => {
                self.unconfirmed.insert(file, (size_bytes, blake3));
                let whole = PeerMessage::Whole { file, size_bytes, blake3 };
                writer.send(&[&whole.encode()]).await?;
            }
            Event::Spoiled { file, reason } => self.spoil(file, reason).await,
            Event::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The sender's file is the same. What it says twice, over two lines, counts once.
    fn matched(&mut self, file: u32) {
        let Some((size_bytes, blake3)) = self.unconfirmed.remove(&file) else { return };
        let Stage::Accepted(reception) = &self.stage else { return };
        self.namings.spawn(reception.name(file, size_bytes, blake3));
    }

    async fn spoil(&mut self, file: u32, reason: String) {
        let Stage::Accepted(reception) = &mut self.stage else { return };
        if let Some(name) = reception.spoil(file) {
            self.moved.spoiled += 1;
            self.notices.tell(Notice::Spoiled { name, reason }).await;
        }
    }

    async fn count(&mut self, whole: WholeFile) {
        self.moved.files += 1;
        self.moved.size_bytes += whole.size_bytes;
        if let Stage::Accepted(reception) = &mut self.stage {
            reception.named();
        }
        self.notices.tell(Notice::Whole(whole)).await;
    }

    /// When nothing is missing: folders get their permissions, and the sender is told.
    async fn conclude(&mut self, writer: &mut LineWriter) -> Result<(), Fault> {
        let Stage::Accepted(reception) = &self.stage else { return Ok(()) };
        if !reception.is_complete() {
            return Ok(());
        }
        reception.finish().await?;
        let until = Instant::now() + Duration::from_secs(PEER_DONE_TIMEOUT_S);
        self.stage = Stage::Complete { until };
        Ok(writer.send(&[&PeerMessage::Done.encode()]).await?)
    }

    fn wants_offer(&self) -> bool {
        matches!(self.stage, Stage::Greeting(_))
    }

    fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete { .. })
    }
}

/// What the stage itself goes on with: the decision; an event, while there is room for another file
/// that waits; the end of the time in which the sender should answer.
async fn onward(stage: &mut Stage, unconfirmed: usize) -> Heard {
    match stage {
        Stage::Deciding { decision, .. } => Heard::Decision(decision.as_mut().await),
        Stage::Accepted(reception) if unconfirmed < PEER_UNCONFIRMED_MAX => {
            Heard::Event(reception.next_event().await)
        }
        Stage::Complete { until } => {
            sleep_until(*until).await;
            Heard::TooLate
        }
        Stage::Greeting(_) | Stage::Accepted(_) | Stage::Moving => std::future::pending().await,
    }
}

async fn too_late(stage: &Stage) {
    let Stage::Complete { until } = stage else { return std::future::pending().await };
    sleep_until(*until).await;
}

async fn named(
    namings: &mut JoinSet<Result<WholeFile, TransferError>>,
) -> Result<WholeFile, TransferError> {
    match namings.join_next().await {
        Some(Ok(named)) => named,
        Some(Err(error)) => Err(TransferError::Target(format!("a task failed: {error}"))),
        None => std::future::pending().await,
    }
}
