//! The flags of `ringhold-bench disk`, as they are written.

use std::path::PathBuf;

use clap::Args;

/// The flags of `disk`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DiskArguments {
    /// Directory to measure; files are made in a directory of its own below it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
}
