//! Why a command did not do what it was asked, and the exit code that says so: 1 for what failed,
//! 2 for what was asked wrongly.

use std::fmt::{self, Display};

/// A sentence for whoever ran the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was asked wrongly: a flag or variable that cannot be used.
    Usage(String),
    /// It failed.
    Failed(String),
}

impl Failure {
    /// For `map_err`.
    pub fn usage(why: impl Display) -> Failure {
        Failure::Usage(why.to_string())
    }

    /// For `map_err`.
    pub fn failed(why: impl Display) -> Failure {
        Failure::Failed(why.to_string())
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(why) | Failure::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}
