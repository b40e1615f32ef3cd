//! A copy from its first byte to its name.
//!
//! 1. [`write()`] makes a file without a name on the target's filesystem and writes to it what the
//!    source holds: chunks of the planner, read and written out of order, as many in flight as
//!    asked for. Both sides bypass the page cache where they can.
//! 2. The file is cut to the source's length, gets its permissions and time, is made durable, and
//!    read back if it is to be verified. A source that was written to meanwhile is an error.
//! 3. [`Whole::publish`] gives it its name and makes that durable. Only this can be seen.
//!
//! Dropping 1, or the value it gives, leaves nothing behind: the file has no name. What is in
//! flight keeps its buffers until the disk has drained.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::CopyError;
use super::pass::Pass;
use crate::disk::{Disk, DiskError, DiskErrorKind, File, Pool, Stat};
use crate::plan::Geometry;

/// Permissions that a copy keeps: those of reading, writing and executing. Bits that make a program
/// run as its owner are not for a copy that is somebody else's.
const MODE_KEPT: u32 = 0o777;

/// How a file is copied. The size of a chunk is that of the disk's upload buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// Chunks in flight, each of them being read or written; at least 1, and no more than the
    /// disk's slab has upload buffers, or some wait for one.
    pub in_flight: usize,
    /// Whether data and name are on stable storage when the copy is made.
    pub durable: bool,
    /// Whether another file of the target's name is replaced.
    pub replace: bool,
    /// Whether the copy is hashed, read back and compared before it gets its name.
    pub verify: bool,
}

/// How far a copy is, for who watches it. May be used for several, one after another.
#[derive(Debug, Default)]
pub struct CopyProgress {
    written: Cell<u64>,
    verified: Cell<u64>,
}

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Length of the file, its holes included, bytes.
    pub size_bytes: u64,
    /// BLAKE3 of it, if it was verified.
    pub blake3: Option<[u8; 32]>,
    /// Whether it has the source's permissions and time: not all filesystems have room for them.
    pub has_attributes: bool,
}

/// A whole copy without a name.
pub struct Whole {
    disk: Rc<dyn Disk>,
    file: File,
    target: PathBuf,
    options: CopyOptions,
    copied: Copied,
}

/// Copies the file `source` to the name `target`, and gives it that name when it is whole.
///
/// # Errors
/// Nothing is left then, not even when only the last sync failed, unless another file's name was
/// replaced: the copy has it then.
pub async fn copy(
    disk: &Rc<dyn Disk>,
    source: &Path,
    target: &Path,
    options: &CopyOptions,
    progress: &CopyProgress,
) -> Result<Copied, CopyError> {
    write(disk, source, target, options, progress).await?.publish().await
}

/// Copies all but the name. May be dropped at any time.
///
/// # Errors
/// Nothing is left then.
pub async fn write(
    disk: &Rc<dyn Disk>,
    source: &Path,
    target: &Path,
    options: &CopyOptions,
    progress: &CopyProgress,
) -> Result<Whole, CopyError> {
    progress.begin();
    let geometry = Geometry::new(disk.slab().buffer_size(Pool::Upload));
    let geometry = geometry.map_err(CopyError::TooLarge)?;
    let from = disk.open(source).await.map_err(CopyError::Source)?;
    let before = disk.stat(&from).await.map_err(CopyError::Source)?;
    if !before.is_file {
        return Err(CopyError::NotRegular);
    }
    let file = disk.create_unnamed(directory(target)).await.map_err(CopyError::target)?;
    disk.set_direct(&from, true).map_err(CopyError::Source)?;
    disk.set_direct(&file, true).map_err(CopyError::target)?;
    let pass = Pass {
        disk: &**disk,
        geometry,
        in_flight: options.in_flight.max(1),
        from: (&from, before.size),
        to: Some(&file),
        hashes: options.verify,
        progress: &progress.written,
    };
    let blake3 = pass.run().await?;
    let has_attributes = complete(&**disk, &from, before, &file).await?;
    if options.durable {
        disk.sync_data(&file).await.map_err(CopyError::target)?;
    }
    if let Some(copied) = blake3 {
        let reading =
            Pass { from: (&file, before.size), to: None, progress: &progress.verified, ..pass };
        compare(copied, reading.run().await)?;
    }
    let copied = Copied { size_bytes: before.size, blake3, has_attributes };
    let (disk, target) = (Rc::clone(disk), target.to_owned());
    Ok(Whole { disk, file, target, options: *options, copied })
}

/// Gives the file what it needs beside its data; whether that includes the attributes.
async fn complete(
    disk: &dyn Disk,
    from: &File,
    before: Stat,
    file: &File,
) -> Result<bool, CopyError> {
    disk.truncate(file, before.size).await.map_err(CopyError::target)?;
    let after = disk.stat(from).await.map_err(CopyError::Source)?;
    if (after.size, after.modified) != (before.size, before.modified) {
        return Err(CopyError::Changed);
    }
    let kept = Stat { mode: before.mode & MODE_KEPT, ..before };
    match disk.set_attributes(file, kept).await {
        Err(error) if cannot(&error) => Ok(false),
        other => other.map(|()| true).map_err(CopyError::target),
    }
}

/// FAT and some network filesystems have no permissions to set.
fn cannot(error: &DiskError) -> bool {
    error.kind() == DiskErrorKind::Unsupported || error.errno() == Some(libc::EPERM)
}

fn compare(copied: [u8; 32], found: Result<Option<[u8; 32]>, CopyError>) -> Result<(), CopyError> {
    match found {
        Ok(Some(found)) if found == copied => Ok(()),
        Ok(found) => Err(CopyError::Mismatch { copied, found: found.unwrap_or_default() }),
        // What is the source of the second pass is the target of the copy.
        Err(CopyError::Source(error)) => Err(CopyError::Target(error)),
        Err(other) => Err(other),
    }
}

impl Whole {
    /// Gives the copy its name. To be run to its end: dropped halfway, the name may be there or
    /// not.
    ///
    /// # Errors
    /// As [`copy`].
    pub async fn publish(self) -> Result<Copied, CopyError> {
        let Whole { disk, file, target, options, copied } = self;
        let named = if options.replace {
            disk.replace(&file, &target).await
        } else {
            disk.link(&file, &target).await
        };
        named.map_err(CopyError::target)?;
        drop(file);
        if options.durable
            && let Err(error) = disk.sync_dir(directory(&target)).await
        {
            if !options.replace {
                // A name that may be gone after a power cut is no copy; that it cannot be removed
                // either is no news.
                let _ = disk.remove(&target).await;
            }
            return Err(CopyError::target(error));
        }
        Ok(copied)
    }
}

impl CopyProgress {
    /// Written so far, holes included, bytes.
    pub fn written_bytes(&self) -> u64 {
        self.written.get()
    }

    /// Read back so far, bytes.
    pub fn verified_bytes(&self) -> u64 {
        self.verified.get()
    }

    fn begin(&self) {
        self.written.set(0);
        self.verified.set(0);
    }
}

/// The directory of a name.
pub fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
