//! One file per subcommand. Floor 6.

mod copy;
mod copy_jobs;
mod doctor;
mod failure;
mod figures;
mod findings;
mod generate;
mod get;
mod greeting;
mod health;
mod house;
mod notify;
mod printable;
mod process;
mod progress_bar;
mod put;
mod put_sources;
mod serve;
mod verify;

pub use copy::copy;
pub use doctor::doctor;
pub use failure::Failure;
pub use generate::generate;
pub use get::get;
pub use health::health;
pub use process::prepare;
pub use put::put;
pub use serve::serve;
pub use verify::verify;
