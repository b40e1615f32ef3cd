//! The shutdown signal: given once per process, heard by every worker and every connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Shared {
    draining: AtomicBool,
    begun: Notify,
}

/// The side that gives the signal.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    shared: Arc<Shared>,
}

/// The side that hears it.
#[derive(Clone, Debug)]
pub struct DrainSignal {
    shared: Arc<Shared>,
}

impl Drain {
    /// Not yet draining.
    pub fn new() -> Drain {
        Drain::default()
    }

    /// Begins to drain; a second call changes nothing.
    pub fn begin(&self) {
        if !self.shared.draining.swap(true, Ordering::SeqCst) {
            self.shared.begun.notify_waiters();
        }
    }

    /// An ear for it.
    pub fn signal(&self) -> DrainSignal {
        DrainSignal { shared: Arc::clone(&self.shared) }
    }
}

impl DrainSignal {
    /// Whether the process is stopping.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::SeqCst)
    }

    /// Resolves when the process begins to stop, at once if it already does.
    pub async fn wait(&self) {
        // Made before the flag is read: `notify_waiters` reaches every future made before it, so
        // either the flag is seen or the notification is.
        let begun = self.shared.begun.notified();
        if !self.is_draining() {
            begun.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn everyone_hears_the_signal_early_or_late() {
        let drain = Drain::new();
        let early = drain.signal();
        let mut waiting = std::pin::pin!(early.wait());
        assert!(poll!(&mut waiting).is_pending());
        assert!(!early.is_draining());
        drain.begin();
        assert!(poll!(&mut waiting).is_ready());
        drain.begin();
        let late = drain.signal();
        assert!(late.is_draining());
        assert!(poll!(std::pin::pin!(late.wait())).is_ready());
    }
}
