//! The store as a worker sees it: one handle over disk, layout, publisher and caches.

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
use super::stored::{PublicFile, Stored};
use crate::disk::{Disk, DiskError, DiskErrorKind};
use crate::id::ObjectNumber;

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
        Store(Rc::new(Inner { caretaker, publisher, caches, durability, verify_reads }))
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
        let hot_ticket = match self.0.caches.hot.get(object) {
            Ok(hot) => return Some(Stored::from_hot(hot)),
            Err(ticket) => ticket,
        };
        match self.0.caches.opened.get_fresh(object) {
            Ok(opened) => Stored::of_opened_at_hand(self, object, opened, &hot_ticket),
            Err(ticket) => Stored::at_hand(self, object, &ticket, &hot_ticket),
        }
    }

    /// A small object that is remembered, with all its data, without a wait and without an open.
    /// `None` says nothing of it.
    pub fn recall(&self, object: ObjectNumber) -> Option<(Arc<Seal>, Bytes)> {
        let hot_ticket = match self.0.caches.hot.get(object) {
            Ok(hot) => return Some((hot.seal, hot.data)),
            Err(ticket) => ticket,
        };
        let opened = self.0.caches.opened.get_fresh(object).ok()?;
        Stored::of_opened_at_hand(self, object, opened, &hot_ticket)?.into_memory()
    }

    /// Opens an object.
    ///
    /// # Errors
    /// `NotFound`; `Damaged` when it is not what was sealed; `VolumeFailed` when it may be there
    /// but the volume is not.
    pub async fn open(&self, object: ObjectNumber) -> StoreResult<Stored> {
        let hot_ticket = match self.0.caches.hot.get(object) {
            Ok(hot) => return Ok(Stored::from_hot(hot)),
            Err(ticket) => ticket,
        };
        let stored = match self.0.caches.opened.get_fresh(object) {
            Ok(opened) => Stored::of_opened(self, object, opened, &hot_ticket).await,
            Err(ticket) => Stored::open(self, object, &ticket, &hot_ticket).await,
        };
        stored.or_else(|error| {
            if error.kind() == StoreErrorKind::NotFound {
                return self.0.caretaker.check_working().and(Err(error));
            }
            // Whoever mends it replaces the file: the next reader opens it anew.
            self.0.caches.forget(object);
            Err(error)
        })
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
