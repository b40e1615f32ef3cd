//! Files that arrive at the receiver, from their first block to their name.
//!
//! ```text
//!   first block ─► begun ─ all blocks written ─► whole ─ the sender's hash is the same ─► named
//!                    └──────────── spoiled ────────┘ nothing is left
//! ```
//! Blocks are hashed and written by tasks of their own, a bounded number at a time: when all are
//! busy, lines are not read, and the sender waits.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio::task::spawn_blocking;

use super::error::TransferError;
use super::notice::WholeFile;
use super::places::Places;
use crate::base::limits::{PEER_BLOCK_SIZE, PEER_LANDINGS_IN_FLIGHT};
use crate::client::landing::{Attributes, Berth, Dock, DockEnd, Landing};
use crate::plan::TreeHash;
use crate::wire::{BlockId, Entry, EntryKind};

/// What the control line has to know of the data lines.
#[derive(Debug)]
pub(super) enum Event {
    /// All of a file is written.
    Whole { file: u32, size_bytes: u64, blake3: [u8; 32] },
    /// The sender cannot give a file.
    Spoiled { file: u32, reason: String },
    /// This end cannot go on.
    Failed(TransferError),
}

/// All files of a transfer. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Arrivals(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    entries: Arc<[Entry]>,
    places: Arc<Places>,
    dock: Dock,
    events: mpsc::Sender<Event>,
    turns: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: HashMap<u32, Arc<Arrival>>,
    folders: BTreeSet<PathBuf>,
}

/// A file that has begun.
#[derive(Debug)]
struct Arrival {
    landing: OnceCell<Landing>,
    tree: Mutex<TreeHash>,
}

impl Arrivals {
    pub(super) fn new(
        entries: Arc<[Entry]>,
        places: Arc<Places>,
        dock: Dock,
        events: mpsc::Sender<Event>,
    ) -> Arrivals {
        let turns = Arc::new(Semaphore::new(PEER_LANDINGS_IN_FLIGHT));
        let state = Mutex::default();
        Arrivals(Arc::new(Shared { entries, places, dock, events, turns, state }))
    }

    /// Takes a block of a size that fits; waits for its turn, not for the disk.
    pub(super) async fn land(&self, id: BlockId, bytes: Bytes) {
        // Nobody closes the semaphore.
        let Ok(turn) = Arc::clone(&self.0.turns).acquire_owned().await else { return };
        let arrival = self.0.arrival(id.file);
        let arrivals = self.clone();
        tokio::spawn(async move {
            let placed = arrivals.place(&arrival, id, bytes).await;
            drop(turn);
            let event = match placed {
                Ok(None) => return,
                Ok(Some(blake3)) => {
                    let size_bytes = arrivals.0.size(id.file);
                    Event::Whole { file: id.file, size_bytes, blake3 }
                }
                Err(error) => Event::Failed(error),
            };
            // Whoever listened may have gone.
            let _ = arrivals.0.events.send(event).await;
        });
    }

    /// Writes a block; the file's hash if it was the last.
    async fn place(
        &self,
        arrival: &Arrival,
        id: BlockId,
        bytes: Bytes,
    ) -> Result<Option<[u8; 32]>, TransferError> {
        let landing = arrival.landing.get_or_try_init(|| self.begin(id.file)).await?;
        let offset = id.block * PEER_BLOCK_SIZE as u64;
        let shape = locked(&arrival.tree).shape();
        let leaf = shape.leaf(offset, &bytes);
        let written = landing.write(offset, bytes).await;
        written.map_err(|error| TransferError::of_landing(&self.0.name(id.file), &error))?;
        let mut tree = locked(&arrival.tree);
        tree.put(leaf);
        if !tree.is_whole() {
            return Ok(None);
        }
        let whole = std::mem::replace(&mut *tree, TreeHash::new(0, PEER_BLOCK_SIZE));
        Ok(Some(whole.finish()))
    }

    /// A file without a name where it shall get one.
    pub(super) async fn begin(&self, file: u32) -> Result<Landing, TransferError> {
        self.make_folders(file, false).await?;
        let places = &self.0.places;
        let is_stream =
            self.0.entries.get(file as usize).is_none_or(|one| one.kind == EntryKind::Stream);
        let size_bytes = (!is_stream).then(|| self.0.size(file));
        let berth = Berth { target: places.target(file), replace: places.overwrite, size_bytes };
        let landing = self.0.dock.create(berth).await;
        landing.map_err(|error| TransferError::of_landing(&self.0.name(file), &error))
    }

    /// The folders of an entry.
    pub(super) async fn make_folders(
        &self,
        file: u32,
        is_folder: bool,
    ) -> Result<(), TransferError> {
        let places = Arc::clone(&self.0.places);
        let making = spawn_blocking(move || places.make_folders(file, is_folder));
        let made = making.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let made = made.map_err(|error| {
            let name = self.0.name(file);
            TransferError::Target(format!("no folder for \"{}\": {error}", name.escape_debug()))
        })?;
        self.0.state().folders.extend(made);
        Ok(())
    }

    /// Gives a file its name, which is what it was received for.
    pub(super) async fn name(
        &self,
        file: u32,
        size_bytes: u64,
        blake3: [u8; 32],
    ) -> Result<WholeFile, TransferError> {
        let arrival = self.0.state().begun.remove(&file);
        let landing = match arrival.as_ref().and_then(|arrival| arrival.landing.get()) {
            Some(landing) => landing.clone(),
            // An empty one.
            None => self.begin(file).await?,
        };
        self.publish(&landing, file, size_bytes).await?;
        let (name, path) = (self.0.name(file), Some(self.0.places.target(file)));
        Ok(WholeFile { name, path, size_bytes, blake3 })
    }

    /// The same of a file that was written elsewhere.
    pub(super) async fn publish(
        &self,
        landing: &Landing,
        file: u32,
        size_bytes: u64,
    ) -> Result<(), TransferError> {
        let entry = self.0.entries.get(file as usize);
        let attributes = entry.filter(|entry| entry.kind == EntryKind::File).map(attributes);
        let published = landing.publish(size_bytes, attributes).await;
        published.map(drop).map_err(|error| TransferError::of_landing(&self.0.name(file), &error))
    }

    /// Lets go of a file that is spoiled; what was written of it is gone.
    pub(super) fn forget(&self, file: u32) {
        self.0.state().begun.remove(&file);
    }

    /// What tells when the disk has nothing more to do, some time after all that hold this are gone.
    pub(super) fn disk_end(&self) -> DockEnd {
        self.0.dock.end()
    }

    /// The folders that were made.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        self.0.state().folders.clone()
    }
}

impl Shared {
    fn arrival(&self, file: u32) -> Arc<Arrival> {
        let new = || {
            let tree = Mutex::new(TreeHash::new(self.size(file), PEER_BLOCK_SIZE));
            Arc::new(Arrival { landing: OnceCell::new(), tree })
        };
        Arc::clone(self.state().begun.entry(file).or_insert_with(new))
    }

    fn size(&self, file: u32) -> u64 {
        self.entries.get(file as usize).map_or(0, |entry| entry.size_bytes)
    }

    fn name(&self, file: u32) -> String {
        self.entries.get(file as usize).map(|entry| entry.path.to_string()).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

/// Nothing that is locked here panics halfway.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attributes(entry: &Entry) -> Attributes {
    Attributes { mode: u32::from(entry.mode), modified: modified(entry) }
}

/// A time out of reach becomes 1970.
fn modified(entry: &Entry) -> SystemTime {
    let whole = Duration::from_secs(entry.modified_s.unsigned_abs());
    let part = Duration::from_nanos(u64::from(entry.modified_ns));
    let second = if entry.modified_s < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    second.and_then(|second| second.checked_add(part)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PeerPath;

    #[test]
    fn every_time_is_kept_and_one_out_of_reach_becomes_1970() {
        let entry = |modified_s| Entry {
            kind: EntryKind::File,
            mode: 0,
            modified_s,
            modified_ns: 5,
            size_bytes: 0,
            path: PeerPath::parse("a").unwrap(),
        };
        let nanos = Duration::from_nanos(5);
        assert_eq!(modified(&entry(1)), UNIX_EPOCH + Duration::from_secs(1) + nanos);
        assert_eq!(modified(&entry(-1)), UNIX_EPOCH - Duration::from_secs(1) + nanos);
        assert_eq!(
            modified(&entry(i64::MAX)),
            UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs()) + nanos
        );
    }
}
