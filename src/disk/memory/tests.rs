//! What is peculiar to the disk in memory: power cuts, a full disk, counts. The rest is in the
//! contract suite.

use std::future::Future;
use std::path::Path;

use futures_util::join;

use super::*;
use crate::disk::contract_suite::bench::{run_local, slab};
use crate::disk::{DiskErrorKind, Pool};

/// Runs `test` on a fresh disk with a queue depth of 4.
fn on_disk<F: Future<Output = ()> + 'static>(test: impl FnOnce(MemoryDisk) -> F) {
    run_local(test(MemoryDisk::new(slab(), 4)));
}

fn filled(disk: &MemoryDisk, byte: u8) -> Lease {
    let mut lease = disk.slab().try_take(Pool::Upload).unwrap();
    lease.fill(byte);
    lease
}

/// A file named `path` with two blocks of `byte`; nothing synced.
async fn write_file(disk: &MemoryDisk, path: &str, byte: u8) -> File {
    let file = disk.create_unnamed(Path::new("/")).await.unwrap();
    let write = disk.write(&file, filled(disk, byte), 0..2 * BLOCK_SIZE, 0).await;
    assert_eq!(write.result.unwrap(), 2 * BLOCK_SIZE);
    disk.link(&file, Path::new(path)).await.unwrap();
    file
}

fn after(disk: &MemoryDisk, loss: Loss, path: &str) -> Option<Vec<u8>> {
    disk.crash_image(loss).contents(Path::new(path))
}

fn bytes(byte: u8) -> Vec<u8> {
    vec![byte; 2 * BLOCK_SIZE]
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    on_disk(|disk| async move {
        let file = write_file(&disk, "/file", 7).await;
        disk.sync_data(&file).await.unwrap();
        disk.sync_dir(Path::new("/")).await.unwrap();
        for loss in Loss::each(0..50) {
            let image = disk.crash_image(loss);
            assert_eq!(image.contents(Path::new("/file")), Some(bytes(7)), "{loss:?}");
            assert_eq!((image.inode_count(), image.handle_count()), (1, 0));
            // What is there after the cut is durable.
            assert_eq!(after(&image, Loss::Everything, "/file"), Some(bytes(7)));
        }
    });
}

#[test]
fn without_a_data_sync_the_name_survives_and_the_bytes_do_not() {
    on_disk(|disk| async move {
        drop(write_file(&disk, "/file", 7).await);
        disk.sync_dir(Path::new("/")).await.unwrap();
        assert_eq!(after(&disk, Loss::Everything, "/file"), Some(Vec::new()));
        assert_eq!(after(&disk, Loss::Data, "/file"), Some(Vec::new()));
        assert_eq!(after(&disk, Loss::DataToZeros, "/file"), Some(bytes(0)));
        let mixed: Vec<_> = (0..50).map(|seed| after(&disk, Loss::Mixed(seed), "/file")).collect();
        for possible in [Some(bytes(7)), Some(bytes(0)), Some(Vec::new())] {
            assert!(mixed.contains(&possible), "a power cut can leave this too");
        }
        assert!(!mixed.contains(&None), "the name was synced");
    });
}

#[test]
fn without_a_directory_sync_the_name_may_be_gone() {
    on_disk(|disk| async move {
        let file = write_file(&disk, "/file", 7).await;
        disk.sync_data(&file).await.unwrap();
        assert_eq!(after(&disk, Loss::Everything, "/file"), None);
        assert_eq!(after(&disk, Loss::Data, "/file"), Some(bytes(7)));
        let mixed: Vec<_> = (0..20).map(|seed| after(&disk, Loss::Mixed(seed), "/file")).collect();
        assert!(mixed.contains(&None) && mixed.contains(&Some(bytes(7))));
        let again: Vec<_> = (0..20).map(|seed| after(&disk, Loss::Mixed(seed), "/file")).collect();
        assert_eq!(mixed, again, "a seed is a fate");
    });
}

#[test]
fn a_directory_that_was_not_synced_takes_what_is_in_it_along() {
    on_disk(|disk| async move {
        disk.create_dir(Path::new("/dir")).await.unwrap();
        let file = write_file(&disk, "/dir/file", 7).await;
        disk.sync_data(&file).await.unwrap();
        disk.sync_dir(Path::new("/dir")).await.unwrap();
        assert_eq!(after(&disk, Loss::Everything, "/dir/file"), None);
        disk.sync_dir(Path::new("/")).await.unwrap();
        assert_eq!(after(&disk, Loss::Everything, "/dir/file"), Some(bytes(7)));
    });
}

#[test]
fn a_removal_is_durable_only_with_its_directory() {
    on_disk(|disk| async move {
        let file = write_file(&disk, "/file", 7).await;
        disk.sync_data(&file).await.unwrap();
        disk.sync_dir(Path::new("/")).await.unwrap();
        drop(file);
        disk.remove(Path::new("/file")).await.unwrap();
        assert_eq!(disk.inode_count(), 0);
        assert_eq!(after(&disk, Loss::Everything, "/file"), Some(bytes(7)), "it comes back");
        assert_eq!(after(&disk, Loss::Data, "/file"), None);
        disk.sync_dir(Path::new("/")).await.unwrap();
        assert_eq!(after(&disk, Loss::Everything, "/file"), None);
        assert!(disk.volume.lock().inodes.is_empty(), "nobody can want it back");
    });
}

#[test]
fn a_sync_covers_no_write_that_was_in_flight_beside_it() {
    on_disk(|disk| async move {
        let file = write_file(&disk, "/file", 1).await;
        disk.sync_dir(Path::new("/")).await.unwrap();
        let write = disk.write(&file, filled(&disk, 2), 0..2 * BLOCK_SIZE, 0);
        let (write, sync) = join!(write, disk.sync_data(&file));
        write.result.unwrap();
        sync.unwrap();
        assert_eq!(disk.contents(Path::new("/file")), Some(bytes(2)));
        assert_eq!(after(&disk, Loss::Everything, "/file"), Some(bytes(1)));
        disk.sync_data(&file).await.unwrap();
        assert_eq!(after(&disk, Loss::Everything, "/file"), Some(bytes(2)));
    });
}

#[test]
fn an_early_sync_that_ends_late_does_not_undo_a_later_one() {
    let mut volume = Volume::new(1 << 20);
    let file = volume.create(Path::new("/")).unwrap();
    volume.opened(file);
    volume.write(file, 0, b"early").unwrap();
    let early = volume.data(file);
    volume.write(file, 0, b"later").unwrap();
    let later = volume.data(file);
    volume.keep_data(file, later);
    volume.keep_data(file, early);
    assert_eq!(**volume.inodes[&file].durable.state, *b"later");
}

#[test]
fn a_full_disk_takes_what_fits_and_then_nothing() {
    on_disk(|disk| async move {
        let disk = disk.with_capacity(3 * BLOCK_SIZE as u64 + 5);
        let first = write_file(&disk, "/first", 1).await;
        assert_eq!(disk.free_space(Path::new("/")).await.unwrap().bytes, BLOCK_SIZE as u64);
        let second = disk.create_unnamed(Path::new("/")).await.unwrap();
        let short = disk.write(&second, filled(&disk, 2), 0..2 * BLOCK_SIZE, 0).await;
        assert_eq!(short.result.unwrap(), BLOCK_SIZE);
        let none = disk.write(&second, short.lease, 0..1, BLOCK_SIZE as u64).await;
        assert_eq!(none.result.unwrap_err().kind(), DiskErrorKind::Full);
        let none = disk.allocate(&second, 0, 2 * BLOCK_SIZE as u64).await;
        assert_eq!(none.unwrap_err().kind(), DiskErrorKind::Full);
        let over = disk.write(&first, filled(&disk, 3), 0..BLOCK_SIZE, 0).await;
        assert_eq!(over.result.unwrap(), BLOCK_SIZE, "what is there can be written over");
        drop(second);
        disk.truncate(&first, 1).await.unwrap();
        assert_eq!(disk.free_space(Path::new("/")).await.unwrap().bytes, 2 * BLOCK_SIZE as u64);
    });
}

#[test]
fn a_misaligned_direct_transfer_is_refused() {
    on_disk(|disk| async move {
        let file = write_file(&disk, "/file", 1).await;
        assert!(disk.set_direct(&file, true).unwrap());
        for (span, offset) in [(0..BLOCK_SIZE, 1), (0..5, 0), (1..BLOCK_SIZE + 1, 0)] {
            let refused = disk.write(&file, filled(&disk, 2), span.clone(), offset).await;
            assert_eq!(refused.result.unwrap_err().errno(), Some(libc::EINVAL), "{span:?}");
            let refused = disk.read(&file, filled(&disk, 2), span, offset).await;
            assert_eq!(refused.result.unwrap_err().errno(), Some(libc::EINVAL));
        }
        assert_eq!(disk.contents(Path::new("/file")), Some(bytes(1)));
    });
}

#[test]
fn files_and_handles_are_counted() {
    on_disk(|disk| async move {
        let file = write_file(&disk, "/file", 1).await;
        let unnamed = disk.create_unnamed(Path::new("/")).await.unwrap();
        let again = disk.open(Path::new("/file")).await.unwrap();
        assert_eq!((disk.inode_count(), disk.handle_count()), (2, 3));
        drop((file, unnamed, again));
        assert_eq!((disk.inode_count(), disk.handle_count()), (1, 0));
    });
}
