//! A worker's runtime: tokio-uring where the ring works, plain tokio otherwise. Both are one
//! thread that runs tasks which stay on it.

use std::future::Future;
use std::io;

use tokio::task::LocalSet;

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
