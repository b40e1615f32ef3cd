//! The care for the volume: who may write to it, what its failures mean, when it works again.
//!
//! One [`Caretaker`] per worker over the process's one [`VolumeState`].
//!
//! 1. An upload is let in ([`Caretaker::admit`]) when the volume has not failed and holds what the
//!    upload claims beside the reserve. A claim reserves nothing.
//! 2. While it grows it asks for each piece ([`Caretaker::take_more`]). When the room is gone the
//!    growing uploads give up one at a time: the blocks of each are room for those that stay, so
//!    a disk that fills ends with some uploads whole and not with all of them lost.
//! 3. What fails on the way is noted ([`Caretaker::lost`]), and so is what works.
//! 4. Whose failure makes the volume a failed one begins to probe it: every few seconds a file is
//!    written, synced, named and removed as an upload's is. When that works, uploads are welcome.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::health::{Event, Health, remedy};
use super::layout::Layout;
use super::room::{Grant, Room};
use crate::base::limits::{
    BLOCK_SIZE, FREE_SPACE_AGE_MAX_MS, FREE_SPACE_AGE_REFUSAL_MS, FULL_REFUSAL_INTERVAL_MS,
    FULL_WAITS_MAX, PREALLOCATION_ROOM_PARTS, VOLUME_PROBE_INTERVAL_MS,
};
use crate::disk::{Disk, DiskError, DiskErrorKind, DiskResult, Lease, write_all};

/// What all workers know of the volume; at first nothing, which counts as sound.
#[derive(Debug, Default)]
pub struct VolumeState {
    health: Health,
    room: Arc<Room>,
    /// The root as it was first seen, by device and inode. Another one under its path is not ours:
    /// what workers hold open leads to the old one, and a sync there would promise nothing. The
    /// lock of the root is held as long as the daemon runs, so its inode is never another's.
    root: OnceLock<(u64, u64)>,
}

/// One worker's care for the volume.
pub(super) struct Caretaker {
    disk: Rc<dyn Disk>,
    layout: Layout,
    state: Arc<VolumeState>,
    reserve_bytes: u64,
    /// Held by whoever reads the free space: the others of this worker use what he finds.
    reading: Mutex<()>,
}

impl Caretaker {
    pub(super) fn new(
        disk: Rc<dyn Disk>,
        layout: Layout,
        state: Arc<VolumeState>,
        reserve_bytes: u64,
    ) -> Caretaker {
        Caretaker { disk, layout, state, reserve_bytes, reading: Mutex::new(()) }
    }

    pub(super) fn disk(&self) -> &Rc<dyn Disk> {
        &self.disk
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Why the volume takes no uploads, if it failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.state.health.failure()
    }

    /// What is free, bytes.
    pub(super) async fn free_bytes(self: &Rc<Caretaker>) -> StoreResult<u64> {
        self.read_space(FREE_SPACE_AGE_MAX_MS).await?;
        Ok(self.state.room.free())
    }

    /// What uploads leave free, bytes.
    pub(super) fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// Whether an upload may begin that claims so many bytes, 0 for an unknown number.
    pub(super) async fn admit(self: &Rc<Caretaker>, claimed_bytes: u64) -> StoreResult<()> {
        // Whole blocks, and one for the seal.
        let block = BLOCK_SIZE as u64;
        let bytes = (claimed_bytes.div_ceil(block).saturating_add(1)).saturating_mul(block);
        self.check_working()?;
        self.read_space(FREE_SPACE_AGE_MAX_MS).await?;
        if !self.holds(bytes) {
            self.read_space(FREE_SPACE_AGE_REFUSAL_MS).await?;
        }
        if self.holds(bytes) { Ok(()) } else { Err(self.full(bytes)) }
    }

    /// Takes room for so many bytes that are about to be written, the first of an object.
    pub(super) async fn take_first(self: &Rc<Caretaker>, bytes: u64) -> StoreResult<Grant> {
        self.check_working()?;
        for age_max_ms in [FREE_SPACE_AGE_MAX_MS, FREE_SPACE_AGE_REFUSAL_MS] {
            self.read_space(age_max_ms).await?;
            if let Some(grant) = self.state.room.take(bytes) {
                return Ok(grant);
            }
        }
        Err(self.full(bytes))
    }

    /// The same for an object that grows, which has something to lose: it waits a bounded time
    /// while others give theirs back.
    pub(super) async fn take_more(self: &Rc<Caretaker>, bytes: u64) -> StoreResult<Grant> {
        let mut waits = 0;
        loop {
            match self.take_first(bytes).await {
                Err(error) if error.kind() == StoreErrorKind::Full => {
                    // Not before it has waited once: what others just gave back shows in the next
                    // reading.
                    if waits >= FULL_WAITS_MAX || waits > 0 && self.state.room.gives_up() {
                        return Err(error);
                    }
                }
                ended => return ended,
            }
            waits += 1;
            sleep(Duration::from_millis(FULL_REFUSAL_INTERVAL_MS)).await;
        }
    }

    /// Takes room for a preallocation, which can be done without: of ample room only, so that
    /// nobody is refused for what another may never fill.
    pub(super) fn take_ahead(&self, bytes: u64) -> Option<Grant> {
        let is_ample = self.state.room.holds(bytes.saturating_mul(PREALLOCATION_ROOM_PARTS));
        is_ample.then(|| self.state.room.take(bytes)).flatten()
    }

    /// An object was published.
    pub(super) fn worked(&self) {
        self.state.health.worked();
    }

    /// Notes what made an object fail on its way to the disk; what the object's owner is told.
    pub(super) fn lost(self: &Rc<Caretaker>, error: DiskError) -> StoreError {
        let event = match error.kind() {
            // A full disk is no failed one, nor is a busy process or one that stops.
            DiskErrorKind::Full | DiskErrorKind::Exhausted | DiskErrorKind::Cancelled => {
                return error.into();
            }
            // Paths below the root are ours: one that is missing was taken from under us.
            DiskErrorKind::Gone | DiskErrorKind::NotFound => Event::Gone,
            DiskErrorKind::Exists | DiskErrorKind::Unsupported | DiskErrorKind::Failed => {
                Event::Broke
            }
        };
        let message = error.to_string();
        self.note(event, &message, error.errno());
        if self.state.health.has_failed() {
            return StoreError::new(StoreErrorKind::VolumeFailed, message);
        }
        StoreError::new(StoreErrorKind::Failed, message)
    }

    /// Whether the volume has failed, as an error.
    pub(super) fn check_working(&self) -> StoreResult<()> {
        if !self.state.health.has_failed() {
            return Ok(());
        }
        let cause = self.failure().unwrap_or_default();
        Err(StoreError::new(StoreErrorKind::VolumeFailed, cause))
    }

    fn note(self: &Rc<Caretaker>, event: Event, what: &str, errno: Option<i32>) {
        let remedy = remedy(errno);
        if self.state.health.learn(event, &format!("{what}; {remedy}")) {
            tracing::error!(
                cause = what,
                errno,
                remedy,
                "the volume failed: uploads are refused until a probe of it works, downloads go on"
            );
            self.begin_probing();
        }
    }

    fn holds(&self, bytes: u64) -> bool {
        self.state.room.holds(bytes) && self.state.room.has_files()
    }

    fn full(&self, bytes: u64) -> StoreError {
        let room = &self.state.room;
        let message = if room.has_files() {
            let (free, reserve) = (room.free(), self.reserve_bytes);
            format!("{free} bytes are free, {bytes} are claimed, {reserve} are reserved")
        } else {
            "no file can be made: the filesystem is out of inodes".to_owned()
        };
        StoreError::new(StoreErrorKind::Full, message)
    }

    /// Reads what is free, unless that was done within `age_max_ms`.
    async fn read_space(self: &Rc<Caretaker>, age_max_ms: u64) -> StoreResult<()> {
        if self.state.room.is_fresh(age_max_ms) {
            return Ok(());
        }
        let _turn = self.reading.lock().await;
        if self.state.room.is_fresh(age_max_ms) {
            return Ok(());
        }
        match self.read_space_now().await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let what = "the root directory is not the one that was there at first";
                self.note(Event::Gone, what, Some(libc::ESTALE));
                Err(StoreError::new(StoreErrorKind::VolumeFailed, what))
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Whether the root is the one that was there at first; if so, what is free is known.
    async fn read_space_now(&self) -> DiskResult<bool> {
        let settled = self.state.room.settled();
        let space = self.disk.free_space(self.layout.root()).await?;
        if *self.state.root.get_or_init(|| space.directory) != space.directory {
            return Ok(false);
        }
        let has_files = space.files.is_none_or(|count| count > 0);
        self.state.room.read(settled, space.bytes, self.reserve_bytes, has_files);
        Ok(true)
    }

    // ---- probing ----------------------------------------------------------------------------

    /// Probes until the volume works, or the worker ends.
    fn begin_probing(self: &Rc<Caretaker>) {
        let caretaker = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            loop {
                sleep(Duration::from_millis(VOLUME_PROBE_INTERVAL_MS)).await;
                let Some(caretaker) = caretaker.upgrade() else { return };
                match caretaker.probe().await {
                    Ok(true) => return caretaker.healed(),
                    Ok(false) => tracing::debug!("the probe found another root"),
                    Err(error) if error.kind() == DiskErrorKind::Cancelled => return,
                    Err(error) => tracing::debug!(%error, "the volume still fails"),
                }
            }
        });
    }

    fn healed(&self) {
        if self.state.health.learn(Event::Probed, "") {
            tracing::info!("the volume works again: uploads are welcome");
        }
    }

    /// Takes a file of one block the whole way of an upload, then removes it. False when the root
    /// is not the one that was there at first.
    async fn probe(&self) -> DiskResult<bool> {
        if !self.read_space_now().await? {
            return Ok(false);
        }
        let (disk, name) = (&self.disk, self.layout.probe());
        match disk.remove(&name).await {
            Err(error) if error.kind() != DiskErrorKind::NotFound => return Err(error),
            // One that an earlier probe could not remove, or none.
            _ => {}
        }
        let file = disk.create_unnamed(self.layout.staging()).await?;
        disk.set_direct(&file, true)?;
        let lease = Lease::heap(BLOCK_SIZE);
        write_all(&**disk, &file, lease, 0..BLOCK_SIZE, 0).await.1?;
        disk.sync_data(&file).await?;
        disk.link(&file, &name).await?;
        disk.sync_dir(self.layout.staging()).await?;
        disk.remove(&name).await?;
        Ok(true)
    }
}
