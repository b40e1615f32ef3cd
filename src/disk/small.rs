//! Small files in one step: what a small upload asks of the disk, without a change of thread for
//! each call.
//!
//! A small object is four calls (create, write, sync, link) that take microseconds each, the sync
//! apart. Handing each one to another thread and waking up for its answer costs more than the
//! calls: so [`create_written`] takes the first three together, and [`link_all`] a whole batch of
//! names.
//!
//! 1. An engine that can do this lends its [`Shortcut`]; on the others (`memory`, `faulty`) the
//!    same functions take the single operations of [`Disk`], in the same order.
//! 2. What waits for no device ([`Care::Cached`]) is done at once on the worker's own thread,
//!    everything else is one job on one other thread: `desk.rs` decides and takes care of it.
//! 3. A step is begun when the one before it has succeeded: nothing is synced that was not
//!    written.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::transfer::Progress;
use super::{Disk, DiskError, DiskResult, File, Journal, Lease, Op, naming, syscall, write_all};

/// What is to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing: the page cache has it.
    Cached,
    /// The device has the bytes, past the page cache where the filesystem can; they may still be
    /// in its own cache.
    Direct,
    /// As `Direct`, and data and size are synced.
    Durable,
}

/// A small file that was made, or not.
#[derive(Debug)]
pub struct Made {
    /// The buffer, owned by the caller again.
    pub lease: Lease,
    /// The whole file, still without a name; or what the last step that was begun failed with.
    pub result: DiskResult<File>,
    /// How long the write took; `None` if it was not begun.
    pub write_duration: Option<Duration>,
    /// How long the sync took; `None` if it was not begun.
    pub sync_duration: Option<Duration>,
}

/// What an engine does in one step.
pub trait Shortcut {
    /// As the function [`create_written`].
    fn create_written(
        &self,
        staging: &Path,
        lease: Lease,
        span: Range<usize>,
        care: Care,
    ) -> Op<Made>;

    /// As the function [`link_all`].
    fn link_all(&self, names: Vec<(File, PathBuf)>, care: Care) -> Op<Vec<DiskResult<()>>>;
}

/// A new file without a name ([`Disk::create_unnamed`]) that holds `lease[span]`, written and
/// synced as `care` says. For direct I/O the span is whole blocks.
pub async fn create_written(
    disk: &dyn Disk,
    staging: &Path,
    lease: Lease,
    span: Range<usize>,
    care: Care,
) -> Made {
    if let Some(shortcut) = disk.shortcut() {
        return shortcut.create_written(staging, lease, span, care).await;
    }
    let unmade = |lease, error| Made {
        lease,
        result: Err(error),
        write_duration: None,
        sync_duration: None,
    };
    let file = match disk.create_unnamed(staging).await {
        Ok(file) => file,
        Err(error) => return unmade(lease, error),
    };
    if care != Care::Cached
        && let Err(error) = disk.set_direct(&file, true)
    {
        return unmade(lease, error);
    }
    let (lease, mut done) = write_all(disk, &file, lease, span, 0).await;
    if care == Care::Durable && done.is_ok() {
        done = disk.sync_data(&file).await;
    }
    Made { lease, result: done.map(|()| file), write_duration: None, sync_duration: None }
}

/// Gives each file its name as [`Disk::link`] does; the answers are in the same order. With
/// [`Care::Cached`] it may be done at once on the caller's thread; the names are no more durable
/// for any other care: [`Disk::sync_dir`] makes them so.
pub async fn link_all(
    disk: &dyn Disk,
    names: Vec<(File, PathBuf)>,
    care: Care,
) -> Vec<DiskResult<()>> {
    match disk.shortcut() {
        Some(shortcut) => shortcut.link_all(names, care).await,
        None => join_all(names.iter().map(|(file, path)| disk.link(file, path))).await,
    }
}

/// The order for a small file, for whatever thread carries it out.
pub(super) struct Order {
    pub(super) staging: PathBuf,
    pub(super) journal: Journal,
    pub(super) care: Care,
}

/// What came of an [`Order`]: a [`Made`] without its buffer.
pub(super) struct Steps {
    result: DiskResult<File>,
    write_duration: Option<Duration>,
    sync_duration: Option<Duration>,
}

impl Order {
    /// Makes the file, blocking.
    pub(super) fn carry_out(&self, bytes: &[u8]) -> Steps {
        let is_direct = self.care != Care::Cached;
        // Where nothing need last, no name is more than a journal.
        let unnamed = self.care == Care::Cached || self.journal.is_kept();
        let mut steps = match create(&self.staging, unnamed, is_direct) {
            Ok(file) => Steps { result: Ok(file), write_duration: None, sync_duration: None },
            Err(error) => return Steps::none(DiskError::new("create", error)),
        };
        steps.write_duration = steps.next(|file| write(file, bytes));
        if self.care == Care::Durable {
            steps.sync_duration = steps.next(|file| {
                let synced = syscall::sync_data(file, self.journal);
                synced.map_err(|error| DiskError::new("sync data", error))
            });
        }
        steps
    }
}

impl Steps {
    /// Not even the first.
    pub(super) fn none(error: DiskError) -> Steps {
        Steps { result: Err(error), write_duration: None, sync_duration: None }
    }

    pub(super) fn with(self, lease: Lease) -> Made {
        let Steps { result, write_duration, sync_duration } = self;
        Made { lease, result, write_duration, sync_duration }
    }

    /// Takes one step if all before it went well; how long it took.
    fn next(&mut self, step: impl FnOnce(&std::fs::File) -> DiskResult<()>) -> Option<Duration> {
        let file = self.result.as_ref().ok()?.os()?;
        let began = Instant::now();
        let done = step(file);
        let duration = began.elapsed();
        if let Err(error) = done {
            self.result = Err(error);
        }
        Some(duration)
    }
}

/// A file without a name, or with a temporary one where the filesystem cannot or is not asked.
pub(super) fn create(staging: &Path, unnamed: bool, is_direct: bool) -> io::Result<File> {
    if unnamed {
        match syscall::open_unnamed(staging, is_direct) {
            Err(error) if syscall::lacks_unnamed(&error) => {}
            other => return Ok(File::from_fd(other?)),
        }
    }
    let (fd, name) = syscall::open_temporary(staging)?;
    let file = File::from_fd_named(fd, name);
    if is_direct && let Some(os) = file.os() {
        syscall::set_direct(os, true)?;
    }
    Ok(file)
}

/// Gives each file its name, blocking.
pub(super) fn link_each(names: &[(File, PathBuf)]) -> Vec<DiskResult<()>> {
    let give = |(file, path): &(File, PathBuf)| {
        naming::link(file, path).map_err(|error| DiskError::new("link", error))
    };
    names.iter().map(give).collect()
}

fn write(file: &std::fs::File, bytes: &[u8]) -> DiskResult<()> {
    const NAME: &str = "write";
    let mut progress = Progress::of(&(0..bytes.len()));
    while progress.is_short() {
        let done = progress.done();
        let moved = syscall::write_at(file, &bytes[done..], done as u64);
        progress.take(NAME, moved.map_err(|error| DiskError::new(NAME, error)))?;
        progress.align();
    }
    Ok(())
}
