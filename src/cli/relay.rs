//! `ringhold relay`: starts the relay and waits for its end.
//!
//! 1. Options and socket: what is wrong with them is said before anything starts.
//! 2. Who answers `/metrics` is started, if anybody is to, and the relay's workers.
//! 3. The address is announced, and the signals decide when it ends.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tracing::info;

use super::Failure;
use super::greeting::reachable;
use super::listening::listening;
use super::notify::ServiceManager;
use super::relay_pool::RelayPool;
use crate::base::limits::RELAY_STATUS_CONNECTIONS_MAX;
use crate::config::{Environment, RelayArguments, RelayCommand};
use crate::relay::Status;
use crate::telemetry::Metrics;
use crate::worker::{
    Ending, Factory, Listen, Pool, PoolOptions, RuntimeKind, Service, Signals, Team,
};

/// Runs the relay until a signal ends it.
pub fn relay(arguments: &RelayArguments, environment: &Environment) -> Result<(), Failure> {
    let command = RelayCommand::resolve(arguments).map_err(Failure::usage)?;
    let listen = listening(environment, command.listen)?;
    let service_manager = ServiceManager::find(environment).map_err(Failure::usage)?;
    let signals = Signals::catch().map_err(Failure::failed)?;
    let team = Team { name: "relay", ..Team::default() };
    let metrics = Metrics::new(command.worker_count + usize::from(command.metrics.is_some()));
    let mut pools = Vec::new();
    if let Some(address) = command.metrics {
        pools.push(answer_status(address, &command, &team, &metrics)?);
    }
    let status_address = pools.first().map(Pool::local_addr);
    let relay = RelayPool {
        listen,
        worker_count: command.worker_count,
        connections_max: command.connections_max,
        grace: command.grace,
        team,
        options: command.options,
    };
    let relay = relay.start(&metrics)?;
    announce(relay.local_addr(), status_address, command.worker_count);
    service_manager.ready(relay.local_addr());
    pools.push(relay);
    match signals.supervise(pools, || service_manager.stopping()).map_err(Failure::failed)? {
        Ending::Drained => {
            info!("stopped");
            Ok(())
        }
        Ending::CutShort => {
            Err(Failure::failed("stopping at once: a second signal came while pairings ran"))
        }
    }
}

/// One worker more, whose cells follow those of the relay's.
fn answer_status(
    address: SocketAddr,
    command: &RelayCommand,
    team: &Team,
    metrics: &Arc<Metrics>,
) -> Result<Pool, Failure> {
    let team = Team { name: "status", cells_from: command.worker_count, ..team.clone() };
    let options = PoolOptions {
        listen: Listen::Address(address),
        worker_count: 1,
        connections_max: RELAY_STATUS_CONNECTIONS_MAX,
        runtime: RuntimeKind::Plain,
        grace: command.grace,
        team,
    };
    let shown = Arc::clone(metrics);
    let factory: Arc<Factory> = Arc::new(move |seat| {
        let status = Status::new(Arc::clone(&shown), seat.drain);
        std::future::ready(Ok(Rc::new(status) as Rc<dyn Service>)).boxed_local()
    });
    Pool::start(&options, metrics, &factory).map_err(Failure::failed)
}

/// To a person as a greeting, to a program as the log line `listening`.
fn announce(address: SocketAddr, metrics: Option<SocketAddr>, worker_count: usize) {
    let greeting = Greeting { address, metrics, worker_count };
    if stderr().is_terminal() {
        eprintln!("{greeting}");
    } else if let Some(metrics) = metrics {
        info!(%address, workers = worker_count, %metrics, "listening");
    } else {
        info!(%address, workers = worker_count, "listening");
    }
}

/// The greeting; `Display` is its text.
struct Greeting {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    worker_count: usize,
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        let plural = if self.worker_count == 1 { "" } else { "s" };
        writeln!(f, "ringhold {version} relays on {}", self.address)?;
        writeln!(f, "  workers     {} thread{plural}", self.worker_count)?;
        if let Some(metrics) = self.metrics {
            writeln!(f, "  metrics     http://{metrics}/metrics")?;
        }
        write!(f, "  try         ringhold send --relay {} FILE", reachable(self.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_says_all_that_a_first_transfer_needs() {
        let address = "0.0.0.0:9021".parse().unwrap();
        let metrics = Some("127.0.0.1:9022".parse().unwrap());
        let text = Greeting { address, metrics, worker_count: 1 }.to_string();
        let expected = format!(
            "ringhold {} relays on 0.0.0.0:9021\n\
             \x20 workers     1 thread\n\
             \x20 metrics     http://127.0.0.1:9022/metrics\n\
             \x20 try         ringhold send --relay 127.0.0.1:9021 FILE",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(text, expected);
    }
}
