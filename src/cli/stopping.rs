//! What commands do at a SIGTERM or SIGINT while they work.
//!
//! Work that only this end knows of is dropped ([`unless_stopped`]). A transfer is told the signal's
//! name instead ([`stopped`]): it has an end to make with the other one.

use std::fmt;
use std::future::Future;

use super::Failure;
use crate::worker::interrupted;

/// Does the work, or ends it at a signal and says what is left of it.
pub(super) async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    what_is_left: impl Fn() -> String,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        signal = interrupted() => {
            Err(stopped_by(signal.map_err(Failure::failed)?, &what_is_left()))
        }
        done = work => Ok(done),
    }
}

/// A signal ended it.
pub(super) fn stopped_by(name: impl fmt::Display, what_is_left: &str) -> Failure {
    Failure::failed(format!("{name} stopped it: {what_is_left}"))
}

/// Resolves with the name of the signal that stops a transfer.
pub(super) async fn stopped() -> String {
    match interrupted().await {
        Ok(name) => name.to_owned(),
        Err(error) => format!("a process that may not catch signals ({error})"),
    }
}
