//! The flags of `doctor`.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::serve::ServeArguments;

/// The flags of `doctor`: those of `serve`, whose start it looks into.
#[derive(Clone, Debug, Args)]
#[command(after_help = DOCTOR_HELP)]
pub struct DoctorArguments {
    /// What `serve` would be started with.
    #[command(flatten)]
    pub serve: ServeArguments,
    /// Tell each check as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

const DOCTOR_HELP: &str = "\
Give it the flags and the environment that `serve` gets, and run it as the same user: it checks that
very start. It leaves nothing behind, and a daemon may run meanwhile.

Exit code: 0 serve would run (warnings or not), 1 it would not, 2 asked wrongly.";
