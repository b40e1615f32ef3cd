//! The flags of `relay`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::shared::parse_address;
use crate::base::units::{ByteSize, parse_duration};

/// The flags of `relay`.
#[derive(Clone, Debug, Args)]
#[command(after_help = RELAY_ENVIRONMENT)]
pub struct RelayArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_LISTEN",
          default_value = "127.0.0.1:9021", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// Worker threads [default: one per core, fewer where a cgroup pays for fewer]
    #[arg(long, value_name = "N", env = "RINGHOLD_WORKERS")]
    pub workers: Option<usize>,
    /// Connections per worker, both ends of a pairing; further ones wait until one ends
    #[arg(long, value_name = "N", env = "RINGHOLD_MAX_CONNECTIONS", default_value = "20000")]
    pub max_connections: usize,
    /// Ends that wait for another one, all workers together; further ones are refused
    #[arg(long, value_name = "N", env = "RINGHOLD_MAX_WAITING", default_value = "10000")]
    pub max_waiting: usize,
    /// The same from one address (of IPv6, one /64), and connections that have said nothing yet
    #[arg(long, value_name = "N", env = "RINGHOLD_MAX_WAITING_PER_ADDRESS", default_value = "256")]
    pub max_waiting_per_address: usize,
    /// How long an end waits for the other one
    #[arg(long, value_name = "TIME", env = "RINGHOLD_EXPIRE", default_value = "1h",
          value_parser = parse_duration)]
    pub expire: Duration,
    /// How long a pairing lives in which no byte moves
    #[arg(long, value_name = "TIME", env = "RINGHOLD_IDLE", default_value = "1h",
          value_parser = parse_duration)]
    pub idle: Duration,
    /// How long a pairing lives
    #[arg(long, value_name = "TIME", env = "RINGHOLD_LIFETIME", default_value = "24h",
          value_parser = parse_duration)]
    pub lifetime: Duration,
    /// Most bytes per second of one pairing, both directions together [default: as many as come]
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_RATE")]
    pub rate: Option<ByteSize>,
    /// Address that answers /metrics, /healthz and /readyz [default: none does]
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_METRICS", value_parser = parse_address)]
    pub metrics: Option<SocketAddr>,
    /// How long pairings may go on after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", env = "RINGHOLD_GRACE", default_value = "30s",
          value_parser = parse_duration)]
    pub grace: Duration,
}

const RELAY_ENVIRONMENT: &str = "\
Environment without a flag:
  RINGHOLD_LOG         error, warn, info (default), debug, trace, or a filter
  LISTEN_FDS           a service manager passes a listening socket, used instead of --listen
  NOTIFY_SOCKET        a service manager wants to know when the relay is ready and stopping

A first SIGTERM or SIGINT stops accepting, tells who waits, and lets pairings finish; a second one
exits at once.";
