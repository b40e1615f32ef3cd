//! One stream, from the file's beginning to its end: for servers that know no ranges, and for files
//! of which nobody knows the size or what pins them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use http::StatusCode;

use super::digests::FileHasher;
use super::error::DownloadError;
use super::fetch::{Fate, Fetch, damaged};
use super::found::{Remote, patiently};
use super::origin::{Body, refusal};
use super::progress::DownloadProgress;
use super::sink::{Queue, Sink};
use crate::base::limits::DOWNLOAD_PIECE_SIZE;
use crate::client::ClientError;
use crate::client::landing::Landing;

/// A file that came in one stream.
pub(super) struct Streamed {
    pub(super) size_bytes: u64,
    pub(super) blake3: [u8; 32],
    /// Digests that were compared.
    pub(super) checked: Vec<&'static str>,
}

impl Fetch {
    /// Fetches what is missing by reading everything: blocks that are there are read over.
    pub(super) async fn by_one_stream(&self, retries: u32) -> Result<(), DownloadError> {
        self.plan().give_all_back();
        patiently(retries, || self.stream_once()).await
    }

    async fn stream_once(&self) -> Result<(), DownloadError> {
        let answer = self.origin.get(None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(&answer).into());
        }
        if !self.is_whole(&answer) {
            return Err(DownloadError::Changed);
        }
        let mut body = self.origin.body(answer);
        let mut bad = None;
        for index in 0..self.outline.block_count() {
            if !self.plan().take_one(index) {
                self.read_over(&mut body, index).await?;
                continue;
            }
            if let Sink::Queue(queue) = &self.sink {
                queue.room().await;
            }
            let fate = self.block(&mut body, index).await;
            if let Ok(Fate::There) = fate {
                self.done(index);
                continue;
            }
            self.progress.add_failed_block();
            self.plan().give_back(index);
            fate?;
            bad = Some(index);
            if matches!(self.sink, Sink::Queue(_)) {
                // Those after it would wait for it for ever.
                break;
            }
        }
        bad.map_or(Ok(()), |index| Err(damaged(index)))
    }

    async fn read_over(&self, body: &mut Body, index: u32) -> Result<(), DownloadError> {
        let block = self.outline.block(index);
        let mut left = usize::try_from(block.end - block.start).unwrap_or(usize::MAX);
        while left > 0 {
            let bytes = body.next(left).await?.ok_or_else(ended_early)?;
            self.progress.add_fetched(bytes.len());
            left -= bytes.len();
        }
        Ok(())
    }
}

/// Fetches a file of which nothing is known but its URL to a part. Each try begins anew.
pub(super) async fn stream_to_part(
    remote: &Remote,
    landing: &Landing,
    retries: u32,
    progress: &DownloadProgress,
) -> Result<Streamed, DownloadError> {
    patiently(retries, || async {
        progress.restart();
        let mut pieces = Pieces::begin(remote, progress).await?;
        let mut next = pieces.next().await?;
        while let Some((at, piece)) = next {
            // While one is written, the next comes.
            let (written, following) = join(landing.write(at, piece), pieces.next()).await;
            written?;
            next = following?;
        }
        pieces.finish()
    })
    .await
}

/// The same, out in order. What went out cannot be taken back, so it is tried once.
pub(super) async fn stream_to_queue(
    remote: &Remote,
    queue: &Arc<Queue>,
    progress: &DownloadProgress,
) -> Result<Streamed, DownloadError> {
    let mut pieces = Pieces::begin(remote, progress).await?;
    let mut index = 0;
    while let Some((_, piece)) = pieces.next().await? {
        queue.room().await;
        queue.put(index, vec![piece]);
        index += 1;
    }
    queue.put(index, Vec::new());
    pieces.finish()
}

/// A stream in pieces, hashed as it comes.
struct Pieces<'a> {
    remote: &'a Remote,
    body: Body,
    progress: &'a DownloadProgress,
    at: u64,
    blake3: blake3::Hasher,
    digests: FileHasher,
}

impl Pieces<'_> {
    async fn begin<'a>(
        remote: &'a Remote,
        progress: &'a DownloadProgress,
    ) -> Result<Pieces<'a>, DownloadError> {
        let answer = remote.origin.get(None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(&answer).into());
        }
        Ok(Pieces {
            remote,
            body: remote.origin.body(answer),
            progress,
            at: 0,
            blake3: blake3::Hasher::new(),
            digests: FileHasher::new(remote.told.clone()),
        })
    }

    /// The next piece and where it belongs; `None` at the end.
    async fn next(&mut self) -> Result<Option<(u64, Bytes)>, DownloadError> {
        let mut piece = BytesMut::with_capacity(DOWNLOAD_PIECE_SIZE);
        while piece.len() < DOWNLOAD_PIECE_SIZE {
            let Some(bytes) = self.body.next(DOWNLOAD_PIECE_SIZE - piece.len()).await? else {
                break;
            };
            piece.extend_from_slice(&bytes);
        }
        if piece.is_empty() {
            return Ok(None);
        }
        self.progress.add_fetched(piece.len());
        self.progress.add_there(piece.len() as u64);
        self.blake3.update(&piece);
        self.digests.update(&piece);
        let at = self.at;
        self.at += piece.len() as u64;
        Ok(Some((at, piece.freeze())))
    }

    fn finish(self) -> Result<Streamed, DownloadError> {
        if self.remote.size_bytes.is_some_and(|size| size != self.at) {
            return Err(ended_early().into());
        }
        let checked = self.digests.finish()?;
        let blake3 = self.blake3.finalize().into();
        Ok(Streamed { size_bytes: self.at, blake3, checked })
    }
}

fn ended_early() -> ClientError {
    ClientError::Broken("it ended before the file did".to_owned())
}
