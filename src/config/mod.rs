//! Flags and environment to one Options per part. Floor 5.

mod arguments;
mod environment;
mod error;
mod secret;
mod serve;

pub use arguments::{Arguments, Command, ServeArguments};
pub use environment::Environment;
pub use error::ConfigError;
pub use secret::{Secret, SecretOrigin};
pub use serve::ServeOptions;
