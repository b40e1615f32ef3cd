//! Publishing: the moment objects get their names, durably.
//!
//! One per worker. The order, each step's completion checked before the next is submitted (linked
//! SQEs would publish after a failed sync; field-tested on Linux 6.18):
//!
//! 1. all writes done, file cut to its length: `Sealed` (receiving.rs);
//! 2. `fdatasync` of each file, a few at once, unless that was one step with its write;
//! 3. the batch loop takes every request that waits, picks one directory for all of them, numbers
//!    the objects and links them;
//! 4. one `fsync` of that directory makes all the names durable;
//! 5. each requester is told. Who has left gets nothing, and nothing of theirs stays.
//!
//! While a batch syncs, the next one gathers: under load the directory syncs are shared, without
//! load nobody waits for company. Object numbers stay random: a batch draws its first byte, an
//! object the other fifteen.
//!
//! `Durability::None` skips steps 2 and 4, for those who ask.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::SystemTime;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::caretaker::Caretaker;
use super::dice::Dice;
use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::receiving::Sealed;
use crate::base::limits::PUBLISH_BATCH_MAX;
use crate::disk::{Care, File, link_all};
use crate::id::ObjectNumber;

/// When an upload is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After data and name are on stable storage.
    #[default]
    Full,
    /// When the kernel has them: a power cut may lose what was acknowledged.
    None,
}

/// An object with a name, as durable as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub object: ObjectNumber,
    /// Size of the data, bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the data.
    pub blake3: [u8; 32],
    /// When it was sealed.
    pub created: SystemTime,
}

/// Names sealed objects in batches.
#[derive(Clone)]
pub(super) struct Publisher(Rc<Inner>);

struct Inner {
    caretaker: Rc<Caretaker>,
    durability: Durability,
    waiting: RefCell<VecDeque<Request>>,
    running: Cell<bool>,
    dice: Dice,
}

type Answer = oneshot::Sender<StoreResult<Vec<Published>>>;

/// The objects of one upload request: all of them or none.
struct Request {
    sealed: Vec<Sealed>,
    answer: Answer,
}

/// A request whose objects have names that are not durable yet.
struct Linked {
    objects: Vec<Published>,
    answer: Answer,
}

impl Publisher {
    pub(super) fn new(caretaker: Rc<Caretaker>, durability: Durability) -> Publisher {
        Publisher(Rc::new(Inner {
            caretaker,
            durability,
            waiting: RefCell::default(),
            running: Cell::new(false),
            dice: Dice::new(),
        }))
    }

    /// Publishes all of `sealed` or none of it. Dropping the future early leaves nothing,
    /// or at the very last moment whole objects that nobody was told of.
    pub(super) async fn publish(&self, sealed: Vec<Sealed>) -> StoreResult<Vec<Published>> {
        if self.0.durability == Durability::Full {
            let syncs =
                sealed.iter().filter(|sealed| !sealed.is_synced).map(|sealed| self.0.sync(sealed));
            join_all(syncs).await.into_iter().collect::<StoreResult<Vec<()>>>()?;
        }
        let (answer, answered) = oneshot::channel();
        self.0.waiting.borrow_mut().push_back(Request { sealed, answer });
        if !self.0.running.replace(true) {
            let inner = Rc::clone(&self.0);
            tokio::task::spawn_local(async move { inner.run().await });
        }
        answered.await.unwrap_or_else(|_stopped| {
            Err(StoreError::new(StoreErrorKind::Stopping, "the worker is stopping"))
        })
    }
}

impl Inner {
    /// Batch after batch until nothing waits.
    async fn run(&self) {
        while !self.waiting.borrow().is_empty() {
            let batch = self.next_batch();
            self.publish_batch(batch).await;
        }
        self.running.set(false);
    }

    fn next_batch(&self) -> Vec<Request> {
        let mut waiting = self.waiting.borrow_mut();
        let count = waiting.len().min(PUBLISH_BATCH_MAX);
        waiting.drain(..count).filter(|request| !request.answer.is_closed()).collect()
    }

    async fn publish_batch(&self, batch: Vec<Request>) {
        if batch.is_empty() {
            return;
        }
        let [prefix] = match self.dice.draw::<1>() {
            Ok(prefix) => prefix,
            Err(error) => {
                for request in batch {
                    refuse(request.answer, error.clone());
                }
                return;
            }
        };
        let linked = self.link_batch(batch, prefix).await;
        let synced = self.sync_names(prefix).await;
        if synced.is_ok() && !linked.is_empty() {
            self.caretaker.worked();
        }
        for Linked { objects, answer } in linked {
            match &synced {
                Ok(()) => self.hand_over(objects, answer).await,
                // After a failed sync the names may or may not last: they go.
                Err(error) => {
                    self.unlink(&objects).await;
                    refuse(answer, error.clone());
                }
            }
        }
    }

    async fn sync(&self, sealed: &Sealed) -> StoreResult<()> {
        let synced = self.caretaker.disk().sync_data(&sealed.file).await;
        synced.map_err(|error| self.caretaker.lost(error))
    }

    async fn sync_names(&self, prefix: u8) -> StoreResult<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let directory = self.caretaker.layout().directory(prefix);
        let synced = self.caretaker.disk().sync_dir(&directory).await;
        synced.map_err(|error| self.caretaker.lost(error))
    }

    /// Numbers the objects of all requests and links them together. Where one fails, those of the
    /// same request go again and the requester is told.
    async fn link_batch(&self, batch: Vec<Request>, prefix: u8) -> Vec<Linked> {
        let mut names = Vec::new();
        let mut numbered = Vec::with_capacity(batch.len());
        for Request { sealed, answer } in batch {
            match self.number(sealed, prefix, &mut names) {
                Ok(objects) => numbered.push(Linked { objects, answer }),
                Err(error) => refuse(answer, error),
            }
        }
        let care = match self.durability {
            Durability::Full => Care::Durable,
            Durability::None => Care::Cached,
        };
        let mut outcomes = link_all(&**self.caretaker.disk(), names, care).await.into_iter();
        let mut linked = Vec::with_capacity(numbered.len());
        for Linked { objects, answer } in numbered {
            let (mut whole, mut failure) = (Vec::with_capacity(objects.len()), None);
            for (object, outcome) in objects.into_iter().zip(outcomes.by_ref()) {
                match outcome {
                    Ok(()) => whole.push(object),
                    Err(error) => drop(failure.get_or_insert(error)),
                }
            }
            match failure {
                None => linked.push(Linked { objects: whole, answer }),
                Some(error) => {
                    self.unlink(&whole).await;
                    refuse(answer, self.caretaker.lost(error));
                }
            }
        }
        linked
    }

    /// Draws numbers for the objects of one request and adds their files and names to `names`: all
    /// of them or none.
    fn number(
        &self,
        sealed: Vec<Sealed>,
        prefix: u8,
        names: &mut Vec<(File, PathBuf)>,
    ) -> StoreResult<Vec<Published>> {
        let numbers = sealed.iter().map(|_| self.dice.draw::<16>());
        let numbers = numbers.collect::<StoreResult<Vec<_>>>()?;
        let numbered = numbers.into_iter().zip(sealed).map(|(mut number, sealed)| {
            number[0] = prefix;
            let object = ObjectNumber::from_bytes(number);
            let Sealed { file, seal, .. } = sealed;
            names.push((file, self.object_path(object)));
            let (size_bytes, blake3, created) = (seal.size_bytes, seal.blake3, seal.created);
            Published { object, size_bytes, blake3, created }
        });
        Ok(numbered.collect())
    }

    /// Tells a requester; the objects of one who has left go.
    async fn hand_over(&self, objects: Vec<Published>, answer: Answer) {
        if let Err(Ok(unwanted)) = answer.send(Ok(objects)) {
            self.unlink(&unwanted).await;
        }
    }

    async fn unlink(&self, objects: &[Published]) {
        for published in objects {
            let path = self.object_path(published.object);
            if let Err(error) = self.caretaker.disk().remove(&path).await {
                // Nobody was told its number: it wastes room and harms nobody.
                tracing::warn!(%error, "an unacknowledged object could not be removed");
            }
        }
    }

    fn object_path(&self, object: ObjectNumber) -> PathBuf {
        self.caretaker.layout().object(object)
    }
}

/// Tells a requester why not. One who has left needs no answer.
fn refuse(answer: Answer, error: StoreError) {
    drop(answer.send(Err(error)));
}
