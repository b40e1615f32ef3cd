//! Which parts of a file are sent as they lie in the page cache: those that are in it whole. And
//! which are read past it: those that are not in it and that nobody asked for lately. What the disk
//! has just put into a page of the cache is slow to copy out of there; straight into a buffer of
//! ours it costs next to nothing (docs/decisions.md).
//!
//! One [`Way`] per download of a file. Protocol:
//! 1. A download decides anew with each window of the file, at the first read of it.
//! 2. For who can send an extent, what is wanted of a window that is all in the page cache is
//!    resident, whatever comes of it later: whose client was slow asks again ([`Way::forget_resident`]). Pages that the disk is just
//!    filling are not there yet, and who sent them would wait: that is looked at page by page, which
//!    takes a fifth as long as sending them, and noted for a while (`notes.rs`).
//! 3. A window that is mostly in the page cache, or of which little is wanted, is read through it.
//! 4. Any other is read past it, by a handle of the download's own, and that is noted. A window
//!    noted within a minute is read through the cache instead: what is asked for again gets in, and
//!    the disk reads it twice for the first minute's crowd and not for each of them.
//! 5. Where the filesystem cannot do it, or nobody can tell what is in the cache, all of it is read
//!    through the cache.

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;

use super::cache::Caches;
use crate::base::limits::{COLD_READ_SIZE_MIN, COLD_WINDOW_SIZE, FILLED_MAPPED_SIZE_MIN};
use crate::disk::{Disk, DiskResult, File, Op};

/// How one download reads one file.
pub(super) struct Way {
    caches: Arc<Caches>,
    /// Stands for the file.
    key: u64,
    /// Up to here it is decided.
    decided: u64,
    course: Course,
    handle: Handle,
}

/// How a window is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Not at all: all of it is in the page cache, to be sent from there.
    Resident,
    /// Through the page cache.
    Cached,
    /// Past it.
    Direct,
}

/// The handle for direct reads.
enum Handle {
    Unasked,
    Opening(Op<DiskResult<File>>),
    Open(File),
    Refused,
}

impl Way {
    /// Of a download of the file that `file` stands for: the same value for the same bytes.
    pub(super) fn new(caches: &Arc<Caches>, file: &impl Hash) -> Way {
        let key = caches.cold.key(file);
        let (caches, handle) = (Arc::clone(caches), Handle::Unasked);
        Way { caches, key, decided: 0, course: Course::Cached, handle }
    }

    /// How what comes first in `unread` is read, by who takes extents or does not.
    pub(super) fn course(
        &mut self,
        disk: &dyn Disk,
        file: &File,
        unread: &Range<u64>,
        takes_extents: bool,
    ) -> Course {
        if unread.start >= self.decided {
            self.decide(disk, file, unread, takes_extents);
        }
        self.course
    }

    /// What is resident is to be looked at anew.
    pub(super) fn forget_resident(&mut self) {
        if self.course == Course::Resident {
            self.decided = 0;
        }
    }

    /// The handle for direct reads; `None` where they cannot be. Waits while it is being opened.
    pub(super) fn poll_handle(
        &mut self,
        cx: &mut Context<'_>,
        disk: &dyn Disk,
        file: &File,
    ) -> Poll<Option<File>> {
        if matches!(self.handle, Handle::Unasked) {
            self.handle = Handle::Opening(disk.open_direct(file));
        }
        if let Handle::Opening(opening) = &mut self.handle {
            self.handle = match opening.poll_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(direct)) => Handle::Open(direct),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "no direct reads here");
                    Handle::Refused
                }
            };
        }
        match &self.handle {
            Handle::Open(direct) => Poll::Ready(Some(direct.clone())),
            Handle::Unasked | Handle::Opening(_) | Handle::Refused => Poll::Ready(None),
        }
    }

    /// Up to where the last answer holds.
    pub(super) fn decided(&self) -> u64 {
        self.decided
    }

    /// Whether somebody waits for a handle.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.handle, Handle::Opening(_))
    }

    fn decide(&mut self, disk: &dyn Disk, file: &File, unread: &Range<u64>, takes_extents: bool) {
        let window = unread.start / COLD_WINDOW_SIZE;
        let wanted = unread.start..unread.end.min((window + 1) * COLD_WINDOW_SIZE);
        self.decided = wanted.end;
        let size = wanted.end - wanted.start;
        let may_be_direct = size >= COLD_READ_SIZE_MIN && !matches!(self.handle, Handle::Refused);
        let is_asked = takes_extents || may_be_direct;
        let resident_size = is_asked.then(|| disk.resident_size(file, wanted.clone())).flatten();
        let is_whole = resident_size == Some(size);
        let is_cold = resident_size.is_some_and(|resident_size| resident_size < size / 2);
        self.course = if takes_extents && is_whole && self.is_filled(disk, file, wanted) {
            Course::Resident
        } else if may_be_direct && is_cold && self.caches.cold.note(&(self.key, window)) {
            Course::Direct
        } else {
            Course::Cached
        };
    }

    /// Whether the pages of a range that are there are filled.
    fn is_filled(&self, disk: &dyn Disk, file: &File, wanted: Range<u64>) -> bool {
        let (filled, place) = (&self.caches.filled, (self.key, wanted.start, wanted.end));
        if filled.is_noted(&place) {
            return true;
        }
        let is_noted = wanted.end - wanted.start >= FILLED_MAPPED_SIZE_MIN;
        let is_filled = disk.is_filled(file, wanted);
        if is_filled && is_noted {
            filled.note(&place);
        }
        is_filled
    }
}
