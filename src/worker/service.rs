//! What a worker is given to run: a service, made by a factory inside the worker's own runtime.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;

use super::{DrainSignal, ListenError, Socket};

/// What serves connections. One per worker, on its thread alone.
pub trait Service: 'static {
    /// Serves one connection to its end. Dropping the future cuts the connection off.
    fn serve(&self, socket: Socket, peer: SocketAddr) -> LocalBoxFuture<'static, ()>;

    /// Called once, after the last connection: resolves when the disk is drained and the runtime
    /// may be dropped.
    fn close(&self) -> LocalBoxFuture<'static, ()>;
}

/// Where a service will sit.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The worker's index, from 0.
    pub worker_index: usize,
    /// Tells when the process begins to stop.
    pub drain: DrainSignal,
}

/// Makes the service of one worker, on that worker's thread and runtime.
pub type Factory =
    dyn Fn(Seat) -> LocalBoxFuture<'static, Result<Rc<dyn Service>, StartError>> + Send + Sync;

/// Why the workers did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on.
    Listen(ListenError),
    /// A worker's thread or runtime could not be made.
    Runtime {
        /// Which worker.
        worker_index: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// A worker's service could not be made; the sentence says why and what to do.
    Service(String),
    /// A worker panicked before it was ready.
    Panicked,
}

impl StartError {
    /// A service that could not be made.
    pub fn service(why: impl fmt::Display) -> StartError {
        StartError::Service(why.to_string())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(error) => error.fmt(f),
            StartError::Runtime { worker_index, source } => {
                write!(f, "cannot start worker {worker_index}: {source}")
            }
            StartError::Service(why) => f.write_str(why),
            StartError::Panicked => f.write_str("a worker panicked before it was ready"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen(error) => Some(error),
            StartError::Runtime { source, .. } => Some(source),
            StartError::Service(_) | StartError::Panicked => None,
        }
    }
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> StartError {
        StartError::Listen(error)
    }
}
