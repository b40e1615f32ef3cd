//! The end of a control line.

use std::time::Duration;

use tokio::time::timeout;

use super::error::Fault;
use super::inbox::Inbox;
use crate::base::limits::PEER_FAREWELL_TIMEOUT_S;
use crate::client::peer::LineWriter;
use crate::wire::PeerMessage;

/// Says the last word, and waits for the other end's: a connection that is closed while something
/// comes is reset, and what was just said may be lost with it. It is a courtesy, and has a time
/// limit.
pub(super) async fn farewell(
    mut writer: LineWriter,
    mut inbox: Inbox,
    last_word: Option<PeerMessage>,
) {
    let saying = async move {
        if let Some(word) = last_word {
            writer.send(&[&word.encode()]).await?;
        }
        writer.finish().await?;
        while inbox.next().await?.is_some() {}
        Ok::<_, Fault>(())
    };
    // The other end may be gone already.
    let _ = timeout(Duration::from_secs(PEER_FAREWELL_TIMEOUT_S), saying).await;
}
