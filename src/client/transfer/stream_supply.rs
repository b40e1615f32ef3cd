//! Blocks of a stream: a window over what was read of it, until the receiver has it.
//!
//! ```text
//!   gone, the receiver has it │ held: may be asked for, more than once │ not read yet
//!                            low                                      next, at most low + 32
//! ```
//! Each question says where `low` is at the receiver. So memory is bounded, and a slow receiver stops
//! the reading.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::watch;

use super::error::TransferError;
use super::supply::{Answer, Senseless};
use crate::base::limits::{PEER_BLOCK_SIZE, PEER_STREAM_WINDOW};

/// A stream that is sent.
#[derive(Debug)]
pub(super) struct StreamSupply {
    window: Mutex<Window>,
    /// Told when the window moves, at either side.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Window {
    blocks: BTreeMap<u64, Bytes>,
    low: u64,
    next: u64,
    /// Its size and BLAKE3, when it was read to its end.
    end: Option<(u64, [u8; 32])>,
}

impl StreamSupply {
    pub(super) fn new() -> StreamSupply {
        StreamSupply { window: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Reads the stream to its end, as far ahead as the window goes.
    pub(super) async fn fill<S>(&self, mut source: S) -> Result<(), TransferError>
    where
        S: Stream<Item = io::Result<Bytes>> + Unpin,
    {
        let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
        let mut partial = BytesMut::new();
        while let Some(frame) = source.next().await {
            let mut frame = frame
                .map_err(|error| TransferError::Source(format!("stdin cannot be read: {error}")))?;
            hasher.update(&frame);
            size += frame.len() as u64;
            while !frame.is_empty() {
                let missing = PEER_BLOCK_SIZE - partial.len();
                partial.reserve(missing);
                partial.extend_from_slice(&frame.split_to(frame.len().min(missing)));
                if partial.len() == PEER_BLOCK_SIZE {
                    self.push(partial.split().freeze()).await;
                }
            }
        }
        if !partial.is_empty() {
            self.push(partial.freeze()).await;
        }
        self.window().end = Some((size, *hasher.finalize().as_bytes()));
        self.changed.send_replace(());
        Ok(())
    }

    async fn push(&self, block: Bytes) {
        let mut changes = self.changed.subscribe();
        loop {
            {
                let mut window = self.window();
                if window.next < window.low + PEER_STREAM_WINDOW {
                    let next = window.next;
                    window.blocks.insert(next, block);
                    window.next += 1;
                    break;
                }
            }
            // The sender of changes is ours, and there.
            let _ = changes.changed().await;
        }
        self.changed.send_replace(());
    }

    /// A block, when it was read; those below `low` are let go.
    pub(super) async fn block(&self, block: u64, low: u64) -> Result<Answer, Senseless> {
        let mut changes = self.changed.subscribe();
        self.let_go(low)?;
        loop {
            {
                let window = self.window();
                if let Some(bytes) = window.blocks.get(&block) {
                    return Ok(Answer::Block(bytes.clone()));
                }
                if block < window.low {
                    return Ok(Answer::Needless);
                }
                if block - window.low >= PEER_STREAM_WINDOW {
                    return Err(Senseless);
                }
                if let Some((size, _)) = window.end {
                    return Ok(Answer::End(size));
                }
            }
            let _ = changes.changed().await;
        }
    }

    fn let_go(&self, low: u64) -> Result<(), Senseless> {
        let mut window = self.window();
        if low > window.next {
            return Err(Senseless);
        }
        if low > window.low {
            window.low = low;
            window.blocks = window.blocks.split_off(&low);
            drop(window);
            self.changed.send_replace(());
        }
        Ok(())
    }

    /// Whether the receiver has it; if not, why.
    pub(super) fn check(
        &self,
        size_bytes: u64,
        blake3: &[u8; 32],
    ) -> Result<Result<(), String>, Senseless> {
        let (size, own) = self.window().end.ok_or(Senseless)?;
        if size_bytes != size {
            return Err(Senseless);
        }
        let is_same = own == *blake3;
        Ok(is_same
            .then_some(())
            .ok_or_else(|| "what arrived is not what was sent: BLAKE3 differs".to_owned()))
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        // Nothing in here panics halfway.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::{FutureExt as _, stream};

    use super::*;

    const MIB: usize = PEER_BLOCK_SIZE;

    fn frames(
        content: &Bytes,
        size: usize,
    ) -> impl Stream<Item = io::Result<Bytes>> + Unpin + use<> {
        let mut rest = content.clone();
        stream::iter(std::iter::from_fn(move || {
            let frame = rest.split_to(rest.len().min(size));
            (!frame.is_empty()).then_some(Ok(frame))
        }))
    }

    fn content(size: usize) -> Bytes {
        (0..251_u8).cycle().take(size).collect::<Vec<_>>().into()
    }

    #[tokio::test]
    async fn blocks_can_be_asked_for_again_until_they_are_let_go() {
        let (supply, content) = (StreamSupply::new(), content(3 * MIB + 7));
        supply.fill(frames(&content, 100_001)).await.unwrap();
        for _ in 0..2 {
            for block in [3, 0, 2, 1] {
                let expected = content.slice(block * MIB..content.len().min((block + 1) * MIB));
                let answer = supply.block(block as u64, 0).await;
                assert_eq!(answer, Ok(Answer::Block(expected)));
            }
        }
        assert_eq!(supply.block(4, 2).await, Ok(Answer::End(content.len() as u64)));
        assert_eq!(supply.block(1, 2).await, Ok(Answer::Needless), "it was let go");
        assert_eq!(supply.block(4, 5).await, Err(Senseless), "more than there is");
        let hash = *blake3::hash(&content).as_bytes();
        assert_eq!(supply.check(content.len() as u64, &hash), Ok(Ok(())));
        assert_eq!(supply.check(1, &hash), Err(Senseless));
        assert!(supply.check(content.len() as u64, &[0; 32]).unwrap().is_err());
    }

    #[tokio::test]
    async fn no_more_than_a_window_is_held() {
        let blocks = PEER_STREAM_WINDOW + 2;
        let supply = Arc::new(StreamSupply::new());
        let content = content(usize::try_from(blocks).unwrap() * MIB);
        let mut filling = Box::pin(supply.fill(frames(&content, MIB)));
        assert!(filling.as_mut().now_or_never().is_none(), "it waits");
        assert_eq!(supply.window().blocks.len() as u64, PEER_STREAM_WINDOW);
        assert_eq!(supply.block(PEER_STREAM_WINDOW, 0).await, Err(Senseless), "too far ahead");
        assert!(supply.block(PEER_STREAM_WINDOW, 1).now_or_never().is_none(), "not read yet");
        assert!(filling.as_mut().now_or_never().is_none());
        assert!(matches!(supply.block(PEER_STREAM_WINDOW, 2).await, Ok(Answer::Block(_))));
        filling.await.unwrap();
        assert_eq!(supply.window().blocks.len() as u64, PEER_STREAM_WINDOW);
    }

    #[tokio::test]
    async fn an_empty_stream_is_all_end() {
        let supply = StreamSupply::new();
        assert!(supply.block(0, 0).now_or_never().is_none(), "nobody knows yet");
        supply.fill(frames(&Bytes::new(), 1)).await.unwrap();
        assert_eq!(supply.block(0, 0).await, Ok(Answer::End(0)));
    }

    #[tokio::test]
    async fn a_stream_that_cannot_be_read_is_told() {
        let broken = stream::iter([Err(io::Error::other("worn out"))]);
        let error = StreamSupply::new().fill(broken).await.unwrap_err();
        assert!(error.to_string().contains("worn out"), "{error}");
    }
}
