//! What an accepted offer sets going at the receiver: a disk, the plan, data lines; and what is still
//! missing of it.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};

use super::arrivals::{Arrivals, Event};
use super::error::TransferError;
use super::fetching::{Fetching, Sink, keep_fetching};
use super::notice::{Notices, WholeFile};
use super::ordered::{Ordered, Outlet, pieces};
use super::places::Places;
use super::questions::Questions;
use super::upkeep::Upkeep;
use crate::base::limits::{
    DOCK_CHUNK_SIZE, DOCK_IN_FLIGHT_DEFAULT, PEER_BLOCK_SIZE, PEER_NAMINGS_IN_FLIGHT,
    PEER_STREAM_WINDOW, PEER_UNCONFIRMED_MAX,
};
use crate::client::landing::{Dock, DockOptions, Landing};
use crate::disk::EngineChoice;
use crate::plan::Wanted;
use crate::wire::{Entry, EntryKind};

/// What is needed to begin.
pub(super) struct Opening {
    pub(super) entries: Arc<[Entry]>,
    pub(super) places: Arc<Places>,
    pub(super) lines: u8,
    pub(super) to_stdout: bool,
    pub(super) upkeep: Upkeep,
    pub(super) notices: Notices,
}

/// A transfer under way.
pub(super) struct Reception {
    entries: Arc<[Entry]>,
    places: Arc<Places>,
    /// None where nothing is kept.
    arrivals: Option<Arrivals>,
    /// The file that is written in order, until it is named.
    ordered: Arc<Mutex<Option<Landing>>>,
    questions: Arc<Questions>,
    events: mpsc::Receiver<Event>,
    turns: Arc<Semaphore>,
    /// Files without a name that are not spoiled.
    missing: usize,
    spoiled: BTreeSet<u32>,
}

impl Opening {
    /// Sets it going, with `tasks` for what may fail.
    pub(super) async fn open(
        self,
        tasks: &mut JoinSet<Result<(), TransferError>>,
    ) -> Result<Reception, TransferError> {
        let (tell, events) = mpsc::channel(PEER_UNCONFIRMED_MAX);
        let is_stream = self.entries.iter().any(|entry| entry.kind == EntryKind::Stream);
        let in_order = is_stream || self.to_stdout;
        let sizes = self.entries.iter().map(|entry| match entry.kind {
            EntryKind::Stream => None,
            EntryKind::File | EntryKind::Folder => Some(entry.size_bytes),
        });
        let wanted = Wanted::new(sizes.collect(), PEER_BLOCK_SIZE);
        let wanted = if in_order { wanted.in_order(PEER_STREAM_WINDOW) } else { wanted };
        let questions = Arc::new(Questions::new(wanted));
        let arrivals = if self.to_stdout { None } else { Some(self.arrivals(&tell).await?) };
        let ordered = Arc::default();
        let sink = match &arrivals {
            Some(arrivals) if !in_order => Sink::Files(arrivals.clone()),
            _ => {
                let outlet = self.outlet(arrivals.as_ref(), &ordered).await?;
                let (queue, pieces) = pieces();
                let size_bytes = (!is_stream).then(|| self.size());
                let (questions, events) = (Arc::clone(&questions), tell.clone());
                tasks.spawn(Ordered { outlet, pieces, questions, events, size_bytes }.run());
                Sink::Ordered(queue)
            }
        };
        if matches!(sink, Sink::Files(_)) {
            tasks.spawn(tell_empty_files(Arc::clone(&self.entries), tell.clone()));
        }
        let files = self.entries.iter().filter(|entry| entry.kind != EntryKind::Folder).count();
        let Opening { entries, places, lines, upkeep, notices, .. } = self;
        let questions_of_lines = Arc::clone(&questions);
        let fetching =
            Fetching { questions: questions_of_lines, sink, events: tell, upkeep, notices };
        let fetching = Arc::new(fetching);
        for index in 1..=u16::from(lines) {
            tasks.spawn(keep_fetching(Arc::clone(&fetching), index));
        }
        let turns = Arc::new(Semaphore::new(PEER_NAMINGS_IN_FLIGHT));
        let (missing, spoiled) = (files, BTreeSet::new());
        Ok(Reception {
            entries,
            places,
            arrivals,
            ordered,
            questions,
            events,
            turns,
            missing,
            spoiled,
        })
    }

    async fn arrivals(&self, tell: &mpsc::Sender<Event>) -> Result<Arrivals, TransferError> {
        let options = DockOptions {
            engine: EngineChoice::Auto,
            in_flight: DOCK_IN_FLIGHT_DEFAULT,
            chunk_size: DOCK_CHUNK_SIZE,
            durable: true,
        };
        let directory = self.places.directory();
        let opening = spawn_blocking(move || Dock::open(options, &directory));
        let opened = opening.await.map_err(|error| TransferError::Target(error.to_string()))?;
        let dock = opened.map_err(|error| TransferError::Target(error.to_string()))?;
        if let Some(warning) = dock.warning() {
            tracing::debug!("{warning}");
        }
        let (entries, places) = (Arc::clone(&self.entries), Arc::clone(&self.places));
        Ok(Arrivals::new(entries, places, dock, tell.clone()))
    }

    /// Where blocks in order go.
    async fn outlet(
        &self,
        arrivals: Option<&Arrivals>,
        ordered: &Mutex<Option<Landing>>,
    ) -> Result<Outlet, TransferError> {
        let Some(arrivals) = arrivals else { return Ok(Outlet::Stdout) };
        let landing = arrivals.begin(0).await?;
        *ordered.lock().unwrap_or_else(PoisonError::into_inner) = Some(landing.clone());
        Ok(Outlet::File(landing))
    }

    fn size(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.size_bytes)
    }
}

/// Files without a byte are whole as soon as they are offered.
async fn tell_empty_files(
    entries: Arc<[Entry]>,
    events: mpsc::Sender<Event>,
) -> Result<(), TransferError> {
    let blake3 = *blake3::hash(b"").as_bytes();
    for (entry, file) in entries.iter().zip(0..) {
        if entry.kind == EntryKind::File && entry.size_bytes == 0 {
            // Whoever listened may have gone.
            let _ = events.send(Event::Whole { file, size_bytes: 0, blake3 }).await;
        }
    }
    Ok(())
}

impl Reception {
    /// The next thing that happened on the data lines.
    pub(super) async fn next_event(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Gives a file its name, when it is its turn. To be run to its end.
    pub(super) fn name(
        &self,
        file: u32,
        size_bytes: u64,
        blake3: [u8; 32],
    ) -> impl Future<Output = Result<WholeFile, TransferError>> + Send + 'static {
        let (arrivals, turns) = (self.arrivals.clone(), Arc::clone(&self.turns));
        let ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner).take();
        let entry = self.entries.get(file as usize);
        let name = entry.map(|entry| entry.path.to_string()).unwrap_or_default();
        let target = self.places.target(file);
        async move {
            // Nobody closes the semaphore.
            let _turn = turns.acquire_owned().await;
            let Some(arrivals) = arrivals else {
                return Ok(WholeFile { name, path: None, size_bytes, blake3 });
            };
            let Some(landing) = ordered else {
                return arrivals.name(file, size_bytes, blake3).await;
            };
            arrivals.publish(&landing, file, size_bytes).await?;
            Ok(WholeFile { name, path: Some(target), size_bytes, blake3 })
        }
    }

    /// A file has its name.
    pub(super) fn named(&mut self) {
        self.missing = self.missing.saturating_sub(1);
    }

    /// A file cannot be had: its name, if that is news.
    pub(super) fn spoil(&mut self, file: u32) -> Option<String> {
        let entry = self.entries.get(file as usize)?;
        if !self.spoiled.insert(file) {
            return None;
        }
        self.missing = self.missing.saturating_sub(1);
        if let Some(arrivals) = &self.arrivals {
            arrivals.forget(file);
        }
        Some(entry.path.to_string())
    }

    /// Whether no file is missing.
    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// The last steps: folders that hold nothing, and permissions.
    pub(super) async fn finish(&self) -> Result<(), TransferError> {
        self.questions.end();
        let Some(arrivals) = &self.arrivals else { return Ok(()) };
        for (entry, file) in self.entries.iter().zip(0..) {
            if entry.kind == EntryKind::Folder {
                arrivals.make_folders(file, true).await?;
            }
        }
        let (places, entries) = (Arc::clone(&self.places), Arc::clone(&self.entries));
        let made = arrivals.folders();
        let finishing = spawn_blocking(move || places.finish_folders(&entries, &made));
        finishing.await.map_err(|error| TransferError::Target(error.to_string()))
    }

    /// After a failure, when nothing runs any more: waits for what the disk has under way, and takes
    /// away the folders that were made and hold nothing.
    pub(super) async fn tidy(self) {
        let Some(arrivals) = &self.arrivals else { return };
        let (made, end) = (arrivals.folders(), arrivals.disk_end());
        // The last handles of the disk's thread.
        drop(self);
        end.wait().await;
        // The deepest first; one that holds something stays.
        made.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}
