//! Why a file could not land, by what the caller can do about it.

use std::fmt;

use crate::disk::{DiskError, DiskErrorKind};

/// A file that did not land. Under its name nothing is there, or what was there before.
#[derive(Debug)]
pub(crate) enum LandingError {
    /// There is no room for it.
    Full(DiskError),
    /// The target's name is taken, and it was not to be replaced.
    Exists,
    /// The target's directory is not there.
    NoDirectory(DiskError),
    /// This user may not write there.
    NotPermitted(DiskError),
    /// Another process writes to the same part.
    Busy,
    /// The part's name is taken by something that is no regular file.
    NotRegular,
    /// The disk failed: what was written is not to be relied on.
    Failed(DiskError),
    /// An earlier write failed.
    Abandoned,
    /// No thread, buffers or engine; the sentence says which.
    Unequipped(String),
}

impl From<DiskError> for LandingError {
    fn from(error: DiskError) -> LandingError {
        match (error.kind(), error.errno()) {
            (DiskErrorKind::Full, _) => LandingError::Full(error),
            (DiskErrorKind::Exists, _) => LandingError::Exists,
            (DiskErrorKind::NotFound, _) => LandingError::NoDirectory(error),
            (_, Some(libc::EACCES | libc::EPERM | libc::EROFS)) => {
                LandingError::NotPermitted(error)
            }
            _ => LandingError::Failed(error),
        }
    }
}

impl fmt::Display for LandingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LandingError::Full(error) => {
                write!(f, "there is no room for it ({error}): free some, or choose another disk")
            }
            LandingError::Exists => f.write_str("the name is taken: give --force to replace it"),
            LandingError::NoDirectory(error) => {
                write!(f, "its directory is not there ({error}): make it first")
            }
            LandingError::NotPermitted(error) => {
                write!(f, "it may not be written there ({error}): choose another directory")
            }
            LandingError::Busy => f.write_str(
                "another process is fetching it to the same place: wait for it, or choose another \
                 name",
            ),
            LandingError::NotRegular => f.write_str(
                "the name of its part is taken by something that is no regular file: remove that",
            ),
            LandingError::Failed(error) => {
                write!(f, "the disk failed ({error}): see the kernel's log")
            }
            LandingError::Abandoned => f.write_str("an earlier write to it failed"),
            LandingError::Unequipped(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for LandingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LandingError::Full(error)
            | LandingError::NoDirectory(error)
            | LandingError::NotPermitted(error)
            | LandingError::Failed(error) => Some(error),
            LandingError::Exists
            | LandingError::Busy
            | LandingError::NotRegular
            | LandingError::Abandoned
            | LandingError::Unequipped(_) => None,
        }
    }
}
