//! One file on its way to its name.
//!
//! ```text
//!   create, resume ──► landing ── publish ──► there, whole
//!                       │   ▲ write: any piece, any order
//!                 fails ▼
//!                     failed: only dropping is left; a part is removed by who knows what it is
//! ```
//! Whole blocks bypass the page cache, and so does the end of a file whose size was told, which is
//! filled up with zeros and cut when it is published. A piece that is not aligned turns the file to
//! buffered writes from there on: slower, never wrong.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions, TryLockError};
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep};

use super::dock::Dock;
use super::error::LandingError;
use crate::base::limits::{BLOCK_SIZE, PART_LOCK_INTERVAL_MS, PART_LOCK_PATIENCE_MS};
use crate::copy::directory;
use crate::disk::{
    Disk, DiskError, DiskErrorKind, File, Lease, Pool, Stat, read_blocks, write_all,
};

/// Permissions of a part, before the umask.
const PART_MODE: u32 = 0o666;
/// What is masked where nobody tells.
const UMASK_USUAL: u32 = 0o022;
/// Permissions that a landed file may be given: those of reading, writing and executing.
const MODE_KEPT: u32 = 0o777;

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Berth {
    /// The name it gets.
    pub(crate) target: PathBuf,
    /// Whether another file of that name is replaced.
    pub(crate) replace: bool,
    /// Its size, bytes, if that is known: its room is taken at once then.
    pub(crate) size_bytes: Option<u64>,
}

/// What a landed file has beside its bytes. Bits that make a program run as its owner are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Permissions (chmod(2)).
    pub(crate) mode: u32,
    /// Last modification.
    pub(crate) modified: SystemTime,
}

impl Attributes {
    /// Those of a file that any program makes, just now.
    pub(crate) fn ordinary() -> Attributes {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let mask = mask.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
        let mode = PART_MODE & !mask.unwrap_or(UMASK_USUAL);
        Attributes { mode, modified: SystemTime::now() }
    }
}

/// A file that is being written. Clones are the same file.
#[derive(Clone, Debug)]
pub(crate) struct Landing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dock: Dock,
    file: File,
    berth: Berth,
    is_failed: AtomicBool,
    /// Whether there was an unaligned piece.
    is_buffered: AtomicBool,
    /// Read by every write to its end, written by who publishes: it waits for those whose futures
    /// were dropped too.
    quiet: Arc<RwLock<()>>,
}

impl Dock {
    /// A file without a name: dropped, killed or failed, it leaves nothing.
    ///
    /// # Errors
    /// Any but `Busy`.
    pub(crate) async fn create(&self, berth: Berth) -> Result<Landing, LandingError> {
        let directory = directory(&berth.target).to_owned();
        let size = berth.size_bytes;
        let made = self.run(move |disk| async move {
            let file = disk.create_unnamed(&directory).await?;
            prepare(&*disk, &file, size).await?;
            Ok(file)
        });
        Ok(Landing::new(self, made.await?, berth))
    }

    /// A file of the name `part` on the target's filesystem, with what it has already, for this
    /// process alone. It keeps that name until it is published or removed.
    ///
    /// # Errors
    /// Any; `Busy` when another process has it.
    pub(crate) async fn resume(&self, part: &Path, berth: Berth) -> Result<Landing, LandingError> {
        let (part, size) = (part.to_owned(), berth.size_bytes);
        let opened = self.run(move |disk| async move {
            let file = File::adopt(claim_part(&part).await?, part);
            prepare(&*disk, &file, size).await?;
            Ok(file)
        });
        Ok(Landing::new(self, opened.await?, berth))
    }
}

impl Landing {
    fn new(dock: &Dock, file: File, berth: Berth) -> Landing {
        Landing(Arc::new(Shared {
            dock: dock.clone(),
            file,
            berth,
            is_failed: AtomicBool::new(false),
            is_buffered: AtomicBool::new(false),
            quiet: Arc::default(),
        }))
    }

    /// Writes a piece at its offset; done when the disk has it. Waits for its turn behind others.
    ///
    /// # Errors
    /// The landing stays failed then.
    pub(crate) async fn write(&self, offset: u64, data: Bytes) -> Result<(), LandingError> {
        self.write_frames(offset, vec![data]).await
    }

    /// The same of a piece that lies in several frames, none of which is copied before.
    pub(crate) async fn write_frames(
        &self,
        offset: u64,
        frames: Vec<Bytes>,
    ) -> Result<(), LandingError> {
        self.writing(move |shared, disk| async move { shared.write(&*disk, offset, frames).await })
            .await
    }

    /// The same of a piece that fits into one buffer, and is written only if `check` says so when it
    /// lies there: what it says, and what it found out. It runs on the disk's thread, while the piece
    /// is in cache.
    ///
    /// # Errors
    /// As [`write`](Landing::write).
    pub(crate) async fn write_checked<T: Send + 'static>(
        &self,
        offset: u64,
        frames: Vec<Bytes>,
        check: impl FnOnce(&[u8]) -> (bool, T) + Send + 'static,
    ) -> Result<(bool, T), LandingError> {
        self.writing(move |shared, disk| async move {
            let mut lease = disk.slab().take(Pool::Upload).await;
            let mut frames = VecDeque::from(frames);
            let size = fill(&mut lease, &mut frames);
            assert!(frames.is_empty(), "a piece that is checked fits into a buffer");
            let (is_good, found) = check(&lease[..size]);
            if is_good {
                shared.write_lease(&*disk, offset, lease, size).await?;
            }
            Ok((is_good, found))
        })
        .await
    }

    /// Reads a piece back; shorter only where the file ends before.
    pub(crate) async fn read(&self, offset: u64, size: usize) -> Result<Bytes, LandingError> {
        self.check()?;
        let shared = Arc::clone(&self.0);
        self.0.dock.run(move |disk| async move { shared.read(&*disk, offset, size).await }).await
    }

    /// Makes it a whole file of `size_bytes` under its target's name, after all its writes; whether
    /// it has the attributes.
    ///
    /// # Errors
    /// The target is what it was, unless only the last sync failed and another file was replaced.
    pub(crate) async fn publish(
        &self,
        size_bytes: u64,
        attributes: Option<Attributes>,
    ) -> Result<bool, LandingError> {
        let alone = Arc::clone(&self.0.quiet).write_owned().await;
        self.check()?;
        let shared = Arc::clone(&self.0);
        let publishing = move |disk: Rc<dyn Disk>| async move {
            let published = shared.publish(&*disk, size_bytes, attributes).await;
            // A file that was published takes no more either.
            shared.is_failed.store(true, Ordering::Release);
            drop(alone);
            published
        };
        self.0.dock.run(publishing).await
    }

    /// Runs a write on the disk's thread; publishing waits for its end.
    async fn writing<T, F>(
        &self,
        work: impl FnOnce(Arc<Shared>, Rc<dyn Disk>) -> F + Send + 'static,
    ) -> Result<T, LandingError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LandingError>> + 'static,
    {
        self.check()?;
        let busy = Arc::clone(&self.0.quiet).read_owned().await;
        let shared = Arc::clone(&self.0);
        let writing = move |disk: Rc<dyn Disk>| async move {
            let written = work(Arc::clone(&shared), disk).await;
            if written.is_err() {
                shared.is_failed.store(true, Ordering::Release);
            }
            drop(busy);
            written
        };
        self.0.dock.run(writing).await
    }

    fn check(&self) -> Result<(), LandingError> {
        if self.0.is_failed.load(Ordering::Acquire) { Err(LandingError::Abandoned) } else { Ok(()) }
    }
}

impl Shared {
    async fn write(
        &self,
        disk: &dyn Disk,
        offset: u64,
        frames: Vec<Bytes>,
    ) -> Result<(), LandingError> {
        let (mut at, mut frames) = (offset, VecDeque::from(frames));
        while !frames.is_empty() {
            let mut lease = disk.slab().take(Pool::Upload).await;
            let size = fill(&mut lease, &mut frames);
            self.write_lease(disk, at, lease, size).await?;
            at += size as u64;
        }
        Ok(())
    }

    async fn write_lease(
        &self,
        disk: &dyn Disk,
        offset: u64,
        mut lease: Lease,
        mut size: usize,
    ) -> Result<(), LandingError> {
        let is_end = offset.checked_add(size as u64) == self.berth.size_bytes;
        let is_buffered = self.is_buffered.load(Ordering::Acquire);
        if is_end && !is_buffered && is_aligned(offset) {
            let padded_size = size.next_multiple_of(BLOCK_SIZE);
            lease[size..padded_size].fill(0);
            size = padded_size;
        }
        let is_whole_blocks = is_aligned(offset) && size.is_multiple_of(BLOCK_SIZE);
        if !is_buffered && !is_whole_blocks {
            disk.set_direct(&self.file, false)?;
            self.is_buffered.store(true, Ordering::Release);
        }
        let (_lease, written) = write_all(disk, &self.file, lease, 0..size, offset).await;
        Ok(written?)
    }

    async fn read(&self, disk: &dyn Disk, offset: u64, size: usize) -> Result<Bytes, LandingError> {
        let mut read = BytesMut::with_capacity(size);
        // From the start of its block, as direct I/O wants it.
        let skipped = offset % BLOCK_SIZE as u64;
        let (mut at, mut skip) = (offset - skipped, usize::try_from(skipped).unwrap_or_default());
        while read.len() < size {
            let lease = disk.slab().take(Pool::Upload).await;
            let wanted = (size - read.len() + skip).min(lease.len());
            let done = read_blocks(disk, &self.file, lease, wanted, at).await;
            let count = done.result?;
            read.extend_from_slice(done.lease.get(skip..count).unwrap_or_default());
            if count < wanted {
                break;
            }
            (at, skip) = (at + count as u64, 0);
        }
        Ok(read.freeze())
    }

    async fn publish(
        &self,
        disk: &dyn Disk,
        size_bytes: u64,
        attributes: Option<Attributes>,
    ) -> Result<bool, LandingError> {
        let (file, target) = (&self.file, &self.berth.target);
        disk.truncate(file, size_bytes).await?;
        // Cutting a file changes its time.
        let has_attributes = give(disk, file, attributes).await?;
        if self.dock.is_durable() {
            disk.sync_data(file).await?;
        }
        if self.berth.replace {
            disk.replace(file, target).await?;
        } else {
            disk.link(file, target).await?;
        }
        if self.dock.is_durable()
            && let Err(error) = disk.sync_dir(directory(target)).await
        {
            if !self.berth.replace {
                // A name that may be gone after a power cut is no file; that it cannot be removed
                // either is no news.
                let _ = disk.remove(target).await;
            }
            return Err(error.into());
        }
        Ok(has_attributes)
    }
}

/// Moves frames into a buffer until it is full or none is left; how many bytes it has then.
fn fill(buffer: &mut [u8], frames: &mut VecDeque<Bytes>) -> usize {
    let mut filled = 0;
    while let Some(frame) = frames.front_mut() {
        let room = &mut buffer[filled..];
        let moved = frame.split_to(frame.len().min(room.len()));
        room[..moved.len()].copy_from_slice(&moved);
        filled += moved.len();
        if !frame.is_empty() {
            break;
        }
        frames.pop_front();
    }
    filled
}

async fn give(
    disk: &dyn Disk,
    file: &File,
    attributes: Option<Attributes>,
) -> Result<bool, LandingError> {
    let Some(Attributes { mode, modified }) = attributes else { return Ok(true) };
    let stat = disk.stat(file).await?;
    let wanted = Stat { mode: mode & MODE_KEPT, modified, ..stat };
    match disk.set_attributes(file, wanted).await {
        Err(error) if cannot(&error) => Ok(false),
        set => Ok(set.map(|()| true)?),
    }
}

/// The part, locked. A process that was killed with operations in its ring keeps the lock until the
/// kernel has taken the ring apart, some time after the process is gone: so it is asked for again.
async fn claim_part(part: &Path) -> Result<fs::File, LandingError> {
    let given_up = Instant::now() + Duration::from_millis(PART_LOCK_PATIENCE_MS);
    loop {
        match open_part(part) {
            Err(LandingError::Busy) if Instant::now() < given_up => {
                sleep(Duration::from_millis(PART_LOCK_INTERVAL_MS)).await;
            }
            claimed => return claimed,
        }
    }
}

/// The part, locked. A name that leads elsewhere is not followed.
fn open_part(part: &Path) -> Result<fs::File, LandingError> {
    let failed = |error| LandingError::from(DiskError::new("open the part", error));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PART_MODE);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match options.open(part) {
        Err(error) if is_something_else(&error) => return Err(LandingError::NotRegular),
        opened => opened.map_err(failed)?,
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(LandingError::NotRegular);
    }
    match file.try_lock() {
        // Who had it may have published it between our opening and our locking it: then it is the
        // target by now, and nobody's part.
        Ok(()) if is_at(&file, part) => Ok(file),
        Ok(()) | Err(TryLockError::WouldBlock) => Err(LandingError::Busy),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whether this is the file of that name.
fn is_at(file: &fs::File, path: &Path) -> bool {
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let named = fs::symlink_metadata(path).map(identity);
    named.is_ok_and(|named| file.metadata().map(identity).is_ok_and(|own| own == named))
}

/// A symbolic link, a directory, a pipe that nobody reads.
fn is_something_else(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EISDIR | libc::ENXIO))
}

/// Past the page cache, with its room taken, so that pieces out of order are written side by side.
async fn prepare(disk: &dyn Disk, file: &File, size: Option<u64>) -> Result<(), LandingError> {
    disk.set_direct(file, true)?;
    let Some(size) = size.filter(|size| *size > 0) else { return Ok(()) };
    let padded_size = size.next_multiple_of(BLOCK_SIZE as u64);
    match disk.allocate(file, 0, padded_size).await {
        Err(error) if error.kind() == DiskErrorKind::Unsupported => Ok(()),
        allocated => Ok(allocated?),
    }
}

/// FAT and some network filesystems have no permissions to set.
fn cannot(error: &DiskError) -> bool {
    error.kind() == DiskErrorKind::Unsupported || error.errno() == Some(libc::EPERM)
}

fn is_aligned(offset: u64) -> bool {
    offset.is_multiple_of(BLOCK_SIZE as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(PART_LOCK_PATIENCE_MS);
    const INTERVAL: Duration = Duration::from_millis(PART_LOCK_INTERVAL_MS);

    #[tokio::test(start_paused = true)]
    async fn a_part_whose_lock_is_let_go_within_the_patience_is_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("part");
        let holder = open_part(&part).unwrap();
        let letting_go = async {
            sleep(PATIENCE.saturating_sub(INTERVAL)).await;
            drop(holder);
        };
        let (claimed, ()) = tokio::join!(claim_part(&part), letting_go);
        assert!(is_at(&claimed.unwrap(), &part));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_another_keeps_is_given_up_after_the_patience() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("part");
        let _holder = open_part(&part).unwrap();
        let began = Instant::now();
        assert!(matches!(claim_part(&part).await, Err(LandingError::Busy)));
        let waited = began.elapsed();
        // Time that stands still but for the pauses: no machine is too slow for it.
        assert!((PATIENCE..=PATIENCE + INTERVAL).contains(&waited), "{waited:?}");
    }
}
