//! An end's side of the meeting at the relay: one message to it, then its answers up to the one
//! after which every byte is the other end's. One a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::error::PeerError;
use super::relay_address::{RelayAddress, within};
use crate::wire::{
    EndMessage, RelayMessage, RendezvousError, TLV_HEAD_SIZE, rendezvous_value_size,
};

const RELAY: &str = "the relay";

/// A connection on which an end has said what it wants.
pub(super) struct Meeting {
    connection: TcpStream,
    idle: Duration,
}

impl Meeting {
    /// Connects and says it.
    pub(super) async fn ask(
        relay: &RelayAddress,
        message: EndMessage,
    ) -> Result<Meeting, PeerError> {
        let patience = relay.patience();
        let connecting = async {
            let connection = TcpStream::connect(relay.host_and_port()).await;
            connection.map_err(|error| PeerError::Unreachable(format!("{relay}: {error}")))
        };
        let mut connection = match within(patience.connect, RELAY, connecting).await {
            Err(PeerError::TimedOut(why)) => {
                return Err(PeerError::Unreachable(format!("{relay}: {why}")));
            }
            done => done?,
        };
        // Messages are written whole.
        let asking = async {
            connection.set_nodelay(true).map_err(broken)?;
            connection.write_all(&message.encode()).await.map_err(broken)
        };
        within(patience.idle, RELAY, asking).await?;
        Ok(Meeting { connection, idle: patience.idle })
    }

    /// The number that the relay gives to a sender, and how long it is good for.
    pub(super) async fn nameplate(&mut self) -> Result<(u32, Duration), PeerError> {
        match self.next().await? {
            RelayMessage::Nameplate { number, expires_s } if number > 0 => {
                Ok((number, Duration::from_secs(expires_s.into())))
            }
            RelayMessage::Nameplate { .. }
            | RelayMessage::Waiting
            | RelayMessage::Matched
            | RelayMessage::Refused { .. } => Err(out_of_place()),
        }
    }

    /// The connection, when the other end is there. For as long as the relay says that it waits, up
    /// to a limit.
    pub(super) async fn matched(mut self, limit: Duration) -> Result<TcpStream, PeerError> {
        let waiting = async {
            loop {
                match self.next().await? {
                    RelayMessage::Waiting => {}
                    RelayMessage::Matched => return Ok(()),
                    RelayMessage::Nameplate { .. } | RelayMessage::Refused { .. } => {
                        return Err(out_of_place());
                    }
                }
            }
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(done) => done.map(|()| self.connection),
            Err(_elapsed) => Err(PeerError::TimedOut(format!(
                "the other end did not come within {} s",
                limit.as_secs_f32()
            ))),
        }
    }

    /// The next message that is no refusal, and no byte of what follows.
    async fn next(&mut self) -> Result<RelayMessage, PeerError> {
        let reading = read(&mut self.connection);
        match within(self.idle, RELAY, reading).await? {
            RelayMessage::Refused { code, sentence } => Err(PeerError::of_refusal(code, sentence)),
            message @ (RelayMessage::Nameplate { .. }
            | RelayMessage::Waiting
            | RelayMessage::Matched) => Ok(message),
        }
    }
}

async fn read(connection: &mut TcpStream) -> Result<RelayMessage, PeerError> {
    let mut head = [0; TLV_HEAD_SIZE];
    connection.read_exact(&mut head).await.map_err(broken)?;
    let unusable = |error: RendezvousError| PeerError::Nonsense(error.to_string());
    let mut value = vec![0; rendezvous_value_size(head).map_err(unusable)?];
    connection.read_exact(&mut value).await.map_err(broken)?;
    RelayMessage::decode(head[0], &value).map_err(unusable)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn broken(error: std::io::Error) -> PeerError {
    PeerError::Broken(format!("that to the relay, {error}"))
}

fn out_of_place() -> PeerError {
    PeerError::Nonsense("the relay's answer does not belong here".to_owned())
}
