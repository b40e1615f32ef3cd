//! One file per subcommand. Floor 6.

mod failure;
mod figures;
mod findings;
mod greeting;
mod printable;
mod process;
mod serve;
mod verify;

pub use failure::Failure;
pub use process::prepare;
pub use serve::serve;
pub use verify::verify;
