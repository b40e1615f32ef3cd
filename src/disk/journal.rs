//! Whether a filesystem writes together what belongs together: a file's link count and its name,
//! a directory and what is in it.
//!
//! One [`Journal`] per disk, found out when it is opened. What follows from it:
//! 1. With a journal (or a log, or copy on write) each change is one transaction, and the `fsync`
//!    of a directory brings the inodes of its new names with it. A file may be synced while it has
//!    no name, and get it afterwards.
//! 2. Without one, a sync writes the blocks of that very file or directory as they are at that
//!    moment. An inode that was synced without a name is on the disk with no links, and `e2fsck`
//!    clears it, whatever name was synced later. There a file has a temporary name from the start,
//!    so that it is on the disk with one link, and a rename does not change that.
//! 3. Nor does such a sync, by older kernels, write an inode that was changed without being marked
//!    as changed, as by a new entry of a directory. So it is marked first, by its access time.
//! 4. Where nobody can tell it is done as in 2 and 3: what is too careful costs time alone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor, statfs};

/// The number of ext2, ext3 and ext4 (statfs(2)).
const EXT4: i64 = 0xEF53;
/// The number of XFS: it cannot be without its log.
const XFS: i64 = 0x5846_5342;
/// The number of btrfs: copy on write, and a log of what is synced.
const BTRFS: i64 = 0x9123_683E;
/// The number of tmpfs: nothing of it is on a disk.
const TMPFS: i64 = 0x0102_1994;

/// Whether what belongs together is written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Journal {
    /// It is, or none of it is on a disk.
    Kept,
    /// It is not.
    Absent,
    /// Nobody can tell.
    #[default]
    Untold,
}

impl Journal {
    /// That of the filesystem of `directory`, which exists. Needs no privilege.
    pub fn of(directory: &Path) -> Journal {
        match statfs(directory).map(|found| found.f_type) {
            Ok(XFS | BTRFS | TMPFS) => Journal::Kept,
            Ok(EXT4) => of_ext4(directory).unwrap_or_default(),
            _ => Journal::Untold,
        }
    }

    /// Whether it is there for certain.
    pub fn is_kept(self) -> bool {
        self == Journal::Kept
    }
}

/// ext4 tells who writes its journal, by the name of its device. The driver of ext2 tells nothing.
fn of_ext4(directory: &Path) -> Option<Journal> {
    let device = fs::metadata(directory).ok()?.dev();
    let device = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let device = fs::read_link(device).ok()?;
    let told = Path::new("/sys/fs/ext4").join(device.file_name()?).join("journal_task");
    Some(writer(&fs::read_to_string(told).ok()?))
}

/// Who writes the journal: a thread's number (0 where it is in another namespace), or nobody.
fn writer(told: &str) -> Journal {
    match told.trim() {
        "<none>" => Journal::Absent,
        number if number.parse::<u32>().is_ok() => Journal::Kept,
        _ => Journal::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_writes_a_journal_and_nobody_writes_none() {
        assert_eq!(writer("213\n"), Journal::Kept);
        assert_eq!(writer("0\n"), Journal::Kept);
        assert_eq!(writer("<none>\n"), Journal::Absent);
        for told in ["", "\n", "-1\n", "yes\n"] {
            assert_eq!(writer(told), Journal::Untold, "{told:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_kept() {
        assert_eq!(Journal::of(Path::new("/proc")), Journal::Untold);
        assert_eq!(Journal::of(Path::new("/nonexistent/x")), Journal::Untold);
        assert!(!Journal::default().is_kept() && !Journal::Absent.is_kept());
    }
}
