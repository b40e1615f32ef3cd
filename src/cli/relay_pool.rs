//! The workers of a relay, alone or beside those of the daemon.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::Failure;
use crate::relay::{Registry, Relay, RelayOptions};
use crate::telemetry::Metrics;
use crate::worker::{Factory, Listen, Pool, PoolOptions, RuntimeKind, Service, Team};

/// What the workers are started with.
pub(super) struct RelayPool {
    pub(super) listen: Listen,
    pub(super) worker_count: usize,
    pub(super) connections_max: usize,
    pub(super) grace: Duration,
    pub(super) team: Team,
    pub(super) options: RelayOptions,
}

impl RelayPool {
    /// Starts them: each with the same registry of who waits.
    pub(super) fn start(self, metrics: &Arc<Metrics>) -> Result<Pool, Failure> {
        let registry = Registry::new(self.options, self.worker_count);
        let cells_from = self.team.cells_from;
        let options = PoolOptions {
            listen: self.listen,
            worker_count: self.worker_count,
            connections_max: self.connections_max,
            // A relay has no files.
            runtime: RuntimeKind::Plain,
            grace: self.grace,
            team: self.team,
        };
        let cells = Arc::clone(metrics);
        let factory: Arc<Factory> = Arc::new(move |seat| {
            let own_cells = cells.worker(cells_from + seat.worker_index);
            let relay = Relay::new(Arc::clone(&registry), seat, own_cells);
            std::future::ready(Ok(Rc::new(relay) as Rc<dyn Service>)).boxed_local()
        });
        Pool::start(&options, metrics, &factory).map_err(Failure::failed)
    }
}
