//! The `memory` engine: a small filesystem that knows what a power cut would leave of it.
//!
//! For tests. One [`MemoryDisk`] stands for one disk; `memory/volume.rs` holds its files and
//! names, each in two states: as the process sees them, and as they lie on the platter.
//!
//! 1. An operation starts with its permit, yields once, and takes effect at its end.
//! 2. A sync remembers at its *start* what it will make durable at its end. So a write that was
//!    in flight beside it is not covered (promise 4), and who relied on that loses data here.
//! 3. [`MemoryDisk::crash_image`] makes a new disk of what is durable, and treats the rest as
//!    badly as [`Loss`] says.
//!
//! Paths are taken by their words: `/` is there from the start, and symbolic links are followed
//! by `open_beneath` alone.

mod crash;
mod volume;

use std::cell::Cell;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join3;
use tokio::task::yield_now;

use super::{
    Disk, DiskError, DiskResult, EngineKind, EngineReport, File, FreeSpace, Gate, Lease, Op, Slab,
    Stat, TEMPORARY_PREFIX, Transfer, detached,
};
use crate::base::limits::{
    BLOCK_SIZE, MEMORY_DISK_SIZE_DEFAULT, METADATA_IN_FLIGHT_MAX, SYNCS_IN_FLIGHT_MAX,
};
pub use crash::Loss;
use volume::{Errno, Volume};

/// A disk in memory. Needs a `LocalSet` around whoever uses it.
pub struct MemoryDisk {
    volume: Shared,
    slab: Slab,
    queue_depth: usize,
    transfers: Gate,
    syncs: Gate,
    metadata: Gate,
    unnamed: bool,
    /// Whether nothing is in the page cache that there is not.
    is_cold: bool,
    /// Whether every name is in memory, as the kernel's may be.
    knows_names: bool,
    direct_size: Cell<u64>,
}

/// A volume, shared with the files open on it. Never locked across an await, and no [`File`] is
/// dropped under the lock: its last handle takes it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Volume>>);

/// An open file: what [`File`] holds for this engine.
struct Opened {
    volume: Shared,
    inode: u64,
    writable: bool,
    direct: AtomicBool,
    temporary: Mutex<Option<PathBuf>>,
}

impl MemoryDisk {
    /// An empty disk with `queue_depth` transfers in flight.
    pub fn new(slab: Slab, queue_depth: usize) -> MemoryDisk {
        MemoryDisk::around(Volume::new(MEMORY_DISK_SIZE_DEFAULT), slab, queue_depth)
    }

    fn around(volume: Volume, slab: Slab, queue_depth: usize) -> MemoryDisk {
        MemoryDisk {
            volume: Shared(Arc::new(Mutex::new(volume))),
            slab,
            queue_depth,
            transfers: Gate::new(queue_depth),
            syncs: Gate::new(SYNCS_IN_FLIGHT_MAX),
            metadata: Gate::new(METADATA_IN_FLIGHT_MAX),
            unnamed: true,
            is_cold: false,
            knows_names: false,
            direct_size: Cell::new(0),
        }
    }

    /// With room for `size` bytes, in whole blocks; a hole in a file counts like data.
    pub fn with_capacity(self, size: u64) -> MemoryDisk {
        self.volume.lock().set_capacity(size);
        self
    }

    /// As on a filesystem without `O_TMPFILE`.
    pub fn without_tmpfile(mut self) -> MemoryDisk {
        self.unnamed = false;
        self
    }

    /// As if every name were in the kernel's memory: files open without a wait.
    pub fn knowing_names(mut self) -> MemoryDisk {
        self.knows_names = true;
        self
    }

    /// As if nothing of any file were in a page cache, ever.
    pub fn cold(mut self) -> MemoryDisk {
        self.is_cold = true;
        self
    }

    /// Bytes that reads asked for past the page cache that there is not.
    pub fn direct_read_size(&self) -> u64 {
        self.direct_size.get()
    }

    /// The disk after a power cut now: what was synced, and of the rest what `loss` leaves.
    /// This one goes on as if nothing had happened.
    pub fn crash_image(&self, loss: Loss) -> MemoryDisk {
        let volume = crash::image(&self.volume.lock(), loss);
        let mut image = MemoryDisk::around(volume, self.slab.clone(), self.queue_depth);
        image.unnamed = self.unnamed;
        image
    }

    /// Puts a durable file there, its directories too, in place of any other: for a test's set-up,
    /// and to damage what the code under test wrote.
    pub fn plant(&self, path: &Path, data: &[u8]) {
        self.volume.lock().plant(path, data);
    }

    /// Puts a durable symbolic link there, its directories too.
    pub fn plant_symlink(&self, target: &Path, path: &Path) {
        self.volume.lock().plant_symlink(target, path);
    }

    /// Other bytes for the file of that name, which may be open: as if another program wrote them.
    pub fn overwrite(&self, path: &Path, data: &[u8]) {
        self.volume.lock().overwrite(path, data);
    }

    /// Flips a bit of the byte at `offset` in each file that has no name, as a failing disk does.
    pub fn flip_unnamed(&self, offset: usize) {
        self.volume.lock().flip_unnamed(offset);
    }

    /// The bytes of the file of that name.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.volume.lock().contents(path)
    }

    /// Files that have a name or an open handle.
    pub fn inode_count(&self) -> usize {
        self.volume.lock().inode_count()
    }

    /// Open handles.
    pub fn handle_count(&self) -> usize {
        self.volume.lock().handle_count()
    }

    /// An operation whose effect is at its end. It locks the volume itself.
    fn operate<T: 'static>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&Shared) -> Result<T, Errno> + 'static,
    ) -> Op<DiskResult<T>> {
        let volume = self.volume.clone();
        detached::operation(&self.metadata, name, async move {
            yield_now().await;
            effect(&volume).map_err(|errno| DiskError::from_errno(name, errno))
        })
    }

    /// A sync: `remember` at its start, `keep` what that gave at its end.
    fn sync<T: 'static>(
        &self,
        name: &'static str,
        remember: impl FnOnce(&Shared) -> Result<T, Errno> + 'static,
        keep: impl FnOnce(&Shared, T) + 'static,
    ) -> Op<DiskResult<()>> {
        let volume = self.volume.clone();
        detached::operation(&self.syncs, name, async move {
            let state = remember(&volume).map_err(|errno| DiskError::from_errno(name, errno))?;
            yield_now().await;
            keep(&volume, state);
            Ok(())
        })
    }

    fn transfer(
        &self,
        name: &'static str,
        file: &File,
        (lease, span): (Lease, Range<usize>),
        move_bytes: impl FnOnce(&Opened, &mut [u8]) -> Result<usize, Errno> + 'static,
    ) -> Op<Transfer> {
        assert!(lease.get(span.clone()).is_some(), "the span lies in the lease");
        let file = file.clone();
        detached::transfer(&self.transfers, name, lease, move |mut lease| async move {
            yield_now().await;
            let moved = opened(&file).and_then(|opened| move_bytes(opened, &mut lease[span]));
            let result = moved.map_err(|errno| DiskError::from_errno(name, errno));
            Transfer { lease, result }
        })
    }
}

impl Disk for MemoryDisk {
    fn report(&self) -> EngineReport {
        EngineReport { kind: EngineKind::Memory, buffers_registered: false, caveat: None }
    }

    fn slab(&self) -> &Slab {
        &self.slab
    }

    fn create_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.operate("make directory", move |volume| volume.lock().create_dir(&path))
    }

    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<OsString>>> {
        let path = path.to_owned();
        self.operate("list directory", move |volume| {
            let names = volume.lock().list(&path)?;
            Ok(names.into_iter().map(OsString::from).collect())
        })
    }

    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>> {
        let (staging, unnamed) = (staging.to_owned(), self.unnamed);
        self.operate("create", move |volume| {
            let inode = volume.lock().create(&staging)?;
            let mut opened = Opened::new(volume, inode, true);
            if !unnamed {
                let temporary = staging.join(format!("{TEMPORARY_PREFIX}{inode:016x}"));
                volume.lock().link(inode, &temporary)?;
                opened.temporary = Mutex::new(Some(temporary));
            }
            Ok(File::from_handle(opened))
        })
    }

    fn open(&self, path: &Path) -> Op<DiskResult<File>> {
        let path = path.to_owned();
        self.operate("open", move |volume| {
            let inode = volume.lock().find(&path)?;
            Ok(File::from_handle(Opened::new(volume, inode, false)))
        })
    }

    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>> {
        let (dir, path) = (dir.to_owned(), path.to_owned());
        self.operate("open", move |volume| {
            let inode = volume.lock().find_beneath(&dir, &path)?;
            Ok(File::from_handle(Opened::new(volume, inode, false)))
        })
    }

    fn stat(&self, file: &File) -> Op<DiskResult<Stat>> {
        let file = file.clone();
        self.operate("stat", move |volume| Ok(volume.lock().stat(opened(&file)?.inode)))
    }

    fn set_attributes(&self, file: &File, stat: Stat) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.operate("set attributes", move |volume| {
            volume.lock().set_attributes(opened(&file)?.inode, &stat);
            Ok(())
        })
    }

    fn next_data(&self, file: &File, offset: u64) -> Op<DiskResult<Option<Range<u64>>>> {
        let file = file.clone();
        self.operate("seek data", move |volume| {
            Ok(volume.lock().next_data(opened(&file)?.inode, offset))
        })
    }

    fn resident_size(&self, file: &File, range: Range<u64>) -> Option<u64> {
        opened(file).ok()?;
        Some(if self.is_cold { 0 } else { range.end.saturating_sub(range.start) })
    }

    fn is_filled(&self, _file: &File, _range: Range<u64>) -> bool {
        !self.is_cold
    }

    fn open_direct(&self, file: &File) -> Op<DiskResult<File>> {
        let file = file.clone();
        self.operate("open for direct I/O", move |volume| {
            let again = Opened::new(volume, opened(&file)?.inode, false);
            again.direct.store(true, Ordering::Relaxed);
            Ok(File::from_handle(again))
        })
    }

    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool> {
        match opened(file) {
            Ok(opened) => opened.direct.store(direct, Ordering::Relaxed),
            Err(errno) => return Err(DiskError::from_errno("set direct I/O", errno)),
        }
        Ok(true)
    }

    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        self.transfer("write", file, (lease, span), move |opened, bytes| {
            opened.check_write()?;
            opened.check_alignment(bytes, offset)?;
            opened.volume.lock().write(opened.inode, offset, bytes)
        })
    }

    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let is_direct = opened(file).is_ok_and(|opened| opened.direct.load(Ordering::Relaxed));
        let size = if is_direct { span.len() as u64 } else { 0 };
        self.direct_size.set(self.direct_size.get() + size);
        self.transfer("read", file, (lease, span), move |opened, bytes| {
            opened.check_alignment(bytes, offset)?;
            opened.volume.lock().read(opened.inode, offset, bytes)
        })
    }

    fn open_resident(&self, path: &Path) -> Option<(File, u64)> {
        if !self.knows_names || self.metadata.is_closed() {
            return None;
        }
        let inode = self.volume.lock().find(path).ok()?;
        let size = self.volume.lock().stat(inode).size;
        Some((File::from_handle(Opened::new(&self.volume, inode, false)), size))
    }

    fn read_resident(&self, file: &File, buffer: &mut [u8], offset: u64) -> bool {
        let can_be = !self.is_cold && !self.transfers.is_closed();
        let opened = opened(file).ok().filter(|_| can_be);
        let read = opened.map(|opened| opened.volume.lock().read(opened.inode, offset, buffer));
        read.is_some_and(|read| read == Ok(buffer.len()))
    }

    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.operate("allocate", move |volume| {
            let inode = opened(&file)?.check_write()?;
            let size = offset.checked_add(len).ok_or(libc::EFBIG)?;
            if len == 0 { Err(libc::EINVAL) } else { volume.lock().extend(inode, size) }
        })
    }

    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.operate("truncate", move |volume| {
            let inode = opened(&file)?.check_write()?;
            volume.lock().truncate(inode, len)
        })
    }

    fn sync_data(&self, file: &File) -> Op<DiskResult<()>> {
        let (first, last) = (file.clone(), file.clone());
        self.sync(
            "sync",
            move |volume| Ok(volume.lock().data(opened(&first)?.inode)),
            move |volume, data| {
                if let Ok(opened) = opened(&last) {
                    volume.lock().keep_data(opened.inode, data);
                }
            },
        )
    }

    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.operate("link", move |volume| {
            let opened = opened(&file)?;
            volume.lock().link(opened.inode, &path)?;
            match opened.take_temporary() {
                Some(temporary) => volume.lock().remove(&temporary),
                None => Ok(()),
            }
        })
    }

    fn replace(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.operate("replace", move |volume| {
            let opened = opened(&file)?;
            volume.lock().replace(opened.inode, &path)?;
            match opened.take_temporary() {
                Some(temporary) => volume.lock().remove(&temporary),
                None => Ok(()),
            }
        })
    }

    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let (first, last) = (path.to_owned(), path.to_owned());
        self.sync(
            "sync directory",
            move |volume| volume.lock().names(&first),
            move |volume, names| volume.lock().keep_names(&last, names),
        )
    }

    fn remove(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.operate("remove", move |volume| volume.lock().remove(&path))
    }

    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>> {
        let path = path.to_owned();
        self.operate("ask for free space", move |volume| {
            let volume = volume.lock();
            volume.exists(&path)?;
            // One disk, whose directories are never replaced.
            Ok(FreeSpace { bytes: volume.free(), files: None, directory: (0, 0) })
        })
    }

    fn drain(&self) -> Op<()> {
        let gates = [&self.transfers, &self.syncs, &self.metadata].map(Gate::clone);
        let slab = self.slab.clone();
        Box::pin(async move {
            let [transfers, syncs, metadata] = gates;
            join3(transfers.drain(), syncs.drain(), metadata.drain()).await;
            slab.retire();
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Volume> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    fn new(volume: &Shared, inode: u64, writable: bool) -> Opened {
        volume.lock().opened(inode);
        let (direct, temporary) = (AtomicBool::new(false), Mutex::new(None));
        Opened { volume: volume.clone(), inode, writable, direct, temporary }
    }

    /// The temporary name, which is no longer this handle's to remove.
    fn take_temporary(&self) -> Option<PathBuf> {
        self.temporary.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn check_write(&self) -> Result<u64, Errno> {
        if self.writable { Ok(self.inode) } else { Err(libc::EBADF) }
    }

    fn check_alignment(&self, bytes: &[u8], offset: u64) -> Result<(), Errno> {
        let aligned = offset.is_multiple_of(BLOCK_SIZE as u64)
            && bytes.len().is_multiple_of(BLOCK_SIZE)
            && bytes.as_ptr().addr().is_multiple_of(BLOCK_SIZE);
        let direct = self.direct.load(Ordering::Relaxed);
        if direct && !aligned { Err(libc::EINVAL) } else { Ok(()) }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut volume = self.volume.lock();
        if let Some(Err(errno)) = self.take_temporary().map(|name| volume.remove(&name)) {
            tracing::debug!(errno, "a temporary file was gone already");
        }
        volume.closed(self.inode);
    }
}

/// This engine's file; one of another is as bad as a closed descriptor.
fn opened(file: &File) -> Result<&Opened, Errno> {
    file.handle().ok_or(libc::EBADF)
}

#[cfg(test)]
mod tests;
