//! One worker's life, from its thread's first step to its last:
//!
//! 1. pin the thread, make the runtime, make the service in it;
//! 2. report: failed, or ready and waiting for the listener;
//! 3. receive connections until the drain begins, then see them out;
//! 4. close the service, which drains the disk, and only then drop the runtime.
//!
//! A worker that is told nothing (another one failed to start) goes from 2 to 4. One that is told to
//! begin without a listener serves what another one accepts.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::reception::{Arrival, Door, Reception};
use super::runtime::{Runtime, RuntimeKind};
use super::socket::ReadBudget;
use super::{Drain, Factory, Seat, StartError};
use crate::base::cores::{CoreId, pin_current_thread};

/// What a worker says when it is ready: where it waits for the beginning, with a listener or
/// without; or why it is not.
pub(super) type Report = Result<oneshot::Sender<Option<TcpListener>>, StartError>;

/// Everything one worker is started with.
pub(super) struct Station {
    pub(super) runtime: RuntimeKind,
    pub(super) core: Option<CoreId>,
    pub(super) grace: Duration,
    pub(super) large_reads: usize,
    pub(super) factory: Arc<Factory>,
    pub(super) drain: Drain,
    pub(super) door: Door,
    pub(super) inbox: mpsc::Receiver<Arrival>,
    pub(super) report: std_mpsc::Sender<Report>,
}

impl Station {
    /// Runs the worker to its end, on the calling thread. An error is what ended it early.
    pub(super) fn run(self) -> io::Result<()> {
        let worker_index = self.door.worker_index;
        if let Some(core) = self.core
            && let Err(error) = pin_current_thread(core)
        {
            warn!(worker_index, %core, %error, "cannot pin the worker; it runs where it may");
        }
        // One worker that panics stops the daemon: clients of the others are seen out.
        let _last_act = DrainOnPanic(self.drain.clone());
        match Runtime::new(self.runtime) {
            Ok(runtime) => runtime.block_on(self.work()),
            Err(source) => {
                // The pool is gone only if it gave up already.
                let _ = self.report.send(Err(StartError::Runtime { worker_index, source }));
                Ok(())
            }
        }
    }

    async fn work(self) -> io::Result<()> {
        let Station { grace, large_reads, factory, drain, door, inbox, report, .. } = self;
        let worker_index = door.worker_index;
        let seat = Seat { worker_index, drain: drain.signal() };
        let service = match factory(seat).await {
            Ok(service) => service,
            Err(why) => {
                let _ = report.send(Err(why));
                return Ok(());
            }
        };
        let (open, opened) = oneshot::channel();
        let _ = report.send(Ok(open));
        // The pool counts the reports by who still holds a sender.
        drop(report);
        let mut outcome = Ok(());
        if let Ok(listener) = opened.await {
            let budget = ReadBudget::new(large_reads);
            let metrics = Arc::clone(&door.metrics);
            let mut reception = Reception::new(Rc::clone(&service), inbox, budget, metrics);
            outcome = reception.receive(&door, listener, &drain.signal()).await;
            // Changes nothing unless this worker failed: the others are not left without it.
            drain.begin();
            reception.see_out(grace).await;
        }
        service.close().await;
        outcome
    }
}

/// Begins the drain when its thread unwinds.
struct DrainOnPanic(Drain);

impl Drop for DrainOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.begin();
        }
    }
}
