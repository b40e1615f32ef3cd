//! Copies on the disk in memory and the faulty one: every size, hole, fault and drop.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_util::poll;
use tokio::task::{LocalSet, yield_now};

use super::*;
use crate::base::limits::BLOCK_SIZE;
use crate::disk::{
    Disk, Fault, FaultPlan, FaultyDisk, Loss, MemoryDisk, Pool, Slab, SlabOptions, Stop,
};

const CHUNK: usize = 4 * BLOCK_SIZE;
const OPTIONS: CopyOptions =
    CopyOptions { in_flight: 3, durable: true, replace: false, verify: false };
const SOURCE: &str = "/from/source";
const TARGET: &str = "/to/target";

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn bytes(size: usize) -> Vec<u8> {
    (1..=251u8).cycle().take(size).collect()
}

/// A disk with the source on it, and the one with bad days around it.
struct Bench {
    memory: Rc<MemoryDisk>,
    faulty: Rc<FaultyDisk>,
    disk: Rc<dyn Disk>,
    progress: CopyProgress,
}

impl Bench {
    fn new(data: &[u8], plan: FaultPlan) -> Bench {
        Bench::on(|disk| disk, data, plan)
    }

    fn on(kind: impl Fn(MemoryDisk) -> MemoryDisk, data: &[u8], plan: FaultPlan) -> Bench {
        let sizes = SlabOptions { chunk_size: CHUNK, chunk_count: 3, read_count: 1 };
        let memory = Rc::new(kind(MemoryDisk::new(Slab::new(sizes).unwrap(), 3)));
        memory.plant(Path::new(SOURCE), data);
        memory.plant(Path::new("/to/other"), b"other");
        let faulty = Rc::new(FaultyDisk::new(memory.clone(), plan));
        Bench { disk: faulty.clone(), faulty, memory, progress: CopyProgress::default() }
    }

    async fn copy(&self, options: &CopyOptions) -> Result<Copied, CopyError> {
        let (source, target) = (Path::new(SOURCE), Path::new(TARGET));
        copy(&self.disk, source, target, options, &self.progress).await
    }

    fn target(&self) -> Option<Vec<u8>> {
        self.memory.contents(Path::new(TARGET))
    }

    /// Nothing is open or in a buffer, and there are so many files.
    async fn finish(self, file_count: usize) {
        self.disk.drain().await;
        assert_eq!(self.memory.handle_count(), 0);
        assert_eq!(self.memory.inode_count(), file_count);
        assert_eq!(self.disk.slab().in_use(Pool::Upload), 0);
    }
}

#[test]
fn every_size_comes_out_as_it_went_in() {
    run(async {
        for size in [0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 1, 99_999] {
            for (verify, durable) in [(false, true), (true, true), (true, false)] {
                let data = bytes(size);
                // Short transfers and completions out of order are no faults.
                let plan = FaultPlan::seeded(size as u64, 3).and_one_in(4, Fault::Short);
                let bench = Bench::new(&data, plan);
                let options = CopyOptions { durable, verify, ..OPTIONS };
                let copied = bench.copy(&options).await.unwrap();
                let blake3 = verify.then(|| *blake3::hash(&data).as_bytes());
                let size_bytes = size as u64;
                assert_eq!(copied, Copied { size_bytes, blake3, has_attributes: true });
                assert_eq!(bench.target(), Some(data), "{size} bytes");
                assert_eq!(bench.progress.written_bytes(), size_bytes);
                let verified = if verify { size_bytes } else { 0 };
                assert_eq!(bench.progress.verified_bytes(), verified);
                bench.finish(3).await;
            }
        }
    });
}

#[test]
fn holes_are_neither_read_nor_written_and_the_length_is_kept() {
    // Data in the middle of the first chunk and at the end of the fourth, a hole at the end.
    let mut data = vec![0; 9 * CHUNK + 5];
    data[BLOCK_SIZE..2 * BLOCK_SIZE + 7].fill(1);
    data[4 * CHUNK - 3..4 * CHUNK].fill(2);
    run(async move {
        let mut operations = Vec::new();
        for verify in [false, true] {
            let bench = Bench::new(&data, FaultPlan::none());
            let copied = bench.copy(&CopyOptions { verify, ..OPTIONS }).await.unwrap();
            assert_eq!(copied.size_bytes, data.len() as u64);
            assert_eq!(copied.blake3, verify.then(|| *blake3::hash(&data).as_bytes()));
            assert_eq!(bench.target().as_ref(), Some(&data));
            operations.push(bench.faulty.operations());
            bench.finish(3).await;
        }
        // Two chunks are read and two runs written; opening, stat twice, creating, looking for data
        // three times, cutting, attributes, sync, link and the directory's sync are twelve. To
        // verify is two reads and three looks for data more.
        assert_eq!(operations, [4 + 12, 4 + 12 + 5]);
    });
}

#[test]
fn permissions_and_time_come_with_it_and_the_bits_of_another_owner_do_not() {
    run(async {
        let bench = Bench::new(b"data", FaultPlan::none());
        let source = bench.disk.open(Path::new(SOURCE)).await.unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
        let stat = bench.disk.stat(&source).await.unwrap();
        let stat = crate::disk::Stat { modified, mode: 0o4751, ..stat };
        bench.disk.set_attributes(&source, stat).await.unwrap();
        bench.copy(&OPTIONS).await.unwrap();
        let target = bench.disk.open(Path::new(TARGET)).await.unwrap();
        let found = bench.disk.stat(&target).await.unwrap();
        assert_eq!((found.modified, found.mode), (modified, 0o751));
        drop((source, target));
        bench.finish(3).await;
    });
}

#[test]
fn a_name_that_is_taken_is_replaced_only_on_request() {
    run(async {
        for kind in [|disk: MemoryDisk| disk, MemoryDisk::without_tmpfile] {
            let bench = Bench::on(kind, b"new", FaultPlan::none());
            bench.memory.plant(Path::new(TARGET), b"old");
            assert!(matches!(bench.copy(&OPTIONS).await, Err(CopyError::Exists)));
            assert_eq!(bench.target().unwrap(), b"old");
            bench.copy(&CopyOptions { replace: true, ..OPTIONS }).await.unwrap();
            assert_eq!(bench.target().unwrap(), b"new");
            bench.finish(3).await;
        }
    });
}

#[test]
fn every_fault_at_every_operation_leaves_no_name_and_no_leak() {
    let data = bytes(2 * CHUNK + 5);
    run(async move {
        let options = CopyOptions { verify: true, ..OPTIONS };
        for kind in [|disk: MemoryDisk| disk, MemoryDisk::without_tmpfile] {
            let whole = Bench::on(kind, &data, FaultPlan::none());
            whole.copy(&options).await.unwrap();
            for errno in [libc::EIO, libc::ENOSPC, libc::EROFS] {
                for n in 0..whole.faulty.operations() {
                    let plan = FaultPlan::fail_nth(n, Fault::Errno(errno));
                    let bench = Bench::on(kind, &data, plan);
                    let error = bench.copy(&options).await.unwrap_err();
                    assert!(!error.to_string().is_empty());
                    assert_eq!(bench.target(), None, "errno {errno} at {n}");
                    bench.finish(2).await;
                }
            }
        }
    });
}

#[test]
fn a_filesystem_without_preallocation_or_permissions_is_copied_to_all_the_same() {
    run(async {
        // As large as a run must be for room to be made.
        let data = bytes(8 << 20);
        // Opening, stat, creating, looking for data: then room is made.
        let plan = FaultPlan::fail_nth(4, Fault::Errno(libc::EOPNOTSUPP));
        let bench = Bench::new(&data, plan);
        assert!(bench.copy(&OPTIONS).await.unwrap().has_attributes);
        assert_eq!(bench.target(), Some(data));
        bench.finish(3).await;
        // A small file: reading, writing, the end of the data, cutting, stat, and then attributes.
        let plan = FaultPlan::fail_nth(9, Fault::Errno(libc::EPERM));
        let bench = Bench::new(b"data", plan);
        assert!(!bench.copy(&OPTIONS).await.unwrap().has_attributes);
        assert_eq!(bench.target().unwrap(), b"data");
        bench.finish(3).await;
    });
}

#[test]
fn a_disk_without_room_says_so_before_anything_is_written() {
    run(async {
        let data = bytes(8 << 20);
        let bench = Bench::on(|disk| disk.with_capacity(12 << 20), &data, FaultPlan::none());
        let error = bench.copy(&OPTIONS).await.unwrap_err();
        assert!(error.to_string().contains("there is no room"), "{error}");
        assert_eq!(bench.faulty.operations(), 5, "the fifth made room, or did not");
        bench.finish(2).await;
    });
}

#[test]
fn a_source_that_is_written_to_meanwhile_is_an_error() {
    let data = bytes(9 * CHUNK);
    // Half of the length, more, and the same length with other bytes.
    for changed in [bytes(4 * CHUNK), bytes(10 * CHUNK), vec![7; 9 * CHUNK]] {
        let (data, changed) = (data.clone(), changed.clone());
        run(async move {
            let bench = Bench::new(&data, FaultPlan::none());
            let mut copying = Box::pin(bench.copy(&OPTIONS));
            while bench.progress.written_bytes() == 0 {
                assert!(poll!(&mut copying).is_pending());
                yield_now().await;
            }
            bench.memory.overwrite(Path::new(SOURCE), &changed);
            assert!(matches!(copying.await, Err(CopyError::Changed)));
            assert_eq!(bench.target(), None);
            bench.finish(2).await;
        });
    }
}

#[test]
fn what_is_no_regular_file_is_not_copied() {
    run(async {
        let bench = Bench::new(b"data", FaultPlan::none());
        for (source, words) in [("/from", "no regular file"), ("/from/nothing", "cannot be read")] {
            let (source, target) = (Path::new(source), Path::new(TARGET));
            let copied = copy(&bench.disk, source, target, &OPTIONS, &bench.progress).await;
            let error = copied.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let (source, target) = (Path::new(SOURCE), Path::new("/nowhere/target"));
        let copied = copy(&bench.disk, source, target, &OPTIONS, &bench.progress).await;
        assert!(copied.unwrap_err().to_string().contains("directory is not there"));
        bench.finish(2).await;
    });
}

#[test]
fn a_copy_dropped_at_every_await_leaves_nothing() {
    let data = bytes(3 * CHUNK + 1);
    run(async move {
        for kind in [|disk: MemoryDisk| disk, MemoryDisk::without_tmpfile] {
            for polls in 0.. {
                let bench = Bench::on(kind, &data, FaultPlan::seeded(polls, 1));
                let options = CopyOptions { verify: true, ..OPTIONS };
                let (source, target) = (Path::new(SOURCE), Path::new(TARGET));
                let writing = write(&bench.disk, source, target, &options, &bench.progress);
                let mut writing = Box::pin(writing);
                let mut ended = false;
                for _ in 0..polls {
                    ended = ended || poll!(&mut writing).is_ready();
                    if ended {
                        break;
                    }
                    yield_now().await;
                }
                drop(writing);
                bench.disk.drain().await;
                assert_eq!(bench.target(), None, "dropped after {polls} polls");
                bench.finish(2).await;
                if ended {
                    assert!(polls > 20, "there were awaits to drop at");
                    break;
                }
            }
        }
    });
}

#[test]
fn a_copy_that_was_acknowledged_survives_every_power_cut_and_no_other_is_half() {
    let data = bytes(2 * CHUNK + 5);
    run(async move {
        let whole = Bench::new(&data, FaultPlan::none());
        whole.copy(&OPTIONS).await.unwrap();
        for stop in 0..whole.faulty.completions() {
            let plan = FaultPlan::seeded(stop, 1).stop_after(stop, Stop::Silence);
            let bench = Bench::new(&data, plan);
            let acknowledged = RefCell::new(false);
            tokio::select! {
                copied = bench.copy(&OPTIONS) => *acknowledged.borrow_mut() = copied.is_ok(),
                () = bench.faulty.stopped() => {}
            }
            for loss in Loss::each(0..4) {
                let found = bench.memory.crash_image(loss).contents(Path::new(TARGET));
                let is_whole = found.as_ref() == Some(&data);
                assert!(is_whole || (found.is_none() && !*acknowledged.borrow()), "after {stop}");
            }
            bench.disk.drain().await;
        }
    });
}

#[test]
fn a_byte_that_the_disk_changes_is_found_and_nothing_is_kept() {
    let data = bytes(3 * CHUNK);
    run(async move {
        let bench = Bench::new(&data, FaultPlan::none());
        let options = CopyOptions { verify: true, durable: false, ..OPTIONS };
        let mut copying = Box::pin(bench.copy(&options));
        // Written whole, and not yet read back.
        while bench.progress.written_bytes() < data.len() as u64 {
            assert!(poll!(&mut copying).is_pending());
            yield_now().await;
        }
        bench.memory.flip_unnamed(CHUNK + 9);
        let error = copying.await.unwrap_err();
        assert!(matches!(error, CopyError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains("nothing was kept"));
        assert_eq!(bench.target(), None);
        bench.finish(2).await;
    });
}
