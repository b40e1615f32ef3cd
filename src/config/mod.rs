//! Flags and environment to one Options per part. Floor 5.

mod arguments;
mod environment;
mod error;
mod put;
mod secret;
mod serve;
mod service_manager;
mod verify;

pub use arguments::{
    Arguments, Command, DoctorArguments, HealthArguments, PutArguments, ServeArguments,
    VerifyArguments,
};
pub use environment::Environment;
pub use error::ConfigError;
pub use put::{PutCommand, ShowProgress};
pub use secret::{Secret, SecretOrigin};
pub use serve::ServeOptions;
pub use service_manager::{NotifyAddress, notify_address, passed_socket};
pub use verify::VerifyCommand;
