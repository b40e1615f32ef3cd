//! What two ends have when they agreed on a key: any number of lines between them.

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::PeerError;
use super::keys::SessionKey;
use super::line::Line;
use super::relay_address::RelayAddress;
use crate::wire::Role;

/// A key that this end shares with the other, and where to meet it. One a transfer; a clone is the
/// same session.
#[derive(Clone, Debug)]
pub struct Session {
    relay: RelayAddress,
    role: Role,
    key: SessionKey,
}

impl Session {
    pub(super) fn new(relay: RelayAddress, role: Role, key: SessionKey) -> Session {
        Session { relay, role, key }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// A line over a connection that is there: what [`line`](Session::line) does when the relay has
    /// matched both ends.
    ///
    /// # Errors
    /// As [`line`](Session::line), without those of the relay.
    pub async fn line_over<R, W>(&self, index: u16, from: R, to: W) -> Result<Line, PeerError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Line::open((from, to), &self.key, self.role, index, self.relay.patience()).await
    }
}

/// Both ends of a session whose key nobody agreed on, for tests of what is above it.
#[cfg(test)]
pub(crate) fn session_pair(relay: &RelayAddress) -> (Session, Session) {
    let end = |role| {
        let key = SessionKey::new(zeroize::Zeroizing::new([7; 32]));
        Session::new(relay.clone(), role, key)
    };
    (end(Role::Sender), end(Role::Receiver))
}
