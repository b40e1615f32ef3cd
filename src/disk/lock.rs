//! One daemon per root: a lock on the root directory itself, so no lock file lies about.
//!
//! One per process, taken before the root is swept and held to the end. The kernel gives it up
//! with the process, however that ends (`flock(2)`).

use std::fmt;
use std::fs::{self, TryLockError};
use std::io;
use std::path::Path;

/// The root is ours until this is dropped.
#[derive(Debug)]
pub struct RootLock {
    _directory: fs::File,
}

/// Why the root is not ours.
#[derive(Debug)]
pub enum RootLockError {
    /// Another process has it.
    Taken,
    /// It cannot be opened or locked.
    Failed(io::Error),
}

impl fmt::Display for RootLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootLockError::Taken => f.write_str(
                "another ringhold uses this root: stop it, or choose another one with --root",
            ),
            RootLockError::Failed(error) => write!(f, "the root cannot be locked: {error}"),
        }
    }
}

impl std::error::Error for RootLockError {}

impl RootLock {
    /// Takes the lock of an existing directory, without waiting.
    ///
    /// # Errors
    /// `Taken`, or what the kernel says.
    pub fn acquire(root: &Path) -> Result<RootLock, RootLockError> {
        let directory = fs::File::open(root).map_err(RootLockError::Failed)?;
        match directory.try_lock() {
            Ok(()) => Ok(RootLock { _directory: directory }),
            Err(TryLockError::WouldBlock) => Err(RootLockError::Taken),
            Err(TryLockError::Error(error)) => Err(RootLockError::Failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_one_owner_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = RootLock::acquire(root.path()).unwrap();
        let refused = RootLock::acquire(root.path()).unwrap_err();
        assert!(refused.to_string().contains("--root"), "{refused}");
        drop(first);
        assert!(RootLock::acquire(root.path()).is_ok());
    }

    #[test]
    fn a_root_that_is_not_there_says_so() {
        let refused = RootLock::acquire(Path::new("/nonexistent/root")).unwrap_err();
        assert!(matches!(refused, RootLockError::Failed(_)));
    }
}
