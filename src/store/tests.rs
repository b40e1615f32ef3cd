//! The store's promises, on the memory disk: the same bytes back, all or nothing, nothing left.
//! `failures.rs` fills the disk and breaks it; `sweeps.rs` repeats a workload with every operation
//! failing and with a crash after each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Buf;
use futures_util::StreamExt;
use tokio::task::LocalSet;

use super::*;
use crate::disk::{Disk, Loss, MemoryDisk, Pool, Slab, SlabOptions};
use crate::id::ObjectNumber;

mod at_hand;
mod cold;
mod failures;
mod frames;
mod sweeps;
mod verified;
mod verify;

const CHUNK: usize = 16 << 10;
const ROOT: &str = "/root";

/// What was acknowledged and what it held.
type Acknowledged = BTreeMap<[u8; 16], Vec<u8>>;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn slab() -> Slab {
    let options = SlabOptions { chunk_size: CHUNK, chunk_count: 3, read_count: 5 };
    Slab::new(options).unwrap()
}

fn volume() -> Arc<VolumeState> {
    Arc::new(VolumeState::default())
}

fn store_over(disk: Rc<dyn Disk>) -> Store {
    store_with(disk, false)
}

fn store_with(disk: Rc<dyn Disk>, verify_reads: bool) -> Store {
    let options = StoreOptions { verify_reads, ..options(0) };
    Store::new(disk, Arc::new(Caches::new(CacheSizes::of_process(None))), volume(), &options)
}

fn options(min_free: u64) -> StoreOptions {
    StoreOptions { root: ROOT.into(), durability: Durability::Full, min_free, verify_reads: false }
}

async fn prepared() -> Rc<MemoryDisk> {
    let disk = Rc::new(MemoryDisk::new(slab(), 4));
    Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
    disk
}

fn bytes(size: usize, seed: u8) -> Vec<u8> {
    (0..251u8).cycle().map(|byte| byte ^ seed).take(size).collect()
}

fn new_object(size: Option<usize>) -> NewObject {
    NewObject {
        name: "name".to_owned(),
        content_type: "text/plain".to_owned(),
        size_bytes: size.map(|size| size as u64),
    }
}

async fn sealed(store: &Store, data: &[u8], known: bool, piece: usize) -> StoreResult<Sealed> {
    let mut receiving = store.create(new_object(known.then_some(data.len()))).await?;
    for part in data.chunks(piece) {
        receiving.write(part).await?;
    }
    receiving.seal().await
}

async fn put(store: &Store, data: &[u8]) -> StoreResult<Published> {
    let sealed = sealed(store, data, false, 5000).await?;
    let mut published = store.publish(vec![sealed]).await?;
    Ok(published.pop().unwrap())
}

async fn read_all(stored: &Stored) -> StoreResult<Vec<u8>> {
    read_range(stored, 0..stored.seal().size_bytes).await
}

async fn read_range(stored: &Stored, range: std::ops::Range<u64>) -> StoreResult<Vec<u8>> {
    let mut reader = stored.read(range);
    let mut out = Vec::new();
    while let Some(frame) = reader.next().await {
        let mut frame = frame?;
        while frame.has_remaining() {
            let count = frame.chunk().len();
            out.extend_from_slice(frame.chunk());
            frame.advance(count);
        }
    }
    Ok(out)
}

/// Every object under the root, read and checked against its own seal.
async fn objects(disk: &Rc<MemoryDisk>) -> Acknowledged {
    let store = store_over(Rc::clone(disk) as Rc<dyn Disk>);
    let layout = Layout::new(Path::new(ROOT));
    let mut found = BTreeMap::new();
    for prefix in 0..=u8::MAX {
        for name in disk.list_dir(&layout.directory(prefix)).await.unwrap() {
            let name = name.into_string().unwrap();
            let number: ObjectNumber = name.parse().unwrap();
            let stored = store.open(number).await.unwrap();
            let data = read_all(&stored).await.unwrap();
            assert_eq!(*blake3::hash(&data).as_bytes(), stored.seal().blake3, "{name}");
            found.insert(*number.as_bytes(), data);
        }
    }
    found
}

#[test]
fn the_same_bytes_come_back_at_every_size_and_by_every_piece() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let sizes = [0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK * 7 / 2];
        for size in sizes.into_iter().chain([300_000, (1 << 20) + 1]) {
            for (known, piece) in [(true, 1 << 20), (false, 1000), (true, 4096), (false, CHUNK)] {
                let data = bytes(size, u8::from(known));
                let sealed = sealed(&store, &data, known, piece).await.unwrap();
                assert_eq!(sealed.blake3(), *blake3::hash(&data).as_bytes());
                let published = store.publish(vec![sealed]).await.unwrap();
                let stored = store.open(published[0].object).await.unwrap();
                assert_eq!(stored.seal().size_bytes, size as u64);
                assert!(read_all(&stored).await.unwrap() == data, "{size} by {piece}");
                let file = disk.contents(&Layout::new(Path::new(ROOT)).object(published[0].object));
                let file = file.unwrap();
                assert!(file.len() < size.next_multiple_of(4096) + (8 << 10), "cut to its length");
            }
        }
        assert_eq!(disk.slab().in_use(Pool::Upload), 0);
    });
}

#[test]
fn ranges_come_back_wherever_they_start_and_end() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let data = bytes(1_000_000, 3);
        let object = put(&store, &data).await.unwrap().object;
        let stored = store.open(object).await.unwrap();
        for (start, end) in [(0, 0), (0, 1), (262_143, 262_145), (999_999, 1_000_000), (5, 999_000)]
        {
            let part = read_range(&stored, start as u64..end as u64).await.unwrap();
            assert!(part == data[start..end], "{start}..{end}");
        }
        drop(stored);
        assert_eq!(disk.slab().in_use(Pool::Download), 0);
    });
}

#[test]
fn a_parked_upload_holds_no_buffer_and_loses_no_byte() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let data = bytes(3 * CHUNK + 77, 9);
        let mut receiving = store.create(new_object(None)).await.unwrap();
        for part in data.chunks(3001) {
            receiving.write(part).await.unwrap();
            receiving.park().await.unwrap();
            // The writes under way end without anybody polling the upload.
            while disk.slab().in_use(Pool::Upload) > 0 {
                tokio::task::yield_now().await;
            }
        }
        let sealed = receiving.seal().await.unwrap();
        let published = store.publish(vec![sealed]).await.unwrap();
        let stored = store.open(published[0].object).await.unwrap();
        assert!(read_all(&stored).await.unwrap() == data);
    });
}

#[test]
fn a_parked_upload_takes_a_buffer_only_for_what_is_worth_one() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let data = bytes(2 * CHUNK + 77, 9);
        let mut receiving = store.create(new_object(None)).await.unwrap();
        receiving.park().await.unwrap();
        let mut buffers_taken = 0;
        for part in data.chunks(100) {
            receiving.write(part).await.unwrap();
            buffers_taken += disk.slab().in_use(Pool::Upload);
            receiving.park().await.unwrap();
            while disk.slab().in_use(Pool::Upload) > 0 {
                tokio::task::yield_now().await;
            }
        }
        // 329 writes of 100 bytes: about one buffer for each 8 KiB, and some at a chunk's end.
        assert!((1..=16).contains(&buffers_taken), "{buffers_taken} buffers");
        let sealed = receiving.seal().await.unwrap();
        let published = store.publish(vec![sealed]).await.unwrap();
        let stored = store.open(published[0].object).await.unwrap();
        assert!(read_all(&stored).await.unwrap() == data);
    });
}

#[test]
fn more_uploads_than_buffers_all_end() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let uploads = (0..20u8).map(|seed| {
            let store = store.clone();
            async move {
                let data = bytes(5 * CHUNK + usize::from(seed), seed);
                (put(&store, &data).await.unwrap().object, data)
            }
        });
        for (object, data) in futures_util::future::join_all(uploads).await {
            let stored = store.open(object).await.unwrap();
            assert!(read_all(&stored).await.unwrap() == data);
        }
    });
}

#[test]
fn a_dropped_upload_leaves_nothing() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let mut receiving = store.create(new_object(None)).await.unwrap();
        receiving.write(&bytes(4 * CHUNK, 1)).await.unwrap();
        drop(receiving);
        let unpublished = sealed(&store, &bytes(9, 1), true, 9).await.unwrap();
        drop(unpublished);
        store.close().await;
        assert_eq!((disk.inode_count(), disk.handle_count()), (0, 0));
        assert_eq!(disk.slab().in_use(Pool::Upload), 0);
    });
}

/// Publishes two objects, but leaves after so many polls. Returns whether the answer came.
async fn publish_with_patience(store: &Store, polls: usize) -> bool {
    let one = sealed(store, &bytes(10, 1), true, 10).await.unwrap();
    let two = sealed(store, &bytes(20, 2), true, 20).await.unwrap();
    let mut publishing = Box::pin(store.publish(vec![one, two]));
    for _ in 0..polls {
        if futures_util::poll!(&mut publishing).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[test]
fn a_requester_who_leaves_early_leaves_no_object() {
    run(async {
        let mut left = Vec::new();
        for polls in 0.. {
            let disk = prepared().await;
            let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
            let answered = publish_with_patience(&store, polls).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            left.push(objects(&disk).await.len());
            if answered {
                break;
            }
        }
        // Whoever leaves between the answer and its receipt leaves both objects; earlier, none.
        let (answered, early) = left.split_last().unwrap();
        assert_eq!(*answered, 2);
        let (last_moment, early) = early.split_last().unwrap();
        assert!([0, 2].contains(last_moment));
        assert!(early.len() >= 4 && early.iter().all(|&count| count == 0), "{left:?}");
    });
}

#[test]
fn an_object_deleted_by_one_worker_is_gone_for_all_and_frees_its_space() {
    run(async {
        for size in [0, 5, 60_000, 200_000] {
            let disk = prepared().await;
            let caches = Arc::new(Caches::new(CacheSizes::of_process(None)));
            let worker = || {
                let disk = Rc::clone(&disk) as Rc<dyn Disk>;
                Store::new(disk, Arc::clone(&caches), volume(), &options(0))
            };
            let (first, second) = (worker(), worker());
            let free = || async { disk.free_space(Path::new(ROOT)).await.unwrap().bytes };
            let free_before = free().await;
            let object = put(&first, &bytes(size, 1)).await.unwrap().object;
            for store in [&first, &second] {
                assert_eq!(read_all(&store.open(object).await.unwrap()).await.unwrap().len(), size);
                assert!(store.open_at_hand(object).is_some(), "it is remembered");
            }
            let running = first.open(object).await.unwrap();
            second.delete(object).await.unwrap();
            assert!(first.open_at_hand(object).is_none());
            let refused = first.open(object).await.err().unwrap();
            assert_eq!(refused.kind(), StoreErrorKind::NotFound);
            assert!(read_all(&running).await.unwrap() == bytes(size, 1), "what runs ends whole");
            drop(running);
            assert_eq!(free().await, free_before, "{size}: no descriptor is kept");
        }
    });
}

#[test]
fn a_delete_while_an_object_is_opened_wins() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let object = put(&store, &bytes(100_000, 1)).await.unwrap().object;
        let mut opening = std::pin::pin!(store.open(object));
        assert!(futures_util::poll!(&mut opening).is_pending());
        store.delete(object).await.unwrap();
        // Opened before or after: either way nobody finds it from now on.
        drop(opening.await);
        assert!(store.open_at_hand(object).is_none());
        assert_eq!(store.open(object).await.err().unwrap().kind(), StoreErrorKind::NotFound);
    });
}

#[test]
fn a_deleted_object_is_gone_from_disk_and_cache() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let object = put(&store, b"small").await.unwrap().object;
        assert!(store.open(object).await.is_ok(), "now it is in the cache");
        store.delete(object).await.unwrap();
        assert_eq!(store.open(object).await.err().unwrap().kind(), StoreErrorKind::NotFound);
        let again = store.delete(object).await.unwrap_err();
        assert_eq!(again.kind(), StoreErrorKind::NotFound);
        let image = Rc::new(disk.crash_image(Loss::Everything));
        assert!(objects(&image).await.is_empty(), "the delete is durable");
    });
}

#[test]
fn damage_anywhere_in_the_seal_is_found() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let object = put(&store, &bytes(100_000, 1)).await.unwrap().object;
        let path = Layout::new(Path::new(ROOT)).object(object);
        let file = disk.contents(&path).unwrap();
        for at in (102_400..file.len()).step_by(97) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x40;
            disk.plant(&path, &damaged);
            assert_eq!(store.open(object).await.err().unwrap().kind(), StoreErrorKind::Damaged);
        }
        for cut in [0, 63, 4096, file.len() - 1, file.len() - 4096] {
            disk.plant(&path, &file[..cut]);
            assert_eq!(store.open(object).await.err().unwrap().kind(), StoreErrorKind::Damaged);
        }
    });
}

#[test]
fn an_upload_without_room_is_refused_before_its_first_byte() {
    run(async {
        let disk = Rc::new(MemoryDisk::new(slab(), 4).with_capacity(1 << 20));
        Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
        let store = Store::new(
            disk,
            Arc::new(Caches::new(CacheSizes::none())),
            volume(),
            &options(512 << 10),
        );
        let refused = store.create(new_object(Some(600 << 10))).await.err().unwrap();
        assert_eq!(refused.kind(), StoreErrorKind::Full);
        assert!(store.create(new_object(Some(100 << 10))).await.is_ok());
    });
}

#[test]
fn room_for_the_data_is_enough_where_there_is_none_to_preallocate() {
    run(async {
        // Preallocation begins with 8 MiB and then asks for 8 more, which do not fit.
        let disk = Rc::new(MemoryDisk::new(slab(), 4).with_capacity(10 << 20));
        Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let data = bytes(9 << 20, 5);
        let sealed = sealed(&store, &data, false, CHUNK).await.unwrap();
        let published = store.publish(vec![sealed]).await.unwrap();
        let stored = store.open(published[0].object).await.unwrap();
        assert!(read_all(&stored).await.unwrap() == data);
    });
}

#[test]
fn a_full_disk_fails_the_upload_and_keeps_nothing_of_it() {
    run(async {
        let disk = Rc::new(MemoryDisk::new(slab(), 4).with_capacity(256 << 10));
        Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let mut receiving = store.create(new_object(None)).await.unwrap();
        let mut failure = None;
        for _ in 0..100 {
            if let Err(error) = receiving.write(&bytes(CHUNK, 1)).await {
                failure = Some(error);
                break;
            }
        }
        assert_eq!(failure.as_ref().map(StoreError::kind), Some(StoreErrorKind::Full));
        let again = receiving.write(b"more").await.err();
        assert_eq!(again, failure, "the first failure stays");
        assert_eq!(receiving.seal().await.err(), failure);
        store.close().await;
        assert_eq!((disk.inode_count(), disk.handle_count()), (0, 0));
    });
}
