//! A copy, chunk by chunk: read from one file, written to another at the same offset.

use ringhold::disk::{Disk, DiskError, DiskResult, File, Lease, read_full, write_all};
use ringhold::plan::Chunk;

/// The file that is copied, and the one it is copied to.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) source: File,
    pub(super) target: File,
}

impl Pair {
    /// Copies one chunk through `lease`.
    pub(super) async fn copy(
        &self,
        disk: &dyn Disk,
        lease: Lease,
        chunk: Chunk,
    ) -> (Lease, DiskResult<()>) {
        let (lease, read) = read_whole(disk, &self.source, lease, chunk).await;
        match read {
            Ok(()) => write_all(disk, &self.target, lease, 0..chunk.size, chunk.offset).await,
            Err(error) => (lease, Err(error)),
        }
    }
}

/// Reads one chunk; a file that ends before it is an error.
pub(super) async fn read_whole(
    disk: &dyn Disk,
    source: &File,
    lease: Lease,
    chunk: Chunk,
) -> (Lease, DiskResult<()>) {
    let read = read_full(disk, source, lease, 0..chunk.size, chunk.offset).await;
    let whole = match read.result {
        Ok(size) if size == chunk.size => Ok(()),
        Ok(_short) => Err(DiskError::from_errno("read", libc::EIO)),
        Err(error) => Err(error),
    };
    (read.lease, whole)
}
