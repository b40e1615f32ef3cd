//! A gate: the bound of one kind of in-flight operation, served in order of arrival.
//!
//! One per worker and kind (transfers, syncs, metadata). A [`Permit`] travels with its operation
//! into the kernel and is given up at the completion, so the gate counts what is really in flight
//! and not which futures are still alive.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::DiskError;

/// Bounds the operations of one kind.
#[derive(Clone, Debug)]
pub struct Gate {
    semaphore: Arc<Semaphore>,
    size: u32,
}

/// The right to have one operation in flight.
#[derive(Debug)]
pub struct Permit {
    _held: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate for `size` operations at once; at least one.
    pub fn new(size: usize) -> Gate {
        let size = u32::try_from(size.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Gate { semaphore: Arc::new(Semaphore::new(size as usize)), size }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `Cancelled` when the gate was drained.
    pub async fn enter(&self, operation: &'static str) -> Result<Permit, DiskError> {
        match Arc::clone(&self.semaphore).acquire_owned().await {
            Ok(held) => Ok(Permit { _held: held }),
            Err(_closed) => Err(DiskError::cancelled(operation)),
        }
    }

    /// Whether the gate was drained.
    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }

    /// Resolves when everything that entered or queued before has left; later ones are refused.
    pub async fn drain(&self) {
        if let Ok(all) = self.semaphore.acquire_many(self.size).await {
            self.semaphore.close();
            drop(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskErrorKind;

    #[tokio::test]
    async fn a_drained_gate_waits_for_its_permits_and_then_refuses() {
        let gate = Gate::new(2);
        let permit = gate.enter("write").await.unwrap();
        let drain = gate.drain();
        tokio::pin!(drain);
        assert!(futures_util::poll!(&mut drain).is_pending());
        let late = gate.enter("write");
        tokio::pin!(late);
        assert!(futures_util::poll!(&mut late).is_pending(), "nobody overtakes the drain");
        drop(permit);
        drain.await;
        let refused = late.await.unwrap_err();
        assert_eq!(refused.kind(), DiskErrorKind::Cancelled);
    }
}
