//! `ringhold serve`: starts the daemon and waits for its end.
//!
//! 1. Options, socket, secret and root: what is wrong with them is said before anything starts.
//! 2. The house is built (`house.rs`), and its workers open it. Nobody listens before all are
//!    ready.
//! 3. The address is announced, and the signals decide when it ends.

use std::fs;
use std::path::Path;

use tracing::info;

use super::Failure;
use super::house::House;
use super::listening::listening;
use super::notify::ServiceManager;
use crate::config::{Environment, ServeArguments, ServeOptions};
use crate::disk::RootLock;
use crate::worker::{Ending, Signals};

/// Runs the daemon until a signal ends it.
pub fn serve(arguments: ServeArguments, environment: &Environment) -> Result<(), Failure> {
    let options = ServeOptions::resolve(arguments, environment).map_err(Failure::usage)?;
    let listen = listening(environment, options.listen)?;
    let service_manager = ServiceManager::find(environment).map_err(Failure::usage)?;
    // Before anything slow: a signal during a long start is kept, and drains as soon as there is a pool.
    let signals = Signals::catch().map_err(Failure::failed)?;
    let _lock = claim_root(&options.store.root)?;
    let house = House::build(options, environment)?;
    let (address, pools) = house.open(listen)?;
    service_manager.ready(address);
    match signals.supervise(pools, || service_manager.stopping()).map_err(Failure::failed)? {
        Ending::Drained => {
            info!("stopped");
            Ok(())
        }
        Ending::CutShort => {
            Err(Failure::failed("stopping at once: a second signal came while requests ran"))
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
