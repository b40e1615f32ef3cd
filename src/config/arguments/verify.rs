//! The flags of `verify`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::shared::EngineArgument;
use crate::base::units::ByteSize;

/// The flags of `verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArguments {
    /// Directory that everything is stored in
    #[arg(long, value_name = "DIR", env = "RINGHOLD_ROOT", default_value = "./files")]
    pub root: PathBuf,
    /// Bytes read per second at most, or none for no limit
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_RATE", default_value = "64MiB",
          value_parser = parse_rate)]
    pub rate: ByteSize,
    /// Tell each finding, and the summary, as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
    /// What reads from the disk
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
}

const VERIFY_HELP: &str = "\
A finding is a line on stdout; progress and the summary go to stderr. Nothing is written, and no
lock is taken. An object counts for at least 256KiB of the rate.

Exit code: 0 all objects are whole, 1 some are damaged or it was stopped, 2 asked wrongly.";

/// A size, or `none`, which is 0.
fn parse_rate(text: &str) -> Result<ByteSize, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(ByteSize(0));
    }
    text.parse().map_err(|error| format!("{error}; or none for no limit"))
}
