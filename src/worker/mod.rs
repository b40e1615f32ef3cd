//! Threads, pinning, listeners, hand-over, drain. Floor 3.

mod balance;
mod drain;
mod inherited;
mod listener;
mod pool;
mod presence;
mod reception;
mod runtime;
mod send_extent;
mod send_queue;
mod service;
mod signals;
mod socket;
mod station;
mod team;

pub use drain::{Drain, DrainSignal};
pub use inherited::{InheritError, take_inherited};
pub use listener::{Listen, ListenError};
pub use pool::{Pool, PoolOptions, WorkerFailed};
pub use presence::{Attended, Presence};
pub use runtime::{RuntimeKind, run_alone};
pub use send_extent::SendExtent;
pub use send_queue::SendQueue;
pub use service::{Factory, Seat, Service, StartError};
pub use signals::{Ending, Signals, interrupted};
pub use socket::Socket;
pub use team::Team;
