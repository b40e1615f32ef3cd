//! A disk that fills up or fails under the store: who is told what, what is left, and how uploads
//! come back.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::base::limits::{VOLUME_FAILURES_MAX, VOLUME_PROBE_INTERVAL_MS};
use crate::disk::{Fault, FaultPlan, FaultyDisk};

/// As `run`, on a clock that jumps to the next timer when nothing else is left to do.
fn run_paused<T>(test: impl Future<Output = T>) -> T {
    run(async {
        tokio::time::pause();
        test.await
    })
}

async fn faulty(plan: FaultPlan) -> (Rc<MemoryDisk>, Rc<FaultyDisk>, Store) {
    let memory = prepared().await;
    let disk = Rc::new(FaultyDisk::new(Rc::clone(&memory) as Rc<dyn Disk>, plan));
    let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
    (memory, disk, store)
}

/// An upload of every kind of operation: chunks, a preallocation that is cut at the end, two files
/// in one request.
async fn upload(store: &Store) -> StoreResult<Vec<Published>> {
    let mut receiving = store.create(new_object(Some(9 << 20))).await?;
    receiving.write(&bytes(3 * CHUNK + 5, 2)).await?;
    let large = receiving.seal().await?;
    let small = sealed(store, &bytes(10, 1), true, 10).await?;
    store.publish(vec![large, small]).await
}

/// Operations of `upload` when nothing fails.
fn operations() -> u64 {
    run(async {
        let (_, disk, store) = faulty(FaultPlan::none()).await;
        upload(&store).await.unwrap();
        disk.operations()
    })
}

/// What an upload ends with whose n-th operation fails, for each n; and that it leaves nothing,
/// harms no other, and fails no volume.
fn outcomes(errno: i32) -> Vec<Option<StoreErrorKind>> {
    let outcome = |n| async move {
        let (memory, _, store) = faulty(FaultPlan::fail_nth(n, Fault::Errno(errno))).await;
        let outcome = upload(&store).await;
        let kept = if outcome.is_ok() { 2 } else { 0 };
        assert_eq!(objects(&memory).await.len(), kept, "operation {n}");
        assert_eq!(memory.inode_count(), kept, "operation {n}: a file is left");
        assert_eq!(store.volume_failure(), None, "operation {n}");
        upload(&store).await.unwrap();
        outcome.err().map(|error| error.kind())
    };
    (0..operations()).map(|n| run(outcome(n))).collect()
}

#[test]
fn a_disk_that_is_full_at_any_operation_is_full_and_not_failed() {
    let outcomes = outcomes(libc::ENOSPC);
    assert!(outcomes.iter().all(|kind| matches!(kind, None | Some(StoreErrorKind::Full))));
    let unharmed = outcomes.iter().filter(|kind| kind.is_none()).count();
    assert_eq!(unharmed, 2, "preallocations can be done without, and nothing else");
    assert_eq!(self::outcomes(libc::EDQUOT), outcomes, "a quota is a disk that is full");
}

#[test]
fn a_disk_that_stays_full_never_counts_as_failed() {
    run(async {
        let (_, _, store) = faulty(FaultPlan::fail_from(1, Fault::Errno(libc::ENOSPC))).await;
        for _ in 0..3 * VOLUME_FAILURES_MAX {
            assert_eq!(upload(&store).await.unwrap_err().kind(), StoreErrorKind::Full);
        }
        assert_eq!(store.volume_failure(), None);
    });
}

#[test]
fn an_object_lost_to_the_disk_at_any_operation_is_lost_alone() {
    let outcomes = outcomes(libc::EIO);
    assert!(outcomes.iter().all(|kind| *kind == Some(StoreErrorKind::Failed)), "{outcomes:?}");
}

#[test]
fn objects_lost_in_a_row_fail_the_volume_and_nobody_asks_the_disk_any_more() {
    run(async {
        // The free space is read once, and the disk breaks after it.
        let (memory, disk, store) = faulty(FaultPlan::fail_from(1, Fault::Errno(libc::EIO))).await;
        for lost in 1..VOLUME_FAILURES_MAX {
            assert_eq!(upload(&store).await.unwrap_err().kind(), StoreErrorKind::Failed, "{lost}");
            assert_eq!(store.volume_failure(), None);
        }
        assert_eq!(upload(&store).await.unwrap_err().kind(), StoreErrorKind::VolumeFailed);
        let failure = store.volume_failure().unwrap();
        assert!(failure.contains("os error 5") && failure.contains("kernel log"), "{failure}");
        let asked = disk.operations();
        assert_eq!(upload(&store).await.unwrap_err().kind(), StoreErrorKind::VolumeFailed);
        assert_eq!(disk.operations(), asked);
        assert_eq!(memory.inode_count(), 0);
    });
}

#[test]
fn a_success_between_makes_the_counting_begin_anew() {
    let count = operations();
    run_paused(async {
        // Two are lost as they create their file, one works, and two are lost again.
        let lost = [1, 2, count + 2, count + 3];
        let plan = lost
            .into_iter()
            .fold(FaultPlan::none(), |plan, n| plan.and_nth(n, Fault::Errno(libc::EIO)));
        let (_, _, store) = faulty(plan).await;
        for expected in [false, false, true, false, false, true] {
            assert_eq!(upload(&store).await.is_ok(), expected);
        }
        assert_eq!(store.volume_failure(), None);
    });
}

#[test]
fn a_volume_that_is_read_only_or_gone_fails_at_once() {
    for errno in [libc::EROFS, libc::ENOENT, libc::ENOTDIR, libc::ENODEV, libc::ESTALE] {
        run(async {
            let (_, _, store) = faulty(FaultPlan::fail_from(1, Fault::Errno(errno))).await;
            assert_eq!(upload(&store).await.unwrap_err().kind(), StoreErrorKind::VolumeFailed);
            assert!(store.volume_failure().is_some(), "errno {errno}");
        });
    }
}

#[test]
fn what_a_failed_volume_does_not_show_is_not_said_to_be_gone() {
    run(async {
        let (_, _, store) = faulty(FaultPlan::fail_nth(1, Fault::Errno(libc::EROFS))).await;
        let unknown = ObjectNumber::from_bytes([7; 16]);
        assert_eq!(store.open(unknown).await.err().unwrap().kind(), StoreErrorKind::NotFound);
        assert!(upload(&store).await.is_err());
        assert_eq!(store.open(unknown).await.err().unwrap().kind(), StoreErrorKind::VolumeFailed);
        let refused = store.delete(unknown).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::VolumeFailed);
    });
}

#[test]
fn a_failed_volume_is_probed_until_it_works_again() {
    run_paused(async {
        // Two probes meet the disk while it fails, at their first operation; the third works.
        let plan = FaultPlan::fail_nth(1, Fault::Errno(libc::EROFS))
            .and_nth(2, Fault::Errno(libc::EIO))
            .and_nth(3, Fault::Errno(libc::EROFS));
        let (memory, disk, store) = faulty(plan).await;
        let began = tokio::time::Instant::now();
        assert!(upload(&store).await.is_err());
        for _ in 0..1000 {
            if store.volume_failure().is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let waited_ms = began.elapsed().as_millis();
        let interval_ms = u128::from(VOLUME_PROBE_INTERVAL_MS);
        assert!((3 * interval_ms..4 * interval_ms).contains(&waited_ms), "{waited_ms} ms");
        assert_eq!(memory.inode_count(), 0, "the probe's file is gone");
        upload(&store).await.unwrap();
        let asked = disk.operations();
        tokio::time::sleep(Duration::from_millis(3 * VOLUME_PROBE_INTERVAL_MS)).await;
        assert_eq!(disk.operations(), asked, "nobody probes a volume that works");
    });
}

#[test]
fn a_probe_does_not_keep_a_stopping_worker() {
    run_paused(async {
        let (_, _, store) = faulty(FaultPlan::fail_from(1, Fault::Errno(libc::EROFS))).await;
        assert!(upload(&store).await.is_err());
        store.close().await;
        drop(store);
        tokio::time::sleep(Duration::from_millis(2 * VOLUME_PROBE_INTERVAL_MS)).await;
    });
}

#[test]
fn workers_share_what_is_known_of_the_volume() {
    run(async {
        let memory = prepared().await;
        let fault = FaultPlan::fail_from(1, Fault::Errno(libc::EROFS));
        let sick = Rc::new(FaultyDisk::new(Rc::clone(&memory) as Rc<dyn Disk>, fault));
        let (volume, cache) = (volume(), Arc::new(Caches::new(CacheSizes::none())));
        let options = options(0);
        let one = Store::new(sick, Arc::clone(&cache), Arc::clone(&volume), &options);
        let other = Store::new(memory, cache, volume, &options);
        assert!(upload(&one).await.is_err());
        assert_eq!(upload(&other).await.unwrap_err().kind(), StoreErrorKind::VolumeFailed);
    });
}

/// A disk of `size` bytes with a reserve, and its store.
async fn small_disk(size: u64, min_free: u64) -> (Rc<MemoryDisk>, Store) {
    let disk = Rc::new(MemoryDisk::new(slab(), 4).with_capacity(size));
    Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
    let cache = Arc::new(Caches::new(CacheSizes::none()));
    let store = Store::new(Rc::clone(&disk) as Rc<dyn Disk>, cache, volume(), &options(min_free));
    (disk, store)
}

async fn free(disk: &MemoryDisk) -> u64 {
    disk.free_space(Path::new("/")).await.unwrap().bytes
}

/// An upload of `size` bytes that claims nothing, looking at the free space after each piece.
async fn grow(disk: &MemoryDisk, store: &Store, size: usize, reserve: u64) -> StoreResult<()> {
    let mut receiving = store.create(new_object(None)).await?;
    for piece in bytes(size, 7).chunks(CHUNK) {
        receiving.write(piece).await?;
        assert!(free(disk).await >= reserve, "an upload that grows takes of the reserve");
    }
    let sealed = receiving.seal().await?;
    store.publish(vec![sealed]).await?;
    Ok(())
}

#[test]
fn uploads_that_grow_leave_the_reserve_and_some_of_them_end_well() {
    const RESERVE: u64 = 1 << 20;
    run_paused(async {
        // Room for three of eight, and none of them says how large it will be.
        let size = 600_000;
        let (disk, store) = small_disk(RESERVE + 2_000_000, RESERVE).await;
        let uploads = (0..8).map(|_| grow(&disk, &store, size, RESERVE));
        let outcomes = join_all(uploads).await;
        let whole = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        println!("{whole} of 8 are whole, and 3 fit");
        assert!((1..=3).contains(&whole));
        let refused = outcomes.into_iter().filter_map(Result::err);
        assert!(refused.into_iter().all(|error| error.kind() == StoreErrorKind::Full));
        assert_eq!(objects(&disk).await.len(), whole);
        assert_eq!(disk.inode_count(), whole, "those that were refused left nothing");
        assert!(free(&disk).await >= RESERVE);
    });
}

#[test]
fn preallocation_leaves_the_reserve_too() {
    const RESERVE: u64 = 1 << 20;
    run_paused(async {
        // Room enough for a step ahead, from 8 to 16 MiB, of which the upload fills a part.
        let (disk, store) = small_disk(RESERVE + (44 << 20), RESERVE).await;
        grow(&disk, &store, 10 << 20, RESERVE).await.unwrap();
        assert!(free(&disk).await >= RESERVE + (34 << 20) - (8 << 10), "what lay ahead is free");
        grow(&disk, &store, (34 << 20) - (16 << 10), RESERVE).await.unwrap();
    });
}

#[test]
fn an_upload_with_nothing_to_lose_is_refused_without_a_wait() {
    run_paused(async {
        // Of 256 blocks each takes three: one is left, which is enough to be let in.
        let (_disk, store) = small_disk(1 << 20, 0).await;
        let began = tokio::time::Instant::now();
        let mut count = 0;
        let refused = loop {
            match put(&store, &bytes(5000, 1)).await {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((count, refused.kind()), (85, StoreErrorKind::Full));
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

#[test]
fn there_is_room_again_as_soon_as_something_is_deleted() {
    run_paused(async {
        let (_disk, store) = small_disk(1 << 20, 0).await;
        let mut kept = Vec::new();
        let refused = loop {
            match put(&store, &bytes(100_000, 1)).await {
                Ok(published) => kept.push(published.object),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), StoreErrorKind::Full);
        assert!(kept.len() >= 8, "{} of 10", kept.len());
        for object in kept {
            store.delete(object).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            let again = put(&store, &bytes(90_000, 2)).await.unwrap().object;
            store.delete(again).await.unwrap();
        }
    });
}

#[test]
fn a_damaged_object_is_named_in_the_error() {
    run(async {
        let (memory, _, store) = faulty(FaultPlan::none()).await;
        let object = put(&store, &bytes(1_000_000, 1)).await.unwrap().object;
        let named = format!("object {object}: ");
        // The seal is read; the next operation is a read of data.
        let counted = FaultyDisk::new(Rc::clone(&memory) as Rc<dyn Disk>, FaultPlan::none());
        let counted = Rc::new(counted);
        store_over(Rc::clone(&counted) as Rc<dyn Disk>).open(object).await.unwrap();
        let eio = Fault::Errno(libc::EIO);
        let sick = FaultyDisk::new(memory, FaultPlan::fail_from(counted.operations(), eio));
        let sick: Rc<dyn Disk> = Rc::new(sick);
        let stored = store_over(Rc::clone(&sick)).open(object).await.unwrap();
        let error = read_all(&stored).await.unwrap_err();
        assert!(error.to_string().starts_with(&named), "{error}");
        // Another store: this one has the object open.
        let error = store_over(sick).open(object).await.err().unwrap();
        assert!(error.to_string().starts_with(&named), "{error}");
    });
}
