//! The flags of `ringhold-bench bare`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ringhold::base::units::ByteSize;

/// The flags of `bare`.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct BareArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    pub(super) listen: SocketAddr,
    /// Bytes of every answer's body
    #[arg(long, value_name = "SIZE", default_value = "4KiB")]
    pub(super) size: ByteSize,
    /// Keep the body of each request as a file in this directory: written, and renamed
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Threads, each with its own listener
    #[arg(long, value_name = "N", default_value = "1",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) workers: u16,
}

const HELP: &str = "\
Every request that ends with an empty line and has no body gets the same 200, whatever it asks for.
Nothing is parsed, no file is read, no line is logged: the limit for servers, and no server. With
--store, requests have bodies of a Content-Length, 64 KiB at most with their heads. Runs until it is
killed.

Exit code: 1 failed, 2 asked wrongly.";
