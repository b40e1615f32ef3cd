//! What happens during a transfer, for whoever watches it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::base::limits::PEER_NOTICES_QUEUED;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The lines are gone and are connected again; why.
    Broken(String),
    /// They are back.
    Back,
    /// The receiver is there and looks at the offer.
    Offered,
    /// The receiver wants it: bytes begin to move.
    Accepted,
    /// A file is whole at the receiver and has, or gets, its name there.
    Whole(WholeFile),
    /// A file could not be sent as it was offered.
    Spoiled {
        /// As it was offered.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file's name was not safe, and is another at the receiver.
    Renamed {
        /// As it was offered.
        from: String,
        /// As it is.
        to: String,
    },
}

/// A file that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeFile {
    /// As it was offered.
    pub name: String,
    /// Where it is, at the receiver; `None` for standard output and at the sender.
    pub path: Option<PathBuf>,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// BLAKE3 of it, the same at both ends.
    pub blake3: [u8; 32],
}

/// Where to tell it. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Notices {
    queue: mpsc::Sender<Notice>,
    moved: Arc<AtomicU64>,
}

/// What is told, and how many bytes have moved.
#[derive(Debug)]
pub struct Watch {
    queue: mpsc::Receiver<Notice>,
    moved: Arc<AtomicU64>,
}

pub(super) fn notices() -> (Notices, Watch) {
    let (sender, queue) = mpsc::channel(PEER_NOTICES_QUEUED);
    let moved = Arc::default();
    (Notices { queue: sender, moved: Arc::clone(&moved) }, Watch { queue, moved })
}

impl Notices {
    /// Tells it; waits while nobody looks. Whoever watched may have gone.
    pub(super) async fn tell(&self, notice: Notice) {
        let _ = self.queue.send(notice).await;
    }

    /// Tells it if there is room: what only passes the time.
    pub(super) fn mention(&self, notice: Notice) {
        let _ = self.queue.try_send(notice);
    }

    /// Bytes of blocks were sent, or came.
    pub(super) fn moved(&self, size: usize) {
        self.moved.fetch_add(size as u64, Ordering::Relaxed);
    }
}

impl Watch {
    /// The next thing to tell; `None` when the transfer is over.
    pub async fn next(&mut self) -> Option<Notice> {
        self.queue.recv().await
    }

    /// What was told and not yet taken.
    pub fn left(&mut self) -> Option<Notice> {
        self.queue.try_recv().ok()
    }

    /// Bytes that were sent, those of lost lines twice; or that came, each once.
    pub fn moved_bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }
}
