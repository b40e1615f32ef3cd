//! The flags of `copy`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::shared::{DurabilityArgument, EngineArgument, ProgressArgument};
use crate::base::units::ByteSize;

/// The flags of `copy`.
#[derive(Clone, Debug, Args)]
#[command(after_help = COPY_HELP)]
pub struct CopyArguments {
    /// Regular files to copy
    #[arg(value_name = "SRC", required = true)]
    pub sources: Vec<PathBuf>,
    /// Name of the copy, or a directory for it
    #[arg(value_name = "DST", required = true)]
    pub target: PathBuf,
    /// Chunks in flight, each being read or written
    #[arg(long, value_name = "N", env = "RINGHOLD_QUEUE_DEPTH", default_value = "16")]
    pub queue_depth: usize,
    /// Bytes per read and write, a power of two
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_CHUNK_SIZE", default_value = "1MiB")]
    pub chunk_size: ByteSize,
    /// What moves the bytes
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
    /// Read the copy back and compare it before it gets its name; prints its BLAKE3
    #[arg(long, env = "RINGHOLD_VERIFY", value_parser = BoolishValueParser::new())]
    pub verify: bool,
    /// Replace a file of that name, in one step, when the copy is whole
    #[arg(long, env = "RINGHOLD_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    /// What the end of a copy means: its bytes on stable storage, or nothing
    #[arg(long, env = "RINGHOLD_DURABILITY", default_value = "full")]
    pub durability: DurabilityArgument,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Tell each copy, and the summary, as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

const COPY_HELP: &str = "\
Several SRC go into a directory DST. A copy keeps permissions, modification time and holes, not the
owner. It has no name until it is whole: stopped, killed or failed, it leaves nothing.

Exit code: 0 all were copied, 1 one was not or it was stopped, 2 asked wrongly.";
