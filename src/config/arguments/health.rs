//! The flags of `health`.

use std::net::SocketAddr;

use clap::Args;

use super::shared::parse_address;

/// The flags of `health`: those of `serve` that say where it is, so that the same environment
/// serves both.
#[derive(Clone, Debug, Args)]
pub struct HealthArguments {
    /// Address the daemon listens on; one that means all there are is asked on the loopback one
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_LISTEN",
          default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
}
