//! What every command does first: start the log and take the descriptors it may have.

use std::io::{IsTerminal, stderr};

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::debug;

use super::Failure;
use crate::config::{Command, Environment};
use crate::telemetry::{LogGuard, LogStyle, start_logs};

/// Starts the log, with the filter of `RINGHOLD_LOG`, and raises the limit on open descriptors.
/// Once, before anything else; what it returns is held to the end, for the log's last lines.
pub fn prepare(command: &Command, environment: &Environment) -> Result<LogGuard, Failure> {
    let filter = environment.get("RINGHOLD_LOG").map(|filter| filter.to_string_lossy());
    let is_daemon = matches!(command, Command::Serve(_) | Command::Relay(_));
    let style = if stderr().is_terminal() {
        LogStyle::Human
    } else if is_daemon {
        LogStyle::JsonBuffered
    } else {
        LogStyle::Json
    };
    let log = start_logs(filter.as_deref().unwrap_or("info"), style).map_err(Failure::usage)?;
    raise_descriptor_limit();
    Ok(log)
}

/// To the hard limit: the soft one is 1,024 for the sake of `select(2)`, which nothing here uses,
/// and every connection and every open file is a descriptor.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        debug!(%error, "the limit on open descriptors stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_descriptors_are_allowed_as_can_be() {
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
