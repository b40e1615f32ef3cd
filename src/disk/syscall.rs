//! The kernel's file calls that std lacks, made safe, and the few rules that engines share: which
//! mode a file gets, what a temporary name looks like, how a stranger's path is resolved.
//!
//! Blocking, stateless, no knowledge of threads or rings. Every call retries `EINTR`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, Mode, OFlags, ResolveFlags, SeekFrom, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fstat,
    futimens, openat2, seek,
};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{FreeSpace, Journal, Stat};
use crate::base::limits::RESOLVE_TRIES_MAX;

/// Mode of a new file: nobody but the daemon reads objects.
pub(super) const FILE_MODE: u32 = 0o600;
/// Mode of a new directory.
pub(super) const DIR_MODE: u32 = 0o700;
/// How the temporary name of an unnamed file starts where the filesystem has no `O_TMPFILE` or keeps
/// no journal. What a killed process left under such a name is swept at the next start.
pub const TEMPORARY_PREFIX: &str = ".unnamed-";

/// Makes a directory; one that is there already is fine.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.is_dir() { Ok(()) } else { Err(error) }
        }
        other => other,
    }
}

/// The names in a directory, whoever put them there.
pub(super) fn list_dir(path: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// A file without a name on the filesystem of `staging`, for direct I/O if that is asked for and
/// the filesystem can.
pub(super) fn open_unnamed(staging: &Path, is_direct: bool) -> io::Result<OwnedFd> {
    let open = |flags| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE).custom_flags(libc::O_TMPFILE | flags);
        options.open(staging)
    };
    let opened = match open(if is_direct { libc::O_DIRECT } else { 0 }) {
        Err(error) if is_direct && error.raw_os_error() == Some(libc::EINVAL) => open(0),
        other => other,
    };
    Ok(opened?.into())
}

/// Whether `error` of [`open_unnamed`] says that the filesystem has no unnamed files. A kernel
/// that does not know the flag sees a directory opened for writing: `EISDIR`.
pub(super) fn lacks_unnamed(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR))
}

/// A file with a fresh [temporary name](TEMPORARY_PREFIX) in `staging`.
pub(super) fn open_temporary(staging: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let path = temporary_path(staging)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(FILE_MODE);
    Ok((options.open(&path)?.into(), path))
}

/// A fresh [temporary name](TEMPORARY_PREFIX) in `staging`.
pub(super) fn temporary_path(staging: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(staging.join(format!("{TEMPORARY_PREFIX}{:016x}", u64::from_le_bytes(random))))
}

/// Opens for reading. A pipe does not wait for its writer: see [`open_beneath`].
pub(super) fn open_read(path: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    set_flag(&file, libc::O_NONBLOCK, false)?;
    Ok(file.into())
}

/// Opens a stranger's `path` for reading, resolved below `dir`.
///
/// `O_NONBLOCK`, so that a pipe somebody left there does not hold the thread until it has a
/// writer; taken off again, because the ring answers `EAGAIN` on files that have it.
pub(super) fn open_beneath(dir: &Path, path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let dir = OpenOptions::new().read(true).custom_flags(flags).open(dir)?;
    let path = raw::c_path(path)?;
    let mut tries = 0;
    let file = loop {
        tries += 1;
        match raw::openat2_beneath(&dir, &path, libc::O_RDONLY | libc::O_NONBLOCK) {
            // A rename raced with a `..` of the path: the kernel asks to try again.
            Err(error) if again(&error) && tries < RESOLVE_TRIES_MAX => {}
            other => break fs::File::from(other?),
        }
    };
    set_flag(&file, libc::O_NONBLOCK, false)?;
    Ok(file.into())
}

fn again(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// Size, modification time, type and permissions.
pub(super) fn stat(file: &fs::File) -> io::Result<Stat> {
    let found = file.metadata()?;
    Ok(Stat {
        size: found.len(),
        modified: found.modified()?,
        is_file: found.is_file(),
        mode: found.mode() & 0o7777,
    })
}

/// Gives the file the permissions and the modification time of `stat`.
pub(super) fn set_attributes(file: &fs::File, stat: &Stat) -> io::Result<()> {
    file.set_modified(stat.modified)?;
    file.set_permissions(fs::Permissions::from_mode(stat.mode))
}

/// The first run of data that ends after `offset`, cut to begin there.
pub(super) fn next_data(file: &fs::File, offset: u64) -> io::Result<Option<Range<u64>>> {
    let start = match seek(file, SeekFrom::Data(offset)) {
        Err(Errno::NXIO) => return Ok(None),
        // A filesystem that knows nothing of holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => offset,
        found => found?,
    };
    let size = file.metadata()?.len();
    match seek(file, SeekFrom::Hole(start)) {
        // Cut off meanwhile.
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((start < size).then_some(start..size)),
        // Empty only when a hole was made there meanwhile.
        found => Ok(Some(start..found?).filter(|run| run.start < run.end)),
    }
}

/// Turns direct I/O on or off; false where the filesystem cannot.
pub(super) fn set_direct(file: &fs::File, direct: bool) -> io::Result<bool> {
    match set_flag(file, libc::O_DIRECT, direct) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Turns one status flag of an open file on or off.
pub(super) fn set_flag(file: &fs::File, flag: i32, on: bool) -> io::Result<()> {
    let flags = raw::status_flags(file)?;
    let wanted = if on { flags | flag } else { flags & !flag };
    if wanted == flags { Ok(()) } else { raw::set_status_flags(file, wanted) }
}

/// Reads at an offset; may be short, 0 is the end.
pub(super) fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    retry(|| file.read_at(buffer, offset))
}

/// Opens for reading what needs no look at the disk to be found (`RESOLVE_CACHED`), and its size.
/// A kernel before 5.12 finds nothing in this way.
pub(super) fn open_resident(path: &Path) -> Option<(OwnedFd, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
    let size = fstat(&fd).ok()?.st_size;
    Some((fd, u64::try_from(size).ok()?))
}

/// Fills `buffer` from the page cache (`RWF_NOWAIT`); whether all of it was there. A filesystem that
/// cannot tell (`EOPNOTSUPP`) has nothing there.
pub(super) fn read_resident(file: &fs::File, buffer: &mut [u8], offset: u64) -> bool {
    let size = buffer.len();
    let read = preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT);
    read.is_ok_and(|count| count == size)
}

/// Opens an open file once more, for direct reads.
pub(super) fn open_direct(file: &fs::File) -> io::Result<OwnedFd> {
    let path = raw::descriptor_path(file);
    let path = Path::new(OsStr::from_bytes(path.as_bytes()));
    Ok(OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path)?.into())
}

/// Writes at an offset; may be short, but nothing written of something is an error.
pub(super) fn write_at(file: &fs::File, buffer: &[u8], offset: u64) -> io::Result<usize> {
    match retry(|| file.write_at(buffer, offset))? {
        0 if !buffer.is_empty() => Err(io::ErrorKind::WriteZero.into()),
        moved => Ok(moved),
    }
}

/// Preallocates blocks and extends the file over them.
pub(super) fn allocate(file: &fs::File, offset: u64, len: u64) -> io::Result<()> {
    let too_large = |_| io::Error::from_raw_os_error(libc::EFBIG);
    let offset = libc::off_t::try_from(offset).map_err(too_large)?;
    let len = libc::off_t::try_from(len).map_err(too_large)?;
    retry(|| raw::fallocate(file, offset, len))
}

/// Cuts or extends the file.
pub(super) fn truncate(file: &fs::File, len: u64) -> io::Result<()> {
    file.set_len(len)
}

/// Makes data and size durable.
pub(super) fn sync_data(file: &fs::File, journal: Journal) -> io::Result<()> {
    if journal.is_kept() { file.sync_data() } else { sync_marked(file) }
}

/// Makes a directory's entries durable.
pub(super) fn sync_dir(path: &Path, journal: Journal) -> io::Result<()> {
    let directory = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)?;
    if journal.is_kept() { directory.sync_all() } else { sync_marked(&directory) }
}

/// Writes a file or directory with its inode, which a filesystem without a journal may have changed
/// and not marked as changed (`journal.rs`). A new access time marks it; for what is not ours to
/// mark the sync itself must do.
pub(super) fn sync_marked(file: &fs::File) -> io::Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: time(UTIME_NOW), last_modification: time(UTIME_OMIT) };
    match futimens(file, &times) {
        Ok(()) | Err(Errno::PERM | Errno::ACCESS) => file.sync_all(),
        Err(error) => Err(error.into()),
    }
}

/// Gives an unnamed file its name; `EEXIST` if it is taken.
pub(super) fn link_unnamed(file: &fs::File, path: &Path) -> io::Result<()> {
    let path = raw::c_path(path)?;
    retry(|| raw::link_descriptor(file, &path))
}

/// Renames without replacing; `EEXIST` if the name is taken.
///
/// A filesystem that knows no `RENAME_NOREPLACE` (NFS, for one) says `EINVAL`; a hard link never
/// replaces either, and the temporary name goes after it.
pub(super) fn rename_new(source: &Path, target: &Path) -> io::Result<()> {
    let (source_c, target_c) = (raw::c_path(source)?, raw::c_path(target)?);
    match retry(|| raw::rename_noreplace(&source_c, &target_c)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            fs::hard_link(source, target)?;
            fs::remove_file(source)
        }
        other => other,
    }
}

/// Renames over whatever file has the name.
pub(super) fn rename_over(source: &Path, target: &Path) -> io::Result<()> {
    fs::rename(source, target)
}

/// Removes a name.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// What is free on the filesystem of `path`.
pub(super) fn free_space(path: &Path) -> io::Result<FreeSpace> {
    let found = fs::metadata(path)?;
    let path = raw::c_path(path)?;
    let answer = retry(|| raw::statvfs(&path))?;
    Ok(FreeSpace {
        bytes: answer.f_bavail.saturating_mul(answer.f_frsize),
        // A filesystem without a table of inodes (btrfs, for one) says that there are none at all.
        files: (answer.f_files > 0).then_some(answer.f_favail),
        directory: (found.dev(), found.ino()),
    })
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The calls themselves.
pub(super) mod raw {
    #![expect(unsafe_code, reason = "kernel calls that std does not wrap")]

    use std::ffi::{CStr, CString};
    use std::fs::File;
    use std::io;
    use std::mem::{self, MaybeUninit};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    /// A path for the kernel. One with a zero byte in it names nothing.
    pub(in super::super) fn c_path(path: &Path) -> io::Result<CString> {
        let bytes = path.as_os_str().as_bytes();
        CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::ENOENT))
    }

    /// The path that stands for an open descriptor: what `linkat` follows.
    pub(in super::super) fn descriptor_path(file: &impl AsRawFd) -> CString {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        CString::new(path).unwrap_or_default()
    }

    pub(super) fn openat2_beneath(dir: &File, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
        // SAFETY: all zeros is a valid `open_how`: plain integers.
        let mut how: libc::open_how = unsafe { mem::zeroed() };
        how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
        how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
        let (dir, size) = (dir.as_raw_fd(), size_of::<libc::open_how>());
        // SAFETY: the path ends in a zero byte and `how` is alive and as long as `size` says.
        let fd =
            unsafe { libc::syscall(libc::SYS_openat2, dir, path.as_ptr(), &raw mut how, size) };
        let fd = i32::try_from(fd).unwrap_or(-1);
        check(fd)?;
        // SAFETY: the kernel just gave us this descriptor; nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    pub(super) fn status_flags(file: &File) -> io::Result<i32> {
        // SAFETY: an integer call on a descriptor that `file` keeps open.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) })
    }

    pub(super) fn set_status_flags(file: &File, flags: i32) -> io::Result<()> {
        // SAFETY: an integer call on a descriptor that `file` keeps open.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
    }

    pub(super) fn fallocate(file: &File, offset: i64, len: i64) -> io::Result<()> {
        // SAFETY: an integer call on a descriptor that `file` keeps open.
        check(unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, len) }).map(drop)
    }

    pub(super) fn link_descriptor(file: &File, target: &CStr) -> io::Result<()> {
        let (here, follow) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
        let source = descriptor_path(file);
        // SAFETY: both paths end in a zero byte and outlive the call.
        check(unsafe { libc::linkat(here, source.as_ptr(), here, target.as_ptr(), follow) })
            .map(drop)
    }

    /// Pages of a range that are in the page cache.
    pub(super) fn rename_noreplace(source: &CStr, target: &CStr) -> io::Result<()> {
        let (here, flags) = (libc::AT_FDCWD, libc::RENAME_NOREPLACE);
        // SAFETY: both paths end in a zero byte and outlive the call.
        check(unsafe { libc::renameat2(here, source.as_ptr(), here, target.as_ptr(), flags) })
            .map(drop)
    }

    /// What is free, as the kernel counts it.
    pub(super) fn statvfs(path: &CStr) -> io::Result<libc::statvfs> {
        let mut answer = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path ends in a zero byte; the kernel fills the whole answer or fails.
        check(unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) })?;
        // SAFETY: the call succeeded, so the answer is filled.
        Ok(unsafe { answer.assume_init() })
    }

    fn check(answer: i32) -> io::Result<i32> {
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_without_a_writer_is_opened_at_once_and_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        for fd in [open_read(&path), open_beneath(dir.path(), Path::new("pipe"))] {
            let file = fs::File::from(fd.unwrap());
            assert!(!stat(&file).unwrap().is_file);
            assert_eq!(raw::status_flags(&file).unwrap() & libc::O_NONBLOCK, 0);
        }
    }

    #[test]
    fn a_rename_never_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let (source, target) = (dir.path().join("source"), dir.path().join("target"));
        fs::write(&source, "source").unwrap();
        fs::write(&target, "target").unwrap();
        let taken = rename_new(&source, &target).unwrap_err();
        assert_eq!(taken.raw_os_error(), Some(libc::EEXIST));
        fs::remove_file(&target).unwrap();
        rename_new(&source, &target).unwrap();
        assert_eq!(list_dir(dir.path()).unwrap(), ["target"]);
        assert_eq!(fs::read(&target).unwrap(), b"source");
    }

    #[test]
    fn new_files_and_directories_are_the_daemons_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dir");
        create_dir(&path).unwrap();
        let (_fd, temporary) = open_temporary(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&path), mode(&temporary)), (0, 0));
    }
}
