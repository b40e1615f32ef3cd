//! The `threads` engine: blocking calls on a small pool of threads. What runs where the kernel has
//! no ring for us, or will not give us one.
//!
//! One per worker, with threads of its own. The life of an operation:
//! 1. It waits at its gate and becomes a task of the worker (`detached.rs`), which owns its permit,
//!    file and lease from here on, whoever still waits for the answer.
//! 2. The task sends a job to the pool (`crew.rs`). The job holds a clone of the file and, for a transfer, a
//!    window into the lease (`loan.rs`); never an `Rc`.
//! 3. A thread runs the job, drops file and window, and only then answers.
//! 4. The task takes the lease back, gives up the permit and hands over the answer.
//!
//! A runtime torn down between 2 and 4 drops the task: the lease is leaked, the job ends unheard,
//! and the threads leave when the queue is empty and the disk is gone.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::crew::Crew;
use super::desk::Desk;
use super::loan::lend;
use super::small::{self, Order};
use super::{
    Care, Disk, DiskError, DiskResult, EngineKind, EngineReport, File, FreeSpace, Gate, Journal,
    Lease, Made, Op, Shortcut, Slab, Stat, Transfer, detached, naming, residency, syscall,
};
use crate::base::limits::{DISK_THREADS_MAX, METADATA_IN_FLIGHT_MAX, SYNCS_IN_FLIGHT_MAX};
use futures_util::future::join3;

/// The fallback engine of one worker. Needs a `LocalSet` around whoever uses it.
pub struct ThreadsDisk {
    slab: Slab,
    crew: Crew,
    transfers: Gate,
    syncs: Gate,
    metadata: Gate,
    desk: Desk,
    journal: Journal,
}

impl ThreadsDisk {
    /// An engine with `queue_depth` transfers in flight.
    ///
    /// # Errors
    /// When the system has no room for its threads.
    pub fn new(slab: Slab, queue_depth: usize) -> io::Result<ThreadsDisk> {
        Ok(ThreadsDisk {
            slab,
            desk: Desk::start()?,
            crew: Crew::start("rh-disk", DISK_THREADS_MAX)?,
            transfers: Gate::new(queue_depth),
            syncs: Gate::new(SYNCS_IN_FLIGHT_MAX),
            metadata: Gate::new(METADATA_IN_FLIGHT_MAX),
            journal: Journal::default(),
        })
    }

    /// For files on a filesystem with such a journal.
    pub fn with_journal(mut self, journal: Journal) -> ThreadsDisk {
        self.journal = journal;
        self
    }

    /// Sends `call` through `gate` to the pool.
    fn operate<T: Send + 'static>(
        &self,
        gate: &Gate,
        name: &'static str,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Op<DiskResult<T>> {
        let crew = self.crew.clone();
        detached::operation(gate, name, async move {
            crew.run(call).await.map_err(|error| DiskError::new(name, error))
        })
    }

    fn transfer(
        &self,
        name: &'static str,
        file: &File,
        (lease, span): (Lease, Range<usize>),
        move_bytes: impl FnOnce(&fs::File, &mut [u8]) -> io::Result<usize> + Send + 'static,
    ) -> Op<Transfer> {
        assert!(lease.get(span.clone()).is_some(), "the span lies in the lease");
        let (crew, file) = (self.crew.clone(), file.clone());
        detached::transfer(&self.transfers, name, lease, move |lease| async move {
            let (lender, mut window) = lend(lease, span);
            let call = move || move_bytes(naming::os(&file)?, &mut window);
            let result = crew.run(call).await.map_err(|error| DiskError::new(name, error));
            let Some(lease) = lender.reclaim() else {
                unreachable!("a job drops its window before it answers")
            };
            Transfer { lease, result }
        })
    }
}

impl Disk for ThreadsDisk {
    fn report(&self) -> EngineReport {
        // Why it is this engine is the probe's to say.
        EngineReport { kind: EngineKind::Threads, buffers_registered: false, caveat: None }
    }

    fn slab(&self) -> &Slab {
        &self.slab
    }

    fn create_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.operate(&self.metadata, "make directory", move || syscall::create_dir(&path))
    }

    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<OsString>>> {
        let path = path.to_owned();
        self.operate(&self.metadata, "list directory", move || syscall::list_dir(&path))
    }

    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>> {
        let (staging, unnamed) = (staging.to_owned(), self.journal.is_kept());
        self.operate(&self.metadata, "create", move || small::create(&staging, unnamed, false))
    }

    fn open(&self, path: &Path) -> Op<DiskResult<File>> {
        let path = path.to_owned();
        self.operate(&self.metadata, "open", move || Ok(File::from_fd(syscall::open_read(&path)?)))
    }

    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>> {
        let (dir, path) = (dir.to_owned(), path.to_owned());
        let call = move || Ok(File::from_fd(syscall::open_beneath(&dir, &path)?));
        self.operate(&self.metadata, "open", call)
    }

    fn stat(&self, file: &File) -> Op<DiskResult<Stat>> {
        let file = file.clone();
        self.operate(&self.metadata, "stat", move || syscall::stat(naming::os(&file)?))
    }

    fn set_attributes(&self, file: &File, stat: Stat) -> Op<DiskResult<()>> {
        let file = file.clone();
        let call = move || syscall::set_attributes(naming::os(&file)?, &stat);
        self.operate(&self.metadata, "set attributes", call)
    }

    fn next_data(&self, file: &File, offset: u64) -> Op<DiskResult<Option<Range<u64>>>> {
        let file = file.clone();
        let call = move || syscall::next_data(naming::os(&file)?, offset);
        self.operate(&self.metadata, "seek data", call)
    }

    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool> {
        let answer = naming::os(file).and_then(|file| syscall::set_direct(file, direct));
        answer.map_err(|error| DiskError::new("set direct I/O", error))
    }

    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let call = move |file: &fs::File, bytes: &mut [u8]| syscall::write_at(file, bytes, offset);
        self.transfer("write", file, (lease, span), call)
    }

    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let call = move |file: &fs::File, bytes: &mut [u8]| syscall::read_at(file, bytes, offset);
        self.transfer("read", file, (lease, span), call)
    }

    fn open_resident(&self, path: &Path) -> Option<(File, u64)> {
        if self.metadata.is_closed() {
            return None;
        }
        syscall::open_resident(path).map(|(fd, size)| (File::from_fd(fd), size))
    }

    fn read_resident(&self, file: &File, buffer: &mut [u8], offset: u64) -> bool {
        !self.transfers.is_closed()
            && file.os().is_some_and(|file| syscall::read_resident(file, buffer, offset))
    }

    fn resident_size(&self, file: &File, range: Range<u64>) -> Option<u64> {
        residency::resident_size(file.os()?, range)
    }

    fn is_filled(&self, file: &File, range: Range<u64>) -> bool {
        file.os().is_some_and(|file| residency::is_filled(file, range))
    }

    fn open_direct(&self, file: &File) -> Op<DiskResult<File>> {
        let file = file.clone();
        let call = move || Ok(File::from_fd(syscall::open_direct(naming::os(&file)?)?));
        self.operate(&self.metadata, "open for direct I/O", call)
    }

    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>> {
        let file = file.clone();
        let call = move || syscall::allocate(naming::os(&file)?, offset, len);
        self.operate(&self.metadata, "allocate", call)
    }

    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.operate(&self.metadata, "truncate", move || syscall::truncate(naming::os(&file)?, len))
    }

    fn sync_data(&self, file: &File) -> Op<DiskResult<()>> {
        let (file, journal) = (file.clone(), self.journal);
        self.operate(&self.syncs, "sync", move || syscall::sync_data(naming::os(&file)?, journal))
    }

    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.operate(&self.metadata, "link", move || naming::link(&file, &path))
    }

    fn replace(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.operate(&self.metadata, "replace", move || naming::replace(&file, &path))
    }

    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let (path, journal) = (path.to_owned(), self.journal);
        self.operate(&self.syncs, "sync directory", move || syscall::sync_dir(&path, journal))
    }

    fn remove(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.operate(&self.metadata, "remove", move || syscall::remove(&path))
    }

    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>> {
        let path = path.to_owned();
        self.operate(&self.metadata, "ask for free space", move || syscall::free_space(&path))
    }

    fn shortcut(&self) -> Option<&dyn Shortcut> {
        Some(self)
    }

    fn drain(&self) -> Op<()> {
        let gates = [&self.transfers, &self.syncs, &self.metadata].map(Gate::clone);
        let (desk, slab) = (self.desk.clone(), self.slab.clone());
        Box::pin(async move {
            desk.drain().await;
            let [transfers, syncs, metadata] = gates;
            join3(transfers.drain(), syncs.drain(), metadata.drain()).await;
            slab.retire();
        })
    }
}

impl Shortcut for ThreadsDisk {
    fn create_written(
        &self,
        staging: &Path,
        lease: Lease,
        span: Range<usize>,
        care: Care,
    ) -> Op<Made> {
        let order = Order { staging: staging.to_owned(), journal: self.journal, care };
        self.desk.create_written(order, lease, span)
    }

    fn link_all(&self, names: Vec<(File, PathBuf)>, care: Care) -> Op<Vec<DiskResult<()>>> {
        self.desk.link_all(names, care)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::disk::{Pool, SlabOptions};

    #[test]
    fn a_runtime_torn_down_with_jobs_in_flight_leaks_their_buffers_and_nothing_else() {
        let options = SlabOptions { chunk_size: 1 << 20, chunk_count: 8, read_count: 1 };
        let slab = Slab::new(options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let local = tokio::task::LocalSet::new();
        let disk = Rc::new(ThreadsDisk::new(slab.clone(), 8).unwrap());
        let file = local.block_on(&runtime, disk.create_unnamed(dir.path())).unwrap();
        let fd = file.raw_fd().unwrap();
        local.block_on(&runtime, async {
            for index in 0..8 {
                let lease = slab.try_take(Pool::Upload).unwrap();
                let write = disk.write(&file, lease, 0..1 << 20, index << 20);
                tokio::pin!(write);
                assert!(futures_util::poll!(&mut write).is_pending());
            }
            tokio::task::yield_now().await;
        });
        drop((local, runtime, disk, file));
        // Whatever was lent is never lent again, and the rest is free.
        assert!(slab.in_use(Pool::Upload) <= 8);
        while let Some(lease) = slab.try_take(Pool::Upload) {
            assert!(lease.iter().all(|&byte| byte == 0));
            std::mem::forget(lease);
        }
        let target = || fs::read_link(format!("/proc/self/fd/{fd}"));
        let closed = || !target().is_ok_and(|path| path.starts_with(dir.path()));
        let patience = std::time::Instant::now();
        while !closed() && patience.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        assert!(closed(), "the jobs ended and closed the file");
    }
}
