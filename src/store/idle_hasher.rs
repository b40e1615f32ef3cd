//! The thread that hashes what nobody is in a hurry for. One per process, scheduled only where a
//! core has nothing else to do, so that workers keep theirs.
//!
//! Such a thread can stand still for long at any instruction. So no worker waits for it, neither
//! for what it does nor for a lock that it holds, and it wakes nobody (waking a task takes locks of
//! the task's runtime). All there is between them is one slot:
//!
//! ```text
//!              give                thread               thread              take_back
//!   Empty ─────────────► Asked ─────────────► Hashing ─────────────► Done ─────────────► Empty
//!     ▲                    │ give: the one before was given up          │
//!     └────────────────────┴────────────────────────────────────────────┘
//! ```
//!
//! Workers only ever try its lock and look again after [`DIGEST_POLL_MS`]; the thread parks while
//! there is nothing asked. One computation uses the slot at a time, as `digests.rs` sees to.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::time::sleep;

use super::error::{StoreError, StoreErrorKind, StoreResult};
use crate::base::cores::run_when_idle;
use crate::base::limits::{
    DIGEST_POLL_MS, DIGEST_STEP_SIZE, DIGEST_YIELD_SIZE, DISK_THREAD_STACK_SIZE,
};
use crate::wire::{Digest, DigestAlgorithm, DigestHasher};

/// A hash under way: of the algorithm somebody wants, and BLAKE3 beside it, as a digest of data
/// that is not what was sealed would vouch for the damage.
pub(super) struct Hashing {
    wanted: DigestHasher,
    sealed: blake3::Hasher,
}

impl Hashing {
    pub(super) fn new(algorithm: DigestAlgorithm) -> Hashing {
        Hashing { wanted: DigestHasher::new(algorithm), sealed: blake3::Hasher::new() }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.wanted.update(data);
        self.sealed.update(data);
    }

    /// The digest, if these were the bytes that were sealed.
    pub(super) fn finish(self, blake3: &[u8; 32]) -> StoreResult<Digest> {
        if self.sealed.finalize() != *blake3 {
            let message = "the data is not what was sealed";
            return Err(StoreError::new(StoreErrorKind::Damaged, message));
        }
        Ok(self.wanted.finish())
    }
}

/// What goes to the thread and comes back: at most [`DIGEST_STEP_SIZE`] bytes and where they
/// belong.
pub(super) struct Step {
    pub(super) hashing: Hashing,
    pub(super) bytes: Vec<u8>,
}

impl Step {
    pub(super) fn new(algorithm: DigestAlgorithm) -> Box<Step> {
        let bytes = Vec::with_capacity(DIGEST_STEP_SIZE);
        Box::new(Step { hashing: Hashing::new(algorithm), bytes })
    }
}

/// The workers' end of the slot. Dropping it ends the thread.
pub(super) struct IdleHasher {
    bench: Arc<Bench>,
    thread: Thread,
}

struct Bench {
    slot: Mutex<Slot>,
    is_closed: AtomicBool,
}

enum Slot {
    Empty,
    Asked(Box<Step>),
    Hashing,
    Done(Box<Step>),
}

impl IdleHasher {
    /// Starts the thread. It inherits the cores of the calling one.
    pub(super) fn start() -> io::Result<IdleHasher> {
        let bench =
            Arc::new(Bench { slot: Mutex::new(Slot::Empty), is_closed: AtomicBool::new(false) });
        let builder =
            thread::Builder::new().name("digests".to_owned()).stack_size(DISK_THREAD_STACK_SIZE);
        let theirs = Arc::clone(&bench);
        let handle = builder.spawn(move || theirs.run())?;
        Ok(IdleHasher { bench, thread: handle.thread().clone() })
    }

    /// Gives the thread a step. What a computation that was given up left there goes.
    pub(super) async fn give(&self, step: Box<Step>) {
        let mut step = Some(step);
        while let Some(refused) = step.take().and_then(|step| self.try_give(step)) {
            step = Some(refused);
            sleep(Duration::from_millis(DIGEST_POLL_MS)).await;
        }
        self.thread.unpark();
    }

    /// The step that was given, hashed.
    pub(super) async fn take_back(&self) -> Box<Step> {
        loop {
            if let Some(step) = self.try_take_back() {
                return step;
            }
            sleep(Duration::from_millis(DIGEST_POLL_MS)).await;
        }
    }

    /// Gives the step back when it cannot be given now.
    fn try_give(&self, step: Box<Step>) -> Option<Box<Step>> {
        let Ok(mut slot) = self.bench.slot.try_lock() else { return Some(step) };
        if matches!(*slot, Slot::Hashing) {
            return Some(step);
        }
        *slot = Slot::Asked(step);
        None
    }

    fn try_take_back(&self) -> Option<Box<Step>> {
        let mut slot = self.bench.slot.try_lock().ok()?;
        match mem::replace(&mut *slot, Slot::Empty) {
            Slot::Done(step) => Some(step),
            other @ (Slot::Empty | Slot::Asked(_) | Slot::Hashing) => {
                *slot = other;
                None
            }
        }
    }
}

impl Drop for IdleHasher {
    fn drop(&mut self) {
        self.bench.is_closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Bench {
    /// The life of the thread.
    fn run(&self) {
        if let Err(error) = run_when_idle() {
            tracing::info!(%error, "digests are computed at the priority of everything else");
        }
        while !self.is_closed.load(Ordering::SeqCst) {
            match self.exchange(Slot::Hashing, |slot| matches!(slot, Slot::Asked(_))) {
                Slot::Asked(mut step) => {
                    let Step { hashing, bytes } = &mut *step;
                    for piece in bytes.chunks(DIGEST_YIELD_SIZE) {
                        hashing.update(piece);
                        thread::yield_now();
                    }
                    self.exchange(Slot::Done(step), |_| true);
                }
                Slot::Empty | Slot::Hashing | Slot::Done(_) => thread::park(),
            }
        }
    }

    /// Puts `next` into the slot if what is there fits; what was there, or what did not come in.
    fn exchange(&self, next: Slot, fits: impl Fn(&Slot) -> bool) -> Slot {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if fits(&slot) { mem::replace(&mut *slot, next) } else { next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn steps_are_hashed_one_after_the_other() {
        let hasher = IdleHasher::start().unwrap();
        let mut step = Step::new(DigestAlgorithm::Sha256);
        for piece in [&b"ab"[..], b"c"] {
            step.bytes = piece.to_vec();
            hasher.give(step).await;
            step = hasher.take_back().await;
        }
        let digest = step.hashing.finish(blake3::hash(b"abc").as_bytes()).unwrap();
        assert_eq!(digest.to_string(), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[tokio::test]
    async fn what_was_given_up_is_in_nobodys_way() {
        let hasher = IdleHasher::start().unwrap();
        for _ in 0..10 {
            hasher.give(Step::new(DigestAlgorithm::Md5)).await;
        }
        let mut step = Step::new(DigestAlgorithm::Sha256);
        step.bytes = b"abc".to_vec();
        hasher.give(step).await;
        let step = hasher.take_back().await;
        assert!(step.hashing.finish(blake3::hash(b"abc").as_bytes()).is_ok());
    }

    #[test]
    fn a_digest_of_other_bytes_than_were_sealed_is_refused() {
        let mut hashing = Hashing::new(DigestAlgorithm::Md5);
        hashing.update(b"abd");
        let error = hashing.finish(blake3::hash(b"abc").as_bytes()).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Damaged);
    }
}
