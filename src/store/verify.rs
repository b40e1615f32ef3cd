//! Checking what lies under a root: every object against its seal, and what is none of ours.
//!
//! One run at a time, beside a running daemon or without one. It takes no lock and never writes:
//! an object has a name only when it is whole, and one that is deleted meanwhile is no error. What
//! it costs is bounded: bytes a second ([`Throttle`]), objects and reads in flight, buffers.
//!
//! 1. The directories are listed one after another, while objects of the one before are checked.
//! 2. Objects are checked side by side (`object.rs`); what is wrong is told as it is found, in no
//!    order.
//! 3. [`Progress`] may be looked at meanwhile. Dropping the run ends it; the disk is to be drained
//!    afterwards.

mod findings;
mod object;

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::Either;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

pub use findings::{BlockFault, Damage, Damaged, Finding};

use super::error::StoreResult;
use super::layout::Layout;
use crate::base::limits::VERIFY_OBJECTS_IN_FLIGHT_MAX;
use crate::disk::{Disk, DiskError, DiskResult, TEMPORARY_PREFIX};
use crate::id::ObjectNumber;
use crate::plan::Throttle;

/// What to check, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Directory of everything.
    pub root: PathBuf,
    /// Bytes read per second at most; `None` for as many as the disk gives.
    pub rate: Option<u64>,
}

/// How far a run is.
#[derive(Debug, Default)]
pub struct Progress {
    directories: Cell<u64>,
    objects: Cell<u64>,
    bytes: Cell<u64>,
    damaged: Cell<u64>,
    strange: Cell<u64>,
}

impl Progress {
    /// Directories that have been listed, of 256.
    pub fn directories(&self) -> u64 {
        self.directories.get()
    }

    /// Objects that have been checked.
    pub fn objects(&self) -> u64 {
        self.objects.get()
    }

    /// Bytes that have been read.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Objects, and directories of them, that are damaged.
    pub fn damaged(&self) -> u64 {
        self.damaged.get()
    }

    /// Entries that are none of ours.
    pub fn strange(&self) -> u64 {
        self.strange.get()
    }
}

/// Checks everything under a root. `tell` gets each finding, and may break off.
///
/// # Errors
/// When there is no store at the root, or it cannot be listed.
pub async fn verify(
    disk: Rc<dyn Disk>,
    options: &VerifyOptions,
    progress: &Progress,
    tell: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> StoreResult<()> {
    let walk = Walk::new(disk, options, progress);
    let names = walk.disk.list_dir(walk.layout.objects()).await?;
    for finding in top_level(&names) {
        if walk.tell(finding, tell).is_break() {
            return Ok(());
        }
    }
    let mut findings = std::pin::pin!(
        walk.entries(&names)
            .map(|entry| walk.check(entry))
            .buffer_unordered(VERIFY_OBJECTS_IN_FLIGHT_MAX)
    );
    while let Some(finding) = findings.next().await {
        if let Some(finding) = finding
            && walk.tell(finding, tell).is_break()
        {
            break;
        }
    }
    Ok(())
}

/// What all checks of one run share.
struct Walk<'a> {
    disk: Rc<dyn Disk>,
    layout: Layout,
    throttle: RefCell<Throttle>,
    began: Instant,
    progress: &'a Progress,
}

/// Something in a directory of objects.
enum Entry {
    Object { prefix: u8, number: ObjectNumber },
    Found(Finding),
}

impl<'a> Walk<'a> {
    fn new(disk: Rc<dyn Disk>, options: &VerifyOptions, progress: &'a Progress) -> Walk<'a> {
        Walk {
            disk,
            layout: Layout::new(&options.root),
            throttle: RefCell::new(Throttle::new(options.rate)),
            began: Instant::now(),
            progress,
        }
    }

    /// Waits until `size_bytes` more may be read.
    async fn pace(&self, size_bytes: u64) {
        let now = self.began.elapsed();
        let begin = self.throttle.borrow_mut().reserve(now, size_bytes);
        if begin > now {
            sleep_until(later(self.began, begin)).await;
        }
    }

    fn count_bytes(&self, size: usize) {
        add(&self.progress.bytes, size as u64);
    }

    fn tell(
        &self,
        finding: Finding,
        tell: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        add(
            match finding {
                Finding::Damaged(_) => &self.progress.damaged,
                Finding::Strange { .. } => &self.progress.strange,
            },
            1,
        );
        tell(finding)
    }

    /// Everything in the directories that are there, listed as it is asked for.
    fn entries(&self, names: &[OsString]) -> impl Stream<Item = Entry> {
        let present: Vec<u8> = (0..=u8::MAX).filter(|prefix| has(names, *prefix)).collect();
        stream::iter(present).then(|prefix| self.list(prefix)).flat_map(|(prefix, listed)| {
            match listed {
                Ok(names) => {
                    Either::Left(stream::iter(names).map(move |name| entry(prefix, &name)))
                }
                Err(why) => Either::Right(stream::iter([Entry::Found(why)])),
            }
        })
    }

    async fn list(&self, prefix: u8) -> (u8, Result<Vec<OsString>, Finding>) {
        let listed = self.disk.list_dir(&self.layout.directory(prefix)).await;
        add(&self.progress.directories, 1);
        let failed = |error: DiskError| unreadable(directory(prefix), error.to_string());
        (prefix, listed.map_err(failed))
    }

    async fn check(&self, entry: Entry) -> Option<Finding> {
        let (prefix, number) = match entry {
            Entry::Object { prefix, number } => (prefix, number),
            Entry::Found(finding) => return Some(finding),
        };
        let name = number.to_string();
        let own = self.layout.directory(prefix);
        let mut damaged = Damaged::at(directory(prefix).join(&name));
        if number.as_bytes()[0] != prefix {
            damaged.add(Damage::Misplaced);
        }
        if object::check(self, &own, Path::new(&name), &mut damaged).await {
            add(&self.progress.objects, 1);
        } else if self.is_still_there(&own, &name).await {
            let why = "it is a symbolic link that leads nowhere".to_owned();
            damaged.add(Damage::Unreadable(why));
        } else {
            // Deleted since it was listed: it is no one's any more.
            return None;
        }
        damaged.finding()
    }

    /// Whether a name that opens nothing is there all the same.
    async fn is_still_there(&self, directory: &Path, name: &str) -> bool {
        let names: DiskResult<Vec<OsString>> = self.disk.list_dir(directory).await;
        names.is_ok_and(|names| names.iter().any(|other| other == name))
    }
}

/// What lies beside the directories of objects, and which of those are missing.
fn top_level(names: &[OsString]) -> Vec<Finding> {
    let strange = names
        .iter()
        .filter(|name| prefix_of(name).is_none())
        .map(|name| strange(Path::new("objects").join(name), "it is no directory of objects"));
    let missing = (0..=u8::MAX).filter(|prefix| !has(names, *prefix)).map(|prefix| {
        let why = "the directory is missing, and with it what was in it".to_owned();
        unreadable(directory(prefix), why)
    });
    strange.chain(missing).collect()
}

fn entry(prefix: u8, name: &OsString) -> Entry {
    if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
        return Entry::Object { prefix, number };
    }
    let is_leftover = name.to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
    let why = if is_leftover { "it is left from an unfinished upload" } else { "it is no object" };
    Entry::Found(strange(directory(prefix).join(name), why))
}

fn strange(path: PathBuf, why: &'static str) -> Finding {
    Finding::Strange { path, why }
}

fn unreadable(path: PathBuf, why: String) -> Finding {
    let mut damaged = Damaged::at(path);
    damaged.add(Damage::Unreadable(why));
    Finding::Damaged(damaged)
}

/// A directory of objects, from the root on.
fn directory(prefix: u8) -> PathBuf {
    Path::new("objects").join(format!("{prefix:02x}"))
}

fn has(names: &[OsString], prefix: u8) -> bool {
    names.iter().any(|name| prefix_of(name) == Some(prefix))
}

fn prefix_of(name: &OsString) -> Option<u8> {
    let name = name.to_str()?;
    let prefix = u8::from_str_radix(name, 16).ok()?;
    (name == format!("{prefix:02x}")).then_some(prefix)
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get().saturating_add(more));
}

/// A time beyond what the clock can hold is one that never comes in our life: a year from now.
fn later(began: Instant, after: Duration) -> Instant {
    const YEAR: Duration = Duration::from_hours(24 * 365);
    began.checked_add(after).unwrap_or_else(|| began + YEAR)
}
