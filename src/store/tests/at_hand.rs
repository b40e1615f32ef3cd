//! What is given out without a wait: what is remembered, and what the kernel has in memory.

use super::*;
use crate::base::limits::CACHE_OBJECT_SIZE_MAX;
use crate::disk::MeteredDisk;
use crate::telemetry::{Metrics, WorkerMetrics};

/// A store that remembers nothing, over a disk that has every name in memory, with its metrics.
struct Bench {
    disk: Rc<MemoryDisk>,
    metrics: Arc<WorkerMetrics>,
}

impl Bench {
    async fn new(make: impl FnOnce(MemoryDisk) -> MemoryDisk) -> Bench {
        let disk = Rc::new(make(MemoryDisk::new(slab(), 4).knowing_names()));
        Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
        Bench { disk, metrics: Metrics::new(1).worker(0) }
    }

    fn store(&self, sizes: CacheSizes, verify_reads: bool) -> Store {
        let metered =
            MeteredDisk::new(Rc::clone(&self.disk) as Rc<dyn Disk>, Arc::clone(&self.metrics));
        let options = StoreOptions { verify_reads, ..options(0) };
        let store = Store::new(Rc::new(metered), Arc::new(Caches::new(sizes)), volume(), &options);
        store.count_in(Arc::clone(&self.metrics));
        store
    }

    /// Objects found in memory, open, on the volume.
    fn found(&self) -> [u64; 3] {
        let metrics = &self.metrics;
        [
            metrics.objects_in_memory.get(),
            metrics.objects_open.get(),
            metrics.objects_on_volume.get(),
        ]
    }
}

fn recalled(store: &Store, object: ObjectNumber) -> Option<Vec<u8>> {
    store.recall(object).map(|(seal, data)| {
        assert_eq!(seal.size_bytes, data.len() as u64);
        data.to_vec()
    })
}

#[test]
fn a_small_object_that_nobody_asked_for_yet_is_recalled() {
    run(async {
        let bench = Bench::new(|disk| disk).await;
        let store = bench.store(CacheSizes::none(), true);
        for size in [0, 5, 4096, 5000] {
            let data = bytes(size, 1);
            let object = put(&store, &data).await.unwrap().object;
            assert_eq!(recalled(&store, object), Some(data));
            store.delete(object).await.unwrap();
            assert_eq!(recalled(&store, object), None);
        }
        assert_eq!(bench.found(), [0, 0, 4]);
        assert_eq!(bench.disk.handle_count(), 0, "nothing stays open that is not remembered");
    });
}

#[test]
fn it_is_told_where_an_object_was_found() {
    run(async {
        for (sizes, places) in [
            (CacheSizes::of_process(None), [[0, 0, 1], [1, 0, 1], [2, 0, 1], [3, 0, 1]]),
            (
                CacheSizes::of_process(None).with_hot_bytes(0),
                [[0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 3, 1]],
            ),
            (CacheSizes::none(), [[0, 0, 1], [0, 0, 2], [0, 0, 3], [0, 0, 4]]),
        ] {
            let bench = Bench::new(|disk| disk).await;
            let store = bench.store(sizes, false);
            let object = put(&store, &bytes(100, 1)).await.unwrap().object;
            assert!(store.open(object).await.is_ok());
            assert_eq!(bench.found(), places[0]);
            assert!(store.recall(object).is_some());
            assert_eq!(bench.found(), places[1]);
            assert!(store.open_at_hand(object).is_some());
            assert_eq!(bench.found(), places[2]);
            assert!(store.open(object).await.is_ok());
            assert_eq!(bench.found(), places[3]);
        }
    });
}

#[test]
fn what_is_kept_whole_is_not_kept_open_and_what_is_not_is() {
    run(async {
        for (hot_bytes, size, kept_open) in [(4 << 20, 100, 0), (0, 100, 1), (4 << 20, 100_000, 1)]
        {
            let bench = Bench::new(|disk| disk).await;
            let store = bench.store(CacheSizes::of_process(None).with_hot_bytes(hot_bytes), false);
            let objects = [
                put(&store, &bytes(size, 1)).await.unwrap().object,
                put(&store, &bytes(size, 2)).await.unwrap().object,
            ];
            assert!(store.open(objects[0]).await.is_ok());
            assert_eq!(bench.disk.handle_count(), kept_open, "by the way that waits");
            assert!(store.open_at_hand(objects[1]).is_some());
            assert_eq!(bench.disk.handle_count(), 2 * kept_open, "and by the one that does not");
        }
    });
}

#[test]
fn a_large_object_is_not_recalled_and_is_at_hand_all_the_same() {
    run(async {
        let bench = Bench::new(|disk| disk).await;
        let store = bench.store(CacheSizes::none(), false);
        let data = bytes(2 * CACHE_OBJECT_SIZE_MAX, 1);
        let object = put(&store, &data).await.unwrap().object;
        let reads = bench.metrics.reads.get();
        assert!(store.recall(object).is_none());
        assert_eq!(bench.metrics.reads.get(), reads, "its size says enough");
        assert_eq!(bench.disk.handle_count(), 0);
        let stored = store.open_at_hand(object).unwrap();
        assert!(read_all(&stored).await.unwrap() == data, "other bytes came back");
        assert_eq!(bench.found(), [0, 0, 1]);
    });
}

#[test]
fn what_is_not_in_order_is_not_recalled_and_told_by_who_opens_it() {
    run(async {
        let bench = Bench::new(|disk| disk).await;
        let store = bench.store(CacheSizes::none(), true);
        let object = put(&store, &bytes(5000, 1)).await.unwrap().object;
        let path = Layout::new(Path::new(ROOT)).object(object);
        let file = bench.disk.contents(&path).unwrap();
        // In the data, the seal, and its checksum.
        for at in [4999, 8192 + 100, 8192 + 3000, file.len() - 1] {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            bench.disk.plant(&path, &damaged);
            assert!(store.recall(object).is_none(), "{at}");
            assert!(store.open_at_hand(object).is_none(), "{at}");
            assert_eq!(store.open(object).await.err().unwrap().kind(), StoreErrorKind::Damaged);
        }
        bench.disk.plant(&path, &file);
        assert!(store.recall(object).is_some(), "whoever mends it is seen");
    });
}

#[test]
fn what_is_not_in_memory_is_looked_for_once_and_then_read() {
    run(async {
        let bench = Bench::new(MemoryDisk::cold).await;
        let store = bench.store(CacheSizes::none(), false);
        let [one, other] = [
            put(&store, &bytes(100, 1)).await.unwrap().object,
            put(&store, &bytes(100, 2)).await.unwrap().object,
        ];
        let opens = || bench.metrics.opens.get();
        let before = opens();
        assert!(store.recall(one).is_none());
        assert_eq!(opens() - before, 1, "its name is in memory, its bytes are not");
        assert!(store.open_at_hand(one).is_none());
        assert_eq!(opens() - before, 1, "the same request does not look again");
        assert!(store.open_at_hand(one).is_none());
        assert!(store.open_at_hand(other).is_none());
        assert_eq!(opens() - before, 3, "another one does");
        let stored = store.open(one).await.unwrap();
        assert!(read_all(&stored).await.unwrap() == bytes(100, 1), "other bytes came back");
        assert_eq!(opens() - before, 4);
    });
}
