//! Options that cannot be used.

use std::fmt;

/// A sentence for the operator: which option, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// From its sentence.
    pub(super) fn new(sentence: impl Into<String>) -> ConfigError {
        ConfigError(sentence.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
