//! What comes over a control line, read by a task of its own: waiting for something else beside it
//! does not reset the time in which the other end has to show life.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::Fault;
use crate::base::limits::PEER_INBOX_SIZE;
use crate::client::peer::{LineReader, PeerError};
use crate::wire::PeerMessage;

/// The messages of one control line. Dropped, it stops reading.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: mpsc::Receiver<Result<Option<PeerMessage>, Fault>>,
    reading: JoinHandle<()>,
}

impl Inbox {
    pub(super) fn new(mut reader: LineReader) -> Inbox {
        let (queue, messages) = mpsc::channel(PEER_INBOX_SIZE);
        let reading = tokio::spawn(async move {
            loop {
                let message = receive(&mut reader).await;
                let is_last = !matches!(message, Ok(Some(_)));
                if queue.send(message).await.is_err() || is_last {
                    return;
                }
            }
        });
        Inbox { messages, reading }
    }

    /// The next message; `None` after the other end's last. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<PeerMessage>, Fault> {
        let abandoned = || Err(Fault::Line(PeerError::Abandoned));
        self.messages.recv().await.unwrap_or_else(abandoned)
    }

    /// Whether another message is there already.
    pub(super) fn has_more(&self) -> bool {
        !self.messages.is_empty()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The next message of a line.
pub(super) async fn receive(reader: &mut LineReader) -> Result<Option<PeerMessage>, Fault> {
    match reader.receive().await? {
        Some(message) => Ok(Some(PeerMessage::decode(message)?)),
        None => Ok(None),
    }
}
