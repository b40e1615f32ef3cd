//! One thread with a disk on it, and the handle that gives it work from any runtime.
//!
//! 1. Whoever has work waits for a turn, of which there are as many as pieces may be in flight.
//! 2. The work goes to the thread, becomes a task there, and takes its turn with it: it runs to its
//!    end, also when nobody waits for the answer any more. So the kernel's buffers are never freed
//!    under it.
//! 3. When the last handle is dropped the thread finishes what it has, drains the disk and ends.
//!    [`DockEnd`] tells when: until then a file that is given up may have a temporary name.

use std::future::Future;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, mpsc as answers};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::LandingError;
use crate::base::limits::{DOCK_END_TIMEOUT_S, DOCK_IN_FLIGHT_MAX, DOCK_STACK_SIZE};
use crate::disk::{Disk, EngineChoice, Slab, SlabOptions, choose};
use crate::worker::{RuntimeKind, run_alone};

/// How a dock works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DockOptions {
    /// Which engine is wanted.
    pub(crate) engine: EngineChoice,
    /// Pieces on their way to the disk at once, from 1 to [`DOCK_IN_FLIGHT_MAX`].
    pub(crate) in_flight: usize,
    /// Bytes of one buffer, a power of two; a larger piece takes several in turn.
    pub(crate) chunk_size: usize,
    /// Whether data and name are on stable storage when a file is published.
    pub(crate) durable: bool,
}

/// A handle to the thread. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dock {
    orders: mpsc::Sender<Order>,
    turns: Arc<Semaphore>,
    durable: bool,
    /// Why `io_uring` is not used although it was wanted.
    warning: Option<String>,
    /// Closed when the thread has ended; nothing is ever sent.
    alive: watch::Receiver<()>,
}

/// The end of the thread, some time after the last handle is gone: nothing is left then of what was
/// not published.
#[derive(Clone, Debug)]
pub(crate) struct DockEnd(watch::Receiver<()>);

impl DockEnd {
    /// Waits for it, at most [`DOCK_END_TIMEOUT_S`].
    pub(crate) async fn wait(mut self) {
        if timeout(Duration::from_secs(DOCK_END_TIMEOUT_S), self.0.changed()).await.is_err() {
            tracing::debug!("the disk is stuck: a temporary file may stay");
        }
    }
}

/// Work for the thread, and its turn.
struct Order {
    work: Box<dyn FnOnce(Rc<dyn Disk>) -> LocalBoxFuture<'static, ()> + Send>,
    turn: OwnedSemaphorePermit,
}

/// How the thread begins: with a disk, or with why there is none.
type Opening = answers::Receiver<Result<(), String>>;

impl Dock {
    /// Starts the thread and its disk, for files in this directory or in those below it.
    ///
    /// # Errors
    /// `Unequipped`.
    pub(crate) fn open(options: DockOptions, directory: &Path) -> Result<Dock, LandingError> {
        let chosen = choose(options.engine).map_err(|error| unequipped(&error.to_string()))?;
        let chosen = chosen.for_files_in([directory]);
        let in_flight = options.in_flight.clamp(1, DOCK_IN_FLIGHT_MAX);
        let runtime = RuntimeKind::for_disk(chosen.ring, in_flight);
        let (chunk_size, warning) = (options.chunk_size, chosen.warning.clone());
        let open_disk = move || {
            let sizes = SlabOptions { chunk_size, chunk_count: in_flight, read_count: 1 };
            chosen.open(Slab::new(sizes)?, in_flight)
        };
        let dock = Dock::start(runtime, in_flight, options.durable, open_disk)?;
        Ok(Dock { warning, ..dock })
    }

    /// The same with any disk, which is made on the thread.
    pub(super) fn start(
        runtime: RuntimeKind,
        in_flight: usize,
        durable: bool,
        open_disk: impl FnOnce() -> io::Result<Rc<dyn Disk>> + Send + 'static,
    ) -> Result<Dock, LandingError> {
        let (orders, queue) = mpsc::channel(in_flight);
        let (tell, opening) = answers::channel();
        let (still_here, alive) = watch::channel(());
        let body = move || {
            let _still_here = still_here;
            let served = run_alone(runtime, serve(open_disk, queue, tell.clone()));
            if let Err(error) = served {
                // Whoever opened it may have gone.
                let _ = tell.send(Err(format!("cannot start a runtime: {error}")));
            }
        };
        thread::Builder::new()
            .name("rh-dock".to_owned())
            .stack_size(DOCK_STACK_SIZE)
            .spawn(body)
            .map_err(|error| unequipped(&format!("no thread for the disk: {error}")))?;
        opened(&opening)?;
        let turns = Arc::new(Semaphore::new(in_flight));
        Ok(Dock { orders, turns, durable, warning: None, alive })
    }

    /// What tells when the thread has ended.
    pub(crate) fn end(&self) -> DockEnd {
        DockEnd(self.alive.clone())
    }

    /// Why `io_uring` is not used although it was wanted, and the remedy.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Whether what is published is on stable storage.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Runs `work` on the thread, to its end; dropping this gives up the answer and nothing else.
    pub(super) async fn run<T, F>(
        &self,
        work: impl FnOnce(Rc<dyn Disk>) -> F + Send + 'static,
    ) -> Result<T, LandingError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LandingError>> + 'static,
    {
        let gone = || unequipped("the disk's thread has ended");
        let turns = Arc::clone(&self.turns);
        let turn = turns.acquire_owned().await.map_err(|_closed| gone())?;
        let (reply, answer) = oneshot::channel();
        let work = move |disk| {
            async move {
                // Whoever asked may have gone.
                let _ = reply.send(work(disk).await);
            }
            .boxed_local()
        };
        let order = Order { work: Box::new(work), turn };
        self.orders.send(order).await.map_err(|_closed| gone())?;
        answer.await.unwrap_or_else(|_dropped| Err(gone()))
    }
}

fn opened(opening: &Opening) -> Result<(), LandingError> {
    match opening.recv() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(unequipped(&why)),
        Err(_panicked) => Err(unequipped("the disk's thread did not start")),
    }
}

fn unequipped(why: &str) -> LandingError {
    LandingError::Unequipped(why.to_owned())
}

/// The thread: no more tasks than there are turns.
async fn serve(
    open_disk: impl FnOnce() -> io::Result<Rc<dyn Disk>>,
    mut queue: mpsc::Receiver<Order>,
    tell: answers::Sender<Result<(), String>>,
) {
    let disk = match open_disk() {
        Ok(disk) => disk,
        Err(error) => {
            let _ = tell.send(Err(format!("cannot start the disk engine: {error}")));
            return;
        }
    };
    let _ = tell.send(Ok(()));
    drop(tell);
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            order = queue.recv() => {
                let Some(Order { work, turn }) = order else { break };
                let task = work(Rc::clone(&disk));
                tasks.spawn_local(async move {
                    task.await;
                    drop(turn);
                });
            }
            Some(_ended) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
    disk.drain().await;
}
