//! What commands do at a SIGTERM or SIGINT while they work.

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
