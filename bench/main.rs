//! `ringhold-bench`: measures the disk by the library's own disk floor, and any HTTP server by load
//! over real sockets. Parse, dispatch, exit code (0 done, 1 failed, 2 asked wrongly). Floor 2 of
//! the bench: below are its commands (1), below them what they report with (0), and below all of
//! it the library.

mod bare;
mod disk;
mod http;
mod report;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ringhold::cli::Failure;

/// Measures disks and HTTP servers: latency histograms, throughput and CPU time.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringhold-bench", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Measure a disk by chunk size, queue depth, workers, engine and mode
    Disk(disk::DiskArguments),
    /// Put load on an HTTP server, and measure its answers
    Http(http::HttpArguments),
    /// Be a server that only receives and sends: what any server's requests cost at least
    Bare(bare::BareArguments),
}

fn main() -> ExitCode {
    // A command line that makes no sense ends here, with 2; --help and --version with 0.
    match dispatch(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A reader who has gone changes nothing: the exit code says it too.
            let _ = writeln!(stderr(), "ringhold-bench: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Disk(arguments) => disk::run(arguments),
        Command::Http(arguments) => http::run(arguments),
        Command::Bare(arguments) => bare::run(&arguments),
    }
}
