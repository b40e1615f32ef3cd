//! The store as a worker sees it: one handle over disk, layout, publisher and cache.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::HotCache;
use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::layout::Layout;
use super::publisher::{Durability, Published, Publisher};
use super::receiving::{NewObject, Receiving, Sealed};
use super::stored::{PublicFile, Stored};
use crate::disk::Disk;
use crate::id::ObjectNumber;

/// How old a reading of the free space may be. Uploads in between are covered by the reserve.
const FREE_SPACE_AGE_MAX: Duration = Duration::from_millis(500);

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
    disk: Rc<dyn Disk>,
    layout: Layout,
    publisher: Publisher,
    cache: Arc<HotCache>,
    durability: Durability,
    min_free: u64,
    verify_reads: bool,
    free: Cell<Option<(Instant, u64)>>,
}

impl Store {
    /// A worker's store over its disk and the process's cache. The root was prepared
    /// ([`Layout::prepare`]) before.
    pub fn new(disk: Rc<dyn Disk>, cache: Arc<HotCache>, options: &StoreOptions) -> Store {
        let layout = Layout::new(&options.root);
        let durability = options.durability;
        let publisher = Publisher::new(Rc::clone(&disk), layout.clone(), durability);
        Store(Rc::new(Inner {
            disk,
            layout,
            publisher,
            cache,
            durability,
            min_free: options.min_free,
            verify_reads: options.verify_reads,
            free: Cell::new(None),
        }))
    }

    /// Whether the volume has room for what is claimed beside the reserve.
    ///
    /// # Errors
    /// `Full`, or what the disk says.
    pub async fn check_room(&self, claimed_bytes: u64) -> StoreResult<()> {
        let free = self.free_bytes().await?;
        let needed = claimed_bytes.saturating_add(self.0.min_free);
        if free >= needed {
            return Ok(());
        }
        let reserve = self.0.min_free;
        let message =
            format!("{free} bytes are free, {claimed_bytes} are claimed, {reserve} are reserved");
        Err(StoreError::new(StoreErrorKind::Full, message))
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

    /// Opens an object.
    ///
    /// # Errors
    /// `NotFound`; `Damaged` when it is not what was sealed.
    pub async fn open(&self, object: ObjectNumber) -> StoreResult<Stored> {
        match self.0.cache.get(object) {
            Ok(hot) => Ok(Stored::from_hot(hot)),
            Err(ticket) => Stored::open(self, object, &ticket).await,
        }
    }

    /// Deletes an object, durably. Downloads that run finish.
    ///
    /// # Errors
    /// `NotFound`, or what the disk says.
    pub async fn delete(&self, object: ObjectNumber) -> StoreResult<()> {
        self.0.disk.remove(&self.0.layout.object(object)).await?;
        // After the removal: whoever misses from here on finds no file to bring back.
        self.0.cache.forget(object);
        self.0.disk.sync_dir(&self.0.layout.directory(object.as_bytes()[0])).await?;
        Ok(())
    }

    /// Opens a regular file below `dir`.
    ///
    /// # Errors
    /// `NotFound`, also for a path that leads out of `dir` and for what is no regular file.
    pub async fn open_public(&self, dir: &Path, path: &Path) -> StoreResult<PublicFile> {
        let file = self.0.disk.open_beneath(dir, path).await?;
        let stat = self.0.disk.stat(&file).await?;
        if !stat.is_file {
            return Err(StoreError::new(StoreErrorKind::NotFound, "not a regular file"));
        }
        Ok(PublicFile::new(Rc::clone(&self.0.disk), file, stat))
    }

    /// Ends the disk: resolves when nothing is in flight.
    pub async fn close(&self) {
        self.0.disk.drain().await;
    }

    pub(super) fn disk(&self) -> Rc<dyn Disk> {
        Rc::clone(&self.0.disk)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(super) fn durability(&self) -> Durability {
        self.0.durability
    }

    pub(super) fn verifies_reads(&self) -> bool {
        self.0.verify_reads
    }

    pub(super) fn cache(&self) -> &HotCache {
        &self.0.cache
    }

    async fn free_bytes(&self) -> StoreResult<u64> {
        let now = Instant::now();
        if let Some((read_at, free)) = self.0.free.get()
            && now.duration_since(read_at) < FREE_SPACE_AGE_MAX
        {
            return Ok(free);
        }
        let free = self.0.disk.free_bytes(self.0.layout.root()).await?;
        self.0.free.set(Some((now, free)));
        Ok(free)
    }
}
