//! The `metered` disk: any other disk, with what it does counted in its worker's metrics.
//!
//! Around each worker's engine. What is counted is what the caller sees:
//! 1. A read or write is in flight from the first poll of its future until that future is ready or
//!    dropped: the wait for a turn is included. A transfer whose future was dropped is no longer
//!    counted, although the kernel may still be at it.
//! 2. The duration of a read, write or sync is the same span, recorded when it ends, well or not,
//!    and not recorded when its future is dropped.
//! 3. Of a small file made in one step, write and sync last as long as their calls took; it is in
//!    flight once, as long as all of it.
//! 4. Operations and their errors are counted by kind when they end; `stat` is in memory, making
//!    and listing directories is for the start, and looking for holes and setting attributes for
//!    copies: they are not counted.
//! 5. Buffers in use are counted by the slab itself, at each change: a lease outlives its transfer.

use std::ffi::OsString;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Care, Disk, DiskError, DiskErrorKind, DiskResult, EngineReport, File, FreeSpace, Lease, Made,
    Op, Shortcut, Slab, Stat, Transfer,
};
use crate::telemetry::{Counter, Gauge, Histogram, WorkerMetrics};

/// A disk that is counted.
pub struct MeteredDisk {
    inner: Rc<dyn Disk>,
    metrics: Arc<WorkerMetrics>,
}

impl MeteredDisk {
    /// `inner`, counted in `metrics`, and its slab too. Once per disk.
    pub fn new(inner: Rc<dyn Disk>, metrics: Arc<WorkerMetrics>) -> MeteredDisk {
        inner.slab().count_in(Arc::clone(&metrics));
        MeteredDisk { inner, metrics }
    }

    fn transfer(
        &self,
        kind: &'static Kind,
        timing: Timing,
        transfer: Op<Transfer>,
    ) -> Op<Transfer> {
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let _in_flight = InFlight::new(&metrics.file_operations_in_flight);
            let (transfer, duration) = timed(transfer).await;
            timing(&metrics).record(duration);
            kind.count(&metrics, transfer.result.as_ref().err());
            transfer
        })
    }

    fn sync(&self, sync: Op<DiskResult<()>>) -> Op<DiskResult<()>> {
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let (result, duration) = timed(sync).await;
            metrics.sync_duration.record(duration);
            SYNC.count(&metrics, result.as_ref().err());
            result
        })
    }

    fn below(&self) -> &dyn Shortcut {
        let Some(shortcut) = self.inner.shortcut() else {
            unreachable!("asked only of a disk that has said that it has one")
        };
        shortcut
    }

    fn counted<T: 'static>(&self, kind: &'static Kind, op: Op<DiskResult<T>>) -> Op<DiskResult<T>> {
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let result = op.await;
            kind.count(&metrics, result.as_ref().err());
            result
        })
    }
}

/// Which of a worker's cells a kind of operation is counted in.
struct Kind {
    operations: fn(&WorkerMetrics) -> &Counter,
    errors: fn(&WorkerMetrics) -> &Counter,
}

const READ: Kind = Kind { operations: |m| &m.reads, errors: |m| &m.read_errors };
const WRITE: Kind = Kind { operations: |m| &m.writes, errors: |m| &m.write_errors };
const CREATE: Kind = Kind { operations: |m| &m.creates, errors: |m| &m.create_errors };
const OPEN: Kind = Kind { operations: |m| &m.opens, errors: |m| &m.open_errors };
const ALLOCATE: Kind = Kind { operations: |m| &m.allocations, errors: |m| &m.allocate_errors };
const TRUNCATE: Kind = Kind { operations: |m| &m.truncations, errors: |m| &m.truncate_errors };
const SYNC: Kind = Kind { operations: |m| &m.syncs, errors: |m| &m.sync_errors };
const LINK: Kind = Kind { operations: |m| &m.links, errors: |m| &m.link_errors };
const REMOVE: Kind = Kind { operations: |m| &m.removals, errors: |m| &m.remove_errors };

/// Where the durations of a kind of transfer are recorded.
type Timing = fn(&WorkerMetrics) -> &Histogram;

impl Kind {
    fn count(&self, metrics: &WorkerMetrics, error: Option<&DiskError>) {
        (self.operations)(metrics).increment();
        if error.is_some_and(|error| is_fault(error.kind())) {
            (self.errors)(metrics).increment();
        }
    }
}

/// Whether an error says something about the disk, and not about what was asked of it.
fn is_fault(kind: DiskErrorKind) -> bool {
    match kind {
        DiskErrorKind::Full
        | DiskErrorKind::Exhausted
        | DiskErrorKind::Gone
        | DiskErrorKind::Failed => true,
        DiskErrorKind::NotFound
        | DiskErrorKind::Exists
        | DiskErrorKind::Unsupported
        | DiskErrorKind::Cancelled => false,
    }
}

/// The answer, and how long it took from the first poll on.
async fn timed<T>(operation: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let answer = operation.await;
    (answer, began.elapsed())
}

/// Counted in a gauge as long as it lives.
struct InFlight<'a>(&'a Gauge);

impl InFlight<'_> {
    fn new(gauge: &Gauge) -> InFlight<'_> {
        gauge.increment();
        InFlight(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement();
    }
}

impl Disk for MeteredDisk {
    fn report(&self) -> EngineReport {
        self.inner.report()
    }

    fn slab(&self) -> &Slab {
        self.inner.slab()
    }

    fn create_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        self.inner.create_dir(path)
    }

    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<OsString>>> {
        self.inner.list_dir(path)
    }

    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>> {
        self.counted(&CREATE, self.inner.create_unnamed(staging))
    }

    fn open(&self, path: &Path) -> Op<DiskResult<File>> {
        self.counted(&OPEN, self.inner.open(path))
    }

    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>> {
        self.counted(&OPEN, self.inner.open_beneath(dir, path))
    }

    fn stat(&self, file: &File) -> Op<DiskResult<Stat>> {
        self.inner.stat(file)
    }

    fn set_attributes(&self, file: &File, stat: Stat) -> Op<DiskResult<()>> {
        self.inner.set_attributes(file, stat)
    }

    fn next_data(&self, file: &File, offset: u64) -> Op<DiskResult<Option<Range<u64>>>> {
        self.inner.next_data(file, offset)
    }

    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool> {
        self.inner.set_direct(file, direct)
    }

    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let write = self.inner.write(file, lease, span, offset);
        self.transfer(&WRITE, |metrics| &metrics.write_duration, write)
    }

    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let read = self.inner.read(file, lease, span, offset);
        self.transfer(&READ, |metrics| &metrics.read_duration, read)
    }

    fn open_resident(&self, path: &Path) -> Option<(File, u64)> {
        let opened = self.inner.open_resident(path);
        if opened.is_some() {
            OPEN.count(&self.metrics, None);
        }
        opened
    }

    fn read_resident(&self, file: &File, buffer: &mut [u8], offset: u64) -> bool {
        let began = Instant::now();
        let is_read = self.inner.read_resident(file, buffer, offset);
        if is_read {
            self.metrics.read_duration.record(began.elapsed());
            READ.count(&self.metrics, None);
        }
        is_read
    }

    fn resident_size(&self, file: &File, range: Range<u64>) -> Option<u64> {
        self.inner.resident_size(file, range)
    }

    fn is_filled(&self, file: &File, range: Range<u64>) -> bool {
        self.inner.is_filled(file, range)
    }

    fn open_direct(&self, file: &File) -> Op<DiskResult<File>> {
        self.counted(&OPEN, self.inner.open_direct(file))
    }

    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>> {
        self.counted(&ALLOCATE, self.inner.allocate(file, offset, len))
    }

    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>> {
        self.counted(&TRUNCATE, self.inner.truncate(file, len))
    }

    fn sync_data(&self, file: &File) -> Op<DiskResult<()>> {
        self.sync(self.inner.sync_data(file))
    }

    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        self.counted(&LINK, self.inner.link(file, path))
    }

    fn replace(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        self.counted(&LINK, self.inner.replace(file, path))
    }

    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        self.sync(self.inner.sync_dir(path))
    }

    fn remove(&self, path: &Path) -> Op<DiskResult<()>> {
        self.counted(&REMOVE, self.inner.remove(path))
    }

    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>> {
        self.inner.free_space(path)
    }

    fn shortcut(&self) -> Option<&dyn Shortcut> {
        self.inner.shortcut().map(|_| self as &dyn Shortcut)
    }

    fn drain(&self) -> Op<()> {
        self.inner.drain()
    }
}

impl Shortcut for MeteredDisk {
    fn create_written(
        &self,
        staging: &Path,
        lease: Lease,
        span: Range<usize>,
        care: Care,
    ) -> Op<Made> {
        let making = self.below().create_written(staging, lease, span, care);
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let in_flight = InFlight::new(&metrics.file_operations_in_flight);
            let made = making.await;
            drop(in_flight);
            count_steps(&metrics, &made);
            made
        })
    }

    fn link_all(&self, names: Vec<(File, PathBuf)>, care: Care) -> Op<Vec<DiskResult<()>>> {
        let linking = self.below().link_all(names, care);
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let answers = linking.await;
            for answer in &answers {
                LINK.count(&metrics, answer.as_ref().err());
            }
            answers
        })
    }
}

/// Counts the steps of a small file that were begun; the last of them has the error, if any.
fn count_steps(metrics: &WorkerMetrics, made: &Made) {
    let mut error = made.result.as_ref().err();
    if let Some(duration) = made.sync_duration {
        metrics.sync_duration.record(duration);
        SYNC.count(metrics, error.take());
    }
    if let Some(duration) = made.write_duration {
        metrics.write_duration.record(duration);
        WRITE.count(metrics, error.take());
    }
    CREATE.count(metrics, error);
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::disk::{MemoryDisk, Pool, SlabOptions, ThreadsDisk, create_written, link_all};
    use crate::telemetry::Metrics;

    /// Lets one transfer through at a time.
    fn metered() -> (MeteredDisk, Arc<WorkerMetrics>) {
        let options = SlabOptions { chunk_size: 4096, chunk_count: 2, read_count: 2 };
        let memory = MemoryDisk::new(Slab::new(options).unwrap(), 1);
        let metrics = Metrics::new(1).worker(0);
        (MeteredDisk::new(Rc::new(memory), Arc::clone(&metrics)), metrics)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    async fn write(disk: &MeteredDisk, file: &File) -> Op<Transfer> {
        let lease = disk.slab().take(Pool::Upload).await;
        disk.write(file, lease, 0..4096, 0)
    }

    #[test]
    fn a_transfer_is_in_flight_from_its_first_poll_to_its_end() {
        run(async {
            let (disk, metrics) = metered();
            let file = disk.create_unnamed(Path::new("/")).await.unwrap();
            let (mut first, mut second) = (write(&disk, &file).await, write(&disk, &file).await);
            let in_flight = || metrics.file_operations_in_flight.get();
            assert_eq!(in_flight(), 0, "a future that was never polled is nothing yet");
            assert!(poll!(&mut first).is_pending());
            assert!(poll!(&mut second).is_pending());
            assert_eq!(in_flight(), 2, "the second waits for its turn, and counts");
            drop(first.await);
            assert_eq!((in_flight(), metrics.write_duration.count()), (1, 1));
            drop(second);
            assert_eq!((in_flight(), metrics.write_duration.count()), (0, 1));
            let lease = disk.slab().take(Pool::Download).await;
            drop(disk.read(&file, lease, 0..10, 0).await);
            assert_eq!((in_flight(), metrics.read_duration.count()), (0, 1));
            drop(file);
            disk.drain().await;
        });
    }

    #[test]
    fn syncs_of_files_and_directories_are_timed() {
        run(async {
            let (disk, metrics) = metered();
            let file = disk.create_unnamed(Path::new("/")).await.unwrap();
            disk.sync_data(&file).await.unwrap();
            disk.sync_dir(Path::new("/")).await.unwrap();
            assert_eq!(metrics.sync_duration.count(), 2);
            drop(disk.sync_data(&file));
            assert_eq!(metrics.sync_duration.count(), 2, "one that never began is no sync");
            drop(file);
            disk.drain().await;
        });
    }

    #[test]
    fn operations_and_errors_are_counted_by_kind_and_a_missing_name_is_no_error() {
        run(async {
            let (disk, metrics) = metered();
            let path = Path::new("/a");
            assert!(disk.open(path).await.is_err());
            let file = disk.create_unnamed(Path::new("/")).await.unwrap();
            disk.link(&file, path).await.unwrap();
            assert!(disk.link(&file, path).await.is_err());
            drop(disk.open(path).await.unwrap());
            disk.remove(path).await.unwrap();
            drop(disk.open(path));
            let counts = [&metrics.opens, &metrics.creates, &metrics.links, &metrics.removals];
            assert_eq!(counts.map(Counter::get), [2, 1, 2, 1]);
            assert_eq!((metrics.open_errors.get(), metrics.link_errors.get()), (0, 0));
            // More than the disk has.
            assert!(disk.allocate(&file, 0, 1 << 40).await.is_err());
            assert_eq!((metrics.allocations.get(), metrics.allocate_errors.get()), (1, 1));
            drop(file);
            disk.drain().await;
        });
    }

    #[test]
    fn a_small_file_in_one_step_counts_as_the_steps_that_were_begun() {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let options = SlabOptions { chunk_size: 4096, chunk_count: 2, read_count: 2 };
            let threads = ThreadsDisk::new(Slab::new(options).unwrap(), 1).unwrap();
            let metrics = Metrics::new(1).worker(0);
            let disk = MeteredDisk::new(Rc::new(threads), Arc::clone(&metrics));
            let counts = || {
                let kinds = [&metrics.creates, &metrics.writes, &metrics.syncs, &metrics.links];
                kinds.map(Counter::get)
            };
            let lease = disk.slab().take(Pool::Upload).await;
            let made = create_written(&disk, dir.path(), lease, 0..4096, Care::Durable).await;
            assert_eq!(counts(), [1, 1, 1, 0]);
            let lengths = (metrics.write_duration.count(), metrics.sync_duration.count());
            assert_eq!(lengths, (1, 1));
            let file = made.result.unwrap();
            let names = ["a", "b"].map(|name| (file.clone(), dir.path().join(name)));
            let linked = link_all(&disk, names.to_vec(), Care::Cached).await;
            assert!(linked.iter().all(Result::is_ok));
            assert_eq!(counts(), [1, 1, 1, 2]);
            // Direct I/O of an odd length: where the filesystem takes it, nothing fails.
            let made = create_written(&disk, dir.path(), made.lease, 0..4095, Care::Durable).await;
            let failed = made.result.is_err();
            assert_eq!(counts(), [2, 2, if failed { 1 } else { 2 }, 2]);
            assert_eq!(metrics.write_errors.get(), u64::from(failed));
            let nowhere = dir.path().join("missing");
            let made = create_written(&disk, &nowhere, made.lease, 0..4096, Care::Durable).await;
            assert!(made.result.is_err());
            assert_eq!(counts()[..2], [3, 2]);
            assert_eq!(metrics.file_operations_in_flight.get(), 0);
            drop(made.lease);
            disk.drain().await;
        });
    }

    #[test]
    fn buffers_are_counted_as_long_as_they_are_held() {
        run(async {
            let (disk, metrics) = metered();
            let in_use = || (metrics.leases_upload.get(), metrics.leases_download.get());
            let chunk = disk.slab().take(Pool::Upload).await;
            assert_eq!(in_use(), (1, 0));
            let frames =
                [disk.slab().try_take(Pool::Download), disk.slab().try_take(Pool::Download)];
            assert_eq!(in_use(), (1, 2));
            drop((chunk, Lease::heap(10)));
            assert_eq!(in_use(), (0, 2));
            drop(frames);
            assert_eq!(in_use(), (0, 0));
            disk.drain().await;
        });
    }
}
