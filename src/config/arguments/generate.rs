//! What `generate` is asked for.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

/// What `generate` makes, from the same definitions as the command line itself.
#[derive(Clone, Debug, Subcommand)]
pub enum Generated {
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages, one per command
    Man {
        /// Directory for them; made if it is missing
        dir: PathBuf,
    },
}
