//! The flags of `serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use ipnet::IpNet;

use super::shared::{DurabilityArgument, EngineArgument, parse_address};
use crate::base::units::{ByteSize, parse_duration};

/// The flags of `serve`.
#[derive(Clone, Debug, Args)]
#[command(after_help = SERVE_ENVIRONMENT)]
pub struct ServeArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_LISTEN",
          default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// Directory that everything is stored in
    #[arg(long, value_name = "DIR", env = "RINGHOLD_ROOT", default_value = "./files")]
    pub root: PathBuf,
    /// Directory whose files anybody may read at /PATH
    #[arg(long, value_name = "DIR", env = "RINGHOLD_PUBLIC")]
    pub public: Option<PathBuf>,
    /// Worker threads [default: one per core, fewer where a cgroup pays for fewer]
    #[arg(long, value_name = "N", env = "RINGHOLD_WORKERS")]
    pub workers: Option<usize>,
    /// File operations in flight per worker
    #[arg(long, value_name = "N", env = "RINGHOLD_QUEUE_DEPTH", default_value = "64")]
    pub queue_depth: usize,
    /// Bytes per file operation of an upload, a power of two
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_CHUNK_SIZE", default_value = "1MiB")]
    pub chunk_size: ByteSize,
    /// Connections per worker; further ones wait until one ends
    #[arg(long, value_name = "N", env = "RINGHOLD_MAX_CONNECTIONS", default_value = "10000")]
    pub max_connections: usize,
    /// What moves bytes to disk
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
    /// What an upload waits for before it is acknowledged: its bytes on stable storage, or nothing
    #[arg(long, env = "RINGHOLD_DURABILITY", default_value = "full")]
    pub durability: DurabilityArgument,
    /// Largest upload [default: as large as fits]
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_MAX_UPLOAD_SIZE")]
    pub max_upload_size: Option<ByteSize>,
    /// Free space that uploads leave on the volume
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_MIN_FREE", default_value = "256MiB")]
    pub min_free: ByteSize,
    /// Memory for small files that are asked for again and again; 0 for none
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_CACHE_SIZE", default_value = "4MiB")]
    pub cache_size: ByteSize,
    /// Check every download against the stored hashes as it is read
    #[arg(long, env = "RINGHOLD_VERIFY_READS", value_parser = BoolishValueParser::new())]
    pub verify_reads: bool,
    /// Network that POST /uploadFile may fetch from although it is not public, repeatable
    #[arg(long, value_name = "CIDR", env = "RINGHOLD_IMPORT_ALLOW", value_delimiter = ',',
          value_parser = parse_network)]
    pub import_allow: Vec<IpNet>,
    /// Address of a relay beside HTTP, with the limits that `ringhold relay` has by default
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_RELAY", value_parser = parse_address)]
    pub relay: Option<SocketAddr>,
    /// How long running requests may go on after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", env = "RINGHOLD_GRACE", default_value = "30s",
          value_parser = parse_duration)]
    pub grace: Duration,
}

const SERVE_ENVIRONMENT: &str = "\
Environment without a flag:
  SECRET_KEY           what file IDs are made with; else <root>/secret.key, made when absent
  SECRET_KEY_PREVIOUS  earlier ones, comma separated, whose IDs still open
  NO_WORKERS           the older name of RINGHOLD_WORKERS
  RINGHOLD_LOG         error, warn, info (default), debug, trace, or a filter like
                       warn,ringhold::http=debug
  LISTEN_FDS           a service manager passes a listening socket, used instead of --listen
  NOTIFY_SOCKET        a service manager wants to know when the daemon is ready and stopping

A first SIGTERM or SIGINT stops accepting and finishes what runs; a second one exits at once.";

/// A network, or one address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed.map_err(|_| "write a network like 10.0.0.0/8 or fd00::/8, or an address".to_owned())
}
