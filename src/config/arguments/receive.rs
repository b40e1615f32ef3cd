//! The flags of `receive`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::shared::ProgressArgument;
use crate::base::units::parse_duration;

/// The flags of `receive`.
#[derive(Clone, Debug, Args)]
#[command(after_help = RECEIVE_HELP)]
pub struct ReceiveArguments {
    /// What `send` printed [default: `RINGHOLD_CODE`, else asked for, or a line of stdin]
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
    /// The relay where both ends meet
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "RINGHOLD_RELAY",
        default_value = "127.0.0.1:9021"
    )]
    pub relay: String,
    /// Where files and folders go
    #[arg(long, value_name = "DIR", env = "RINGHOLD_DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Where a single file goes instead, under this name; - is stdout
    #[arg(short = 'o', long, value_name = "OUT", env = "RINGHOLD_OUT")]
    pub out: Option<PathBuf>,
    /// Take what comes without asking
    #[arg(long, env = "RINGHOLD_YES", value_parser = BoolishValueParser::new())]
    pub yes: bool,
    /// Replace files that are there, each in one step when it is whole
    #[arg(long, env = "RINGHOLD_OVERWRITE", value_parser = BoolishValueParser::new())]
    pub overwrite: bool,
    /// How long lines that broke are tried again, from 1s to 24h
    #[arg(long, value_name = "TIME", env = "RINGHOLD_PATIENCE", default_value = "5m",
          value_parser = parse_duration)]
    pub patience: Duration,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Tell each file, and the summary, as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

const RECEIVE_HELP: &str = "\
A code on the command line is seen by everybody on this machine; it is of no use any more once this
has begun. A file appears when it is whole and has the sender's BLAKE3. Nothing is replaced unasked
for, and nothing leads out of DIR.

Examples:
  ringhold receive
  ringhold receive --yes --dir inbox 7-amber-canoe-river
  ringhold receive --yes -o - 7-amber-canoe-river | tar x

Exit code: 0 everything is here, 1 failed, stopped or declined, 2 asked wrongly.";
