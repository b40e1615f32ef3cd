//! What a directory's filesystem can do for the store, asked by use: with the very calls that the
//! engines make, on a file without a name, or with a temporary one that is removed again.
//!
//! Blocking, and for `doctor` alone: the daemon finds out as it goes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatVfsMountFlags, StatxFlags, statfs, statvfs, statx};

use super::{Journal, Lease, residency, syscall};
use crate::base::limits::BLOCK_SIZE;

/// Whether something works, or what the kernel said.
pub type Works = Result<(), String>;

/// A filesystem as the store meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// What it is.
    pub kind: FilesystemKind,
    /// Whether it writes together what belongs together.
    pub journal: Journal,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
    /// Bytes an ordinary user can still write.
    pub free_bytes: u64,
    /// Files that can still be made; `None` where they are not counted.
    pub free_file_count: Option<u64>,
    /// Alignment that direct I/O asks of memory and of offsets, bytes (`STATX_DIOALIGN`, Linux
    /// 6.1); `None` where the kernel does not say.
    pub direct_alignment: Option<(u32, u32)>,
    /// What was tried; `None` when no file could be made, with what the kernel said.
    pub tried: Result<Tried, Refusal>,
}

/// Why no file could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kernel's number, if it gave one.
    pub errno: Option<i32>,
    /// Its words.
    pub why: String,
}

/// What works for a file there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Files without a name (`O_TMPFILE`).
    pub unnamed: bool,
    /// Direct I/O of whole blocks (`O_DIRECT`).
    pub direct: Works,
    /// Telling what is in the page cache (`cachestat`, or `mincore`).
    pub page_cache: Works,
    /// Preallocation (`fallocate`).
    pub preallocation: Works,
    /// `fdatasync`.
    pub sync: Works,
    /// Giving a file its name without replacing another (`linkat` of an open file, or `renameat2`
    /// with `RENAME_NOREPLACE`).
    pub naming: Works,
    /// `fsync` of the directory.
    pub directory_sync: Works,
}

/// Filesystems by what is known of their promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesystemKind {
    /// Keeps what it synced, on a disk of this machine.
    Local(&'static str),
    /// Gone with the next restart.
    Memory(&'static str),
    /// A container's own layer: gone with the container.
    Overlay,
    /// On another machine, or behind a program: its promises are those of the other side.
    Remote(&'static str),
    /// Not known here; its number (statfs(2)).
    Unknown(i64),
}

impl Filesystem {
    /// Asks the filesystem of `directory`, which exists. Leaves nothing there.
    ///
    /// # Errors
    /// When the directory cannot be asked at all.
    pub fn probe(directory: &Path) -> io::Result<Filesystem> {
        let (system, mount) = (statfs(directory)?, statvfs(directory)?);
        let space = syscall::free_space(directory)?;
        let tried = Tried::on(directory)
            .map_err(|error| Refusal { errno: error.raw_os_error(), why: error.to_string() });
        Ok(Filesystem {
            kind: FilesystemKind::of(system.f_type),
            journal: Journal::of(directory),
            is_read_only: mount.f_flag.contains(StatVfsMountFlags::RDONLY),
            free_bytes: space.bytes,
            free_file_count: space.files,
            direct_alignment: direct_alignment(directory),
            tried,
        })
    }
}

/// Whether two directories are on one filesystem, so that a file can get its name in the other.
///
/// # Errors
/// When one is not there.
pub fn is_same_filesystem(one: &Path, other: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}

impl FilesystemKind {
    /// By the number of statfs(2).
    fn of(magic: i64) -> FilesystemKind {
        match magic {
            0xEF53 => FilesystemKind::Local("ext4"),
            0x5846_5342 => FilesystemKind::Local("xfs"),
            0x9123_683E => FilesystemKind::Local("btrfs"),
            0xF2F5_2010 => FilesystemKind::Local("f2fs"),
            0x2FC1_2FC1 => FilesystemKind::Local("zfs"),
            0xCA45_1A4E => FilesystemKind::Local("bcachefs"),
            0x0102_1994 => FilesystemKind::Memory("tmpfs"),
            0x8584_58F6 => FilesystemKind::Memory("ramfs"),
            0x794C_7630 => FilesystemKind::Overlay,
            0x6969 => FilesystemKind::Remote("nfs"),
            0xFF53_4D42 => FilesystemKind::Remote("cifs"),
            0xFE53_4D42 => FilesystemKind::Remote("smb2"),
            0x6573_5546 => FilesystemKind::Remote("fuse"),
            0x0102_1997 => FilesystemKind::Remote("9p"),
            0x00C3_6400 => FilesystemKind::Remote("ceph"),
            0x5346_414F => FilesystemKind::Remote("afs"),
            other => FilesystemKind::Unknown(other),
        }
    }
}

impl Tried {
    fn on(directory: &Path) -> io::Result<Tried> {
        let made = Probe::make(directory)?;
        Ok(Tried {
            unnamed: made.name.is_none(),
            direct: told(made.direct()),
            page_cache: told(made.page_cache()),
            preallocation: told(syscall::allocate(&made.file, 0, 4 * BLOCK_SIZE as u64)),
            sync: told(syscall::sync_data(&made.file, Journal::Kept)),
            naming: told(made.naming()),
            directory_sync: told(syscall::sync_dir(directory, Journal::Untold)),
        })
    }
}

/// A file to try things on. Whatever name it has is removed when it goes.
struct Probe {
    file: fs::File,
    /// Where the filesystem has no files without one.
    name: Option<PathBuf>,
    /// A free name in the same directory.
    target: PathBuf,
}

impl Probe {
    fn make(directory: &Path) -> io::Result<Probe> {
        let target = syscall::temporary_path(directory)?;
        match syscall::open_unnamed(directory, false) {
            Ok(fd) => Ok(Probe { file: fd.into(), name: None, target }),
            Err(error) if syscall::lacks_unnamed(&error) => {
                let (fd, name) = syscall::open_temporary(directory)?;
                Ok(Probe { file: fd.into(), name: Some(name), target })
            }
            Err(error) => Err(error),
        }
    }

    /// Writes and reads a block past the page cache.
    fn direct(&self) -> io::Result<()> {
        if !syscall::set_direct(&self.file, true)? {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let mut block = Lease::heap(BLOCK_SIZE);
        let moved = syscall::write_at(&self.file, &block, 0)
            .and_then(|_| syscall::read_at(&self.file, &mut block, 0));
        syscall::set_direct(&self.file, false)?;
        moved.map(drop)
    }

    /// Writes a block through the page cache, and finds it there.
    fn page_cache(&self) -> io::Result<()> {
        let block = Lease::heap(BLOCK_SIZE);
        let size = syscall::write_at(&self.file, &block, 0)? as u64;
        let found = residency::resident_size(&self.file, 0..size);
        if found == Some(size) {
            Ok(())
        } else {
            Err(io::Error::other("neither cachestat nor mincore finds it"))
        }
    }

    /// Gives the file a name as the daemon would, and takes it away again.
    fn naming(&self) -> io::Result<()> {
        match &self.name {
            None => syscall::link_unnamed(&self.file, &self.target)?,
            Some(name) => {
                syscall::rename_new(name, &self.target)?;
                // Back, so that the name is the one that is removed at the end.
                return syscall::rename_new(&self.target, name);
            }
        }
        syscall::remove(&self.target)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        for name in self.name.iter().chain([&self.target]) {
            match syscall::remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(name = %name.display(), %error, "a probe file is left");
                }
                _ => {}
            }
        }
    }
}

fn told(outcome: io::Result<()>) -> Works {
    outcome.map_err(|error| error.to_string())
}

/// Asked of a file there: a directory has no direct I/O of its own.
fn direct_alignment(directory: &Path) -> Option<(u32, u32)> {
    let probe = Probe::make(directory).ok()?;
    let answer = statx(&probe.file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    let is_told = answer.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    let alignment = (answer.stx_dio_mem_align, answer.stx_dio_offset_align);
    (is_told && alignment.1 > 0).then_some(alignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_tells_what_works_and_leaves_nothing() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR").to_owned() + "/target").unwrap();
        let found = Filesystem::probe(dir.path()).unwrap();
        let tried = found.tried.unwrap();
        assert_eq!(tried.sync, Ok(()));
        assert_eq!(tried.naming, Ok(()));
        assert_eq!(tried.directory_sync, Ok(()));
        assert!(!found.is_read_only && found.free_bytes > 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_file_with_a_temporary_name_is_named_and_removed_too() {
        let dir = tempfile::tempdir().unwrap();
        let (fd, name) = syscall::open_temporary(dir.path()).unwrap();
        let target = syscall::temporary_path(dir.path()).unwrap();
        let probe = Probe { file: fd.into(), name: Some(name), target };
        probe.naming().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(probe);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(Filesystem::probe(Path::new("/nonexistent/x")).is_err());
        assert!(is_same_filesystem(Path::new("/proc"), Path::new("/")).is_ok_and(|same| !same));
    }

    #[test]
    fn where_no_file_can_be_made_the_kernel_is_quoted() {
        let found = Filesystem::probe(Path::new("/proc")).unwrap();
        let refusal = found.tried.unwrap_err();
        assert!(refusal.errno.is_some(), "{refusal:?}");
        assert_eq!(found.kind, FilesystemKind::Unknown(0x9FA0));
    }
}
