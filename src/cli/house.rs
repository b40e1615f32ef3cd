//! The daemon's house: what all workers share, and how each of them is furnished.
//!
//! 1. The probe picks the engine, once for all workers.
//! 2. Each worker makes its slab, disk, store and face on its own thread. The first also sweeps the
//!    root: nobody listens before all are ready.

use std::io::{IsTerminal, stderr};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use rustix::process::{Resource, getrlimit};
use tracing::{info, warn};

use super::Failure;
use super::greeting::{self, Greeting};
use super::relay_pool::RelayPool;
use crate::base::limits::RELAY_CONNECTIONS_PER_WORKER_DEFAULT;
use crate::config::{Environment, Secret, SecretOrigin, ServeOptions};
use crate::disk::{self, Chosen, Disk, EngineReport, MeteredDisk, Slab, SlabOptions};
use crate::http::{Face, FaceParts};
use crate::id::IdService;
use crate::import::{Importer, SystemNetwork};
use crate::relay::RelayOptions;
use crate::store::{CacheSizes, Caches, Digester, Digests, Layout, Store, VolumeState};
use crate::telemetry::Metrics;
use crate::worker::{
    Factory, Listen, Pool, PoolOptions, RuntimeKind, Seat, Service, StartError, Team,
};

/// What all workers share.
pub(super) struct House {
    options: ServeOptions,
    chosen: Chosen,
    ids: Arc<IdService>,
    caches: Arc<Caches>,
    importer: Arc<Importer>,
    volume: Arc<VolumeState>,
    digester: Arc<Digester>,
    metrics: Arc<Metrics>,
    /// What the first worker's engine says of itself.
    report: OnceLock<EngineReport>,
}

impl House {
    /// Makes what is shared. The root is ours.
    pub(super) fn build(
        options: ServeOptions,
        environment: &Environment,
    ) -> Result<Arc<House>, Failure> {
        let ids = ids(environment, &options)?;
        let chosen = disk::choose(options.engine).map_err(Failure::failed)?;
        let chosen = chosen.for_files_in([options.store.root.as_path()]);
        if !chosen.journal.is_kept() {
            info!("no journal under the root is known of: new files get temporary names first");
        }
        if let Some(warning) = &chosen.warning {
            warn!("{warning}");
        }
        let pool_count = 1 + usize::from(options.relay.is_some());
        let metrics = Metrics::new(pool_count * options.worker_count);
        metrics.set_queue_depth(options.queue_depth);
        // Here, as a thread inherits its maker's core: it may run on any.
        let digester = Digester::start()
            .map_err(|error| Failure::failed(format!("no thread for digests: {error}")))?;
        Ok(Arc::new(House {
            ids,
            chosen,
            caches: Arc::new(Caches::new(cache_sizes(&options))),
            importer: Importer::new(options.import.clone(), Box::new(SystemNetwork::default())),
            volume: Arc::new(VolumeState::default()),
            digester,
            metrics,
            report: OnceLock::new(),
            options,
        }))
    }

    /// Starts the workers, and says where they listen: those of HTTP at the address it gives. The
    /// relay's are first: they need nothing that has to be drained if the others do not start.
    pub(super) fn open(
        self: &Arc<House>,
        listen: Listen,
    ) -> Result<(SocketAddr, Vec<Pool>), Failure> {
        let team = Team::default();
        let relay =
            self.options.relay.map(|address| self.open_relay(address, &team)).transpose()?;
        let options = self.pool_options(listen, team);
        let pool =
            Pool::start(&options, &self.metrics, &House::factory(self)).map_err(Failure::failed)?;
        let address = pool.local_addr();
        self.announce(address, relay.as_ref().map(Pool::local_addr));
        Ok((address, relay.into_iter().chain([pool]).collect()))
    }

    /// Threads of its own, as many as HTTP has: moving bytes does not hold up requests.
    fn open_relay(&self, address: SocketAddr, team: &Team) -> Result<Pool, Failure> {
        let worker_count = self.options.worker_count;
        let relay = RelayPool {
            listen: Listen::Address(address),
            worker_count,
            connections_max: RELAY_CONNECTIONS_PER_WORKER_DEFAULT,
            grace: self.options.grace,
            team: Team { name: "relay", cells_from: worker_count, ..team.clone() },
            options: RelayOptions::default(),
        };
        relay.start(&self.metrics)
    }

    fn pool_options(&self, listen: Listen, team: Team) -> PoolOptions {
        let options = &self.options;
        PoolOptions {
            listen,
            worker_count: options.worker_count,
            connections_max: options.connections_max,
            runtime: RuntimeKind::for_disk(self.chosen.ring, options.queue_depth),
            grace: options.grace,
            team,
        }
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
        let (caches, volume) = (Arc::clone(&self.caches), Arc::clone(&self.volume));
        let store = Store::new(disk, caches, volume, &options.store);
        // The first look at the volume: which directory is ours, and what is free.
        if seat.worker_index == 0
            && let Err(error) = store.check_room(0).await
        {
            info!(%error, "uploads are refused for now");
        }
        let worker_metrics = self.metrics.worker(seat.worker_index);
        store.count_in(Arc::clone(&worker_metrics));
        Ok(Rc::new(Face::new(FaceParts {
            options: options.http.clone(),
            store,
            digests: Digests::new(Arc::clone(&self.digester), Arc::clone(&worker_metrics)),
            ids: Arc::clone(&self.ids),
            importer: Arc::clone(&self.importer),
            metrics: Arc::clone(&self.metrics),
            worker_metrics,
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
    fn announce(&self, address: SocketAddr, relay: Option<SocketAddr>) {
        let Some(report) = self.report.get() else {
            unreachable!("the first worker reported before it was ready")
        };
        let greeting = Greeting {
            address,
            relay,
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
            if let Some(relay) = relay {
                info!(%address, engine, workers, %root, %relay, "listening");
            } else {
                info!(%address, engine, workers, %root, "listening");
            }
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

fn cache_sizes(options: &ServeOptions) -> CacheSizes {
    let descriptors_max = getrlimit(Resource::Nofile).current;
    CacheSizes::of_process(descriptors_max).with_hot_bytes(options.cache_size)
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
