//! An operation that outlives its future: promise 3 for the engines that no kernel keeps it for
//! (`threads`, `memory`, `faulty`).
//!
//! 1. The future waits at the gate. Dropped here, the operation never was.
//! 2. With its permit it becomes a task of the worker's own thread, which owns permit, file and
//!    lease. Dropping the future gives up the answer; the task goes on.
//! 3. At its end the task gives up the permit and hands over the answer; one that nobody waits for
//!    is dropped there, and the lease in it goes back to its slab.
//!
//! Only tearing down the runtime drops a task before its end.

use std::future::{Future, pending};
use std::panic;

use tokio::task;

use super::{DiskResult, Gate, Lease, Op, Transfer};

/// Runs `work` behind `gate`, to its end.
pub(super) fn operation<T: 'static>(
    gate: &Gate,
    name: &'static str,
    work: impl Future<Output = DiskResult<T>> + 'static,
) -> Op<DiskResult<T>> {
    let gate = gate.clone();
    Box::pin(async move {
        let permit = gate.enter(name).await?;
        let task = async move {
            let answer = work.await;
            drop(permit);
            answer
        };
        run(task).await
    })
}

/// Runs the transfer that `work` makes of `lease` behind `gate`, to its end.
pub(super) fn transfer<F>(
    gate: &Gate,
    name: &'static str,
    lease: Lease,
    work: impl FnOnce(Lease) -> F + 'static,
) -> Op<Transfer>
where
    F: Future<Output = Transfer> + 'static,
{
    let gate = gate.clone();
    Box::pin(async move {
        let permit = match gate.enter(name).await {
            Ok(permit) => permit,
            Err(error) => return Transfer { lease, result: Err(error) },
        };
        let task = async move {
            let answer = work(lease).await;
            drop(permit);
            answer
        };
        run(task).await
    })
}

/// Runs `work` to its end, whoever still waits.
///
/// # Panics
/// Outside of a `LocalSet` (a worker's runtime always has one), and when `work` did.
pub(super) async fn run<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    match task::spawn_local(work).await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            // The runtime is being torn down: who would wait for an answer goes with it.
            Err(_cancelled) => pending().await,
        },
    }
}
