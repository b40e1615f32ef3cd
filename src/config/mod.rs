//! Flags and environment to one Options per part. Floor 5.

mod arguments;
mod copy;
mod environment;
mod error;
mod get;
mod progress;
mod put;
mod receive;
mod relay;
mod secret;
mod send;
mod serve;
mod service_manager;
mod verify;

pub use arguments::{
    Arguments, Command, CopyArguments, DoctorArguments, Generated, GetArguments, HealthArguments,
    PutArguments, ReceiveArguments, RelayArguments, SendArguments, ServeArguments, VerifyArguments,
};
pub use copy::CopyCommand;
pub use environment::Environment;
pub use error::ConfigError;
pub use get::{GetCommand, GetSource, GetTarget};
pub use progress::ShowProgress;
pub use put::PutCommand;
use put::daemon;
pub use receive::ReceiveCommand;
pub use relay::RelayCommand;
pub use secret::{Secret, SecretOrigin};
pub use send::{SendCommand, SendWhat};
pub use serve::ServeOptions;
pub use service_manager::{NotifyAddress, notify_address, passed_socket};
pub use verify::VerifyCommand;
