//! One pass over a file: every piece read, and hashed and written elsewhere if that is wanted, many
//! of them in flight.
//!
//! A copy is one pass, and reading it back for `verify` a second one.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use futures_util::{TryStreamExt, stream};
use tokio::task::yield_now;

use super::CopyError;
use super::walk::{Piece, Walk};
use crate::base::limits::BLOCK_SIZE;
use crate::disk::{Disk, File, Lease, Pool, read_blocks, write_all};
use crate::plan::{Chunk, Geometry, TreeHash};

/// What a pass works on.
pub(super) struct Pass<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) geometry: Geometry,
    /// Pieces in flight.
    pub(super) in_flight: usize,
    /// What is read, and its size.
    pub(super) from: (&'a File, u64),
    /// Where it is written.
    pub(super) to: Option<&'a File>,
    /// Whether it is hashed.
    pub(super) hashes: bool,
    /// Counts what was passed, holes included, bytes.
    pub(super) progress: &'a Cell<u64>,
}

impl Pass<'_> {
    /// Runs it; the BLAKE3 of what was read, if it was to be hashed.
    pub(super) async fn run(&self) -> Result<Option<[u8; 32]>, CopyError> {
        let (file, size) = self.from;
        let hash = self.hashes.then(|| TreeHash::new(size, self.geometry.chunk_size()));
        let hash = hash.map(RefCell::new);
        let walk = Walk::new(self.disk, file, size, self.geometry)
            .with_holes(self.hashes)
            .making_room_in(self.to);
        let pieces = stream::try_unfold(walk, async |mut walk| {
            let piece = walk.next().await?;
            Ok(piece.map(|piece| (piece, walk)))
        });
        let moving = pieces.map_ok(|piece| self.pass(piece, hash.as_ref()));
        moving.try_buffer_unordered(self.in_flight).try_collect::<()>().await?;
        self.progress.set(size);
        Ok(hash.map(|hash| hash.into_inner().finish()))
    }

    async fn pass(&self, piece: Piece, hash: Option<&RefCell<TreeHash>>) -> Result<(), CopyError> {
        let chunk = piece.chunk;
        if !piece.data.is_empty() {
            let lease = self.read(chunk).await?;
            if let Some(hash) = hash {
                hash.borrow_mut().add(chunk.offset, &lease[..chunk.size]);
            }
            self.write(&piece, lease).await?;
        } else if let Some(hash) = hash {
            hash.borrow_mut().add_zeros(chunk.offset, chunk.size);
            // A long hole is nothing but hashing: others have their turn too, a signal among them.
            yield_now().await;
        }
        // Holes that were skipped count as passed when what comes after them is.
        self.progress.set(self.progress.get().max(chunk.end()));
        Ok(())
    }

    /// Reads a chunk, the holes in it too: they cost the disk nothing.
    async fn read(&self, chunk: Chunk) -> Result<Lease, CopyError> {
        let lease = self.disk.slab().take(Pool::Upload).await;
        let read = read_blocks(self.disk, self.from.0, lease, chunk.size, chunk.offset).await;
        match read.result {
            Ok(size) if size == chunk.size => Ok(read.lease),
            // It was cut off: going on to ask for the rest would never end.
            Ok(_) => Err(CopyError::Changed),
            Err(error) => Err(CopyError::Source(error)),
        }
    }

    /// Writes the data of a piece, whole blocks: what follows the end of the file is zeros, and cut
    /// off at the end.
    async fn write(&self, piece: &Piece, lease: Lease) -> Result<(), CopyError> {
        let Some(target) = self.to else { return Ok(()) };
        let Chunk { offset, size } = piece.chunk;
        let mut lease = lease;
        lease[size..piece.chunk.padded_size()].fill(0);
        for Range { start, end } in &piece.data {
            let (span, offset) = (*start..end.next_multiple_of(BLOCK_SIZE), offset + *start as u64);
            let (back, result) = write_all(self.disk, target, lease, span, offset).await;
            result.map_err(CopyError::target)?;
            lease = back;
        }
        Ok(())
    }
}
