//! Digests of stored objects that are not BLAKE3: computed when somebody wants one, remembered, and
//! never in the way of anything else.
//!
//! One [`Digester`] a process, one [`Digests`] a worker over it. The protocol:
//! 1. A small object is in memory anyway, and hashed on the spot.
//! 2. A digest that was computed or verified before is remembered.
//! 3. Otherwise there is a job: of the same object and algorithm one at most, whoever asks and on
//!    whatever worker; of all at most [`DIGEST_JOBS_MAX`], and no more than one runs.
//! 4. The job is a task of the worker that was asked first. It reads with a buffer of its own, not
//!    the slab's, and gives what it read to the thread of `idle_hasher.rs`.
//! 5. Who asked waits for [`DIGEST_WAIT_MS`] at most. The job goes on without them, so that whoever
//!    asks later finds the digest.
//! 6. A delete ends the jobs of its object, and the end of the process all of them.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::digest_memory::{DigestKey, DigestMemory};
use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::idle_hasher::{Hashing, IdleHasher, Step};
use super::stored::{Data, Stored};
use crate::base::limits::{
    CACHE_OBJECT_SIZE_MAX, DIGEST_JOBS_MAX, DIGEST_OBJECT_SIZE_MAX, DIGEST_STEP_SIZE,
    DIGEST_WAIT_MS, DIGESTS_REMEMBERED_MAX, READ_SIZE,
};
use crate::disk::{Disk, File, Lease, read_full};
use crate::id::ObjectNumber;
use crate::telemetry::WorkerMetrics;
use crate::wire::{Digest, DigestAlgorithm};

/// What the workers share: what is remembered, what is under way, and the thread that hashes.
pub struct Digester {
    state: Mutex<State>,
    /// One computation at a time, in the order asked for.
    turn: Semaphore,
    hasher: IdleHasher,
}

struct State {
    memory: DigestMemory,
    jobs: HashMap<DigestKey, Job>,
    jobs_begun: u64,
}

/// A computation that runs or waits for its turn.
struct Job {
    /// Tells it from a later one of the same key.
    number: u64,
    done: Done,
}

type Done = watch::Receiver<Option<Digest>>;

/// One worker's access to the digests of its store's objects.
pub struct Digests {
    digester: Arc<Digester>,
    metrics: Arc<WorkerMetrics>,
}

/// What there is of a digest.
enum Found {
    Remembered(Digest),
    UnderWay(Done),
    Begun(Task, Done),
    TooMany,
}

/// The worker's side of a job. Dropping it ends the job, and the waiting of who waits.
struct Task {
    digester: Arc<Digester>,
    key: DigestKey,
    number: u64,
    done: watch::Sender<Option<Digest>>,
}

/// What a job reads.
struct Source {
    disk: Rc<dyn Disk>,
    file: File,
    size_bytes: u64,
    blake3: [u8; 32],
}

impl Digests {
    /// One worker's, counting in its metrics.
    pub fn new(digester: Arc<Digester>, metrics: Arc<WorkerMetrics>) -> Digests {
        Digests { digester, metrics }
    }

    /// The digest of all the object's data; `None` when it is not to be had soon. `stop` resolves
    /// when the process begins to stop: no computation goes on then.
    pub async fn of(
        &self,
        object: ObjectNumber,
        stored: &Stored,
        algorithm: DigestAlgorithm,
        stop: impl Future<Output = ()> + 'static,
    ) -> Option<Digest> {
        let seal = stored.seal();
        let source = match stored.data() {
            Data::Memory(data) => {
                let mut hashing = Hashing::new(algorithm);
                hashing.update(data);
                self.metrics.digested_bytes.add(data.len() as u64);
                return self.judge(object, hashing.finish(&seal.blake3));
            }
            Data::File { disk, file, .. } => Source {
                disk: Rc::clone(disk),
                file: file.clone(),
                size_bytes: seal.size_bytes,
                blake3: seal.blake3,
            },
        };
        let done = match self.digester.find(DigestKey { object, algorithm }, source.size_bytes) {
            Found::Remembered(digest) => return Some(digest),
            Found::TooMany => return None,
            Found::UnderWay(done) => done,
            Found::Begun(task, done) => {
                let theirs = Digests::new(Arc::clone(&self.digester), Arc::clone(&self.metrics));
                spawn_local(async move {
                    tokio::select! {
                        () = theirs.work(task, source) => {}
                        () = stop => {}
                    }
                });
                done
            }
        };
        wait(done).await
    }

    /// Keeps digests that were verified as the object came in.
    pub fn keep(&self, object: ObjectNumber, size_bytes: u64, digests: &[Digest]) {
        // Small objects are hashed faster than found, and would drive out the others.
        if size_bytes > CACHE_OBJECT_SIZE_MAX as u64 {
            let mut state = self.digester.lock();
            for &digest in digests {
                state.memory.keep(object, digest);
            }
        }
    }

    /// Forgets a deleted object.
    pub fn forget(&self, object: ObjectNumber) {
        let mut state = self.digester.lock();
        state.memory.forget(object);
        state.jobs.retain(|key, _| key.object != object);
    }

    async fn work(&self, task: Task, source: Source) {
        let Ok(_turn) = self.digester.turn.acquire().await else { return };
        let computed = self.compute(&task, &source).await.transpose();
        let digest = computed.and_then(|computed| self.judge(task.key.object, computed));
        if let Some(digest) = digest {
            task.end(digest);
        }
    }

    /// Reads the object once from its first byte to its last. `None` when nobody wants the digest
    /// any more.
    async fn compute(&self, task: &Task, source: &Source) -> StoreResult<Option<Digest>> {
        let hasher = &self.digester.hasher;
        let mut lease = Lease::heap(READ_SIZE);
        let mut bytes = Vec::with_capacity(DIGEST_STEP_SIZE);
        let mut first = Some(Step::new(task.key.algorithm));
        let mut offset = 0;
        while offset < source.size_bytes {
            if !task.is_wanted() {
                return Ok(None);
            }
            // Read while the step before is hashed.
            lease = source.fill(&mut bytes, lease, offset).await?;
            offset += bytes.len() as u64;
            self.metrics.digested_bytes.add(bytes.len() as u64);
            let mut step = match first.take() {
                Some(step) => step,
                None => hasher.take_back().await,
            };
            std::mem::swap(&mut step.bytes, &mut bytes);
            hasher.give(step).await;
        }
        hasher.take_back().await.hashing.finish(&source.blake3).map(Some)
    }

    /// Counts a digest; a failure is told to the log, as the request goes on without.
    fn judge(&self, object: ObjectNumber, computed: StoreResult<Digest>) -> Option<Digest> {
        match computed {
            Ok(digest) => {
                self.metrics.digests_computed.increment();
                Some(digest)
            }
            Err(error) if error.kind() == StoreErrorKind::Stopping => None,
            Err(error) => {
                tracing::error!(%object, %error, "no digest of this object can be computed");
                None
            }
        }
    }
}

impl Digester {
    /// Nothing remembered yet. Starts the thread, which inherits the cores of the calling one.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start() -> io::Result<Arc<Digester>> {
        let memory = DigestMemory::new(DIGESTS_REMEMBERED_MAX);
        let state = State { memory, jobs: HashMap::new(), jobs_begun: 0 };
        Ok(Arc::new(Digester {
            state: Mutex::new(state),
            turn: Semaphore::new(1),
            hasher: IdleHasher::start()?,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(self: &Arc<Self>, key: DigestKey, size_bytes: u64) -> Found {
        let mut state = self.lock();
        if let Some(digest) = state.memory.get(key) {
            return Found::Remembered(digest);
        }
        if let Some(job) = state.jobs.get(&key) {
            return Found::UnderWay(job.done.clone());
        }
        if state.jobs.len() >= DIGEST_JOBS_MAX || size_bytes > DIGEST_OBJECT_SIZE_MAX {
            return Found::TooMany;
        }
        state.jobs_begun += 1;
        let number = state.jobs_begun;
        let (sender, done) = watch::channel(None);
        state.jobs.insert(key, Job { number, done: done.clone() });
        Found::Begun(Task { digester: Arc::clone(self), key, number, done: sender }, done)
    }
}

impl Task {
    /// Whether the object was not deleted since.
    fn is_wanted(&self) -> bool {
        self.is_in(&self.digester.lock())
    }

    fn is_in(&self, state: &State) -> bool {
        state.jobs.get(&self.key).is_some_and(|job| job.number == self.number)
    }

    /// Remembers the digest and tells who waits.
    fn end(self, digest: Digest) {
        let mut state = self.digester.lock();
        if self.is_in(&state) {
            state.memory.keep(self.key.object, digest);
        }
        drop(state);
        // Whoever waited may have left.
        let _ = self.done.send(Some(digest));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut state = self.digester.lock();
        if self.is_in(&state) {
            state.jobs.remove(&self.key);
        }
    }
}

impl Source {
    /// Puts the step at `offset` into `bytes`, through the lease.
    async fn fill(&self, bytes: &mut Vec<u8>, lease: Lease, offset: u64) -> StoreResult<Lease> {
        let mut lease = lease;
        let left = usize::try_from(self.size_bytes - offset).unwrap_or(usize::MAX);
        let size = left.min(DIGEST_STEP_SIZE);
        bytes.clear();
        while bytes.len() < size {
            let part = READ_SIZE.min(size - bytes.len());
            let at = offset + bytes.len() as u64;
            let read = read_full(&*self.disk, &self.file, lease, 0..part, at).await;
            if read.result? < part {
                return Err(StoreError::new(StoreErrorKind::Damaged, "the data ends early"));
            }
            lease = read.lease;
            bytes.extend_from_slice(&lease[..part]);
        }
        Ok(lease)
    }
}

async fn wait(mut done: Done) -> Option<Digest> {
    let patience = Duration::from_millis(DIGEST_WAIT_MS);
    match timeout(patience, done.wait_for(Option::is_some)).await {
        Ok(Ok(digest)) => *digest,
        // The job ended without one, or takes too long.
        Ok(Err(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
