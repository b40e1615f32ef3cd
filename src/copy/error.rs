//! What can go wrong with a copy, by what the caller can do about it. Each says cause and remedy;
//! which files it is about, the caller knows.

use std::fmt;

use data_encoding::HEXLOWER;

use crate::disk::{DiskError, DiskErrorKind};
use crate::plan::PlanError;

/// A copy that was not made. Nothing is left of it.
#[derive(Debug)]
pub enum CopyError {
    /// The source cannot be opened or read.
    Source(DiskError),
    /// The source is a directory, a pipe, a socket or a device.
    NotRegular,
    /// The source was written to while it was copied.
    Changed,
    /// The source is larger than a file can be planned for.
    TooLarge(PlanError),
    /// The target's name is taken, and it was not to be replaced.
    Exists,
    /// The target cannot be made, written or named.
    Target(DiskError),
    /// What was read back from the target is not what was read from the source.
    Mismatch {
        /// BLAKE3 of what was read from the source.
        copied: [u8; 32],
        /// BLAKE3 of what was read back.
        found: [u8; 32],
    },
}

impl CopyError {
    /// A failure of the target's side; a name that is taken is one of its own.
    pub(super) fn target(error: DiskError) -> CopyError {
        if error.kind() == DiskErrorKind::Exists {
            CopyError::Exists
        } else {
            CopyError::Target(error)
        }
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::Source(error) => write!(f, "the source cannot be read ({error})"),
            CopyError::NotRegular => f.write_str("the source is no regular file"),
            CopyError::Changed => f.write_str(
                "the source was written to while it was copied: copy it again when that is over",
            ),
            CopyError::TooLarge(error) => write!(f, "the source is too large ({error})"),
            CopyError::Exists => f.write_str("the target exists: give --force to replace it"),
            CopyError::Target(error) => target(f, error),
            CopyError::Mismatch { copied, found } => write!(
                f,
                "what was read back is not what was written (BLAKE3 {} and {}): nothing was kept; \
                 the disk, its cable or the memory changes bytes",
                HEXLOWER.encode(copied),
                HEXLOWER.encode(found),
            ),
        }
    }
}

fn target(f: &mut fmt::Formatter<'_>, error: &DiskError) -> fmt::Result {
    match error.kind() {
        DiskErrorKind::Full => {
            write!(f, "there is no room for it ({error}): free some, or copy it elsewhere")
        }
        DiskErrorKind::NotFound => {
            write!(f, "the target's directory is not there ({error}): make it first")
        }
        DiskErrorKind::Gone => {
            write!(f, "the target's volume is read-only or gone ({error}): see the kernel's log")
        }
        DiskErrorKind::Cancelled => f.write_str("it was stopped"),
        DiskErrorKind::Exists
        | DiskErrorKind::Unsupported
        | DiskErrorKind::Exhausted
        | DiskErrorKind::Failed => {
            write!(f, "the target cannot be written ({error}): nothing of it was kept")
        }
    }
}

impl std::error::Error for CopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CopyError::Source(error) | CopyError::Target(error) => Some(error),
            CopyError::TooLarge(error) => Some(error),
            CopyError::NotRegular
            | CopyError::Changed
            | CopyError::Exists
            | CopyError::Mismatch { .. } => None,
        }
    }
}
