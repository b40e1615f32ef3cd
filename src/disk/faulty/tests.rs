//! What is peculiar to the faulty disk: the plan, the stop, and that sweeps with it find what
//! they are made to find.

use std::path::Path;

use super::*;
use crate::disk::contract_suite::bench::{run_local, slab};
use crate::disk::{DiskErrorKind, Loss, MemoryDisk, Pool};

const SIZE: usize = 3 * BLOCK_SIZE;

fn disks(plan: FaultPlan) -> (Rc<MemoryDisk>, Rc<FaultyDisk>) {
    let memory = Rc::new(MemoryDisk::new(slab(), 4));
    (Rc::clone(&memory), Rc::new(FaultyDisk::new(memory, plan)))
}

/// Whether a workload keeps the promises or leaves out a sync.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    Full,
    NoDataSync,
    NoDirSync,
}

/// One small upload, done as the store will do it.
async fn publish(disk: &dyn Disk, name: &str, care: Care) -> DiskResult<()> {
    let file = disk.create_unnamed(Path::new("/")).await?;
    let mut lease = disk.slab().take(Pool::Upload).await;
    lease[..SIZE].fill(7);
    let mut done = 0;
    while done < SIZE {
        let write = disk.write(&file, lease, done..SIZE, done as u64).await;
        lease = write.lease;
        done += write.result?;
    }
    if care != Care::NoDataSync {
        disk.sync_data(&file).await?;
    }
    disk.link(&file, Path::new(name)).await?;
    if care != Care::NoDirSync {
        disk.sync_dir(Path::new("/")).await?;
    }
    Ok(())
}

/// Uploads three files at once; which were acknowledged.
async fn workload(disk: Rc<FaultyDisk>, care: Care, acknowledged: Rc<RefCell<Vec<&'static str>>>) {
    let upload = async |name| {
        if publish(&*disk, name, care).await.is_ok() {
            acknowledged.borrow_mut().push(name);
        }
    };
    futures_util::join!(upload("/a"), upload("/b"), upload("/c"));
}

/// Stops the workload after every completion and cuts the power: how many acknowledged files were
/// not whole afterwards.
fn broken_promises(care: Care) -> usize {
    let broken = Rc::new(Cell::new(0));
    let counted = Rc::clone(&broken);
    run_local(async move {
        let (_, whole) = disks(FaultPlan::none());
        workload(Rc::clone(&whole), care, Rc::default()).await;
        for stop in 0..whole.completions() {
            let plan = FaultPlan::seeded(stop, 2).stop_after(stop, Stop::Silence);
            let (memory, disk) = disks(plan);
            let acknowledged = Rc::default();
            let work = workload(Rc::clone(&disk), care, Rc::clone(&acknowledged));
            tokio::select! {
                () = work => panic!("the workload outlived the disk"),
                () = disk.stopped() => {}
            }
            for loss in Loss::each(0..4) {
                let image = memory.crash_image(loss);
                let contents = |name: &&&str| image.contents(Path::new(*name));
                let lost = |name: &&&str| contents(name) != Some(vec![7; SIZE]);
                counted.set(counted.get() + acknowledged.borrow().iter().filter(lost).count());
            }
            disk.drain().await;
            assert_eq!(disk.slab().in_use(Pool::Upload), 0);
        }
    });
    broken.get()
}

#[test]
fn a_sweep_of_power_cuts_passes_who_syncs_and_finds_who_does_not() {
    assert_eq!(broken_promises(Care::Full), 0);
    assert!(broken_promises(Care::NoDataSync) > 0);
    assert!(broken_promises(Care::NoDirSync) > 0);
}

#[test]
fn a_sweep_of_faults_fails_each_operation_once_and_loses_nothing() {
    run_local(async {
        let (_, whole) = disks(FaultPlan::none());
        publish(&*whole, "/a", Care::Full).await.unwrap();
        assert_eq!((whole.operations(), whole.completions()), (5, 5));
        for n in 0..whole.operations() {
            let (memory, disk) = disks(FaultPlan::fail_nth(n, Fault::Errno(libc::EIO)));
            let error = publish(&*disk, "/a", Care::Full).await.unwrap_err();
            assert_eq!(error.errno(), Some(libc::EIO));
            assert_eq!(disk.operations(), n + 1, "the failure ends the workload");
            assert_eq!(memory.handle_count(), 0);
            let linked = memory.contents(Path::new("/a")).is_some();
            assert_eq!(linked, n == 4, "what fails has no effect");
            publish(&*disk, "/b", Care::Full).await.unwrap();
            disk.drain().await;
            assert_eq!(disk.slab().in_use(Pool::Upload), 0);
        }
    });
}

#[test]
fn a_short_transfer_moves_half_of_its_blocks() {
    run_local(async {
        let (memory, disk) = disks(FaultPlan::fail_from(0, Fault::Short));
        publish(&*disk, "/a", Care::Full).await.unwrap();
        // Three blocks are one, and then one, and the last block is whole.
        assert_eq!(disk.operations(), 4 + 3);
        assert_eq!(memory.contents(Path::new("/a")), Some(vec![7; SIZE]));
    });
    let halves = [0..0, 0..1, 5..7, 0..BLOCK_SIZE, 1..BLOCK_SIZE + 2, 0..4 * BLOCK_SIZE];
    let sizes = halves.map(|span| halved(span).len());
    assert_eq!(sizes, [0, 1, 1, BLOCK_SIZE, BLOCK_SIZE, 2 * BLOCK_SIZE]);
}

#[test]
fn a_seed_decides_which_operations_fail() {
    let failures = |seed| {
        let failed = Rc::new(RefCell::new(Vec::new()));
        let filled = Rc::clone(&failed);
        run_local(async move {
            let plan = FaultPlan::seeded(seed, 3).and_one_in(4, Fault::Errno(libc::ENOSPC));
            let (_, disk) = disks(plan);
            assert_eq!(disk.seed(), seed);
            for index in 0..40 {
                if let Err(error) = disk.free_space(Path::new("/")).await {
                    assert_eq!(error.kind(), DiskErrorKind::Full);
                    filled.borrow_mut().push(index);
                }
            }
        });
        failed.take()
    };
    let first = failures(1);
    assert!((1..30).contains(&first.len()), "{first:?}");
    assert_eq!(first, failures(1));
    assert_ne!(first, failures(2));
}

#[test]
fn delays_change_the_order_of_completions() {
    let order = |seed| {
        let ended = Rc::new(RefCell::new(Vec::new()));
        let filled = Rc::clone(&ended);
        run_local(async move {
            let (_, disk) = disks(FaultPlan::seeded(seed, 5));
            let asks = (0..10).map(async |index| {
                disk.free_space(Path::new("/")).await.unwrap();
                filled.borrow_mut().push(index);
            });
            futures_util::future::join_all(asks).await;
        });
        ended.take()
    };
    assert_ne!(order(1), (0..10).collect::<Vec<_>>());
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn a_stopped_disk_refuses_or_says_nothing() {
    run_local(async {
        let (_, disk) = disks(FaultPlan::none().stop_after(2, Stop::Refusal));
        assert!(disk.free_space(Path::new("/")).await.is_ok());
        assert!(!disk.is_stopped());
        assert!(disk.free_space(Path::new("/")).await.is_ok());
        assert!(disk.is_stopped());
        let refused = disk.free_space(Path::new("/")).await.unwrap_err();
        assert_eq!(refused.kind(), DiskErrorKind::Cancelled);

        let (_, disk) = disks(FaultPlan::none().stop_after(0, Stop::Silence));
        let mut silent = disk.free_space(Path::new("/"));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut silent).is_pending());
            yield_now().await;
        }
        disk.drain().await;
    });
}
