//! Whole transfers over a disk whose single ones may be short.
//!
//! Short writes are real: a gigabyte onto a filesystem of 64 MB reports success with 56,025,088
//! bytes, and only the rest's resubmission says `ENOSPC`.

use std::ops::Range;

use super::{Disk, DiskError, DiskErrorKind, DiskResult, File, Lease, Transfer};
use crate::base::limits::{BLOCK_SIZE, TRANSFER_RETRIES_MAX};

/// Writes all of `lease[span]` at `offset`, going on after short writes.
pub async fn write_all(
    disk: &dyn Disk,
    file: &File,
    lease: Lease,
    span: Range<usize>,
    offset: u64,
) -> (Lease, DiskResult<()>) {
    let mut lease = lease;
    let mut done = 0;
    let mut retries = 0;
    let size = span.len();
    while done < size {
        let rest = span.start + done..span.end;
        let transfer = disk.write(file, lease, rest, offset + done as u64).await;
        lease = transfer.lease;
        match transfer.result {
            Ok(count) if count == size - done => return (lease, Ok(())),
            Ok(count) => done = progress(done + count, size),
            Err(error) if is_transient(&error) => {}
            Err(error) => return (lease, Err(error)),
        }
        retries += 1;
        if retries > TRANSFER_RETRIES_MAX {
            return (lease, Err(DiskError::from_errno("write", libc::EIO)));
        }
    }
    (lease, Ok(()))
}

/// Reads `lease[span]` from `offset` until it is full or the file ends; the result counts bytes.
pub async fn read_full(
    disk: &dyn Disk,
    file: &File,
    lease: Lease,
    span: Range<usize>,
    offset: u64,
) -> Transfer {
    let mut lease = lease;
    let mut done = 0;
    let mut retries = 0;
    let size = span.len();
    while done < size {
        let rest = span.start + done..span.end;
        let transfer = disk.read(file, lease, rest, offset + done as u64).await;
        lease = transfer.lease;
        match transfer.result {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if is_transient(&error) => {}
            Err(error) => return Transfer { lease, result: Err(error) },
        }
        retries += 1;
        if retries > TRANSFER_RETRIES_MAX && done < size {
            let error = DiskError::from_errno("read", libc::EIO);
            return Transfer { lease, result: Err(error) };
        }
    }
    Transfer { lease, result: Ok(done) }
}

/// Where an aligned transfer goes on after a short one: at the last whole block, so that direct
/// I/O stays aligned. Writing the same bytes twice does no harm.
fn progress(done: usize, size: usize) -> usize {
    if size.is_multiple_of(BLOCK_SIZE) { done - done % BLOCK_SIZE } else { done }
}

fn is_transient(error: &DiskError) -> bool {
    error.kind() == DiskErrorKind::Failed
        && matches!(error.errno(), Some(libc::EINTR | libc::EAGAIN))
}
