//! One file per subcommand. Floor 6.

mod failure;
mod greeting;
mod health;
mod notify;
mod process;
mod serve;

pub use failure::Failure;
pub use health::health;
pub use process::prepare;
pub use serve::serve;
