//! SIGTERM and SIGINT: the first begins the drain, a second one ends the process without waiting
//! for it. One per process, on the main thread, which has nothing else to do.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::{Pool, WorkerFailed};

/// The signals that stop the process, caught from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

/// How the workers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of them, after their last connection or the grace time, their disks drained.
    Drained,
    /// A second signal came first: the process should exit now, whatever still runs.
    CutShort,
}

impl Signals {
    /// Begins to catch them; those that come before [`Signals::supervise`] are kept for it.
    pub fn catch() -> io::Result<Signals> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(guard);
        Ok(Signals { runtime, terminate, interrupt })
    }

    /// Waits until the workers of all pools have ended, by a signal or by themselves. Calls
    /// `on_stop` at the first signal.
    pub fn supervise(
        mut self,
        mut pools: Vec<Pool>,
        on_stop: impl FnOnce(),
    ) -> Result<Ending, WorkerFailed> {
        let ending = self.runtime.block_on(async {
            tokio::select! {
                () = all_ended(&mut pools) => return Ending::Drained,
                name = next(&mut self.terminate, &mut self.interrupt) => {
                    info!(signal = name, "stopping: finishing what runs; once more stops at once");
                    pools.iter().for_each(Pool::drain);
                    on_stop();
                }
            }
            tokio::select! {
                () = all_ended(&mut pools) => Ending::Drained,
                _ = next(&mut self.terminate, &mut self.interrupt) => Ending::CutShort,
            }
        });
        match ending {
            Ending::Drained => join_all(pools).map(|()| ending),
            Ending::CutShort => Ok(ending),
        }
    }
}

/// Ended pools say so again when they are asked again.
async fn all_ended(pools: &mut [Pool]) {
    for pool in pools {
        pool.ended().await;
    }
}

/// The first failure is the one that is told; the others are waited for all the same.
fn join_all(pools: Vec<Pool>) -> Result<(), WorkerFailed> {
    pools.into_iter().map(Pool::join).fold(Ok(()), Result::and)
}

/// Resolves with the name of the first SIGTERM or SIGINT, caught from the first poll on.
///
/// # Errors
/// When the process may not catch signals.
pub async fn interrupted() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(next(&mut terminate, &mut interrupt).await)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
