//! One object against its seal: opened, its seal read, every block hashed.
//!
//! Reads bypass the page cache where the filesystem can: what lies on the disk is what is asked
//! for, and a check of everything must not push out what the daemon serves from there.
//!
//! 1. A small object comes with its seal in one read.
//! 2. Of a larger one the end is read first, then the data from its start, several pieces ahead.
//!    An object waits for a buffer only while it holds none, so those that are checked side by side
//!    cannot stop each other.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesOrdered;

use super::Walk;
use super::findings::{BlockFault, Damage, Damaged};
use crate::base::limits::{
    BLOCK_SIZE, OPEN_READ_SIZE, READ_SIZE, VERIFY_OBJECT_COST, VERIFY_READS_AHEAD_MAX,
};
use crate::disk::{DiskError, File, Lease, Pool, read_full};
use crate::plan::{Chunk, Geometry};
use crate::store::block_check::BlockCheck;
use crate::store::hash::merge_root;
use crate::store::seal::Seal;
use crate::store::stored::read_sealed_end;

/// Checks one object. What is wrong goes into `damaged`; false when the object is gone.
pub(super) async fn check(
    walk: &Walk<'_>,
    directory: &Path,
    name: &Path,
    damaged: &mut Damaged,
) -> bool {
    let file = match walk.disk.open_beneath(directory, name).await {
        Ok(file) => file,
        Err(error) if error.errno() == Some(libc::ENOENT) => return false,
        Err(error) => {
            damaged.add(Damage::Unreadable(unopened(&error)));
            return true;
        }
    };
    match walk.disk.stat(&file).await {
        Ok(stat) if stat.is_file => check_file(walk, &file, stat.size, damaged).await,
        Ok(_) => damaged.add(Damage::Unreadable("it is no regular file".to_owned())),
        Err(error) => damaged.add(Damage::Unreadable(error.to_string())),
    }
    true
}

fn unopened(error: &DiskError) -> String {
    match error.errno() {
        Some(libc::ELOOP | libc::EXDEV) => {
            "it is a symbolic link that leads out of its directory".to_owned()
        }
        _ => error.to_string(),
    }
}

async fn check_file(walk: &Walk<'_>, file: &File, size: u64, damaged: &mut Damaged) {
    // A size that direct I/O cannot read to its end is no size of ours, and the tail will say so.
    if size.is_multiple_of(BLOCK_SIZE as u64)
        && let Err(error) = walk.disk.set_direct(file, true)
    {
        tracing::debug!(%error, "an object is read through the page cache");
    }
    let first = if size <= READ_SIZE as u64 { READ_SIZE } else { OPEN_READ_SIZE };
    walk.pace(size.min(first as u64).max(VERIFY_OBJECT_COST)).await;
    let (seal, end) = match read_sealed_end(&*walk.disk, file, size, first).await {
        Ok(read) => read,
        Err(error) => {
            damaged.add(Damage::Seal(error.to_string()));
            return;
        }
    };
    walk.count_bytes(end.len());
    let seal = Arc::new(seal);
    damaged.sealed = Some((seal.name.clone(), seal.size_bytes));
    let mut data = DataCheck::new(Arc::clone(&seal));
    if end.len() as u64 == size {
        data.take(&end, damaged);
    } else {
        // Its buffer may be the one that the data waits for.
        drop(end);
        read_data(walk, file, &mut data, damaged).await;
    }
    if seal.block_hashes.len() > 1
        && merge_root(&seal.block_hashes, seal.size_bytes, seal.block_size_bytes) != seal.blake3
    {
        damaged.add(Damage::Root);
    }
}

type Piece = (Chunk, Result<(Lease, usize), String>);

/// Reads the data and its padding from the start, several pieces ahead.
async fn read_data(walk: &Walk<'_>, file: &File, data: &mut DataCheck, damaged: &mut Damaged) {
    let mut pieces = pieces(walk.disk.slab().buffer_size(Pool::Upload), data.seal.size_bytes);
    let mut reads: FuturesOrdered<LocalBoxFuture<'_, Piece>> = FuturesOrdered::new();
    let mut next = pieces.next();
    loop {
        while let Some(chunk) = next
            && reads.len() < VERIFY_READS_AHEAD_MAX
        {
            let lease = match walk.disk.slab().try_take(Pool::Upload) {
                Some(lease) => lease,
                None if reads.is_empty() => walk.disk.slab().take(Pool::Upload).await,
                None => break,
            };
            reads.push_back(Box::pin(read_piece(walk, file.clone(), lease, chunk)));
            next = pieces.next();
        }
        match reads.next().await {
            Some((_, Ok((lease, size)))) => data.take(&lease[..size], damaged),
            Some((chunk, Err(why))) => data.miss(chunk, why, damaged),
            None => return,
        }
    }
}

/// The pieces of `size` bytes of data, the last one with its padding.
fn pieces(piece_size: usize, size: u64) -> impl Iterator<Item = Chunk> {
    let planned = Geometry::new(piece_size).and_then(|geometry| geometry.range(0..size));
    // A seal is checked to be within the planner's bounds, and buffers are powers of two.
    planned.into_iter().flatten()
}

async fn read_piece(walk: &Walk<'_>, file: File, lease: Lease, chunk: Chunk) -> Piece {
    walk.pace(chunk.size as u64).await;
    let size = chunk.padded_size();
    let read = read_full(&*walk.disk, &file, lease, 0..size, chunk.offset).await;
    let outcome = match read.result {
        Ok(count) if count == size => {
            walk.count_bytes(size);
            Ok((read.lease, size))
        }
        Ok(count) => Err(format!("the file ends at byte {}", chunk.offset + count as u64)),
        Err(error) => Err(error.to_string()),
    };
    (chunk, outcome)
}

/// The data and padding of one object, as they come past in order.
struct DataCheck {
    seal: Arc<Seal>,
    block: BlockCheck,
    /// Why the block at hand could not be read in full.
    missed: Option<String>,
}

impl DataCheck {
    fn new(seal: Arc<Seal>) -> DataCheck {
        let block = BlockCheck::new(Arc::clone(&seal), 0);
        DataCheck { seal, block, missed: None }
    }

    /// Takes what follows; beyond the data comes its padding, and what comes after that is not
    /// looked at.
    fn take(&mut self, bytes: &[u8], damaged: &mut Damaged) {
        let at = self.block.range().end - self.block.left();
        let data_left = usize::try_from(self.seal.size_bytes - at).unwrap_or(usize::MAX);
        let (data, rest) = bytes.split_at(data_left.min(bytes.len()));
        self.block.update(data);
        self.finish_block(damaged);
        let padding_size = rest.len().min(padding_size(self.seal.size_bytes));
        if data_left <= bytes.len() && rest[..padding_size].iter().any(|&byte| byte != 0) {
            damaged.add(Damage::Padding);
        }
    }

    /// Passes over what could not be read.
    fn miss(&mut self, chunk: Chunk, why: String, damaged: &mut Damaged) {
        self.block.skip(chunk.size as u64);
        self.missed.get_or_insert(why);
        self.finish_block(damaged);
    }

    fn finish_block(&mut self, damaged: &mut Damaged) {
        if !self.block.is_complete() {
            return;
        }
        let (index, range) = (self.block.index(), self.block.range());
        if let Some(why) = self.missed.take() {
            damaged.add_block(index, range, BlockFault::Read(why));
        } else if !self.block.is_intact() {
            damaged.add_block(index, range, BlockFault::Hash);
        }
        if index + 1 < self.seal.block_count() {
            self.block = BlockCheck::new(Arc::clone(&self.seal), index + 1);
        }
    }
}

fn padding_size(size: u64) -> usize {
    let padding = size.next_multiple_of(BLOCK_SIZE as u64) - size;
    usize::try_from(padding).unwrap_or(0)
}
