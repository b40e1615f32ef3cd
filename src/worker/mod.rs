//! Threads, pinning, listeners, hand-over, drain. Floor 3.

mod balance;
mod drain;
mod listener;
mod pool;
mod reception;
mod runtime;
mod send_queue;
mod service;
mod signals;
mod socket;
mod station;

pub use drain::{Drain, DrainSignal};
pub use listener::ListenError;
pub use pool::{Pool, PoolOptions, WorkerFailed};
pub use runtime::RuntimeKind;
pub use send_queue::SendQueue;
pub use service::{Factory, Seat, Service, StartError};
pub use signals::{Ending, Signals};
pub use socket::Socket;
