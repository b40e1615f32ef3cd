//! `ringhold serve`: wires the parts of the daemon together and waits for its end.
//!
//! 1. Options, secret and root: what is wrong with them is said before anything starts.
//! 2. The probe picks the engine, once for all workers.
//! 3. Each worker makes its slab, disk, store and face on its own thread. The first also sweeps the
//!    root: nobody listens before all are ready.
//! 4. The address is announced, and the signals decide when it ends.

use std::fs;
use std::io::{IsTerminal, stderr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use tracing::{info, warn};

use super::Failure;
use super::greeting::{self, Greeting};
use crate::base::limits::{CACHE_SIZE, METADATA_IN_FLIGHT_MAX, SYNCS_IN_FLIGHT_MAX};
use crate::config::{Environment, Secret, SecretOrigin, ServeArguments, ServeOptions};
use crate::disk::{self, Chosen, Disk, EngineReport, MeteredDisk, RootLock, Slab, SlabOptions};
use crate::http::{Face, FaceParts};
use crate::id::IdService;
use crate::store::{HotCache, Layout, Store};
use crate::telemetry::Metrics;
use crate::worker::{
    Ending, Factory, Pool, PoolOptions, RuntimeKind, Seat, Service, Signals, StartError,
};

/// What all workers share.
struct House {
    options: ServeOptions,
    chosen: Chosen,
    ids: Arc<IdService>,
    cache: Arc<HotCache>,
    metrics: Arc<Metrics>,
    /// What the first worker's engine says of itself.
    report: OnceLock<EngineReport>,
}

/// Runs the daemon until a signal ends it.
pub fn serve(arguments: ServeArguments, environment: &Environment) -> Result<(), Failure> {
    let options = ServeOptions::resolve(arguments, environment).map_err(Failure::usage)?;
    // First of all: a signal during a long start is kept, and drains as soon as there is a pool.
    let signals = Signals::catch().map_err(Failure::failed)?;
    let root = &options.store.root;
    fs::create_dir_all(root).map_err(|error| {
        Failure::failed(format!("cannot make the root {}: {error}", root.display()))
    })?;
    let _lock = RootLock::acquire(root).map_err(|error| {
        Failure::failed(format!("cannot use the root {}: {error}", root.display()))
    })?;
    let ids = ids(environment, &options)?;
    let chosen = disk::choose(options.engine).map_err(Failure::failed)?;
    if let Some(warning) = &chosen.warning {
        warn!("{warning}");
    }
    let metrics = Metrics::new(options.worker_count);
    let cache = Arc::new(HotCache::new(CACHE_SIZE));
    let house = Arc::new(House { options, chosen, ids, cache, metrics, report: OnceLock::new() });
    let pool = Pool::start(&house.pool_options(), &house.metrics, &House::factory(&house))
        .map_err(Failure::failed)?;
    house.announce(&pool);
    match signals.supervise(pool).map_err(Failure::failed)? {
        Ending::Drained => {
            info!("stopped");
            Ok(())
        }
        Ending::CutShort => {
            Err(Failure::failed("stopping at once: a second signal came while requests ran"))
        }
    }
}

fn ids(environment: &Environment, options: &ServeOptions) -> Result<Arc<IdService>, Failure> {
    let secret = Secret::resolve(environment, &options.store.root).map_err(Failure::failed)?;
    match &secret.origin {
        SecretOrigin::Created(path) => {
            let path = path.display();
            info!(%path, "made a secret for file IDs: keep this file, IDs are lost without it");
        }
        SecretOrigin::File { path, exposed: true } => {
            let path = path.display();
            warn!(%path, "others may read the secret of file IDs: chmod 600 it");
        }
        SecretOrigin::File { exposed: false, .. } | SecretOrigin::Environment => {}
    }
    let ids = IdService::new(&secret.current, &secret.previous).map_err(Failure::usage)?;
    Ok(Arc::new(ids))
}

impl House {
    fn pool_options(&self) -> PoolOptions {
        let options = &self.options;
        PoolOptions {
            listen: options.listen,
            worker_count: options.worker_count,
            connections_max: options.connections_max,
            runtime: self.runtime(),
            grace: options.grace,
        }
    }

    /// A ring has an entry for everything its worker may have in flight, and room for twice as
    /// many completions, so neither queue can overflow.
    fn runtime(&self) -> RuntimeKind {
        let Some(flags) = self.chosen.ring else { return RuntimeKind::Plain };
        let in_flight = self.options.queue_depth + SYNCS_IN_FLIGHT_MAX + METADATA_IN_FLIGHT_MAX;
        // QUEUE_DEPTH_MAX keeps this far below what the kernel allows (32,768).
        let entries = u32::try_from(in_flight.next_power_of_two()).unwrap_or(u32::MAX);
        RuntimeKind::Ring { entries, completions: 2 * entries, flags }
    }

    fn factory(house: &Arc<House>) -> Arc<Factory> {
        let house = Arc::clone(house);
        Arc::new(move |seat| Arc::clone(&house).furnish(seat).boxed_local())
    }

    /// Makes one worker's service, on its own thread and runtime.
    async fn furnish(self: Arc<House>, seat: Seat) -> Result<Rc<dyn Service>, StartError> {
        let options = &self.options;
        let disk = self.open_disk(seat.worker_index)?;
        if seat.worker_index == 0
            && let Err(why) = self.prepare(&*disk).await
        {
            disk.drain().await;
            return Err(why);
        }
        let store = Store::new(disk, Arc::clone(&self.cache), &options.store);
        Ok(Rc::new(Face::new(FaceParts {
            options: options.http.clone(),
            store,
            ids: Arc::clone(&self.ids),
            metrics: Arc::clone(&self.metrics),
            worker_metrics: self.metrics.worker(seat.worker_index),
            drain: seat.drain,
        })))
    }

    fn open_disk(&self, worker_index: usize) -> Result<Rc<dyn Disk>, StartError> {
        let slab = Slab::new(slab_options(&self.options)).map_err(|error| {
            StartError::service(format!("no memory for a worker's buffers: {error}"))
        })?;
        let engine = self.chosen.open(slab, self.options.queue_depth).map_err(|error| {
            StartError::service(format!("cannot start a worker's disk engine: {error}"))
        })?;
        Ok(Rc::new(MeteredDisk::new(engine, self.metrics.worker(worker_index))))
    }

    /// The first worker's part: the root, and what is told once of the engine.
    async fn prepare(&self, disk: &dyn Disk) -> Result<(), StartError> {
        let root = &self.options.store.root;
        let swept = Layout::new(root).prepare(disk).await.map_err(|error| {
            StartError::service(format!("cannot use the root {}: {error}", root.display()))
        })?;
        if swept > 0 {
            info!(swept, "removed what unfinished uploads had left");
        }
        let report = disk.report();
        self.metrics.set_engine(greeting::engine_name(report.kind), report.buffers_registered);
        if let Some(caveat) = &report.caveat {
            info!("{caveat}");
        }
        // Set once: there is one first worker.
        let _ = self.report.set(report);
        Ok(())
    }

    /// To a person as a greeting, to a program as the log line `listening`.
    fn announce(&self, pool: &Pool) {
        let Some(report) = self.report.get() else {
            unreachable!("the first worker reported before it was ready")
        };
        let greeting = Greeting {
            address: pool.local_addr(),
            engine: report,
            wanted: self.options.engine,
            worker_count: self.options.worker_count,
            store: &self.options.store,
        };
        if stderr().is_terminal() {
            eprintln!("{greeting}");
        } else {
            let engine = greeting::engine_name(report.kind);
            let (workers, root) = (self.options.worker_count, greeting.root());
            info!(address = %greeting.address, engine, workers, %root, "listening");
        }
    }
}

/// A worker's buffers, one line per holder.
fn slab_options(options: &ServeOptions) -> SlabOptions {
    SlabOptions {
        chunk_size: options.chunk_size,
        // Writes in flight; uploads that fill a chunk take their turn among them.
        chunk_count: options.queue_depth,
        // Reads in flight, and frames on their way to a socket.
        read_count: options.queue_depth,
    }
}
