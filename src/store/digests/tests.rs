//! Computing digests: once for all who ask, bounded, ended by a delete and by the stop.

use std::future::pending;
use std::path::Path;

use tokio::sync::SemaphorePermit;
use tokio::task::{JoinHandle, LocalSet, yield_now};

use super::*;
use crate::disk::{MemoryDisk, Slab, SlabOptions};
use crate::store::{
    CacheSizes, Caches, Durability, Layout, NewObject, Store, StoreOptions, VolumeState,
};
use crate::telemetry::Metrics;
use crate::wire::DigestHasher;

const ROOT: &str = "/root";
/// Two steps and a bit.
const SIZE: usize = 2 * DIGEST_STEP_SIZE + 17;
/// How often a digest is asked for, each time waiting for [`DIGEST_WAIT_MS`].
const ASKED_MAX: usize = 60;

struct Bench {
    disk: Rc<MemoryDisk>,
    store: Store,
    digests: Rc<Digests>,
}

impl Bench {
    async fn new() -> Bench {
        let options = SlabOptions { chunk_size: 16 << 10, chunk_count: 3, read_count: 5 };
        let disk = Rc::new(MemoryDisk::new(Slab::new(options).unwrap(), 4));
        Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
        let options = StoreOptions {
            root: ROOT.into(),
            durability: Durability::None,
            min_free: 0,
            verify_reads: false,
        };
        let metrics = Metrics::new(1);
        let volume = Arc::new(VolumeState::default());
        let cache = Arc::new(Caches::new(CacheSizes::none()));
        let store = Store::new(Rc::clone(&disk) as _, cache, volume, &options);
        let digests = Rc::new(Digests::new(Digester::start().unwrap(), metrics.worker(0)));
        Bench { disk, store, digests }
    }

    async fn put(&self, data: &[u8]) -> ObjectNumber {
        let (name, content_type) = ("name".to_owned(), "text/plain".to_owned());
        let new = NewObject { name, content_type, size_bytes: Some(data.len() as u64) };
        let mut receiving = self.store.create(new).await.unwrap();
        receiving.write(data).await.unwrap();
        let sealed = receiving.seal().await.unwrap();
        self.store.publish(vec![sealed]).await.unwrap()[0].object
    }

    /// Asks in a task of its own, which has begun when this returns.
    async fn ask(
        &self,
        object: ObjectNumber,
        algorithm: DigestAlgorithm,
        stop: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<Option<Digest>> {
        let digests = Rc::clone(&self.digests);
        let stored = self.store.open(object).await.unwrap();
        let asked = spawn_local(async move { digests.of(object, &stored, algorithm, stop).await });
        yield_now().await;
        asked
    }

    async fn ask_sha256(&self, object: ObjectNumber) -> JoinHandle<Option<Digest>> {
        self.ask(object, DigestAlgorithm::Sha256, pending()).await
    }

    /// Asks until there is an answer: on a machine that is never idle it takes its time.
    async fn obtain(&self, object: ObjectNumber, algorithm: DigestAlgorithm) -> Digest {
        for _ in 0..ASKED_MAX {
            let asked = self.ask(object, algorithm, pending()).await;
            if let Some(digest) = asked.await.unwrap() {
                return digest;
            }
        }
        panic!("no digest for minutes");
    }

    /// Keeps every job waiting while it is held.
    fn hold(&self) -> SemaphorePermit<'_> {
        self.digests.digester.turn.try_acquire().unwrap()
    }

    fn job_count(&self) -> usize {
        self.digests.digester.lock().jobs.len()
    }

    fn computed(&self) -> u64 {
        self.digests.metrics.digests_computed.get()
    }

    fn remembered(&self, object: ObjectNumber, algorithm: DigestAlgorithm) -> Option<Digest> {
        self.digests.digester.lock().memory.get(DigestKey { object, algorithm })
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn bytes(size: usize, seed: u8) -> Vec<u8> {
    (0..251u8).cycle().map(|byte| byte ^ seed).take(size).collect()
}

fn digest(algorithm: DigestAlgorithm, data: &[u8]) -> Digest {
    let mut hasher = DigestHasher::new(algorithm);
    hasher.update(data);
    hasher.finish()
}

#[test]
fn every_algorithm_is_computed_at_every_size_and_without_the_slab() {
    run(async {
        let bench = Bench::new().await;
        let sizes = [0, 1, 65_536, 65_537, READ_SIZE, DIGEST_STEP_SIZE, DIGEST_STEP_SIZE + 1, SIZE];
        let slab = bench.store.disk();
        let _all: Vec<_> =
            std::iter::from_fn(|| slab.slab().try_take(crate::disk::Pool::Download)).collect();
        for size in sizes {
            let data = bytes(size, 1);
            let object = bench.put(&data).await;
            for algorithm in DigestAlgorithm::ALL {
                assert_eq!(
                    bench.obtain(object, algorithm).await,
                    digest(algorithm, &data),
                    "{size}"
                );
                let is_large = size > CACHE_OBJECT_SIZE_MAX;
                assert_eq!(bench.remembered(object, algorithm).is_some(), is_large);
            }
        }
        assert_eq!(bench.job_count(), 0);
    });
}

#[test]
fn what_many_ask_for_is_computed_once() {
    run(async {
        let bench = Bench::new().await;
        let data = bytes(SIZE, 2);
        let object = bench.put(&data).await;
        let held = bench.hold();
        let mut asked = Vec::new();
        for _ in 0..50 {
            asked.push(bench.ask_sha256(object).await);
        }
        assert_eq!(bench.job_count(), 1);
        drop(held);
        let expected = digest(DigestAlgorithm::Sha256, &data);
        assert_eq!(bench.obtain(object, DigestAlgorithm::Sha256).await, expected);
        for asked in asked {
            assert!(asked.await.unwrap().is_none_or(|digest| digest == expected));
        }
        assert_eq!(bench.obtain(object, DigestAlgorithm::Sha256).await, expected);
        assert_eq!(bench.computed(), 1);
        assert_eq!(bench.digests.metrics.digested_bytes.get(), SIZE as u64);
    });
}

#[test]
fn one_job_too_many_is_answered_at_once_without_a_digest() {
    run(async {
        let bench = Bench::new().await;
        let held = bench.hold();
        let mut asked = Vec::new();
        for seed in 0..DIGEST_JOBS_MAX {
            let object = bench.put(&bytes(70_000, u8::try_from(seed).unwrap())).await;
            asked.push(bench.ask_sha256(object).await);
        }
        let further = bench.put(&bytes(70_000, 99)).await;
        assert_eq!(bench.ask_sha256(further).await.await.unwrap(), None);
        drop(held);
        for asked in asked {
            asked.await.unwrap();
        }
        bench.obtain(further, DigestAlgorithm::Sha256).await;
    });
}

#[test]
fn a_delete_ends_the_computation_and_leaves_nothing() {
    run(async {
        let bench = Bench::new().await;
        let object = bench.put(&bytes(SIZE, 3)).await;
        let held = bench.hold();
        let asked = bench.ask_sha256(object).await;
        bench.store.delete(object).await.unwrap();
        bench.digests.forget(object);
        assert_eq!(bench.job_count(), 0);
        drop(held);
        assert_eq!(asked.await.unwrap(), None);
        assert_eq!(bench.digests.metrics.digested_bytes.get(), 0, "not a byte was read for it");
        assert_eq!(bench.remembered(object, DigestAlgorithm::Sha256), None);
        assert_eq!(bench.disk.handle_count(), 0, "its file is closed");
    });
}

#[test]
fn a_delete_forgets_what_was_remembered() {
    run(async {
        let bench = Bench::new().await;
        let data = bytes(SIZE, 4);
        let object = bench.put(&data).await;
        let verified = digest(DigestAlgorithm::Md5, &data);
        bench.digests.keep(object, SIZE as u64, &[verified]);
        assert_eq!(bench.obtain(object, DigestAlgorithm::Md5).await, verified);
        assert_eq!(bench.computed(), 0);
        bench.digests.forget(object);
        assert_eq!(bench.remembered(object, DigestAlgorithm::Md5), None);
    });
}

#[test]
fn the_stop_ends_every_computation_and_all_waiting() {
    run(async {
        let bench = Bench::new().await;
        let object = bench.put(&bytes(SIZE, 5)).await;
        let held = bench.hold();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let first = bench.ask(object, DigestAlgorithm::Md5, async { drop(stopped.await) }).await;
        let second = bench.ask(object, DigestAlgorithm::Md5, pending()).await;
        stop.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (None, None));
        assert_eq!(bench.job_count(), 0);
        drop(held);
    });
}

#[test]
fn damaged_data_gets_no_digest() {
    run(async {
        let bench = Bench::new().await;
        let object = bench.put(&bytes(SIZE, 6)).await;
        let layout = Layout::new(Path::new(ROOT));
        let mut file = bench.disk.contents(&layout.object(object)).unwrap();
        file[SIZE / 2] ^= 1;
        let damaged = ObjectNumber::from_bytes([7; 16]);
        bench.disk.plant(&layout.object(damaged), &file);
        assert_eq!(bench.ask_sha256(damaged).await.await.unwrap(), None);
        bench.obtain(object, DigestAlgorithm::Sha256).await;
        assert_eq!((bench.computed(), bench.job_count()), (1, 0), "of the other one alone");
        assert_eq!(bench.remembered(damaged, DigestAlgorithm::Sha256), None);
    });
}
