//! The environment, read at the top of the house and passed down, so that tests bring their own.
//! The `RINGHOLD_<FLAG>` names are read by the argument parser itself; what is read here has no
//! flag: secrets, which would be visible in the process list, and the older systems' names.

use std::collections::HashMap;
use std::ffi::OsString;

/// A copy of the environment's variables.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Environment {
        Environment { variables: std::env::vars_os().collect() }
    }

    /// The variables given.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Environment {
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        Environment { variables: variables.into_iter().collect() }
    }

    /// One variable.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.variables.get(&OsString::from(name))
    }
}
