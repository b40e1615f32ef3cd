//! How many operations go to the kernel in one call: one [`Turns`] per ring.

use std::cell::Cell;

use tokio::runtime::{Handle, RuntimeMetrics};

use crate::telemetry::WorkerMetrics;

/// Tells one submission from the next. The runtime submits the ring's queue just before it parks,
/// and only then (tokio-uring's `on_thread_park`; the queue has an entry for all that the gates let
/// through, so it is never full before): operations queued at the same park count share one
/// `io_uring_enter`.
pub(super) struct Turns {
    runtime: RuntimeMetrics,
    /// The park count at the last operation.
    last: Cell<Option<u64>>,
}

impl Turns {
    pub(super) fn new() -> Turns {
        Turns { runtime: Handle::current().metrics(), last: Cell::new(None) }
    }

    pub(super) fn count(&self, metrics: &WorkerMetrics) {
        const THE_ONLY_WORKER: usize = 0;
        metrics.ring_operations.increment();
        let turn = Some(self.runtime.worker_park_count(THE_ONLY_WORKER));
        if self.last.replace(turn) != turn {
            metrics.ring_submissions.increment();
        }
    }
}
