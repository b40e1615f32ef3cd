//! One message from an end, and messages to it, over its connection; each within its time. Of what
//! follows a message nothing is read: it is the other end's.

use std::net::Shutdown;
use std::time::Duration;

use futures_util::FutureExt as _;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::refusal::Refusal;
use crate::base::limits::{
    RELAY_HANDSHAKE_TIMEOUT_S, RELAY_KEEPALIVE_INTERVAL_S, RELAY_KEEPALIVE_RETRIES,
    RELAY_KEEPALIVE_S, RELAY_LINGER_SIZE_MAX, RELAY_LINGER_TIMEOUT_S, RELAY_TELL_TIMEOUT_S,
    RENDEZVOUS_VALUE_SIZE_MAX,
};
use crate::wire::{
    EndMessage, RelayMessage, RendezvousError, TLV_HEAD_SIZE, rendezvous_value_size,
};

/// Why an end said nothing that can be acted on.
#[derive(Debug)]
pub(super) enum Unheard {
    /// It is gone, and said nothing.
    Left,
    /// It is there, and is told.
    Refused(Refusal),
}

impl From<RendezvousError> for Unheard {
    fn from(error: RendezvousError) -> Unheard {
        Unheard::Refused(Refusal::unreadable(error))
    }
}

/// What an end does while it should be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stir {
    /// It closed its connection, or at least its side.
    Left,
    /// It sent something.
    Spoke,
}

/// Lets the kernel find out about ends that lost their power or their network.
pub(super) fn watch(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(RELAY_KEEPALIVE_S))
        .with_interval(Duration::from_secs(RELAY_KEEPALIVE_INTERVAL_S))
        .with_retries(RELAY_KEEPALIVE_RETRIES);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "no keepalive: a dead end is found by its silence");
    }
}

/// The end's message, whole.
pub(super) async fn hear(stream: &mut TcpStream) -> Result<EndMessage, Unheard> {
    let limit = Duration::from_secs(RELAY_HANDSHAKE_TIMEOUT_S);
    timeout(limit, read_message(stream)).await.unwrap_or(Err(Unheard::Refused(Refusal::too_slow())))
}

async fn read_message(stream: &mut TcpStream) -> Result<EndMessage, Unheard> {
    let mut head = [0; TLV_HEAD_SIZE];
    read_whole(stream, &mut head, 0).await?;
    let size = rendezvous_value_size(head)?;
    let mut value = [0; RENDEZVOUS_VALUE_SIZE_MAX];
    read_whole(stream, &mut value[..size], head.len()).await?;
    Ok(EndMessage::decode(head[0], &value[..size])?)
}

/// Fills the buffer; `before` bytes of the message were read.
async fn read_whole(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    before: usize,
) -> Result<(), Unheard> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) if before + filled > 0 => {
                return Err(Unheard::Refused(Refusal::truncated(before + filled)));
            }
            Ok(0) | Err(_) => return Err(Unheard::Left),
            Ok(count) => filled += count,
        }
    }
    Ok(())
}

/// Resolves when an end that should be silent is not. Nothing is read.
pub(super) async fn stir(stream: &TcpStream) -> Stir {
    match stream.peek(&mut [0]).await {
        Ok(0) | Err(_) => Stir::Left,
        Ok(_) => Stir::Spoke,
    }
}

/// The same of what it has done already.
pub(super) fn has_stirred(stream: &TcpStream) -> Option<Stir> {
    stir(stream).now_or_never()
}

/// Says something; an error is an end that is gone.
pub(super) async fn tell(stream: &mut TcpStream, message: &RelayMessage) -> Result<(), ()> {
    let bytes = message.encode();
    let told = timeout(Duration::from_secs(RELAY_TELL_TIMEOUT_S), stream.write_all(&bytes)).await;
    told.map_err(drop)?.map_err(drop)
}

/// Says no, and closes the connection in a way that lets the end read it.
pub(super) async fn dismiss(mut stream: TcpStream, refusal: &Refusal) {
    if tell(&mut stream, &refusal.message()).await.is_err() {
        return;
    }
    if SockRef::from(&stream).shutdown(Shutdown::Write).is_err() {
        return;
    }
    let discard = async {
        let mut bytes = [0; RENDEZVOUS_VALUE_SIZE_MAX];
        let mut discarded = 0;
        while discarded < RELAY_LINGER_SIZE_MAX {
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(count) => discarded += count,
            }
        }
    };
    // However it goes, the connection is closed.
    let _ = timeout(Duration::from_secs(RELAY_LINGER_TIMEOUT_S), discard).await;
}
