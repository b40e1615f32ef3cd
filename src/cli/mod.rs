//! One file per subcommand. Floor 6.

mod failure;
mod greeting;
mod process;
mod serve;

pub use failure::Failure;
pub use process::prepare;
pub use serve::serve;
