//! The flags of `put`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::shared::ProgressArgument;
use crate::base::limits::{PUT_RETRIES_DEFAULT, PUT_RETRIES_MAX};

/// The flags of `put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = PUT_HELP)]
pub struct PutArguments {
    /// Files to upload, all in one request; - is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The daemon, as a URL or HOST:PORT [default: `UPLOAD_HOST`, else 127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "RINGHOLD_TO")]
    pub to: Option<String>,
    /// Name to store a single file under [default: its own; stdin for stdin]
    #[arg(long, value_name = "NAME", env = "RINGHOLD_NAME")]
    pub name: Option<String>,
    /// Tell the daemon's answer for each file as a line of JSON instead of its ID
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Times to try again when the daemon is away or busy, or the connection breaks
    #[arg(long, value_name = "N", env = "RINGHOLD_RETRIES", default_value_t = PUT_RETRIES_DEFAULT,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(PUT_RETRIES_MAX)))]
    pub retries: u32,
}

const PUT_HELP: &str = "\
All files are stored, or none of them: stopped or failed, it leaves nothing on either side. Their
BLAKE3 is computed on the way and compared with what the daemon stored.

Examples:
  ringhold put report.pdf photo.jpg
  tar c src | ringhold put --name src.tar -
  ringhold put --to https://files.example --json big.iso | jq -r .url

Exit code: 0 all are stored, 1 failed or stopped, 2 asked wrongly.";
