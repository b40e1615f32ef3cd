//! A download into a file.
//!
//! 1. The part is opened and locked; its journal says which blocks are there, and each of them is
//!    read back and hashed before that is believed.
//! 2. What is missing is fetched, checked, written, noted.
//! 3. Digests of the whole file are compared, which reads it once more if there are any.
//! 4. The part becomes the target, and the journal goes.
//!
//! What stops it before leaves part and journal for the next, unless they are of no use.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::digests::FileHasher;
use super::error::DownloadError;
use super::fetch::{Fetch, Stop};
use super::found::Way;
use super::journal::{self, Journal};
use super::names::Names;
use super::outline::Outline;
use super::request::{Download, Downloaded};
use super::sink::{PartSink, Sink};
use super::whole::{Streamed, stream_to_part};
use crate::base::limits::{
    DOCK_CHUNK_SIZE, DOWNLOAD_PIECE_SIZE, DOWNLOAD_READS_IN_FLIGHT, DOWNLOAD_WRITES_IN_FLIGHT,
};
use crate::client::landing::{Attributes, Berth, Dock, DockOptions, Landing};
use crate::copy::directory;
use crate::plan::BlockPlan;
use crate::wire::{JournalHeader, JournalRecord, Representation};

impl Download {
    /// Fetches the file and gives it the name `target` when it is whole and checked. May be dropped
    /// at any time: what was fetched is kept beside the target where another call can go on with it,
    /// also in another process.
    ///
    /// # Errors
    /// Any but [`DownloadError::Output`]. The target is what it was.
    pub async fn save(&self, target: &Path) -> Result<Downloaded, DownloadError> {
        Download::check_target(target, self.options.replace)?;
        let Some(names) = Names::beside(target) else {
            return Err(DownloadError::Target("the target is no name of a file".to_owned()));
        };
        let dock = Dock::open(self.dock_options(), directory(target))?;
        *self.disk_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(dock.end());
        if let Some(warning) = dock.warning() {
            tracing::debug!("{warning}");
        }
        let berth = Berth {
            target: target.to_owned(),
            replace: self.options.replace,
            size_bytes: self.remote.size_bytes,
        };
        match self.remote.way.clone() {
            Way::Blocks(outline, representation) => {
                let landing = dock.resume(&names.part, berth).await?;
                let mut leftovers = Leftovers { download: self, names: &names, is_useless: false };
                let ended = self.save_blocks(&names, &landing, outline, representation).await;
                leftovers.is_useless = matches!(
                    ended,
                    Ok(_) | Err(DownloadError::Mismatch { .. } | DownloadError::Changed)
                );
                ended
            }
            // Nobody can go on with it, so nothing of it stays.
            Way::Plain => {
                let landing = dock.create(berth).await?;
                let (remote, retries) = (&self.remote, self.options.retries);
                let streamed = stream_to_part(remote, &landing, retries, &self.progress).await?;
                self.publish(&landing, streamed, Some(Attributes::ordinary())).await
            }
        }
    }

    fn dock_options(&self) -> DockOptions {
        DockOptions {
            engine: self.options.engine,
            in_flight: DOWNLOAD_WRITES_IN_FLIGHT,
            chunk_size: DOCK_CHUNK_SIZE,
            durable: self.options.durable,
        }
    }

    async fn save_blocks(
        &self,
        names: &Names,
        landing: &Landing,
        outline: Outline,
        representation: Representation,
    ) -> Result<Downloaded, DownloadError> {
        let (journal, claims) = self.open_journal(names, &outline)?;
        let size_bytes = outline.size_bytes();
        let there = believed(landing, &outline, claims).await?;
        let plan = BlockPlan::new(outline.block_count(), self.options.retries.saturating_add(1));
        let sink = Sink::Part(PartSink { landing: landing.clone(), journal });
        let parts = (outline, representation);
        let origin = self.remote.origin.clone();
        let fetch = Arc::new(Fetch::new(origin, parts, sink, self.progress.clone(), plan));
        for record in there {
            fetch.found(record.index, record.hash);
        }
        match fetch.by_ranges(self.options.connections.get().into()).await {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::NoRanges) => fetch.by_one_stream(self.options.retries).await?,
        }
        let checked = digest_again(landing, size_bytes, self.remote.told.clone()).await?;
        let streamed = Streamed { size_bytes, blake3: fetch.root(), checked };
        self.publish(landing, streamed, None).await
    }

    fn open_journal(
        &self,
        names: &Names,
        outline: &Outline,
    ) -> Result<(Journal, Vec<JournalRecord>), DownloadError> {
        let Some(identity) = self.remote.identity() else {
            return Err(DownloadError::Target("the file has nothing that pins it".to_owned()));
        };
        let header = JournalHeader {
            size_bytes: outline.size_bytes(),
            block_size_bytes: outline.block_size(),
            identity,
        };
        let opened = Journal::open(&names.journal, header).map_err(|error| {
            DownloadError::Target(format!("its journal cannot be opened: {error}"))
        })?;
        if opened.was_of_another {
            tracing::info!(
                "the part beside the target is of another file, or of an older one: starting over"
            );
        }
        Ok((opened.journal, opened.claims))
    }

    async fn publish(
        &self,
        landing: &Landing,
        streamed: Streamed,
        attributes: Option<Attributes>,
    ) -> Result<Downloaded, DownloadError> {
        let downloaded = self.checked(streamed)?;
        self.progress.begin_naming();
        landing.publish(downloaded.size_bytes, attributes).await?;
        Ok(downloaded)
    }

    /// What came, if it has the BLAKE3 that was asked for.
    pub(super) fn checked(&self, streamed: Streamed) -> Result<Downloaded, DownloadError> {
        let Streamed { size_bytes, blake3, mut checked } = streamed;
        if let Some(expected) = self.options.blake3 {
            if expected != blake3 {
                return Err(DownloadError::Mismatch {
                    algorithm: "blake3",
                    asked_by: "was asked for",
                    expected: HEXLOWER.encode(&expected),
                    found: HEXLOWER.encode(&blake3),
                });
            }
            checked.push("blake3");
        }
        Ok(Downloaded {
            size_bytes,
            blake3,
            is_verified: self.is_verified(),
            checked,
            fetched_bytes: self.progress.fetched_bytes(),
            found_bytes: self.progress.found_bytes(),
            failed_block_count: self.progress.failed_block_count(),
        })
    }

    /// Whether another call, in this process or the next, can go on with what was fetched.
    pub fn is_resumable(&self) -> bool {
        matches!(self.remote.way, Way::Blocks(..))
    }
}

/// What lies beside the target; dropped with the call, however that ends.
struct Leftovers<'a> {
    download: &'a Download,
    names: &'a Names,
    is_useless: bool,
}

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        if self.is_useless || self.download.progress.there_bytes() == 0 {
            // The part first: without it a journal claims what nobody finds.
            journal::forget(&self.names.part);
            journal::forget(&self.names.journal);
        }
    }
}

/// Of the blocks that are said to be there those that are.
async fn believed(
    landing: &Landing,
    outline: &Outline,
    claims: Vec<JournalRecord>,
) -> Result<Vec<JournalRecord>, DownloadError> {
    let looking = claims.into_iter().map(|claim| async move {
        let is_there = outline.accepts(claim.index, &claim.hash)
            && hash_of(landing, outline, claim.index).await? == Some(claim.hash);
        Ok::<_, DownloadError>(is_there.then_some(claim))
    });
    let looked = stream::iter(looking).buffered(DOWNLOAD_READS_IN_FLIGHT);
    let mut there: Vec<JournalRecord> =
        looked.try_filter_map(|claim| async move { Ok(claim) }).try_collect().await?;
    // A block that was written twice is claimed twice.
    there.sort_by_key(|record| record.index);
    there.dedup_by_key(|record| record.index);
    Ok(there)
}

/// Of a block as the disk has it.
async fn hash_of(
    landing: &Landing,
    outline: &Outline,
    index: u32,
) -> Result<Option<[u8; 32]>, DownloadError> {
    let block = outline.block(index);
    let mut hasher = outline.hasher(index);
    let mut at = block.start;
    while at < block.end {
        let piece = read_piece(landing, at, block.end).await?;
        if piece.is_empty() {
            return Ok(None);
        }
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    Ok(Some(hasher.finish()))
}

/// Compares digests of the whole file, in one pass over the disk if there are any.
async fn digest_again(
    landing: &Landing,
    size_bytes: u64,
    expected: Vec<super::digests::Expected>,
) -> Result<Vec<&'static str>, DownloadError> {
    let mut hasher = FileHasher::new(expected);
    if !hasher.is_idle() {
        let starts = (0..size_bytes).step_by(DOWNLOAD_PIECE_SIZE);
        let reads = starts.map(|start| read_piece(landing, start, size_bytes));
        let mut pieces = stream::iter(reads).buffered(DOWNLOAD_READS_IN_FLIGHT);
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
    }
    hasher.finish()
}

async fn read_piece(landing: &Landing, start: u64, end: u64) -> Result<Bytes, DownloadError> {
    let size = usize::try_from(end - start).unwrap_or(usize::MAX).min(DOWNLOAD_PIECE_SIZE);
    Ok(landing.read(start, size).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_can_be_moved_between_threads() {
        fn is_send<T: Send>(_: impl Fn(Download) -> T) {}
        is_send(|download| async move {
            download.save(Path::new("a")).await?;
            download.write_to(tokio::io::sink()).await
        });
    }
}
