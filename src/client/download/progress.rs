//! How far a download is, for who watches it from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts of one download. Clones are the same counts.
#[derive(Clone, Debug, Default)]
pub struct DownloadProgress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    there: AtomicU64,
    found: AtomicU64,
    fetched: AtomicU64,
    failed_blocks: AtomicU64,
    is_being_named: AtomicBool,
}

impl DownloadProgress {
    /// Bytes of the file that are there, checked as far as they can be.
    pub fn there_bytes(&self) -> u64 {
        self.0.there.load(Ordering::Relaxed)
    }

    /// Bytes of those that an earlier process fetched.
    pub fn found_bytes(&self) -> u64 {
        self.0.found.load(Ordering::Relaxed)
    }

    /// Bytes that came over the network, those in vain too.
    pub fn fetched_bytes(&self) -> u64 {
        self.0.fetched.load(Ordering::Relaxed)
    }

    /// Times that a block did not come or was not what it should be, and was fetched again.
    pub fn failed_block_count(&self) -> u64 {
        self.0.failed_blocks.load(Ordering::Relaxed)
    }

    /// Whether it is whole and checked, and gets its name: better awaited than stopped, as nobody knows
    /// afterwards whether it has it.
    pub fn is_being_named(&self) -> bool {
        self.0.is_being_named.load(Ordering::Relaxed)
    }

    pub(super) fn begin_naming(&self) {
        self.0.is_being_named.store(true, Ordering::Relaxed);
    }

    pub(super) fn add_found(&self, bytes: u64) {
        self.0.found.fetch_add(bytes, Ordering::Relaxed);
        self.add_there(bytes);
    }

    pub(super) fn add_there(&self, bytes: u64) {
        self.0.there.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_fetched(&self, bytes: usize) {
        self.0.fetched.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_failed_block(&self) {
        self.0.failed_blocks.fetch_add(1, Ordering::Relaxed);
    }

    /// One stream begins again.
    pub(super) fn restart(&self) {
        self.0.there.store(0, Ordering::Relaxed);
    }
}
