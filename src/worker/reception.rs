//! One worker's connections: accepts them, passes each to the least-loaded worker, serves those it
//! was given, and sees them out.
//!
//! 1. The accept loop (a worker without a listener has none) takes a connection from its listener, then claims a place for it (waiting
//!    while all workers are full: at most one connection in hand, the others stay in the kernel's
//!    backlog), then sends it to the inbox of the worker it claimed, its own included.
//! 2. Each worker serves what its inbox brings, one task per connection. The claim travels with
//!    the task and is given up with it, however it ends.
//! 3. When the drain begins the listener is closed, what is still in the inbox is admitted, and
//!    the tasks have the grace time to end. Then they are dropped.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, info, warn};

use super::balance::{Balance, Claim};
use super::socket::ReadBudget;
use super::{DrainSignal, Service, Socket};
use crate::base::limits::ACCEPT_RETRY_MS;
use crate::telemetry::WorkerMetrics;

/// An accepted connection on its way to the worker that serves it.
#[derive(Debug)]
pub(super) struct Arrival {
    stream: TcpStream,
    peer: SocketAddr,
    claim: Claim,
}

/// What the accept loop of one worker needs.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) worker_index: usize,
    pub(super) balance: Arc<Balance>,
    /// The inboxes of all workers, by index. Each holds as many as its worker may have
    /// connections, and every arrival has claimed its place: a send never finds one full.
    pub(super) inboxes: Vec<mpsc::Sender<Arrival>>,
    pub(super) metrics: Arc<WorkerMetrics>,
}

/// The connections of one worker.
pub(super) struct Reception {
    service: Rc<dyn Service>,
    inbox: mpsc::Receiver<Arrival>,
    tasks: JoinSet<()>,
    read_budget: ReadBudget,
    metrics: Arc<WorkerMetrics>,
}

/// A connection that is being served. Its place is free before it stops being counted: whoever
/// sees the gauge fall can rely on the place.
struct Admitted {
    _claim: Claim,
    _counted: Counted,
}

/// One connection in the gauge.
struct Counted(Arc<WorkerMetrics>);

impl Reception {
    pub(super) fn new(
        service: Rc<dyn Service>,
        inbox: mpsc::Receiver<Arrival>,
        read_budget: ReadBudget,
        metrics: Arc<WorkerMetrics>,
    ) -> Reception {
        Reception { service, inbox, tasks: JoinSet::new(), read_budget, metrics }
    }

    /// Serves connections until the drain begins; the listener is closed then.
    pub(super) async fn receive(
        &mut self,
        door: &Door,
        listener: Option<TcpListener>,
        drain: &DrainSignal,
    ) -> io::Result<()> {
        let listener = listener.map(tokio::net::TcpListener::from_std).transpose()?;
        let mut accepting = std::pin::pin!(door.accept_all(listener));
        let mut draining = std::pin::pin!(drain.wait());
        loop {
            tokio::select! {
                biased;
                () = &mut draining => return Ok(()),
                Some(ended) = self.tasks.join_next() => note_end(ended),
                Some(arrival) = self.inbox.recv() => self.admit(arrival),
                never = &mut accepting => match never {},
            }
        }
    }

    /// Waits for the connections to end, at most the grace time; cuts off the rest.
    pub(super) async fn see_out(&mut self, grace: Duration) {
        self.inbox.close();
        while let Some(arrival) = self.inbox.recv().await {
            self.admit(arrival);
        }
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                note_end(ended);
            }
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            let connections = self.tasks.len();
            info!(connections, "the grace time is over: cutting off what still runs");
            self.tasks.shutdown().await;
        }
    }

    fn admit(&mut self, arrival: Arrival) {
        let counted = Counted::new(Arc::clone(&self.metrics));
        let admitted = Admitted { _claim: arrival.claim, _counted: counted };
        let peer = arrival.peer;
        let socket = tokio::net::TcpStream::from_std(arrival.stream)
            .and_then(|stream| Socket::new(stream, &self.read_budget, Arc::clone(&self.metrics)));
        match socket {
            Ok(socket) => {
                let served = self.service.serve(socket, peer);
                self.tasks.spawn_local(async move {
                    served.await;
                    drop(admitted);
                });
            }
            // The peer is gone already, or the process is out of descriptors.
            Err(error) => debug!(%peer, %error, "cannot serve a connection"),
        }
    }
}

impl Counted {
    fn new(metrics: Arc<WorkerMetrics>) -> Counted {
        metrics.connections_open.increment();
        Counted(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections_open.decrement();
    }
}

impl Door {
    async fn accept_all(&self, listener: Option<tokio::net::TcpListener>) -> Infallible {
        let Some(listener) = listener else { return std::future::pending().await };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.pass_on(stream, peer).await,
                // The peer gave up before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                }
            }
        }
    }

    async fn pass_on(&self, stream: tokio::net::TcpStream, peer: SocketAddr) {
        self.metrics.connections_accepted.increment();
        // Out of this worker's epoll: it may wake another one from now on.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                debug!(%peer, %error, "cannot serve a connection");
                return;
            }
        };
        let claim = self.balance.claim(self.worker_index).await;
        let target_index = claim.worker_index();
        if target_index != self.worker_index {
            self.metrics.connections_handed_over.increment();
        }
        match self.inboxes[target_index].try_send(Arrival { stream, peer, claim }) {
            Ok(()) => {}
            Err(TrySendError::Closed(arrival)) => self.keep(arrival),
            Err(TrySendError::Full(_)) => unreachable!("a claim is a place in the inbox"),
        }
    }

    /// Serves a connection here that was meant for a worker who drains already, as this one will in
    /// a moment: it was accepted, so it gets its answer. It counts as the other's to its end.
    fn keep(&self, arrival: Arrival) {
        if let Err(refused) = self.inboxes[self.worker_index].try_send(arrival) {
            debug!(%refused, "a connection came too late to be served");
        }
    }
}

fn note_end(ended: Result<(), JoinError>) {
    if let Err(ended) = ended
        && ended.is_panic()
    {
        error!("a connection's task panicked; its connection is closed");
    }
}
