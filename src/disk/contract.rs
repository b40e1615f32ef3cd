//! The `Disk` trait: what every engine promises, in one place. `contract_suite.rs` tests it on
//! all of them.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use futures_util::future::LocalBoxFuture;

use super::{DiskError, DiskResult, File, Lease, Shortcut, Slab};

/// A disk operation. Dropping it gives up the answer, never the operation: a transfer that
/// reached the kernel keeps its lease and its file until its completion.
pub type Op<T> = LocalBoxFuture<'static, T>;

/// The end of a read or write: the lease comes back whatever happened.
#[derive(Debug)]
pub struct Transfer {
    /// The buffer, owned by the caller again.
    pub lease: Lease,
    /// Bytes moved (possibly fewer than asked for; 0 on a read is the end of the file), or why none.
    pub result: Result<usize, DiskError>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Size, bytes.
    pub size: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// Whether this is a regular file (not a directory, device, pipe or socket).
    pub is_file: bool,
    /// Permission bits (chmod(2)), those that change the user or group of a program included.
    pub mode: u32,
}

/// What is free on the filesystem of a directory, and which directory that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// Bytes an ordinary user can still write.
    pub bytes: u64,
    /// Files that can still be made; `None` where the filesystem makes room for them as needed.
    pub files: Option<u64>,
    /// Device and inode of the directory: another pair under the same path is another directory,
    /// such as the one below a mount point.
    pub directory: (u64, u64),
}

/// Which engine moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The kernel's ring.
    IoUring,
    /// Blocking calls on a small pool of threads.
    Threads,
    /// A filesystem in memory, for tests.
    Memory,
}

/// What an engine says of itself, for the greeting, the log and `doctor`.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// Which engine.
    pub kind: EngineKind,
    /// Whether the slab is registered with the kernel; false costs a page walk per transfer.
    pub buffers_registered: bool,
    /// Why a feature is not used, in one sentence with the remedy; `None` when all is well.
    pub caveat: Option<String>,
}

/// The disk, seen from one worker thread. Not `Send`: each worker has its own.
///
/// Promises of every engine:
/// 1. Reads and writes in flight never exceed the queue depth; syncs and other metadata have
///    gates of their own. A further operation waits for its turn in order of arrival. Of small
///    files made in one step ([`Disk::shortcut`]) no more are in flight than the engine has
///    threads.
/// 2. A transfer may be short; the caller goes on from there (`transfer.rs` does it). A write of
///    more than zero bytes never reports zero.
/// 3. The kernel owns a transfer's lease and file until its completion, also when the future is
///    dropped.
/// 4. `sync_data` covers the writes whose completion was seen before it was called, no others.
/// 5. `link` never replaces a name; `replace` does, and whoever opens the name meanwhile finds the
///    old file or the new one. Neither makes the name durable; `sync_dir` does.
/// 6. After [`Disk::drain`] resolves nothing is in flight and later operations are refused.
pub trait Disk {
    /// Which engine this is and what it could not get.
    fn report(&self) -> EngineReport;

    /// The buffers that transfers move through.
    fn slab(&self) -> &Slab;

    /// Makes one directory; one that is there already is fine.
    fn create_dir(&self, path: &Path) -> Op<DiskResult<()>>;

    /// The names in a directory, unordered. For start-up and `verify`, not for requests.
    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<OsString>>>;

    /// A new file without a name on the filesystem of `staging`, open for reading and writing.
    /// Where the filesystem has no `O_TMPFILE` it gets a temporary name in `staging`, which
    /// [`Disk::link`] renames and dropping the last handle removes.
    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>>;

    /// Opens a file for reading.
    fn open(&self, path: &Path) -> Op<DiskResult<File>>;

    /// Opens for reading a path given by a stranger, resolved below `dir`: neither `..` nor a
    /// symbolic link leads out of it (`openat2` with `RESOLVE_BENEATH`). A way out is `NotFound`.
    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>>;

    /// Size, modification time, type and permissions.
    fn stat(&self, file: &File) -> Op<DiskResult<Stat>>;

    /// Gives the file the permissions and the modification time of `stat`. Later writes change the
    /// time again.
    fn set_attributes(&self, file: &File, stat: Stat) -> Op<DiskResult<()>>;

    /// The first run of data that ends after `offset`, cut to begin there; `None` when only a hole
    /// follows, or nothing. Where holes are not known all is data. Runs need not be aligned.
    fn next_data(&self, file: &File, offset: u64) -> Op<DiskResult<Option<Range<u64>>>>;

    /// Turns direct I/O on or off for later transfers of this file. `Ok(false)` where the
    /// filesystem cannot: transfers stay buffered.
    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool>;

    /// Writes `lease[span]` at `offset`.
    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer>;

    /// Reads into `lease[span]` from `offset`.
    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer>;

    /// Opens a file for reading, at once, and says its size in bytes; `None` where its name is not
    /// in memory, where nobody can tell, or after a failure of any kind: [`Disk::open`] says more.
    fn open_resident(&self, _path: &Path) -> Option<(File, u64)> {
        None
    }

    /// Fills `buffer` from `offset` with bytes that are in memory already, at once; `false` where
    /// they are not all there, where nobody can tell, or after a failure of any kind. `buffer` is
    /// then undefined and [`Disk::read`] says more. Not bounded by the queue depth: nothing is in
    /// flight.
    fn read_resident(&self, _file: &File, _buffer: &mut [u8], _offset: u64) -> bool {
        false
    }

    /// How many bytes of `range` are in the page cache, or on their way into it, at once, counted in
    /// pages: all of them only where each page of it is. `None` where nobody can tell.
    fn resident_size(&self, _file: &File, _range: Range<u64>) -> Option<u64> {
        None
    }

    /// Whether all of `range` is in the page cache, so that reading it from there would not wait; at
    /// once, but page by page. False where nobody can tell.
    fn is_filled(&self, _file: &File, _range: Range<u64>) -> bool {
        false
    }

    /// Opens an open file once more, for reads past the page cache: of whole blocks, to whole
    /// blocks. What others read by the first handle stays as it was. An error where the filesystem
    /// cannot.
    fn open_direct(&self, file: &File) -> Op<DiskResult<File>>;

    /// Preallocates blocks for `offset..offset + len` and extends the file over them.
    /// `Unsupported` where the filesystem cannot; writing goes on without.
    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>>;

    /// Cuts the file to `len` bytes and frees what was preallocated beyond.
    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>>;

    /// Makes data and size durable (`fdatasync`).
    fn sync_data(&self, file: &File) -> Op<DiskResult<()>>;

    /// Gives an unnamed file its name; `Exists` if the name is taken.
    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>>;

    /// Gives an unnamed file its name, which may be another file's until then. Over such a one it
    /// first gets a temporary name beside it, which a process that is killed there leaves behind.
    /// When it fails over a name that is taken, the file may be lost: one that had a name and lost
    /// it can get no other.
    fn replace(&self, file: &File, path: &Path) -> Op<DiskResult<()>>;

    /// Makes a directory's entries durable (`fsync`).
    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>>;

    /// Removes a name; `NotFound` if there is none.
    fn remove(&self, path: &Path) -> Op<DiskResult<()>>;

    /// What is free on the filesystem of the directory `path`.
    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>>;

    /// What this engine does of a small file in one step; see the functions
    /// [`create_written`](super::create_written) and [`link_all`](super::link_all), which know
    /// what to do without.
    fn shortcut(&self) -> Option<&dyn Shortcut> {
        None
    }

    /// Refuses new operations and resolves when nothing is in flight. Must be awaited before the
    /// runtime is dropped.
    fn drain(&self) -> Op<()>;
}
