//! Where fetched blocks go: to their places in a part, or out in order.
//!
//! The order is kept by a queue of blocks that wait for those before them. It is as long as the
//! plan's window allows, so a slow reader stops the connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::error::DownloadError;
use super::journal::Journal;
use crate::base::limits::STREAM_PIECES_QUEUED;
use crate::client::landing::Landing;
use crate::wire::JournalRecord;

/// Where blocks go.
pub(super) enum Sink {
    /// To their places.
    Part(PartSink),
    /// Out in order.
    Queue(Arc<Queue>),
}

/// A part, and the journal beside it.
pub(super) struct PartSink {
    pub(super) landing: Landing,
    pub(super) journal: Journal,
}

/// Blocks that wait for those before them.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<BTreeMap<u32, Vec<Bytes>>>,
    arrived: Notify,
    taken: Notify,
}

impl PartSink {
    /// A block is written: from now on it counts.
    pub(super) fn note(&self, index: u32, hash: [u8; 32]) -> Result<(), DownloadError> {
        self.journal.append(&JournalRecord { index, hash }).map_err(|error| {
            DownloadError::Target(format!("its journal cannot be written: {error}"))
        })
    }
}

impl Queue {
    /// A block is there.
    pub(super) fn put(&self, index: u32, frames: Vec<Bytes>) {
        self.lock().insert(index, frames);
        self.arrived.notify_one();
    }

    /// Waits until there is room for the next of a stream, which no plan holds back.
    pub(super) async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            if self.lock().len() < STREAM_PIECES_QUEUED {
                return;
            }
            taken.await;
        }
    }

    /// Waits for a block.
    pub(super) async fn take(&self, index: u32) -> Vec<Bytes> {
        loop {
            let arrived = self.arrived.notified();
            if let Some(block) = self.lock().remove(&index) {
                self.taken.notify_one();
                return block;
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<Bytes>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
