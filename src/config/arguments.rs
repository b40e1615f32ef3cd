//! The command line as it is written: each flag defined once, its environment name beside it.
//! What the values mean is for the resolved options (`serve.rs`).

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base::units::{ByteSize, parse_duration};

/// Storage daemon for Linux: files in and out over HTTP, durable, hashed, with IDs that cannot be
/// forged.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringhold", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Take in and hand out files over HTTP
    Serve(ServeArguments),
}

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

A first SIGTERM or SIGINT stops accepting and finishes what runs; a second one exits at once.";

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum EngineArgument {
    /// `io_uring` where it works, threads elsewhere
    Auto,
    /// `io_uring`, or refuse to start
    IoUring,
    /// Blocking calls on threads
    Threads,
}

/// `--durability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArgument {
    /// Bytes and name are on stable storage
    Full,
    /// The kernel has them; a power cut may lose them
    None,
}

/// A numeric address, or a name that the system resolves; the first answer is taken.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let remedy = "write HOST:PORT, like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080";
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {remedy}"))?;
    addresses.next().ok_or_else(|| format!("the name has no address; {remedy}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_its_environment_name() {
        let mut command = Arguments::command();
        command.build();
        for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
            for flag in subcommand.get_arguments().filter(|flag| flag.get_id() != "help") {
                let long = flag.get_long().expect("flags are written out");
                let expected = format!("RINGHOLD_{}", long.to_uppercase().replace('-', "_"));
                let name = flag.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(name, Some(expected), "--{long}");
            }
        }
    }

    #[test]
    fn no_secret_can_be_given_where_everybody_sees_it() {
        let mut command = Arguments::command();
        command.build();
        let flags = command.get_subcommands().flat_map(clap::Command::get_arguments);
        for flag in flags {
            assert!(!flag.get_id().as_str().contains("secret"), "{}", flag.get_id());
        }
    }

    #[test]
    fn an_address_is_numbers_or_a_name() {
        assert_eq!(parse_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(parse_address("localhost:80").unwrap().port(), 80);
        for wrong in ["", "127.0.0.1", "8080", "127.0.0.1:99999"] {
            assert!(parse_address(wrong).unwrap_err().contains("HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn a_command_line_that_makes_no_sense_is_a_usage_error() {
        for wrong in [
            &["ringhold", "serve", "--grace", "30"][..],
            &["ringhold", "serve", "--chunk-size", "big"],
            &["ringhold", "serve", "--engine", "steam"],
            &["ringhold", "serve", "extra"],
            &["ringhold", "sever"],
        ] {
            let refused = Arguments::try_parse_from(wrong).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{wrong:?}");
        }
    }
}
