//! The relay of one worker: what it is given to run.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::end::{self, Parts};
use super::pipes::Pipes;
use super::registry::Registry;
use crate::telemetry::WorkerMetrics;
use crate::worker::{Seat, Service, Socket};

/// The relay; one per worker, over one registry.
pub struct Relay {
    parts: Rc<Parts>,
}

impl Relay {
    /// At this seat.
    pub fn new(registry: Arc<Registry>, seat: Seat, metrics: Arc<WorkerMetrics>) -> Relay {
        let Seat { worker_index, drain } = seat;
        let pipes = Pipes::default();
        Relay { parts: Rc::new(Parts { registry, worker_index, pipes, metrics, drain }) }
    }
}

impl Service for Relay {
    fn serve(&self, socket: Socket, peer: SocketAddr) -> LocalBoxFuture<'static, ()> {
        let parts = Rc::clone(&self.parts);
        async move {
            // Nobody watches the presence of a socket that was made a moment ago.
            if let Some(stream) = socket.into_stream() {
                end::serve(parts, stream, peer).await;
            }
        }
        .boxed_local()
    }

    fn close(&self) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }
}
