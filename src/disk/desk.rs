//! Where an engine does what it does in one step: at once on the worker's thread, or as one job on
//! another.
//!
//! One [`Desk`] per engine with threads to work on (`io_uring`, `threads`), so one per worker.
//!
//! 1. What waits for no device ([`Care::Cached`]) is done at once. Where it took long all the same
//!    (memory is full of dirty pages, the journal is full), what comes in the next second is not.
//! 2. Everything else passes its gates, one permit for each kind of operation in it, and becomes a
//!    task of the worker that owns file, lease and permits, whoever still waits for the answer.
//! 3. The job on the other thread works in a window of the lease (`loan.rs`) and drops it, and
//!    everything else it was given, before it answers.

use std::cell::Cell;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::loan::lend;
use super::small::{Made, Order, Steps, link_each};
use super::{Care, DiskError, DiskResult, File, Gate, Lease, Op, detached};
use crate::base::limits::{INLINE_CALL_MS_MAX, INLINE_PAUSE_MS};

/// A job for another thread.
pub(super) type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// The gates and the patience of one engine.
#[derive(Clone)]
pub(super) struct Desk {
    transfers: Gate,
    syncs: Gate,
    metadata: Gate,
    patience: Rc<Patience>,
}

impl Desk {
    /// Behind an engine's own gates.
    pub(super) fn new(transfers: &Gate, syncs: &Gate, metadata: &Gate) -> Desk {
        let [transfers, syncs, metadata] = [transfers, syncs, metadata].map(Gate::clone);
        Desk { transfers, syncs, metadata, patience: Rc::default() }
    }

    /// Makes a small file of `lease[span]`; `run` has a job done on another thread.
    pub(super) fn create_written<F>(
        &self,
        order: Order,
        (lease, span): (Lease, Range<usize>),
        run: impl FnOnce(Job<Steps>) -> F + 'static,
    ) -> Op<Made>
    where
        F: Future<Output = DiskResult<Steps>> + 'static,
    {
        const NAME: &str = "create";
        assert!(lease.get(span.clone()).is_some(), "the span lies in the lease");
        let desk = self.clone();
        Box::pin(async move {
            if desk.takes_at_once(order.care) {
                let steps = desk.patience.call(|| order.carry_out(&lease[span]));
                return steps.with(lease);
            }
            let first = if order.care == Care::Durable { &desk.syncs } else { &desk.metadata };
            // Who holds the second never waits for the first: no circle.
            let (first, second) = match (first.enter(NAME).await, desk.transfers.enter(NAME).await)
            {
                (Ok(first), Ok(second)) => (first, second),
                (Err(error), _) | (_, Err(error)) => return Steps::none(error).with(lease),
            };
            let task = async move {
                let (lender, window) = lend(lease, span);
                let done = run(Box::new(move || order.carry_out(&window))).await;
                let Some(lease) = lender.reclaim() else {
                    unreachable!("a job drops its window before it answers")
                };
                drop((first, second));
                done.unwrap_or_else(Steps::none).with(lease)
            };
            detached::run(task).await
        })
    }

    /// Gives each file its name; `run` has a job done on another thread.
    pub(super) fn link_all<F>(
        &self,
        names: Vec<(File, PathBuf)>,
        care: Care,
        run: impl FnOnce(Job<Vec<DiskResult<()>>>) -> F + 'static,
    ) -> Op<Vec<DiskResult<()>>>
    where
        F: Future<Output = DiskResult<Vec<DiskResult<()>>>> + 'static,
    {
        const NAME: &str = "link";
        let desk = self.clone();
        Box::pin(async move {
            if desk.takes_at_once(care) {
                return desk.patience.call(|| link_each(&names));
            }
            let count = names.len();
            let permit = match desk.metadata.enter(NAME).await {
                Ok(permit) => permit,
                Err(_drained) => return refused(NAME, count),
            };
            let task = async move {
                let done = run(Box::new(move || link_each(&names))).await;
                drop(permit);
                done.unwrap_or_else(|_stopped| refused(NAME, count))
            };
            detached::run(task).await
        })
    }

    fn takes_at_once(&self, care: Care) -> bool {
        care == Care::Cached && self.patience.lasts() && !self.metadata.is_closed()
    }
}

fn refused(name: &'static str, count: usize) -> Vec<DiskResult<()>> {
    (0..count).map(|_| Err(DiskError::cancelled(name))).collect()
}

/// How long the worker's own thread may still be used. What it protects is the worker's loop.
#[derive(Default)]
struct Patience {
    lost_at: Cell<Option<Instant>>,
}

impl Patience {
    /// Whether the last call that was too long lies far enough back.
    fn lasts(&self) -> bool {
        let pause = Duration::from_millis(INLINE_PAUSE_MS);
        self.lost_at.get().is_none_or(|lost_at| lost_at.elapsed() >= pause)
    }

    /// Makes a call on this thread.
    fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let answer = call();
        let duration = began.elapsed();
        if duration > Duration::from_millis(INLINE_CALL_MS_MAX) {
            tracing::debug!(?duration, "the disk holds its callers: they wait elsewhere");
            self.lost_at.set(Some(began + duration));
        }
        answer
    }
}
