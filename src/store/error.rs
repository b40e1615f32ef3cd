//! What can go wrong with the store, by what the caller can do about it. No status codes here.

use std::fmt;

use super::seal::SealError;
use crate::disk::{DiskError, DiskErrorKind};
use crate::id::ObjectNumber;
use crate::plan::PlanError;

/// What the caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// No such object or file.
    NotFound,
    /// No room on the volume: free some, or send less.
    Full,
    /// Larger than an object can be.
    TooLarge,
    /// What lies on disk is not what was sealed.
    Damaged,
    /// The daemon is stopping.
    Stopping,
    /// Out of descriptors or memory: try again later.
    Busy,
    /// The disk failed; the object in hand is lost.
    Failed,
    /// The volume failed: it takes no uploads until it works again.
    VolumeFailed,
}

/// A failed store operation. Cheap to clone: an upload that failed answers every later call with
/// the first failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
}

/// Result of a store operation.
pub type StoreResult<T> = Result<T, StoreError>;

impl StoreError {
    /// A failure of `kind`; `message` is for the log.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> StoreError {
        StoreError { kind, message: message.into() }
    }

    /// The same, of this object: its number leads an operator to its file, and is no file ID.
    pub(super) fn of(self, object: ObjectNumber) -> StoreError {
        StoreError { message: format!("object {object}: {}", self.message), ..self }
    }

    /// What can be done about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> StoreError {
        let kind = match error.kind() {
            DiskErrorKind::NotFound => StoreErrorKind::NotFound,
            DiskErrorKind::Full => StoreErrorKind::Full,
            DiskErrorKind::Cancelled => StoreErrorKind::Stopping,
            DiskErrorKind::Exhausted => StoreErrorKind::Busy,
            DiskErrorKind::Exists
            | DiskErrorKind::Unsupported
            | DiskErrorKind::Gone
            | DiskErrorKind::Failed => StoreErrorKind::Failed,
        };
        StoreError::new(kind, error.to_string())
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> StoreError {
        StoreError::new(StoreErrorKind::Damaged, error.to_string())
    }
}

impl From<PlanError> for StoreError {
    fn from(error: PlanError) -> StoreError {
        let kind = match error {
            PlanError::TooLarge => StoreErrorKind::TooLarge,
            PlanError::Inverted | PlanError::ChunkSize { .. } | PlanError::Alignment => {
                StoreErrorKind::Failed
            }
        };
        StoreError::new(kind, error.to_string())
    }
}
