//! The store as a worker sees it: one handle over disk, layout, publisher and caches.

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::cache::Caches;
use super::caretaker::{Caretaker, VolumeState};
use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::layout::Layout;
use super::publisher::{Durability, Published, Publisher};
use super::receiving::{NewObject, Receiving, Sealed};
use super::seal::Seal;
use super::stored::{NotAtHand, PublicFile, Stored};
use crate::base::limits::OPEN_READ_SIZE;
use crate::disk::{Disk, DiskError, DiskErrorKind};
use crate::id::ObjectNumber;
use crate::telemetry::WorkerMetrics;

/// What the operator decides about the store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Directory of everything.
    pub root: PathBuf,
    /// When an upload is acknowledged.
    pub durability: Durability,
    /// Bytes of the volume that uploads leave free.
    pub min_free: u64,
    /// Whether each download is checked against the seal as it is read.
    pub verify_reads: bool,
}

/// One worker's store. Cloning it is cheap.
#[derive(Clone)]
pub struct Store(Rc<Inner>);

struct Inner {
    caretaker: Rc<Caretaker>,
    publisher: Publisher,
    caches: Arc<Caches>,
    durability: Durability,
    verify_reads: bool,
    /// The object that was looked for last and is not at hand: who asks for it next, which is the
    /// same request, need not look again.
    absent: Cell<Option<ObjectNumber>>,
    /// Who is told where objects were found.
    metrics: OnceCell<Arc<WorkerMetrics>>,
}

/// Where an object was that somebody asked for.
#[derive(Clone, Copy, Debug)]
enum Place {
    Memory,
    Open,
    Volume,
}

impl Store {
    /// A worker's store over its disk and the process's caches and volume. The root was prepared
    /// ([`Layout::prepare`]) before.
    pub fn new(
        disk: Rc<dyn Disk>,
        caches: Arc<Caches>,
        volume: Arc<VolumeState>,
        options: &StoreOptions,
    ) -> Store {
        let layout = Layout::new(&options.root);
        let durability = options.durability;
        let verify_reads = options.verify_reads;
        let caretaker = Rc::new(Caretaker::new(disk, layout, volume, options.min_free));
        let publisher = Publisher::new(Rc::clone(&caretaker), durability);
        Store(Rc::new(Inner {
            caretaker,
            publisher,
            caches,
            durability,
            verify_reads,
            absent: Cell::new(None),
            metrics: OnceCell::new(),
        }))
    }

    /// From now on `metrics` says where objects were found. Once per store.
    pub fn count_in(&self, metrics: Arc<WorkerMetrics>) {
        let is_first = self.0.metrics.set(metrics).is_ok();
        assert!(is_first, "a store is counted once");
    }

    /// Whether an upload may begin: the volume works, and has room for what is claimed beside the
    /// reserve.
    ///
    /// # Errors
    /// `VolumeFailed`, `Full`, or what the disk says.
    pub async fn check_room(&self, claimed_bytes: u64) -> StoreResult<()> {
        self.0.caretaker.admit(claimed_bytes).await
    }

    /// Why the volume takes no uploads and what to do, if it failed.
    pub fn volume_failure(&self) -> Option<String> {
        self.0.caretaker.failure()
    }

    /// Free space of the volume, bytes, as of half a second ago at most.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn free_bytes(&self) -> StoreResult<u64> {
        self.0.caretaker.free_bytes().await
    }

    /// Bytes of the volume that uploads leave free.
    pub fn reserve_bytes(&self) -> u64 {
        self.0.caretaker.reserve_bytes()
    }

    /// Begins an object. Reserves nothing: a claimed size is checked against the room there is.
    ///
    /// # Errors
    /// As [`Store::check_room`].
    pub async fn create(&self, new: NewObject) -> StoreResult<Receiving> {
        self.check_room(new.size_bytes.unwrap_or(0)).await?;
        Receiving::new(self.clone(), new)
    }

    /// Gives sealed objects their names, all of them or none, in the same order; durably unless
    /// the operator asked otherwise.
    ///
    /// # Errors
    /// Nothing was published then.
    pub async fn publish(&self, sealed: Vec<Sealed>) -> StoreResult<Vec<Published>> {
        self.0.publisher.publish(sealed).await
    }

    /// Opens an object without a wait: one that is remembered, or whose name and seal are in the
    /// kernel's memory. `None` says nothing of it: [`Store::open`] does.
    pub fn open_at_hand(&self, object: ObjectNumber) -> Option<Stored> {
        if self.0.absent.take() == Some(object) {
            return None;
        }
        let (stored, place) = self.look_at_hand(object, u64::MAX).ok()?;
        self.count(place);
        Some(stored)
    }

    /// A small object with all its data, if that can be had without a wait, as
    /// [`Store::open_at_hand`] has it. `None` says nothing of it.
    pub fn recall(&self, object: ObjectNumber) -> Option<(Arc<Seal>, Bytes)> {
        match self.look_at_hand(object, OPEN_READ_SIZE as u64) {
            Ok((stored, place)) => {
                let small = stored.into_memory()?;
                self.count(place);
                Some(small)
            }
            Err(NotAtHand::Large) => None,
            Err(NotAtHand::Absent) => {
                self.0.absent.set(Some(object));
                None
            }
        }
    }

    /// Opens an object.
    ///
    /// # Errors
    /// `NotFound`; `Damaged` when it is not what was sealed; `VolumeFailed` when it may be there
    /// but the volume is not.
    pub async fn open(&self, object: ObjectNumber) -> StoreResult<Stored> {
        let hot_ticket = match self.0.caches.hot.get(object) {
            Ok(hot) => {
                self.count(Place::Memory);
                return Ok(Stored::from_hot(hot));
            }
            Err(ticket) => ticket,
        };
        let (stored, place) = match self.0.caches.opened.get_fresh(object) {
            Ok(opened) => (Stored::of_opened(self, object, opened, &hot_ticket).await, Place::Open),
            Err(ticket) => (Stored::open(self, object, &ticket, &hot_ticket).await, Place::Volume),
        };
        stored.inspect(|_| self.count(place)).or_else(|error| {
            if error.kind() == StoreErrorKind::NotFound {
                return self.0.caretaker.check_working().and(Err(error));
            }
            // Whoever mends it replaces the file: the next reader opens it anew.
            self.0.caches.forget(object);
            Err(error)
        })
    }

    /// What is at hand of an object, and where it was. A file of more than `size_max` bytes that is
    /// not open is left alone.
    fn look_at_hand(
        &self,
        object: ObjectNumber,
        size_max: u64,
    ) -> Result<(Stored, Place), NotAtHand> {
        let hot_ticket = match self.0.caches.hot.get(object) {
            Ok(hot) => return Ok((Stored::from_hot(hot), Place::Memory)),
            Err(ticket) => ticket,
        };
        match self.0.caches.opened.get_fresh(object) {
            Ok(opened) => Stored::of_opened_at_hand(self, object, opened, &hot_ticket)
                .map(|stored| (stored, Place::Open))
                .ok_or(NotAtHand::Absent),
            Err(ticket) => Stored::at_hand(self, object, (&ticket, &hot_ticket), size_max)
                .map(|stored| (stored, Place::Volume)),
        }
    }

    fn count(&self, place: Place) {
        let Some(metrics) = self.0.metrics.get() else { return };
        match place {
            Place::Memory => metrics.objects_in_memory.increment(),
            Place::Open => metrics.objects_open.increment(),
            Place::Volume => metrics.objects_on_volume.increment(),
        }
    }

    /// Deletes an object, durably. Downloads that run finish.
    ///
    /// # Errors
    /// `NotFound`, or what the disk says.
    pub async fn delete(&self, object: ObjectNumber) -> StoreResult<()> {
        let (disk, layout) = (self.disk(), self.layout());
        match disk.remove(&layout.object(object)).await {
            Ok(()) => {}
            Err(error) if error.kind() == DiskErrorKind::NotFound => {
                return self.0.caretaker.check_working().and(Err(error.into()));
            }
            Err(error) => return Err(self.0.caretaker.lost(error)),
        }
        // After the removal: whoever misses from here on finds no file to bring back.
        self.0.caches.forget(object);
        let directory = layout.directory(object.as_bytes()[0]);
        disk.sync_dir(&directory).await.map_err(|error| self.0.caretaker.lost(error))
    }

    /// Opens a regular file below `dir`.
    ///
    /// # Errors
    /// `NotFound`, also for a path that leads out of `dir` and for what is no regular file.
    pub async fn open_public(&self, dir: &Path, path: &Path) -> StoreResult<PublicFile> {
        let disk = self.disk();
        let file = disk.open_beneath(dir, path).await.map_err(unservable)?;
        let stat = disk.stat(&file).await?;
        if !stat.is_file {
            return Err(StoreError::new(StoreErrorKind::NotFound, "not a regular file"));
        }
        Ok(PublicFile::new(self, file, stat))
    }

    /// Ends the disk: resolves when nothing is in flight.
    pub async fn close(&self) {
        self.disk().drain().await;
    }

    pub(super) fn disk(&self) -> Rc<dyn Disk> {
        Rc::clone(self.0.caretaker.disk())
    }

    pub(super) fn layout(&self) -> &Layout {
        self.0.caretaker.layout()
    }

    pub(super) fn caretaker(&self) -> &Rc<Caretaker> {
        &self.0.caretaker
    }

    pub(super) fn durability(&self) -> Durability {
        self.0.durability
    }

    pub(super) fn verifies_reads(&self) -> bool {
        self.0.verify_reads
    }

    pub(super) fn caches(&self) -> &Arc<Caches> {
        &self.0.caches
    }
}

/// What may not or cannot be opened (a file of somebody else, a socket, a device without a driver)
/// is not handed out: to the outside it is not there, and the operator finds it in the log.
fn unservable(error: DiskError) -> StoreError {
    match error.errno() {
        Some(libc::EACCES | libc::EPERM | libc::ENXIO | libc::ENODEV) => {
            tracing::info!(%error, "a public file cannot be read: check its permissions");
            StoreError::new(StoreErrorKind::NotFound, error.to_string())
        }
        _ => error.into(),
    }
}
