//! An open file: a handle that engines understand and callers only pass around.
//!
//! Shared (`Arc`) because an operation in flight keeps it: a descriptor is closed, and its number
//! reused, only after the last completion that names it.

use std::fmt;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open file of any engine.
#[derive(Clone)]
pub struct File(Arc<Handle>);

struct Handle {
    backing: Backing,
    temporary: Mutex<Option<PathBuf>>,
}

enum Backing {
    Os(fs::File),
}

impl File {
    /// Around a descriptor.
    pub(super) fn from_fd(fd: OwnedFd) -> File {
        File::new(Backing::Os(fd.into()), None)
    }

    /// Around a descriptor whose file has a temporary name, removed with the last handle unless
    /// [`File::forget_temporary`] comes first.
    pub(super) fn from_fd_named(fd: OwnedFd, name: PathBuf) -> File {
        File::new(Backing::Os(fd.into()), Some(name))
    }

    fn new(backing: Backing, temporary: Option<PathBuf>) -> File {
        File(Arc::new(Handle { backing, temporary: Mutex::new(temporary) }))
    }

    /// The kernel's file; `None` for one of the memory engine.
    pub(super) fn os(&self) -> Option<&fs::File> {
        match &self.0.backing {
            Backing::Os(file) => Some(file),
        }
    }

    /// The descriptor; `None` for a file of the memory engine.
    pub(super) fn raw_fd(&self) -> Option<RawFd> {
        self.os().map(AsRawFd::as_raw_fd)
    }

    /// The temporary name, if the file has one.
    pub(super) fn temporary(&self) -> Option<PathBuf> {
        self.0.temporary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file got its real name: the temporary one is gone.
    pub(super) fn forget_temporary(&self) {
        *self.0.temporary.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.backing {
            Backing::Os(file) => write!(f, "File(fd {})", file.as_raw_fd()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let name = self.temporary.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(name) = name else { return };
        match &self.backing {
            Backing::Os(_) => remove_quietly(&name),
        }
    }
}

/// A temporary name that cannot be removed now is swept at the next start.
fn remove_quietly(name: &Path) {
    if let Err(error) = fs::remove_file(name) {
        tracing::debug!(%error, "a temporary file stays until the next start");
    }
}
