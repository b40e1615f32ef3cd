//! One pairing in the books of its relay: what it moved, and what ended it, counted once and said
//! once in the log. One a pairing, by the worker that moves its bytes.
//!
//! A pairing that outlives the grace time of a relay that stops is dropped where it stands, and is
//! counted all the same.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::info;

use crate::telemetry::WorkerMetrics;

/// What ended a pairing.
#[derive(Debug)]
pub(super) enum Ending {
    /// Both ends closed their sides.
    Closed,
    /// The connection of one of them broke.
    Broken(io::Error),
    /// No byte moved for too long.
    Idle,
    /// It lasted as long as it may.
    Lifetime,
    /// It outlived the relay's grace time.
    CutOff,
}

/// A pairing that is not over yet.
#[derive(Debug)]
pub(super) struct Pairing {
    near: SocketAddr,
    far: SocketAddr,
    moved_bytes: Cell<u64>,
    metrics: Arc<WorkerMetrics>,
    /// Cut off, until somebody says what else it was.
    ending: Ending,
}

impl Pairing {
    /// Of two ends that have just met.
    pub(super) fn new(near: SocketAddr, far: SocketAddr, metrics: Arc<WorkerMetrics>) -> Pairing {
        Pairing { near, far, moved_bytes: Cell::new(0), metrics, ending: Ending::CutOff }
    }

    /// Counts bytes that one end took.
    pub(super) fn note(&self, size: u64) {
        self.moved_bytes.set(self.moved_bytes.get() + size);
        self.metrics.relay_moved_bytes.add(size);
    }

    /// It is over.
    pub(super) fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Pairing {
    fn drop(&mut self) {
        let (near, far, moved_bytes) = (self.near, self.far, self.moved_bytes.get());
        match &self.ending {
            Ending::Closed => {
                self.metrics.relay_closed.increment();
                info!(%near, %far, moved_bytes, "a pairing is over");
            }
            Ending::Broken(error) => {
                self.metrics.relay_broken.increment();
                info!(%near, %far, moved_bytes, %error, "a pairing broke off");
            }
            Ending::Idle => {
                self.metrics.relay_idle.increment();
                info!(%near, %far, moved_bytes, "a pairing was idle for too long");
            }
            Ending::Lifetime => {
                self.metrics.relay_lifetime.increment();
                info!(%near, %far, moved_bytes, "a pairing reached its lifetime");
            }
            Ending::CutOff => {
                self.metrics.relay_cut_off.increment();
                info!(%near, %far, moved_bytes, "a pairing outlived the grace time");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Counter;

    #[test]
    fn a_pairing_is_counted_once_by_what_ended_it_or_as_cut_off() {
        let metrics: Arc<WorkerMetrics> = Arc::default();
        let begin = || {
            let address = SocketAddr::from(([127, 0, 0, 1], 1));
            Pairing::new(address, address, Arc::clone(&metrics))
        };
        let broken = || Ending::Broken(io::ErrorKind::ConnectionReset.into());
        for ending in [Ending::Closed, broken(), Ending::Idle, Ending::Lifetime] {
            let pairing = begin();
            pairing.note(2);
            pairing.end(ending);
        }
        assert_eq!(metrics.relay_cut_off.get(), 0);
        drop(begin());
        let counters = [
            &metrics.relay_closed,
            &metrics.relay_broken,
            &metrics.relay_idle,
            &metrics.relay_lifetime,
            &metrics.relay_cut_off,
        ];
        assert_eq!(counters.map(Counter::get), [1; 5]);
        assert_eq!(metrics.relay_moved_bytes.get(), 8);
    }
}
