//! An open file: a handle that engines understand and callers only pass around.
//!
//! Shared (`Arc`) because an operation in flight keeps it: a descriptor is closed, and its number
//! reused, only after the last completion that names it.

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open file of any engine.
#[derive(Clone)]
pub struct File(Arc<Handle>);

enum Handle {
    Os { fd: OwnedFd, temporary: Mutex<Option<PathBuf>> },
}

impl File {
    /// Around a descriptor.
    pub(super) fn from_fd(fd: OwnedFd) -> File {
        File(Arc::new(Handle::Os { fd, temporary: Mutex::new(None) }))
    }

    /// Around a descriptor whose file has a temporary name, removed with the last handle unless
    /// [`File::take_temporary`] comes first.
    pub(super) fn from_fd_named(fd: OwnedFd, name: PathBuf) -> File {
        File(Arc::new(Handle::Os { fd, temporary: Mutex::new(Some(name)) }))
    }

    /// The descriptor; `None` for a file of the memory engine.
    pub(super) fn raw_fd(&self) -> Option<RawFd> {
        match &*self.0 {
            Handle::Os { fd, .. } => Some(fd.as_raw_fd()),
        }
    }

    /// The temporary name, if the file has one.
    pub(super) fn temporary(&self) -> Option<PathBuf> {
        match &*self.0 {
            Handle::Os { temporary, .. } => {
                temporary.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }

    /// The file got its real name: the temporary one is gone.
    pub(super) fn forget_temporary(&self) {
        match &*self.0 {
            Handle::Os { temporary, .. } => {
                *temporary.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Handle::Os { fd, .. } => write!(f, "File(fd {})", fd.as_raw_fd()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        match self {
            Handle::Os { temporary, .. } => {
                let name = temporary.get_mut().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(name) = name {
                    remove_quietly(&name);
                }
            }
        }
    }
}

/// A temporary name that cannot be removed now is swept at the next start.
fn remove_quietly(name: &Path) {
    if let Err(error) = std::fs::remove_file(name) {
        tracing::debug!(%error, "a temporary file stays until the next start");
    }
}
