//! What one worker does to its file: so many tasks as the queue is deep take the next chunk of the
//! plan, move it, and note how long that took. Nobody waits at the disk's gate, so a latency is the
//! time from submission to completion, with the turn of the worker's loop that submits and the one
//! that finds the completion.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use ringhold::base::limits::BLOCK_SIZE;
use ringhold::disk::{Disk, DiskError, DiskErrorKind, DiskResult, File, Lease, Pool, write_all};
use ringhold::plan::Chunk;

use super::arguments::{Mode, Operation};
use super::cell::Group;
use super::copying::{Pair, read_whole};
use crate::report::Distribution;
use crate::report::Stop;

/// What is done to which files.
#[derive(Debug)]
pub(super) enum Work {
    Write(File),
    Read(File),
    Copy(Pair),
}

/// When tasks take no further chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until<'a> {
    pub(super) deadline: Option<Instant>,
    pub(super) stop: &'a Stop,
}

/// What was moved.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) latencies: Distribution,
    pub(super) bytes: u64,
}

impl Work {
    /// Opens the file that is read, at `source`, and makes the one that is written, without a name
    /// and with its blocks: the daemon too preallocates ahead of its writes.
    pub(super) async fn open(
        disk: &dyn Disk,
        group: Group,
        source: &Path,
        (scratch, size): (&Path, u64),
    ) -> DiskResult<Work> {
        let is_direct = group.mode != Mode::Buffered;
        Ok(match group.operation {
            Operation::Write => Work::Write(new_file(disk, scratch, size, is_direct).await?),
            Operation::Read => Work::Read(old_file(disk, source, is_direct).await?),
            Operation::Copy => Work::Copy(Pair {
                source: old_file(disk, source, is_direct).await?,
                target: new_file(disk, scratch, size, is_direct).await?,
            }),
        })
    }

    /// The file that is written, if one is.
    pub(super) fn target(&self) -> Option<&File> {
        match self {
            Work::Write(file) | Work::Copy(Pair { target: file, .. }) => Some(file),
            Work::Read(_) => None,
        }
    }

    /// Moves one chunk; how long it took.
    async fn perform(
        &self,
        disk: &dyn Disk,
        mut lease: Lease,
        chunk: Chunk,
    ) -> (Lease, DiskResult<Duration>) {
        if let Work::Write(_) = self {
            stamp(&mut lease, chunk);
        }
        let began = Instant::now();
        let (lease, done) = match self {
            Work::Write(file) => write_all(disk, file, lease, 0..chunk.size, chunk.offset).await,
            Work::Read(file) => read_whole(disk, file, lease, chunk).await,
            Work::Copy(pair) => pair.copy(disk, lease, chunk).await,
        };
        (lease, done.map(|()| began.elapsed()))
    }
}

/// A new file without a name, its blocks allocated.
pub(super) async fn new_file(
    disk: &dyn Disk,
    scratch: &Path,
    size: u64,
    is_direct: bool,
) -> DiskResult<File> {
    let file = disk.create_unnamed(scratch).await?;
    match disk.allocate(&file, 0, size).await {
        Err(error) if error.kind() != DiskErrorKind::Unsupported => return Err(error),
        _ => {}
    }
    disk.set_direct(&file, is_direct)?;
    Ok(file)
}

async fn old_file(disk: &dyn Disk, path: &Path, is_direct: bool) -> DiskResult<File> {
    let file = disk.open(path).await?;
    disk.set_direct(&file, is_direct)?;
    Ok(file)
}

/// As many buffers as are in flight, full of bytes that no drive compresses.
pub(super) async fn filled_leases(disk: &dyn Disk, count: usize) -> Vec<Lease> {
    let mut leases = Vec::with_capacity(count);
    // xorshift64 (Marsaglia, 2003); any seed but zero.
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..count {
        let mut lease = disk.slab().take(Pool::Upload).await;
        for word in lease.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        leases.push(lease);
    }
    leases
}

/// Makes each block of a chunk unlike every other one of its file, for drives and filesystems that
/// store equal blocks once.
fn stamp(lease: &mut Lease, chunk: Chunk) {
    let blocks = lease[..chunk.size].chunks_exact_mut(BLOCK_SIZE);
    for (block, offset) in blocks.zip((chunk.offset..).step_by(BLOCK_SIZE)) {
        block[..8].copy_from_slice(&offset.to_le_bytes());
    }
}

/// Moves `chunks`, one in flight a lease; the leases come back. On an error nothing further is
/// begun.
pub(super) async fn run(
    disk: &dyn Disk,
    work: &Work,
    chunks: impl Iterator<Item = Chunk>,
    leases: Vec<Lease>,
    until: Until<'_>,
) -> (Vec<Lease>, DiskResult<Moved>) {
    let moved = Moved { latencies: Distribution::new(), bytes: 0 };
    let state = RefCell::new(State { chunks, moved, failure: None });
    let lanes: FuturesUnordered<_> =
        leases.into_iter().map(|lease| lane(disk, work, lease, &state, until)).collect();
    let leases = lanes.collect().await;
    let State { moved, failure, .. } = state.into_inner();
    (leases, failure.map_or(Ok(moved), Err))
}

/// What the tasks of one worker share. Borrowed between two waits, never across one.
struct State<I> {
    chunks: I,
    moved: Moved,
    failure: Option<DiskError>,
}

async fn lane<I: Iterator<Item = Chunk>>(
    disk: &dyn Disk,
    work: &Work,
    mut lease: Lease,
    state: &RefCell<State<I>>,
    until: Until<'_>,
) -> Lease {
    while !until.is_over() {
        let Some(chunk) = state.borrow_mut().next() else { break };
        let (back, done) = work.perform(disk, lease, chunk).await;
        lease = back;
        let mut state = state.borrow_mut();
        match done {
            Ok(latency) => {
                state.moved.latencies.record(latency);
                state.moved.bytes += chunk.size as u64;
            }
            Err(error) => state.failure = Some(error),
        }
    }
    lease
}

impl<I: Iterator<Item = Chunk>> State<I> {
    fn next(&mut self) -> Option<Chunk> {
        if self.failure.is_some() { None } else { self.chunks.next() }
    }
}

impl Until<'_> {
    fn is_over(&self) -> bool {
        self.stop.is_asked() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
