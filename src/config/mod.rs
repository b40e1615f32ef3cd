//! Flags and environment to one Options per part. Floor 5.

mod arguments;
mod environment;
mod error;
mod secret;
mod serve;
mod verify;

pub use arguments::{Arguments, Command, DoctorArguments, ServeArguments, VerifyArguments};
pub use environment::Environment;
pub use error::ConfigError;
pub use secret::{Secret, SecretOrigin};
pub use serve::ServeOptions;
pub use verify::VerifyCommand;
