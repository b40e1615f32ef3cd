//! The flags of `send`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::shared::ProgressArgument;
use crate::base::limits::{
    CODE_WORDS_DEFAULT, CODE_WORDS_MAX, CODE_WORDS_MIN, PEER_LINES_DEFAULT, PEER_LINES_MAX,
};
use crate::base::units::parse_duration;

/// The flags of `send`.
#[derive(Clone, Debug, Args)]
#[command(after_help = SEND_HELP)]
pub struct SendArguments {
    /// Files and whole folders to send; - alone is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The relay where both ends meet
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "RINGHOLD_RELAY",
        default_value = "127.0.0.1:9021"
    )]
    pub relay: String,
    /// Encrypted lines that bytes go over, from 1 to 16
    #[arg(short = 'j', long, value_name = "N", env = "RINGHOLD_LINES",
          default_value_t = PEER_LINES_DEFAULT,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(PEER_LINES_MAX)))]
    pub lines: u8,
    /// Words of the code, 10 bits each, from 2 to 8
    #[arg(long, value_name = "N", env = "RINGHOLD_WORDS", default_value_t = CODE_WORDS_DEFAULT as u64,
          value_parser = clap::value_parser!(u64).range(CODE_WORDS_MIN as u64..=CODE_WORDS_MAX as u64))]
    pub words: u64,
    /// What stdin is called at the other end
    #[arg(long, value_name = "NAME", env = "RINGHOLD_NAME", default_value = "stdin")]
    pub name: String,
    /// How long lines that broke are tried again, from 1s to 24h
    #[arg(long, value_name = "TIME", env = "RINGHOLD_PATIENCE", default_value = "5m",
          value_parser = parse_duration)]
    pub patience: Duration,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Tell the code, each file, and the summary, as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

const SEND_HELP: &str = "\
The code comes alone on stdout; whoever has it gets the files, once. The relay sees neither names nor
bytes. A line that breaks is connected again, and goes on where it was.

Examples:
  ringhold send photos report.pdf
  tar c src | ringhold send --name src.tar -
  ringhold send --relay relay.example:9021 -j 4 big.iso

Exit code: 0 everything arrived, 1 failed, stopped or declined, 2 asked wrongly.";
