//! How two ends come to a session, and what they have of it: any number of lines between them.
//!
//! 1. The sender registers at the relay and is given a nameplate, of which he makes a code.
//! 2. The receiver, who was told the code, claims the nameplate. The relay connects both.
//! 3. Over this connection they agree on a key (`agreement.rs`), and close it.
//! 4. From now on both meet at channels, whose names are derived from the key, as often as they like:
//!    a line over each ([`Line`]).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::agreement::agree;
use super::code::Code;
use super::error::PeerError;
use super::keys::SessionKey;
use super::line::Line;
use super::relay_address::RelayAddress;
use super::rendezvous::Meeting;
use crate::wire::{EndMessage, Role};

/// A key that this end shares with the other, and where to meet it. One a transfer; a clone is the
/// same session.
#[derive(Clone, Debug)]
pub struct Session {
    relay: RelayAddress,
    role: Role,
    key: SessionKey,
}

/// A sender that waits under a nameplate.
pub struct Registered {
    relay: RelayAddress,
    meeting: Meeting,
    nameplate: u32,
    expires: Duration,
}

impl Session {
    /// Asks the relay for a nameplate.
    ///
    /// # Errors
    /// What the relay says, or that there is none.
    pub async fn register(relay: &RelayAddress) -> Result<Registered, PeerError> {
        let mut meeting = Meeting::ask(relay, EndMessage::Register).await?;
        let (nameplate, expires) = meeting.nameplate().await?;
        Ok(Registered { relay: relay.clone(), meeting, nameplate, expires })
    }

    /// Meets the sender who waits under a code's nameplate, and agrees with him. Dropping the future
    /// uses the code up.
    ///
    /// # Errors
    /// [`PeerError::NoSuchNameplate`], [`PeerError::WrongCode`] and [`PeerError::Unagreed`] ask for a
    /// new code.
    pub async fn claim(relay: &RelayAddress, code: &Code) -> Result<Session, PeerError> {
        let message = EndMessage::Claim { nameplate: code.nameplate() };
        let meeting = Meeting::ask(relay, message).await?;
        let connection = meeting.matched(relay.patience().meet).await?;
        agreed(relay, Role::Receiver, connection, code).await
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// A line: meets the other end at a channel of the relay. Ready when the other end has proved
    /// that it knows the key. Each end can ask first; a channel has one line at a time.
    ///
    /// # Errors
    /// [`PeerError::is_worth_a_retry`] says whether another try makes sense.
    pub async fn line(&self, index: u16) -> Result<Line, PeerError> {
        let channel = self.key.channel_name(index);
        let message = EndMessage::Join { role: self.role, channel };
        let meeting = Meeting::ask(&self.relay, message).await?;
        let connection = meeting.matched(self.relay.patience().meet).await?;
        let (from, to) = connection.into_split();
        self.line_over(index, from, to).await
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

impl Registered {
    /// The number that the code begins with.
    pub fn nameplate(&self) -> u32 {
        self.nameplate
    }

    /// How long the relay lets this sender wait.
    pub fn expires(&self) -> Duration {
        self.expires
    }

    /// Waits for the receiver and agrees with him. The nameplate lives as long as the connection of
    /// this sender: whatever fails, a next try begins with [`Session::register`] and a new code.
    ///
    /// # Errors
    /// [`PeerError::NoSuchNameplate`] when nobody came in time, [`PeerError::WrongCode`] when
    /// somebody came with another code.
    pub async fn agree(self, code: &Code) -> Result<Session, PeerError> {
        let Registered { relay, meeting, expires, .. } = self;
        // The relay ends the waiting, with a reason; this is for one that does not.
        let connection = meeting.matched(expires.saturating_add(relay.patience().idle)).await?;
        agreed(&relay, Role::Sender, connection, code).await
    }
}

async fn agreed(
    relay: &RelayAddress,
    role: Role,
    mut connection: TcpStream,
    code: &Code,
) -> Result<Session, PeerError> {
    let limit = relay.patience().agree;
    match tokio::time::timeout(limit, agree(&mut connection, role, code)).await {
        Ok(key) => Ok(Session { relay: relay.clone(), role, key: key? }),
        Err(_elapsed) => {
            let limit = limit.as_secs_f32();
            Err(PeerError::Unagreed(format!("the other end is silent for {limit} s")))
        }
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered")
            .field("relay", &self.relay)
            .field("nameplate", &self.nameplate)
            .finish_non_exhaustive()
    }
}

/// Both ends of a session whose key nobody agreed on, for tests of what is above it.
#[cfg(test)]
pub(crate) fn session_pair(relay: &RelayAddress) -> (Session, Session) {
    let end = |role| {
        let key = SessionKey::new(zeroize::Zeroizing::new([7; 32]));
        Session { relay: relay.clone(), role, key }
    };
    (end(Role::Sender), end(Role::Receiver))
}

#[cfg(test)]
mod tests;
