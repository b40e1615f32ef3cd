//! Every bound of the daemon, named, with its reason, one file a module. Nothing in the house queues,
//! loops, retries or allocates without a constant from here (or a flag whose default is one).

mod base;
mod cli;
mod client;
mod config;
mod copy;
mod disk;
mod http;
mod id;
mod import;
mod peer;
mod plan;
mod relay;
mod store;
mod telemetry;
mod transfer;
mod worker;

pub use base::*;
pub use cli::*;
pub use client::*;
pub use config::*;
pub use copy::*;
pub use disk::*;
pub use http::*;
pub use id::*;
pub use import::*;
pub use peer::*;
pub use plan::*;
pub use relay::*;
pub use store::*;
pub use telemetry::*;
pub use transfer::*;
pub use worker::*;
