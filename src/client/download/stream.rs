//! A download in order, to whoever reads: each block is checked before it goes out, and nothing is
//! written to a disk.

use std::num::NonZeroU8;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::digests::FileHasher;
use super::error::DownloadError;
use super::fetch::{Fetch, Stop};
use super::found::Way;
use super::outline::Outline;
use super::request::{Download, Downloaded};
use super::sink::{Queue, Sink};
use super::whole::{Streamed, stream_to_queue};
use crate::base::limits::DOWNLOAD_WINDOW_SIZE_MAX;
use crate::plan::BlockPlan;
use crate::wire::Representation;

impl Download {
    /// Fetches the file and writes it to `out` from its beginning to its end. Dropped or failed, it
    /// leaves nothing but what went out.
    ///
    /// # Errors
    /// Any but those of a target. With [`DownloadError::Mismatch`] everything went out, and is not
    /// what it should be.
    pub async fn write_to(&self, out: impl AsyncWrite) -> Result<Downloaded, DownloadError> {
        let streamed = match self.remote.way.clone() {
            Way::Blocks(outline, representation) => {
                self.write_blocks(out, outline, representation).await?
            }
            Way::Plain => self.write_stream(out).await?,
        };
        self.checked(streamed)
    }

    async fn write_blocks(
        &self,
        out: impl AsyncWrite,
        outline: Outline,
        representation: Representation,
    ) -> Result<Streamed, DownloadError> {
        let window = window(outline.block_size(), self.options.connections)?;
        let (block_count, size_bytes) = (outline.block_count(), outline.size_bytes());
        let plan = BlockPlan::new(block_count, self.options.retries.saturating_add(1));
        let queue = Arc::new(Queue::default());
        let parts = (outline, representation);
        let origin = self.remote.origin.clone();
        let sink = Sink::Queue(Arc::clone(&queue));
        let plan = plan.in_order(window);
        let fetch = Arc::new(Fetch::new(origin, parts, sink, self.progress.clone(), plan));
        let fetching = async {
            match fetch.by_ranges(self.options.connections.get().into()).await {
                Ok(()) => Ok(()),
                Err(Stop::Failed(error)) => Err(error),
                Err(Stop::NoRanges) => fetch.by_one_stream(self.options.retries).await,
            }
        };
        let writing = async {
            let mut out = pin!(out);
            let mut hasher = FileHasher::new(self.remote.told.clone());
            for index in 0..block_count {
                for frame in queue.take(index).await {
                    hasher.update(&frame);
                    out.write_all(&frame).await.map_err(DownloadError::Output)?;
                }
                fetch.went_out(index + 1);
            }
            out.flush().await.map_err(DownloadError::Output)?;
            hasher.finish()
        };
        let ((), checked) = tokio::try_join!(fetching, writing)?;
        Ok(Streamed { size_bytes, blake3: fetch.root(), checked })
    }

    async fn write_stream(&self, out: impl AsyncWrite) -> Result<Streamed, DownloadError> {
        let queue = Arc::new(Queue::default());
        let writing = async {
            let mut out = pin!(out);
            for index in 0.. {
                let frames = queue.take(index).await;
                if frames.is_empty() {
                    break;
                }
                for frame in frames {
                    out.write_all(&frame).await.map_err(DownloadError::Output)?;
                }
            }
            out.flush().await.map_err(DownloadError::Output)
        };
        let fetching = stream_to_queue(&self.remote, &queue, &self.progress);
        let (streamed, ()) = tokio::try_join!(fetching, writing)?;
        Ok(streamed)
    }
}

/// Blocks that may be fetched or wait for those before them: half as many again as connections, so that
/// one that is slow does not stop the others at once, within the memory that they may take.
fn window(block_size: u64, connections: NonZeroU8) -> Result<u32, DownloadError> {
    let fitting = u32::try_from(DOWNLOAD_WINDOW_SIZE_MAX / block_size).unwrap_or(u32::MAX);
    if fitting == 0 {
        return Err(DownloadError::BlocksTooLarge { block_size });
    }
    let connections = u32::from(connections.get());
    Ok(fitting.min(connections + connections.div_ceil(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_its_turn_is_bounded_by_memory_too() {
        let sixteen = NonZeroU8::new(16).unwrap();
        assert_eq!(window(1 << 20, sixteen).unwrap(), 24);
        assert_eq!(window(1 << 20, NonZeroU8::MIN).unwrap(), 2);
        assert_eq!(window(4 << 20, sixteen).unwrap(), 16);
        assert_eq!(window(64 << 20, NonZeroU8::MAX).unwrap(), 1);
        assert!(window(128 << 20, sixteen).is_err());
    }
}
