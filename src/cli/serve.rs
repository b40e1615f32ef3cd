//! `ringhold serve`: starts the daemon and waits for its end.
//!
//! 1. Options, socket, secret and root: what is wrong with them is said before anything starts.
//! 2. The house is built (`house.rs`), and its workers open it. Nobody listens before all are
//!    ready.
//! 3. The address is announced, and the signals decide when it ends.

use std::fs;
use std::path::Path;
use std::process;
use std::sync::Arc;

use tracing::info;

use super::Failure;
use super::house::House;
use super::notify::ServiceManager;
use crate::config::{Environment, ServeArguments, ServeOptions, passed_socket};
use crate::disk::RootLock;
use crate::worker::{Ending, Listen, Signals, take_inherited};

/// Runs the daemon until a signal ends it.
pub fn serve(arguments: ServeArguments, environment: &Environment) -> Result<(), Failure> {
    let options = ServeOptions::resolve(arguments, environment).map_err(Failure::usage)?;
    let listen = listen(environment, &options)?;
    let service_manager = ServiceManager::find(environment).map_err(Failure::usage)?;
    // Before anything slow: a signal during a long start is kept, and drains as soon as there is a pool.
    let signals = Signals::catch().map_err(Failure::failed)?;
    let _lock = claim_root(&options.store.root)?;
    let house = House::build(options, environment)?;
    let pool = house.open(listen)?;
    service_manager.ready(pool.local_addr());
    match signals.supervise(pool, || service_manager.stopping()).map_err(Failure::failed)? {
        Ending::Drained => {
            info!("stopped");
            Ok(())
        }
        Ending::CutShort => {
            Err(Failure::failed("stopping at once: a second signal came while requests ran"))
        }
    }
}

/// The socket that was passed in, else the address of the flag. Nothing but the log is open yet:
/// the descriptor cannot be one of ours.
fn listen(environment: &Environment, options: &ServeOptions) -> Result<Listen, Failure> {
    match passed_socket(environment, process::id()).map_err(Failure::usage)? {
        None => Ok(Listen::Address(options.listen)),
        Some(fd) => {
            let listener = take_inherited(fd).map_err(Failure::usage)?;
            info!(fd, "listening on the socket that was passed in; --listen is not used");
            Ok(Listen::Inherited(Arc::new(listener)))
        }
    }
}

/// Makes the root where there is none, and keeps every other daemon out of it.
fn claim_root(root: &Path) -> Result<RootLock, Failure> {
    fs::create_dir_all(root).map_err(|error| {
        Failure::failed(format!("cannot make the root {}: {error}", root.display()))
    })?;
    RootLock::acquire(root).map_err(|error| {
        Failure::failed(format!("cannot use the root {}: {error}", root.display()))
    })
}
