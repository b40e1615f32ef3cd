//! An open file: a handle that engines understand and callers only pass around.
//!
//! Shared (`Arc`) because an operation in flight keeps it: a descriptor is closed, and its number
//! reused, only after the last completion that names it.

use std::any::Any;
use std::fmt;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open file of any engine.
#[derive(Clone)]
pub struct File(Arc<Handle>);

enum Handle {
    Os { file: fs::File, temporary: Mutex<Option<PathBuf>>, is_kept: bool },
    Other(Box<dyn Any + Send + Sync>),
}

impl File {
    /// Around a descriptor.
    pub(super) fn from_fd(fd: OwnedFd) -> File {
        File(Arc::new(Handle::Os { file: fd.into(), temporary: Mutex::new(None), is_kept: false }))
    }

    /// Around a descriptor whose file has a temporary name, removed with the last handle unless
    /// [`File::forget_temporary`] comes first.
    pub(super) fn from_fd_named(fd: OwnedFd, name: PathBuf) -> File {
        File(Arc::new(Handle::Os {
            file: fd.into(),
            temporary: Mutex::new(Some(name)),
            is_kept: false,
        }))
    }

    /// Around a file that was opened elsewhere, for reading and writing, under a name that it keeps
    /// until [`Disk::link`](super::Disk::link) or [`Disk::replace`](super::Disk::replace) gives it
    /// another.
    pub fn adopt(file: fs::File, name: PathBuf) -> File {
        File(Arc::new(Handle::Os { file, temporary: Mutex::new(Some(name)), is_kept: true }))
    }

    /// Around the handle of an engine that has no descriptors. Its drop is the file's close.
    pub(super) fn from_handle<T: Any + Send + Sync>(handle: T) -> File {
        File(Arc::new(Handle::Other(Box::new(handle))))
    }

    /// The kernel's file; `None` for one that is not the kernel's.
    pub(super) fn os(&self) -> Option<&fs::File> {
        match &*self.0 {
            Handle::Os { file, .. } => Some(file),
            Handle::Other(_) => None,
        }
    }

    /// Whether this is the kernel's file, of which there are [extents](super::Extent).
    pub fn has_descriptor(&self) -> bool {
        self.os().is_some()
    }

    /// The descriptor; `None` for a file that is not the kernel's.
    pub(super) fn raw_fd(&self) -> Option<RawFd> {
        self.os().map(AsRawFd::as_raw_fd)
    }

    /// What [`File::from_handle`] was given, if it was a `T`.
    pub(super) fn handle<T: Any>(&self) -> Option<&T> {
        match &*self.0 {
            Handle::Os { .. } => None,
            Handle::Other(handle) => handle.downcast_ref(),
        }
    }

    /// The temporary name, if the file has one.
    pub(super) fn temporary(&self) -> Option<PathBuf> {
        match &*self.0 {
            Handle::Os { temporary, .. } => {
                temporary.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            Handle::Other(_) => None,
        }
    }

    /// The file got its real name: the temporary one is gone.
    pub(super) fn forget_temporary(&self) {
        if let Handle::Os { temporary, .. } = &*self.0 {
            *temporary.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Handle::Os { file, .. } => write!(f, "File(fd {})", file.as_raw_fd()),
            Handle::Other(_) => write!(f, "File"),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Handle::Os { temporary, is_kept: false, .. } = self {
            let name = temporary.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(name) = name {
                remove_quietly(&name);
            }
        }
    }
}

/// A temporary name that cannot be removed now is swept at the next start.
fn remove_quietly(name: &Path) {
    if let Err(error) = fs::remove_file(name) {
        tracing::debug!(%error, "a temporary file stays until the next start");
    }
}
