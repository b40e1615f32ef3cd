//! A worker's runtime: tokio-uring where the ring works, plain tokio otherwise. Both are one
//! thread that runs tasks which stay on it.

use std::future::Future;
use std::io;

use tokio::task::LocalSet;

use crate::base::limits::{METADATA_IN_FLIGHT_MAX, SYNCS_IN_FLIGHT_MAX};
use crate::disk::RingFlags;

/// Which runtime the workers run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// tokio with an `io_uring` beside its epoll.
    Ring {
        /// Submission queue entries, a power of two.
        entries: u32,
        /// Completion queue entries, at least twice as many.
        completions: u32,
        /// What the probe found the kernel to know.
        flags: RingFlags,
    },
    /// tokio alone.
    Plain,
}

impl RuntimeKind {
    /// What a disk of `queue_depth` transfers needs. A ring has an entry for everything its disk
    /// may have in flight, and room for twice as many completions, so neither queue can overflow.
    pub fn for_disk(ring: Option<RingFlags>, queue_depth: usize) -> RuntimeKind {
        let Some(flags) = ring else { return RuntimeKind::Plain };
        let in_flight = queue_depth + SYNCS_IN_FLIGHT_MAX + METADATA_IN_FLIGHT_MAX;
        // QUEUE_DEPTH_MAX keeps this far below what the kernel allows (32,768).
        let entries = u32::try_from(in_flight.next_power_of_two()).unwrap_or(u32::MAX);
        RuntimeKind::Ring { entries, completions: 2 * entries, flags }
    }
}

/// Runs `work` on a runtime of its own on the calling thread, to its end: for commands that need a
/// disk and no daemon.
///
/// # Errors
/// When the runtime cannot be made.
pub fn run_alone<F: Future>(kind: RuntimeKind, work: F) -> io::Result<F::Output> {
    Ok(Runtime::new(kind)?.block_on(work))
}

/// The runtime of the calling thread. Made, used and dropped on that thread: a ring with a single
/// issuer belongs to the thread that made it.
pub(super) enum Runtime {
    Ring(tokio_uring::Runtime),
    Plain(tokio::runtime::Runtime),
}

impl Runtime {
    /// Makes one on the calling thread.
    pub(super) fn new(kind: RuntimeKind) -> io::Result<Runtime> {
        match kind {
            RuntimeKind::Ring { entries, completions, flags } => {
                ring(entries, completions, flags).map(Runtime::Ring)
            }
            RuntimeKind::Plain => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map(Runtime::Plain),
        }
    }

    /// Runs `work` and what it spawns until `work` is done.
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        match self {
            Runtime::Ring(runtime) => runtime.block_on(work),
            Runtime::Plain(runtime) => LocalSet::new().block_on(runtime, work),
        }
    }
}

fn ring(entries: u32, completions: u32, flags: RingFlags) -> io::Result<tokio_uring::Runtime> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_cqsize(completions);
    if flags.coop_taskrun {
        ring.setup_coop_taskrun();
    }
    if flags.single_issuer {
        ring.setup_single_issuer();
    }
    tokio_uring::Runtime::new(tokio_uring::builder().entries(entries).uring_builder(&ring))
}
