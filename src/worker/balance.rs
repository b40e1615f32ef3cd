//! Even spread: which worker serves an accepted connection.
//!
//! One [`Balance`] per process. The kernel hashes connections over the listeners and often puts
//! several on one, so whoever accepts a connection gives it to the worker that has the fewest:
//!
//! 1. read every worker's count, beginning with one's own, and remember the smallest;
//! 2. raise that count from the value read with one compare-and-swap;
//! 3. if another worker was faster, begin again.
//!
//! While connections only arrive, counts only grow: a swap that succeeds proves that the chosen
//! count is still what was read, and every other one is at least what was read. It is therefore
//! the smallest at that moment, and 4 connections on 2 workers are 2 and 2 in every interleaving.
//! A connection that ends meanwhile may make another worker the better choice by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// One worker's connections, on a cache line pair of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

/// The connections of all workers.
#[derive(Debug)]
pub(super) struct Balance {
    counts: Box<[Count]>,
    limit: usize,
    vacancy: Notify,
}

/// One connection's place with a worker, given up when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    balance: Arc<Balance>,
    worker_index: usize,
}

impl Balance {
    /// Nobody connected; at most `limit` connections a worker.
    pub(super) fn new(worker_count: usize, limit: usize) -> Arc<Balance> {
        assert!(worker_count > 0, "a balance without workers");
        assert!(limit > 0, "workers that may serve nobody");
        let counts = (0..worker_count).map(|_| Count::default()).collect();
        Arc::new(Balance { counts, limit, vacancy: Notify::new() })
    }

    /// A place with the worker that has the fewest connections, one's own among equals. Waits
    /// while all are full.
    pub(super) async fn claim(self: &Arc<Balance>, own_index: usize) -> Claim {
        loop {
            // Enabled before the attempt, so that a place given up after it is heard of.
            let mut vacancy = std::pin::pin!(self.vacancy.notified());
            vacancy.as_mut().enable();
            if let Some(claim) = self.try_claim(own_index) {
                return claim;
            }
            vacancy.await;
        }
    }

    /// The same, or `None` when all are full.
    fn try_claim(self: &Arc<Balance>, own_index: usize) -> Option<Claim> {
        // Each failed swap is another worker's success: somebody always gets on.
        loop {
            let (worker_index, count) = self.least_loaded(own_index);
            if count >= self.limit {
                return None;
            }
            let chosen = &self.counts[worker_index].0;
            let swap =
                chosen.compare_exchange(count, count + 1, Ordering::SeqCst, Ordering::SeqCst);
            if swap.is_ok() {
                return Some(Claim { balance: Arc::clone(self), worker_index });
            }
        }
    }

    fn least_loaded(&self, own_index: usize) -> (usize, usize) {
        let worker_count = self.counts.len();
        assert!(own_index < worker_count, "no worker {own_index}");
        let mut least = (own_index, self.count(own_index));
        for distance in 1..worker_count {
            let worker_index = (own_index + distance) % worker_count;
            let count = self.count(worker_index);
            if count < least.1 {
                least = (worker_index, count);
            }
        }
        least
    }

    fn count(&self, worker_index: usize) -> usize {
        self.counts[worker_index].0.load(Ordering::SeqCst)
    }
}

impl Claim {
    /// The worker that serves the connection.
    pub(super) fn worker_index(&self) -> usize {
        self.worker_index
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let before = self.balance.counts[self.worker_index].0.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "a place given up twice");
        self.balance.vacancy.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use futures_util::poll;

    use super::*;

    fn counts(balance: &Balance) -> Vec<usize> {
        (0..balance.counts.len()).map(|index| balance.count(index)).collect()
    }

    #[test]
    fn one_connection_at_a_time_stays_where_it_was_accepted() {
        let balance = Balance::new(3, 10);
        for own_index in [2, 0, 1, 1] {
            assert_eq!(balance.try_claim(own_index).unwrap().worker_index(), own_index);
        }
    }

    #[test]
    fn the_busier_worker_gives_its_connection_away() {
        let balance = Balance::new(2, 10);
        let claims: Vec<_> = (0..4).map(|_| balance.try_claim(1).unwrap()).collect();
        assert_eq!(counts(&balance), [2, 2]);
        drop(claims);
        assert_eq!(counts(&balance), [0, 0]);
    }

    #[test]
    fn workers_that_accept_at_once_never_choose_the_same_stale_minimum() {
        const WORKERS: usize = 4;
        for round in 0..500 {
            let balance = Balance::new(WORKERS, 100);
            let start = Barrier::new(WORKERS);
            let claims: Vec<Claim> = thread::scope(|scope| {
                let accepting: Vec<_> = (0..WORKERS)
                    .map(|own_index| {
                        let (balance, start) = (&balance, &start);
                        // All prefer worker 0, to collide as often as can be.
                        let own_index = if round % 2 == 0 { 0 } else { own_index };
                        scope.spawn(move || {
                            start.wait();
                            (0..6).map(|_| balance.try_claim(own_index).unwrap()).collect()
                        })
                    })
                    .collect();
                accepting
                    .into_iter()
                    .flat_map(|thread| -> Vec<_> { thread.join().unwrap() })
                    .collect()
            });
            assert_eq!(counts(&balance), [6; WORKERS], "round {round}");
            assert_eq!(claims.len(), 24);
        }
    }

    #[tokio::test]
    async fn a_full_house_waits_until_one_leaves() {
        let balance = Balance::new(2, 1);
        let first = balance.claim(0).await;
        let second = balance.claim(0).await;
        assert!(balance.try_claim(1).is_none());
        let mut one = std::pin::pin!(balance.claim(0));
        let mut other = std::pin::pin!(balance.claim(1));
        assert!(poll!(&mut one).is_pending());
        assert!(poll!(&mut other).is_pending());
        drop(second);
        drop(first);
        let (one, other) = tokio::join!(one, other);
        assert_ne!(one.worker_index(), other.worker_index(), "two left, both waiters got in");
    }
}
