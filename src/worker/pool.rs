//! All workers that do the same work: starts them, and knows when they have ended. One pool per
//! process, and one more for each work that goes on beside it.
//!
//! 1. Every worker's socket is bound to the port; nobody listens yet.
//! 2. Every worker makes its runtime and service and reports.
//! 3. If all are ready each gets its listening socket, or one of them the socket that was passed to
//!    this process; if one is not, none does: the others close and are joined, and the first cause
//!    is the answer.
//! 4. [`Pool::drain`] begins the end, [`Pool::ended`] tells it, [`Pool::join`] confirms it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::balance::Balance;
use super::listener::{Bound, Listen, bind_all};
use super::reception::Door;
use super::station::{Report, Station};
use super::{Drain, Factory, RuntimeKind, StartError, Team};
use crate::base::cores::{CoreId, allowed_cores};
use crate::base::limits::{LARGE_READS_MAX, LARGE_READS_PER_WORKER_MAX};
use crate::telemetry::Metrics;

/// What the workers are started with.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Where to listen.
    pub listen: Listen,
    /// How many workers, at least 1.
    pub worker_count: usize,
    /// Connections one of them holds, at least 1; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// What they run on.
    pub runtime: RuntimeKind,
    /// How long running requests have to end once the drain begins.
    pub grace: Duration,
    /// Its place among the pools of the process.
    pub team: Team,
}

type WorkerThread = JoinHandle<io::Result<()>>;

/// The workers.
#[derive(Debug)]
pub struct Pool {
    address: SocketAddr,
    drain: Drain,
    threads: Vec<WorkerThread>,
    /// Closed when the last worker has ended; nothing is ever sent.
    alive: mpsc::Receiver<Infallible>,
}

/// A worker that ended by itself and took the others with it.
#[derive(Debug)]
pub struct WorkerFailed {
    worker_index: usize,
    /// What the kernel said; `None` for a panic, which has spoken for itself.
    cause: Option<io::Error>,
}

impl fmt::Display for WorkerFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "worker {} failed: {cause}", self.worker_index),
            None => write!(f, "worker {} panicked", self.worker_index),
        }
    }
}

impl std::error::Error for WorkerFailed {}

impl Pool {
    /// Starts the workers. On an error none is left.
    pub fn start(
        options: &PoolOptions,
        metrics: &Metrics,
        factory: &Arc<Factory>,
    ) -> Result<Pool, StartError> {
        assert!(options.worker_count > 0, "a pool without workers");
        let (sockets, address) = bind_all(&options.listen, options.worker_count)?;
        let drain = options.team.drain.clone();
        let (report, reports) = std_mpsc::channel();
        let (alive_token, alive) = mpsc::channel(1);
        let mut threads = Vec::with_capacity(options.worker_count);
        let stations = stations(options, metrics, factory, &drain, &report);
        // Each station holds one now, until it reports.
        drop(report);
        let started = spawn_all(stations, options.team.name, &alive_token, &mut threads)
            .and_then(|()| open_doors(sockets, options.worker_count, &reports));
        drop(alive_token);
        match started {
            Ok(()) => Ok(Pool { address, drain, threads, alive }),
            Err(why) => {
                // Who is ready waits for a listener that `open_doors` has dropped; who has one
                // hears the drain.
                drain.begin();
                drop(reports);
                // The cause is known; a panic on the way down adds nothing to it.
                let _ = join_all(threads);
                Err(why)
            }
        }
    }

    /// The address that is listened on, its port resolved.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Begins the drain: no new connections, and the grace time for those there are; of the other
    /// pools of the team too.
    pub fn drain(&self) {
        self.drain.begin();
    }

    /// Resolves when every worker has ended.
    pub async fn ended(&mut self) {
        let nothing = self.alive.recv().await;
        assert!(nothing.is_none(), "a message without a value");
    }

    /// Waits for every worker to end.
    pub fn join(self) -> Result<(), WorkerFailed> {
        join_all(self.threads)
    }
}

/// One station per worker, each knowing the inboxes of all.
fn stations(
    options: &PoolOptions,
    metrics: &Metrics,
    factory: &Arc<Factory>,
    drain: &Drain,
    report: &std_mpsc::Sender<Report>,
) -> Vec<Station> {
    let worker_count = options.worker_count;
    let balance = Balance::new(worker_count, options.connections_max);
    let cores = allowed_cores().unwrap_or_default();
    let (outlets, inboxes): (Vec<_>, Vec<_>) =
        (0..worker_count).map(|_| mpsc::channel(options.connections_max)).unzip();
    let station = |(worker_index, inbox)| Station {
        runtime: options.runtime,
        core: core_of(worker_index, &cores),
        grace: options.grace,
        large_reads: large_reads_per_worker(worker_count),
        factory: Arc::clone(factory),
        drain: drain.clone(),
        door: Door {
            worker_index,
            balance: Arc::clone(&balance),
            inboxes: outlets.clone(),
            metrics: metrics.worker(options.team.cells_from + worker_index),
        },
        inbox,
        report: report.clone(),
    };
    inboxes.into_iter().enumerate().map(station).collect()
}

/// One worker per core; more workers than cores begin again at the first.
fn core_of(worker_index: usize, cores: &[CoreId]) -> Option<CoreId> {
    cores.get(worker_index.checked_rem(cores.len())?).copied()
}

fn large_reads_per_worker(worker_count: usize) -> usize {
    (LARGE_READS_MAX / worker_count).clamp(1, LARGE_READS_PER_WORKER_MAX)
}

fn spawn_all(
    stations: Vec<Station>,
    name: &str,
    alive_token: &mpsc::Sender<Infallible>,
    threads: &mut Vec<WorkerThread>,
) -> Result<(), StartError> {
    for (worker_index, station) in stations.into_iter().enumerate() {
        let alive_token = alive_token.clone();
        let body = move || {
            let _alive = alive_token;
            station.run()
        };
        let spawned = thread::Builder::new().name(format!("rh-{name}-{worker_index}")).spawn(body);
        let failed = |source: io::Error| StartError::Runtime { worker_index, source };
        threads.push(spawned.map_err(failed)?);
    }
    Ok(())
}

/// Waits for every worker's report, then gives each its listener. An only listener goes to one of
/// them, who hands over what it accepts: waking all of them for each connection would cost more,
/// and all but one would find nothing.
fn open_doors(
    sockets: Vec<Bound>,
    worker_count: usize,
    reports: &std_mpsc::Receiver<Report>,
) -> Result<(), StartError> {
    let mut ready = Vec::with_capacity(worker_count);
    for _ in 0..worker_count {
        // Every worker holds a sender until it reports: none left means that one panicked.
        ready.push(reports.recv().map_err(|_| StartError::Panicked)??);
    }
    let mut listeners = Vec::with_capacity(sockets.len());
    for socket in sockets {
        listeners.push(socket.listen()?);
    }
    let mut listeners = listeners.into_iter();
    for open in ready {
        // A worker that died since has begun the drain, and `join` will tell of it.
        let _ = open.send(listeners.next());
    }
    Ok(())
}

fn join_all(threads: Vec<WorkerThread>) -> Result<(), WorkerFailed> {
    let mut outcome = Ok(());
    for (worker_index, thread) in threads.into_iter().enumerate() {
        let failed = |cause| WorkerFailed { worker_index, cause };
        let ended = thread.join();
        let ended =
            ended.map_or_else(|_| Err(failed(None)), |end| end.map_err(|e| failed(Some(e))));
        outcome = outcome.and(ended);
    }
    outcome
}

#[cfg(test)]
mod tests;
