//! The command line as it is written, one file a command: each flag defined once, its environment
//! name beside it. What the values mean is for the resolved options, outside of this folder.

mod command;
mod copy;
mod doctor;
mod generate;
mod get;
mod health;
mod put;
mod receive;
mod relay;
mod send;
mod serve;
mod shared;
mod verify;

pub use command::{Arguments, Command};
pub use copy::CopyArguments;
pub use doctor::DoctorArguments;
pub use generate::Generated;
pub use get::GetArguments;
pub use health::HealthArguments;
pub use put::PutArguments;
pub use receive::ReceiveArguments;
pub use relay::RelayArguments;
pub use send::SendArguments;
pub use serve::ServeArguments;
pub(super) use shared::{DurabilityArgument, EngineArgument, ProgressArgument};
pub use verify::VerifyArguments;
