//! Blocks over several connections at once.
//!
//! 1. Each connection is a task that takes a block from the plan and asks for its range: more
//!    connections are the answer to a far network.
//! 2. What comes is hashed (by the disk's thread, where it is copied anyway), written,
//!    noted in the journal, and only then counted. The next byte is read after that: a process that
//!    dies loses one block for each connection.
//! 3. What fails goes back to the plan, where any connection finds it, and who failed makes a pause.
//! 4. The first error that trying again does not help ends all of them. A server that answers with
//!    the whole file ends them too: `whole.rs` goes on.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use reqwest::Response;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::error::DownloadError;
use super::found::pause_after;
use super::origin::{Body, Origin, refusal, source_headers, text};
use super::outline::{BlockHasher, Outline};
use super::progress::DownloadProgress;
use super::sink::Sink;
use crate::base::limits::DOWNLOAD_PIECE_SIZE;
use crate::client::ClientError;
use crate::plan::{BlockPlan, NextBlock};
use crate::wire::{Representation, ResumeMismatch};

/// One download, as all its connections see it.
pub(super) struct Fetch {
    pub(super) origin: Origin,
    pub(super) outline: Outline,
    pub(super) representation: Representation,
    pub(super) sink: Sink,
    pub(super) progress: DownloadProgress,
    plan: Mutex<BlockPlan>,
    /// Told when blocks may have become free, or all are there.
    changed: Notify,
    /// Hashes of the blocks that are there, by index.
    values: Mutex<Vec<[u8; 32]>>,
}

/// Why a connection stopped.
pub(super) enum Stop {
    /// For good.
    Failed(DownloadError),
    /// The server gives the file whole or not at all.
    NoRanges,
}

/// What became of a block.
pub(super) enum Fate {
    There,
    /// It does not have its hash.
    Bad,
}

impl Fetch {
    pub(super) fn new(
        origin: Origin,
        (outline, representation): (Outline, Representation),
        sink: Sink,
        progress: DownloadProgress,
        plan: BlockPlan,
    ) -> Fetch {
        let values = vec![[0; 32]; outline.block_count() as usize];
        Fetch {
            origin,
            outline,
            representation,
            sink,
            progress,
            plan: Mutex::new(plan),
            changed: Notify::new(),
            values: Mutex::new(values),
        }
    }

    /// Fetches what is missing over so many connections.
    pub(super) async fn by_ranges(self: &Arc<Fetch>, connections: u32) -> Result<(), Stop> {
        let mut tasks = JoinSet::new();
        for _ in 0..connections.min(self.outline.block_count()) {
            let fetch = Arc::clone(self);
            tasks.spawn(async move { fetch.connection().await });
        }
        let mut ended = Ok(());
        while let Some(task) = tasks.join_next().await {
            let gone = |error| DownloadError::Target(format!("a connection's task ended: {error}"));
            ended = task.unwrap_or_else(|error| Err(Stop::Failed(gone(error))));
            if ended.is_err() {
                break;
            }
        }
        // The others do nothing more when this is over.
        tasks.shutdown().await;
        ended
    }

    /// The BLAKE3 of the whole file, which is there.
    pub(super) fn root(&self) -> [u8; 32] {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        self.outline.root().unwrap_or_else(|| self.outline.merge(&values))
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, BlockPlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block is there from before.
    pub(super) fn found(&self, index: u32, value: [u8; 32]) {
        self.remember(index, value);
        self.plan().found(index);
        let block = self.outline.block(index);
        self.progress.add_found(block.end - block.start);
    }

    /// All blocks before this one went out.
    pub(super) fn went_out(&self, end: u32) {
        self.plan().went_out(end);
        self.changed.notify_waiters();
    }

    async fn connection(&self) -> Result<(), Stop> {
        let mut failed_in_a_row = 0;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Told from here on, before the plan is looked at.
            changed.as_mut().enable();
            let next = self.plan().take();
            match next {
                NextBlock::Finished => return Ok(()),
                NextBlock::Wait => changed.await,
                NextBlock::Take(index) => match self.fetch(index).await {
                    Ok(()) => failed_in_a_row = 0,
                    Err(Trouble::Stop(stop)) => return Err(stop),
                    Err(Trouble::Passing(error)) => {
                        tracing::debug!(%error, "a block is fetched again");
                        sleep(pause_after(&error, failed_in_a_row)).await;
                        failed_in_a_row += 1;
                    }
                },
            }
        }
    }

    /// Fetches a block. Whatever happens, it does not stay in flight.
    async fn fetch(&self, index: u32) -> Result<(), Trouble> {
        match self.ask(index).await {
            Ok((Fate::There, mut body)) => {
                self.done(index);
                // To the end, so that the connection can be used again.
                drop(body.next(1).await);
                Ok(())
            }
            Ok((Fate::Bad, _)) => self.fail(index, damaged(index)),
            Err(Trouble::Passing(error)) => self.fail(index, error),
            Err(stop) => {
                self.plan().give_back(index);
                self.changed.notify_waiters();
                Err(stop)
            }
        }
    }

    /// What became of a block, and the rest of the answer that it came with.
    async fn ask(&self, index: u32) -> Result<(Fate, Body), Trouble> {
        let part = self.outline.block(index);
        let asked = self.representation.part(&part).ok_or(Trouble::Stop(Stop::NoRanges))?;
        let answer = self.origin.get(Some(&asked)).await?;
        self.check_part(&answer, &part)?;
        let mut body = self.origin.body(answer);
        let fate = self.block(&mut body, index).await?;
        Ok((fate, body))
    }

    /// Reads a block and brings it where it belongs, unless it is bad.
    pub(super) async fn block(&self, body: &mut Body, index: u32) -> Result<Fate, DownloadError> {
        let block = self.outline.block(index);
        match &self.sink {
            Sink::Part(_) => self.block_to_part(body, index, block).await,
            Sink::Queue(queue) => {
                let mut hasher = self.outline.hasher(index);
                let size = usize::try_from(block.end - block.start).unwrap_or(usize::MAX);
                let frames = self.frames(body, size, Some(&mut hasher)).await?;
                let value = hasher.finish();
                if !self.outline.accepts(index, &value) {
                    return Ok(Fate::Bad);
                }
                self.remember(index, value);
                queue.put(index, frames);
                Ok(Fate::There)
            }
        }
    }

    /// In pieces, so that memory does not grow with the block. The last is written when the whole
    /// block is known to be good; a block counts when it is noted.
    async fn block_to_part(
        &self,
        body: &mut Body,
        index: u32,
        block: Range<u64>,
    ) -> Result<Fate, DownloadError> {
        let Sink::Part(part) = &self.sink else { return Ok(Fate::Bad) };
        let mut hasher = self.outline.hasher(index);
        let mut at = block.start;
        let value = loop {
            let size = usize::try_from(block.end - at).unwrap_or(usize::MAX);
            let size = size.min(DOWNLOAD_PIECE_SIZE);
            let frames = self.frames(body, size, None).await?;
            let expected = self.outline.expected(index);
            let end = at + size as u64;
            let is_last = end == block.end;
            let check = move |piece: &[u8]| {
                hasher.update(piece);
                let value = is_last.then(|| hasher.finish());
                let is_good = value.is_none_or(|value| expected.is_none_or(|known| known == value));
                (is_good, (hasher, value))
            };
            let (is_good, (checked, value)) = part.landing.write_checked(at, frames, check).await?;
            if !is_good {
                return Ok(Fate::Bad);
            }
            if let Some(value) = value {
                break value;
            }
            (hasher, at) = (checked, end);
        };
        part.note(index, value)?;
        self.remember(index, value);
        Ok(Fate::There)
    }

    /// Exactly so many bytes, as they came.
    async fn frames(
        &self,
        body: &mut Body,
        size: usize,
        mut hasher: Option<&mut BlockHasher>,
    ) -> Result<Vec<Bytes>, DownloadError> {
        let (mut frames, mut left) = (Vec::new(), size);
        while left > 0 {
            let Some(frame) = body.next(left).await? else {
                let why = "it ended before the file did".to_owned();
                return Err(ClientError::Broken(why).into());
            };
            self.progress.add_fetched(frame.len());
            if let Some(hasher) = &mut hasher {
                hasher.update(&frame);
            }
            left -= frame.len();
            frames.push(frame);
        }
        Ok(frames)
    }

    /// A block in flight is there.
    pub(super) fn done(&self, index: u32) {
        let mut plan = self.plan();
        plan.done(index);
        let is_finished = plan.is_finished();
        drop(plan);
        let block = self.outline.block(index);
        self.progress.add_there(block.end - block.start);
        if is_finished {
            self.changed.notify_waiters();
        }
    }

    /// A block did not come, or is bad: is it worth another try?
    fn fail(&self, index: u32, error: DownloadError) -> Result<(), Trouble> {
        self.progress.add_failed_block();
        let may_go_on = self.plan().failed(index);
        self.changed.notify_waiters();
        Err(if may_go_on { Trouble::Passing(error) } else { Trouble::Stop(Stop::Failed(error)) })
    }

    fn remember(&self, index: u32, value: [u8; 32]) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = values.get_mut(index as usize) {
            *known = value;
        }
    }

    /// Whether an answer is this part of this file.
    fn check_part(&self, answer: &Response, part: &Range<u64>) -> Result<(), Trouble> {
        let headers = source_headers(answer.headers());
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => return Err(self.why_whole(answer)),
            StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(Trouble::Stop(Stop::Failed(DownloadError::Changed)));
            }
            _ => return Err(DownloadError::from(refusal(answer)).into()),
        }
        let checked = self.representation.check_part(part, told_size(answer), &headers);
        checked.map_err(|mismatch| match mismatch {
            ResumeMismatch::Changed => Trouble::Stop(Stop::Failed(DownloadError::Changed)),
            ResumeMismatch::Range => {
                let got = headers.content_range.unwrap_or("no range");
                let why = format!("it sent {got} instead of bytes {}-{}", part.start, part.end - 1);
                Trouble::Passing(DownloadError::Damaged(why))
            }
        })
    }

    /// A server that answers a range with a whole document: one that knows no ranges, one whose file
    /// changed, or an error that calls itself a success.
    fn why_whole(&self, answer: &Response) -> Trouble {
        if self.is_whole(answer) {
            return Trouble::Stop(Stop::NoRanges);
        }
        let headers = source_headers(answer.headers());
        let is_another = (headers.etag.is_some() || headers.last_modified.is_some())
            && !self.representation.is_same(&headers);
        if is_another {
            return Trouble::Stop(Stop::Failed(DownloadError::Changed));
        }
        let why = "the server answered with something else, and called it a success".to_owned();
        Trouble::Passing(DownloadError::Damaged(why))
    }

    /// Whether an answer of status 200 is the whole file. Where no hashes tell, its headers have to.
    pub(super) fn is_whole(&self, answer: &Response) -> bool {
        let headers = source_headers(answer.headers());
        let size = told_size(answer);
        let has_size = size.is_none_or(|size| size == self.outline.size_bytes());
        let is_told = headers.etag.is_some() || headers.last_modified.is_some();
        let is_checked = self.outline.root().is_some() && size.is_some();
        has_size && (is_told || is_checked) && self.representation.is_same(&headers)
    }
}

/// Why a block did not come.
enum Trouble {
    /// Nobody goes on.
    Stop(Stop),
    /// Trying again may help.
    Passing(DownloadError),
}

impl From<DownloadError> for Trouble {
    fn from(error: DownloadError) -> Trouble {
        if error.may_pass() { Trouble::Passing(error) } else { Trouble::Stop(Stop::Failed(error)) }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        DownloadError::from(error).into()
    }
}

/// What is said of a bad block.
pub(super) fn damaged(index: u32) -> DownloadError {
    DownloadError::Damaged(format!("block {index} has not its hash"))
}

fn told_size(answer: &Response) -> Option<u64> {
    text(answer.headers(), &CONTENT_LENGTH)?.trim().parse().ok()
}
