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
    let mut progress = Progress::of(&span);
    while progress.is_short() {
        let rest = span.start + progress.done..span.end;
        let write = disk.write(file, lease, rest, offset + progress.done as u64).await;
        lease = write.lease;
        if let Err(error) = progress.take("write", write.result) {
            return (lease, Err(error));
        }
        progress.align();
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
    let mut progress = Progress::of(&span);
    while progress.is_short() {
        let rest = span.start + progress.done..span.end;
        let read = disk.read(file, lease, rest, offset + progress.done as u64).await;
        lease = read.lease;
        if matches!(read.result, Ok(0)) {
            break;
        }
        if let Err(error) = progress.take("read", read.result) {
            return Transfer { lease, result: Err(error) };
        }
    }
    Transfer { lease, result: Ok(progress.done) }
}

/// Reads the `size` bytes at `offset`, a block's start, to the start of the lease; fewer only where
/// the file ends before. Asks for whole blocks, so that a direct read may end within one: the lease
/// has room for its last block.
pub async fn read_blocks(
    disk: &dyn Disk,
    file: &File,
    lease: Lease,
    size: usize,
    offset: u64,
) -> Transfer {
    let mut lease = lease;
    let mut progress = Progress::of(&(0..size));
    while progress.is_short() {
        let start = progress.done - progress.done % BLOCK_SIZE;
        let rest = start..size.next_multiple_of(BLOCK_SIZE);
        let read = disk.read(file, lease, rest, offset + start as u64).await;
        lease = read.lease;
        let gained = read.result.map(|moved| (start + moved).saturating_sub(progress.done));
        if matches!(gained, Ok(0)) {
            break;
        }
        if let Err(error) = progress.take("read", gained) {
            return Transfer { lease, result: Err(error) };
        }
    }
    Transfer { lease, result: Ok(progress.done.min(size)) }
}

/// How far a whole transfer is.
pub(super) struct Progress {
    done: usize,
    size: usize,
    attempts: usize,
}

impl Progress {
    pub(super) fn of(span: &Range<usize>) -> Progress {
        Progress { done: 0, size: span.len(), attempts: 0 }
    }

    /// Bytes moved.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn is_short(&self) -> bool {
        self.done < self.size
    }

    /// Counts one transfer. An interrupted one counts as an attempt that moved nothing; too many
    /// attempts are an error.
    pub(super) fn take(&mut self, name: &'static str, moved: DiskResult<usize>) -> DiskResult<()> {
        match moved {
            Ok(count) => self.done += count,
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        self.attempts += 1;
        if self.is_short() && self.attempts > TRANSFER_RETRIES_MAX {
            return Err(DiskError::from_errno(name, libc::EIO));
        }
        Ok(())
    }

    /// An aligned transfer goes on at the last whole block, so that direct I/O stays aligned.
    /// Writing the same bytes twice does no harm.
    pub(super) fn align(&mut self) {
        if self.size.is_multiple_of(BLOCK_SIZE) {
            self.done -= self.done % BLOCK_SIZE;
        }
    }
}

fn is_transient(error: &DiskError) -> bool {
    error.kind() == DiskErrorKind::Failed
        && matches!(error.errno(), Some(libc::EINTR | libc::EAGAIN))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;

    use super::*;
    use crate::disk::contract_suite::bench::{run_local, slab};
    use crate::disk::{Fault, FaultPlan, FaultyDisk, MemoryDisk, Pool};

    /// Writes two blocks and reads them back over a disk with this plan; the file's creation is
    /// its operation 0.
    async fn there_and_back(plan: FaultPlan) -> DiskResult<Vec<u8>> {
        let disk = FaultyDisk::new(Rc::new(MemoryDisk::new(slab(), 2)), plan);
        let file = disk.create_unnamed(Path::new("/")).await.unwrap();
        let mut lease = disk.slab().take(Pool::Upload).await;
        lease[..2 * BLOCK_SIZE].fill(7);
        let (mut lease, written) = write_all(&disk, &file, lease, 0..2 * BLOCK_SIZE, 0).await;
        written?;
        lease.fill(0);
        let read = read_full(&disk, &file, lease, 0..3 * BLOCK_SIZE, 0).await;
        Ok(read.lease[..read.result?].to_vec())
    }

    #[test]
    fn short_and_interrupted_transfers_go_on_to_their_end() {
        run_local(async {
            let interrupted = Fault::Errno(libc::EINTR);
            for plan in [
                FaultPlan::none(),
                FaultPlan::fail_nth(1, Fault::Short),
                FaultPlan::fail_nth(1, interrupted).and_nth(2, Fault::Short),
                FaultPlan::fail_nth(2, interrupted).and_nth(3, Fault::Short),
            ] {
                assert_eq!(there_and_back(plan).await.unwrap(), [7; 2 * BLOCK_SIZE]);
            }
        });
    }

    #[test]
    fn a_direct_read_ends_within_a_block_where_the_file_does() {
        run_local(async {
            for (plan, size) in [
                (FaultPlan::none(), BLOCK_SIZE + 5),
                (FaultPlan::fail_nth(1, Fault::Short), 2 * BLOCK_SIZE + 5),
                (FaultPlan::fail_nth(1, Fault::Errno(libc::EINTR)), 5),
                (FaultPlan::none(), 0),
            ] {
                let memory = Rc::new(MemoryDisk::new(slab(), 2));
                memory.plant(Path::new("/file"), &vec![7; size]);
                let disk = FaultyDisk::new(memory, plan);
                let file = disk.open(Path::new("/file")).await.unwrap();
                disk.set_direct(&file, true).unwrap();
                for wanted in [size, size + 1] {
                    let lease = disk.slab().take(Pool::Upload).await;
                    let read = read_blocks(&disk, &file, lease, wanted, 0).await;
                    assert_eq!(read.result.unwrap(), size);
                    assert_eq!(read.lease[..size], vec![7; size]);
                }
            }
        });
    }

    #[test]
    fn a_transfer_that_never_gets_on_ends_in_an_error() {
        run_local(async {
            let plan = FaultPlan::fail_from(1, Fault::Errno(libc::EINTR));
            assert_eq!(there_and_back(plan).await.unwrap_err().errno(), Some(libc::EIO));
        });
    }
}
