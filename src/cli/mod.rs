//! One file per subcommand. Floor 6.

mod copy;
mod copy_jobs;
mod doctor;
mod failure;
mod figures;
mod findings;
mod generate;
mod greeting;
mod health;
mod house;
mod listening;
mod notify;
mod printable;
mod process;
mod progress_bar;
mod put;
mod put_sources;
mod relay;
mod relay_pool;
mod serve;
mod verify;

pub use copy::copy;
pub use doctor::doctor;
pub use failure::Failure;
pub use generate::generate;
pub use health::health;
pub use process::prepare;
pub use put::put;
pub use relay::relay;
pub use serve::serve;
pub use verify::verify;
