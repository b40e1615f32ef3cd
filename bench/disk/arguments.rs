//! The flags of `ringhold-bench disk`, as they are written.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ringhold::base::units::{ByteSize, parse_duration};

/// The flags of `disk`. A list is written with commas; every combination is a cell.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct DiskArguments {
    /// Directory to measure; the files are made, and removed, in a directory of its own below it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// Bytes that a cell moves at most, all its workers together
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub(super) size: ByteSize,
    /// What is done
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["write", "read"])]
    pub(super) operation: Vec<Operation>,
    /// Bytes of one operation, powers of two from 4KiB to 16MiB
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          default_values = ["64KiB", "256KiB", "1MiB"])]
    pub(super) chunk_size: Vec<ByteSize>,
    /// Operations in flight, a worker
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          default_values = ["1", "2", "4", "8", "16", "32"])]
    pub(super) queue_depth: Vec<usize>,
    /// Threads, each with its own engine and its own file
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["1"])]
    pub(super) workers: Vec<usize>,
    /// What moves the bytes
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["auto"])]
    pub(super) engine: Vec<EngineArgument>,
    /// Past the page cache, through it, or past it and synced within the measured time
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["direct"])]
    pub(super) mode: Vec<Mode>,
    /// Times that every cell is measured, taking turns; medians are told
    #[arg(long, value_name = "N", default_value = "3")]
    pub(super) runs: usize,
    /// Longest a cell is measured in one run, whatever is left of its bytes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub(super) time_limit: Duration,
    /// New or empty directory for histograms, tables and plots
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

const HELP: &str = "\
Latency is from submission to completion of one operation, with exactly so many in flight as the
queue depth says. Talk and progress go to stderr.

Exit code: 0 measured, 1 failed or stopped (nothing is left in DIR), 2 asked wrongly.";

/// `--operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Operation {
    /// Into a new file
    Write,
    /// Of a file that is not in the page cache
    Read,
    /// From one file into another
    Copy,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Past the page cache (`O_DIRECT`)
    Direct,
    /// Through the page cache; what is written is not synced
    Buffered,
    /// Direct, and the data synced within the measured time
    Durable,
}

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum EngineArgument {
    /// `io_uring` where it works, threads elsewhere
    Auto,
    /// `io_uring`, or fail
    IoUring,
    /// Blocking calls on threads
    Threads,
}
