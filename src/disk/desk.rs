//! Where an engine does what it does in one step: at once on the worker's thread, or as one job on
//! another.
//!
//! One [`Desk`] per engine with threads to work on (`io_uring`, `threads`), so one per worker.
//!
//! 1. What waits for no device ([`Care::Cached`]) is done at once. Where it took long all the same
//!    (memory is full of dirty pages, the journal is full), what comes in the next second is not.
//! 2. Everything else passes the desk's own gate and becomes a task of the worker that owns file,
//!    lease and permit, whoever still waits for the answer. How much is really under way at once is
//!    how many threads there are: the others wait in the queue of the crew.
//! 3. The job on the other thread works in a window of the lease (`loan.rs`) and drops it, and
//!    everything else it was given, before it answers.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::loan::lend;
use super::small::{Made, Order, Steps, link_each};
use super::{Care, DiskError, DiskResult, File, Gate, Lease, Op, detached};
use crate::base::limits::{
    INLINE_CALL_MS_MAX, INLINE_LINKS_MAX, INLINE_PAUSE_MS, SMALL_FILE_THREADS,
    SMALL_FILES_IN_FLIGHT_MAX,
};

/// The one step of one engine. Clones share all of it.
#[derive(Clone)]
pub(super) struct Desk {
    crew: Crew,
    gate: Gate,
    patience: Rc<Patience>,
}

impl Desk {
    /// With threads of its own, so that syncs never keep transfers waiting for a thread.
    ///
    /// # Errors
    /// When the system has no room for them.
    pub(super) fn start() -> io::Result<Desk> {
        let crew = Crew::start("rh-small", SMALL_FILE_THREADS)?;
        let gate = Gate::new(SMALL_FILES_IN_FLIGHT_MAX);
        Ok(Desk { crew, gate, patience: Rc::default() })
    }

    /// Makes a small file of `lease[span]`.
    pub(super) fn create_written(
        &self,
        order: Order,
        lease: Lease,
        span: Range<usize>,
    ) -> Op<Made> {
        assert!(lease.get(span.clone()).is_some(), "the span lies in the lease");
        let desk = self.clone();
        Box::pin(async move {
            if desk.takes_at_once(order.care) {
                let steps = desk.patience.call(|| order.carry_out(&lease[span]));
                return steps.with(lease);
            }
            let permit = match desk.gate.enter("create").await {
                Ok(permit) => permit,
                Err(error) => return Steps::none(error).with(lease),
            };
            let task = async move {
                let (lender, window) = lend(lease, span);
                let steps = desk.crew.run(move || order.carry_out(&window)).await;
                let Some(lease) = lender.reclaim() else {
                    unreachable!("a job drops its window before it answers")
                };
                drop(permit);
                steps.with(lease)
            };
            detached::run(task).await
        })
    }

    /// Gives each file its name.
    pub(super) fn link_all(
        &self,
        names: Vec<(File, PathBuf)>,
        care: Care,
    ) -> Op<Vec<DiskResult<()>>> {
        let desk = self.clone();
        Box::pin(async move {
            if desk.takes_at_once(care) && names.len() <= INLINE_LINKS_MAX {
                return desk.patience.call(|| link_each(&names));
            }
            let Ok(permit) = desk.gate.enter("link").await else {
                return names.iter().map(|_| Err(DiskError::cancelled("link"))).collect();
            };
            let task = async move {
                let answers = desk.crew.run(move || link_each(&names)).await;
                drop(permit);
                answers
            };
            detached::run(task).await
        })
    }

    /// Refuses what comes, and resolves when no job is left.
    pub(super) async fn drain(&self) {
        self.gate.drain().await;
    }

    fn takes_at_once(&self, care: Care) -> bool {
        care == Care::Cached && self.patience.lasts() && !self.gate.is_closed()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Journal, Pool, Slab, SlabOptions};

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    fn order(staging: &std::path::Path, care: Care) -> Order {
        Order { staging: staging.to_owned(), journal: Journal::Kept, care }
    }

    #[test]
    fn a_call_that_took_long_sends_the_next_ones_elsewhere_for_a_while() {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let options = SlabOptions { chunk_size: 4096, chunk_count: 1, read_count: 1 };
            let slab = Slab::new(options).unwrap();
            let desk = Desk::start().unwrap();
            desk.patience
                .call(|| std::thread::sleep(Duration::from_millis(2 * INLINE_CALL_MS_MAX)));
            for is_at_once in [false, true] {
                if is_at_once {
                    let pause = Duration::from_millis(INLINE_PAUSE_MS);
                    desk.patience.lost_at.set(Instant::now().checked_sub(pause));
                }
                let lease = slab.take(Pool::Upload).await;
                let mut making =
                    desk.create_written(order(dir.path(), Care::Cached), lease, 0..4096);
                let first = futures_util::poll!(&mut making);
                // At once, and only when the last wait is long ago.
                assert_eq!(first.is_ready(), is_at_once);
                let made = match first {
                    std::task::Poll::Ready(made) => made,
                    std::task::Poll::Pending => making.await,
                };
                assert!(made.result.is_ok());
            }
            desk.drain().await;
        });
    }

    #[test]
    fn what_must_reach_the_device_never_holds_the_workers_thread() {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let options = SlabOptions { chunk_size: 4096, chunk_count: 1, read_count: 1 };
            let slab = Slab::new(options).unwrap();
            let desk = Desk::start().unwrap();
            for care in [Care::Direct, Care::Durable] {
                let lease = slab.take(Pool::Upload).await;
                let mut making = desk.create_written(order(dir.path(), care), lease, 0..4096);
                assert!(futures_util::poll!(&mut making).is_pending());
                let made = making.await;
                assert_eq!(made.sync_duration.is_some(), care == Care::Durable);
                assert!(made.write_duration.is_some() && made.result.is_ok());
            }
            desk.drain().await;
        });
    }
}
