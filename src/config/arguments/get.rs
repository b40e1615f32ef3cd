//! The flags of `get`.

use std::num::NonZeroU8;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::shared::{DurabilityArgument, EngineArgument, ProgressArgument};
use crate::base::limits::{
    DOWNLOAD_CONNECTIONS_DEFAULT, DOWNLOAD_RETRIES_DEFAULT, DOWNLOAD_RETRIES_MAX,
};
use crate::base::units::DurationArg;

/// The flags of `get`.
#[derive(Clone, Debug, Args)]
#[command(after_help = GET_HELP)]
pub struct GetArguments {
    /// File ID at a daemon, or any http or https URL
    #[arg(value_name = "FILE_ID_OR_URL", required = true)]
    pub source: String,
    /// The daemon that has the file ID, as a URL or HOST:PORT [default: `UPLOAD_HOST`, else
    /// 127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "RINGHOLD_FROM")]
    pub from: Option<String>,
    /// Connections at once, 1 to 255
    #[arg(short = 'j', long, value_name = "N", env = "RINGHOLD_CONNECTIONS",
          default_value_t = NonZeroU8::new(DOWNLOAD_CONNECTIONS_DEFAULT).unwrap_or(NonZeroU8::MIN))]
    pub connections: NonZeroU8,
    /// File to write, or a directory for it; - is stdout, in order [default: the server's name for
    /// it]
    #[arg(short = 'o', long, value_name = "OUT", env = "RINGHOLD_OUT")]
    pub out: Option<PathBuf>,
    /// Replace a file of that name, in one step, when the download is whole
    #[arg(long, env = "RINGHOLD_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    /// BLAKE3 that the file has to have
    #[arg(long, value_name = "HEX", env = "RINGHOLD_BLAKE3")]
    pub blake3: Option<String>,
    /// SHA-256 that it has to have
    #[arg(long, value_name = "HEX", env = "RINGHOLD_SHA256")]
    pub sha256: Option<String>,
    /// MD5 that it has to have
    #[arg(long, value_name = "HEX", env = "RINGHOLD_MD5")]
    pub md5: Option<String>,
    /// Times to try a block again that does not come, or is not what it should be
    #[arg(long, value_name = "N", env = "RINGHOLD_RETRIES",
          default_value_t = DOWNLOAD_RETRIES_DEFAULT,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(DOWNLOAD_RETRIES_MAX)))]
    pub retries: u32,
    /// Time without a byte after which a connection is given up
    #[arg(long, value_name = "TIME", env = "RINGHOLD_STALL", default_value = "30s")]
    pub stall: DurationArg,
    /// What writes to the disk
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
    /// What the end of a download means: its bytes on stable storage, or nothing
    #[arg(long, env = "RINGHOLD_DURABILITY", default_value = "full")]
    pub durability: DurabilityArgument,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Tell what was fetched as a line of JSON on stdout; on stderr where the file is on stdout
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

const GET_HELP: &str = "\
From a ringhold daemon every block is checked against its BLAKE3 as it arrives, and a bad one alone
is fetched again. From any other server ranges are used where it gives them, and whatever digest it
tells is checked. OUT appears when it is whole. Stopped or killed, the same command goes on where it
was: .OUT.ringhold-part and .OUT.ringhold-journal beside OUT keep what is there.

Examples:
  ringhold get 0123456789abcdef:AbC...
  ringhold get -j 8 -o big.iso https://files.example/files/0123456789abcdef:AbC...
  ringhold get -o - --sha256 9f86d08... https://mirror.example/src.tar | tar x

Exit code: 0 the file is there, 1 failed or stopped, 2 asked wrongly.";
