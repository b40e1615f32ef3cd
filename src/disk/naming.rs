//! A name for a file that has none, or a temporary one, by blocking calls: what the engines do on a
//! thread of a pool.

use std::fs;
use std::io;
use std::path::Path;

use super::{File, syscall};

/// Gives the file its name; `EEXIST` if it is taken.
pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
    let Some(temporary) = file.temporary() else {
        return syscall::link_unnamed(os(file)?, path);
    };
    syscall::rename_new(&temporary, path)?;
    file.forget_temporary();
    Ok(())
}

/// Gives the file its name, in place of any other file's. No call links a file without a name over
/// a name that is taken, so it goes by a temporary name in the same directory.
pub(super) fn replace(file: &File, path: &Path) -> io::Result<()> {
    if let Some(temporary) = file.temporary() {
        syscall::rename_over(&temporary, path)?;
        file.forget_temporary();
        return Ok(());
    }
    match syscall::link_unnamed(os(file)?, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => return linked,
    }
    let temporary = syscall::temporary_path(path.parent().unwrap_or(Path::new("")))?;
    syscall::link_unnamed(os(file)?, &temporary)?;
    let replaced = syscall::rename_over(&temporary, path);
    if replaced.is_err()
        && let Err(error) = syscall::remove(&temporary)
    {
        tracing::warn!(name = %temporary.display(), %error, "a temporary file is left");
    }
    replaced
}

/// The kernel's file; one of another engine is as bad as a closed descriptor.
pub(super) fn os(file: &File) -> io::Result<&fs::File> {
    file.os().ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
}
