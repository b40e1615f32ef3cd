//! A file's chunks with what is data in them, found as they are asked for.
//!
//! One per pass over a file. Runs of data are widened to whole blocks, which is what direct I/O
//! moves and what filesystems allocate:
//!
//! ```text
//! file     |##########|###.......|..........|.....##.##|####  |      # data, . hole
//! pieces    chunk 0    chunk 1    (a hole)   chunk 3    chunk 4, cut at the end of the file
//! ```

use std::ops::Range;

use super::CopyError;
use crate::base::limits::{BLOCK_SIZE, PREALLOCATION_STEP_MIN};
use crate::disk::{Disk, DiskErrorKind, File};
use crate::plan::{Chunk, Geometry};

/// A chunk and what is data in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it lies.
    pub(super) chunk: Chunk,
    /// Its data, in order, from its start on; whole blocks but for the file's last. None in a hole.
    pub(super) data: Vec<Range<usize>>,
}

/// On the way through a file.
pub(super) struct Walk<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
    size: u64,
    geometry: Geometry,
    /// Whether chunks without data are pieces too.
    holes: bool,
    /// Where room is made for long runs of data before they are given out.
    room_in: Option<&'a File>,
    /// Where the next piece begins.
    at: u64,
    /// The last run that was found; `None` before the first, and an empty one at the end of the
    /// file says that no more follows.
    run: Option<Range<u64>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(disk: &'a dyn Disk, file: &'a File, size: u64, geometry: Geometry) -> Self {
        Walk { disk, file, size, geometry, holes: false, room_in: None, at: 0, run: None }
    }

    /// Chunks without data are given out too.
    pub(super) fn with_holes(self, holes: bool) -> Self {
        Walk { holes, ..self }
    }

    /// Blocks are allocated in `target` for each long run of data: a disk that is too full says so
    /// at once, and direct writes into allocated blocks do not wait for each other.
    pub(super) fn making_room_in(self, target: Option<&'a File>) -> Self {
        Walk { room_in: target, ..self }
    }

    /// The next piece; `None` at the end of the file.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, CopyError> {
        if !self.holes {
            let run = self.run_after(self.at).await?;
            let chunk_size = self.geometry.chunk_size() as u64;
            self.at = self.at.max(run.start / chunk_size * chunk_size);
            if run.is_empty() {
                return Ok(None);
            }
        }
        let mut rest = self.geometry.range(self.at..self.size).map_err(CopyError::TooLarge)?;
        let Some(chunk) = rest.next() else { return Ok(None) };
        self.at = chunk.end();
        let mut data = Vec::new();
        let mut from = chunk.offset;
        while from < chunk.end() {
            let run = self.run_after(from).await?;
            let within = run.start.max(from).min(chunk.end())..run.end.min(chunk.end());
            if within.is_empty() {
                break;
            }
            from = within.end;
            data.push(index(within.start - chunk.offset)..index(within.end - chunk.offset));
        }
        Ok(Some(Piece { chunk, data }))
    }

    /// The first run that ends after `from`, which is a block's start; empty, at the end of the
    /// file, when there is none.
    async fn run_after(&mut self, from: u64) -> Result<Range<u64>, CopyError> {
        if let Some(run) = self.run.as_ref().filter(|run| run.is_empty() || run.end > from) {
            return Ok(run.clone());
        }
        let found = self.disk.next_data(self.file, from).await.map_err(CopyError::Source)?;
        let run = match found {
            Some(run) if run.start < self.size => self.widened(&run),
            Some(_) | None => self.size..self.size,
        };
        self.make_room(&run).await?;
        self.run = Some(run.clone());
        Ok(run)
    }

    fn widened(&self, run: &Range<u64>) -> Range<u64> {
        let block = BLOCK_SIZE as u64;
        let end = run.end.checked_next_multiple_of(block).unwrap_or(self.size);
        run.start / block * block..end.min(self.size)
    }

    async fn make_room(&mut self, run: &Range<u64>) -> Result<(), CopyError> {
        let Some(target) = self.room_in else { return Ok(()) };
        let size = run.end - run.start;
        // Below, it would be a call for each of many small runs.
        if size < PREALLOCATION_STEP_MIN {
            return Ok(());
        }
        match self.disk.allocate(target, run.start, size).await {
            Err(error) if error.kind() == DiskErrorKind::Unsupported => self.room_in = None,
            Err(error) => return Err(CopyError::target(error)),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// A place within a chunk.
fn index(offset: u64) -> usize {
    match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => unreachable!("a chunk fits in memory"),
    }
}
