//! Where a service's connections come from: its flag, or a socket that a service manager passed.

use std::net::SocketAddr;
use std::process;
use std::sync::Arc;

use tracing::info;

use super::Failure;
use crate::config::{Environment, passed_socket};
use crate::worker::{Listen, take_inherited};

/// The socket that was passed in, else the address of the flag. Nothing but the log may be open
/// yet: the descriptor cannot be one of ours.
pub(super) fn listening(environment: &Environment, address: SocketAddr) -> Result<Listen, Failure> {
    match passed_socket(environment, process::id()).map_err(Failure::usage)? {
        None => Ok(Listen::Address(address)),
        Some(fd) => {
            let listener = take_inherited(fd).map_err(Failure::usage)?;
            info!(fd, "listening on the socket that was passed in; --listen is not used");
            Ok(Listen::Inherited(Arc::new(listener)))
        }
    }
}
