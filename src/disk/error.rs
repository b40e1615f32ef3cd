//! What can go wrong with the disk, by what the caller can do about it.

use std::fmt;
use std::io;

/// Result of a disk operation.
pub type DiskResult<T> = Result<T, DiskError>;

/// What the caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// No room (`ENOSPC`, `EDQUOT`): free some, or send less.
    Full,
    /// No such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// The filesystem or kernel lacks this: go on without.
    Unsupported,
    /// The disk is draining or the operation was cancelled: the process is stopping.
    Cancelled,
    /// The volume is read-only or gone (`EROFS`, `ENODEV`, `ENXIO`, `ESTALE`): nothing is written
    /// until an operator acts.
    Gone,
    /// Too many open files or too little memory: try again later.
    Exhausted,
    /// Anything else, foremost `EIO`: the file is lost.
    Failed,
}

/// A failed disk operation.
#[derive(Debug)]
pub struct DiskError {
    kind: DiskErrorKind,
    operation: &'static str,
    source: io::Error,
}

impl DiskError {
    /// Wraps what the kernel said of `operation` (a verb: "write", "link", ...).
    pub fn new(operation: &'static str, source: io::Error) -> DiskError {
        DiskError { kind: kind_of(&source), operation, source }
    }

    /// From an errno.
    pub fn from_errno(operation: &'static str, errno: i32) -> DiskError {
        DiskError::new(operation, io::Error::from_raw_os_error(errno))
    }

    /// The disk is draining.
    pub fn cancelled(operation: &'static str) -> DiskError {
        DiskError::from_errno(operation, libc::ECANCELED)
    }

    /// What can be done about it.
    pub fn kind(&self) -> DiskErrorKind {
        self.kind
    }

    /// The operation that failed, a verb.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// What the kernel said.
    pub(super) fn io(&self) -> &io::Error {
        &self.source
    }

    /// The errno, when the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.source)
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

fn kind_of(error: &io::Error) -> DiskErrorKind {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => DiskErrorKind::Full,
        // ELOOP, EXDEV and ENOTDIR are how a path below `--public` that leads out, or through a
        // file, is refused: to the outside that is a name that does not exist.
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EXDEV | libc::ENAMETOOLONG) => {
            DiskErrorKind::NotFound
        }
        Some(libc::EEXIST) => DiskErrorKind::Exists,
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => DiskErrorKind::Unsupported,
        Some(libc::ECANCELED) => DiskErrorKind::Cancelled,
        Some(libc::EROFS | libc::ENODEV | libc::ENXIO | libc::ESTALE) => DiskErrorKind::Gone,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => DiskErrorKind::Exhausted,
        _ => DiskErrorKind::Failed,
    }
}
