//! The face of one worker: what its handlers share, and the service that the worker runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::connection::{self, Common};
use crate::id::IdService;
use crate::import::Importer;
use crate::store::{Digests, Store};
use crate::telemetry::{Metrics, WorkerMetrics};
use crate::worker::{DrainSignal, Service, Socket};

/// What the operator decides about the face.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Largest request body of an upload, bytes; `None` for no limit but the disk.
    pub max_upload_size_bytes: Option<u64>,
    /// The directory whose files are served by name; `None` to serve none.
    pub public: Option<PathBuf>,
}

/// What a face stands on.
pub struct FaceParts {
    /// What the operator decided.
    pub options: HttpOptions,
    /// The worker's store.
    pub store: Store,
    /// Digests of the store's objects.
    pub digests: Digests,
    /// The process's IDs.
    pub ids: Arc<IdService>,
    /// Fetches for whoever asks, for all workers.
    pub importer: Arc<Importer>,
    /// All metrics, for whoever asks.
    pub metrics: Arc<Metrics>,
    /// This worker's own.
    pub worker_metrics: Arc<WorkerMetrics>,
    /// Tells when the process begins to stop.
    pub drain: DrainSignal,
}

/// The face; one per worker.
pub struct Face {
    parts: Rc<FaceParts>,
    common: Common,
}

impl Face {
    /// A face on these parts.
    pub fn new(parts: FaceParts) -> Face {
        Face { parts: Rc::new(parts), common: Common::new() }
    }
}

impl Service for Face {
    fn serve(&self, socket: Socket, peer: SocketAddr) -> LocalBoxFuture<'static, ()> {
        connection::serve(Rc::clone(&self.parts), socket, peer, self.common.clone()).boxed_local()
    }

    fn close(&self) -> LocalBoxFuture<'static, ()> {
        let parts = Rc::clone(&self.parts);
        async move { parts.store.close().await }.boxed_local()
    }
}
