//! The `metered` disk: any other disk, with what it does counted in its worker's metrics.
//!
//! Around each worker's engine. What is counted is what the caller sees:
//! 1. A read or write is in flight from the first poll of its future until that future is ready or
//!    dropped: the wait for a turn is included. A transfer whose future was dropped is no longer
//!    counted, although the kernel may still be at it.
//! 2. The duration of a read, write or sync is the same span, recorded when it ends, well or not,
//!    and not recorded when its future is dropped.
//! 3. Buffers in use are counted by the slab itself, at each change: a lease outlives its transfer.

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Disk, DiskResult, EngineReport, File, FreeSpace, Lease, Op, Slab, Stat, Transfer};
use crate::telemetry::{Gauge, WorkerMetrics};

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

    fn transfer(&self, transfer: Op<Transfer>) -> Op<Transfer> {
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let _in_flight = InFlight::new(&metrics.file_operations_in_flight);
            let (transfer, duration) = timed(transfer).await;
            metrics.file_operation_duration.record(duration);
            transfer
        })
    }

    fn sync(&self, sync: Op<DiskResult<()>>) -> Op<DiskResult<()>> {
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let (result, duration) = timed(sync).await;
            metrics.sync_duration.record(duration);
            result
        })
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

    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<String>>> {
        self.inner.list_dir(path)
    }

    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>> {
        self.inner.create_unnamed(staging)
    }

    fn open(&self, path: &Path) -> Op<DiskResult<File>> {
        self.inner.open(path)
    }

    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>> {
        self.inner.open_beneath(dir, path)
    }

    fn stat(&self, file: &File) -> Op<DiskResult<Stat>> {
        self.inner.stat(file)
    }

    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool> {
        self.inner.set_direct(file, direct)
    }

    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        self.transfer(self.inner.write(file, lease, span, offset))
    }

    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        self.transfer(self.inner.read(file, lease, span, offset))
    }

    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>> {
        self.inner.allocate(file, offset, len)
    }

    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>> {
        self.inner.truncate(file, len)
    }

    fn sync_data(&self, file: &File) -> Op<DiskResult<()>> {
        self.sync(self.inner.sync_data(file))
    }

    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        self.inner.link(file, path)
    }

    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        self.sync(self.inner.sync_dir(path))
    }

    fn remove(&self, path: &Path) -> Op<DiskResult<()>> {
        self.inner.remove(path)
    }

    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>> {
        self.inner.free_space(path)
    }

    fn drain(&self) -> Op<()> {
        self.inner.drain()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::disk::{MemoryDisk, Pool, SlabOptions};
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
            assert_eq!((in_flight(), metrics.file_operation_duration.count()), (1, 1));
            drop(second);
            assert_eq!((in_flight(), metrics.file_operation_duration.count()), (0, 1));
            let lease = disk.slab().take(Pool::Download).await;
            drop(disk.read(&file, lease, 0..10, 0).await);
            assert_eq!((in_flight(), metrics.file_operation_duration.count()), (0, 2));
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
