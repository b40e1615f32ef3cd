//! What came of the requests: counts and latencies. One a driver; merged at the end.

use std::time::{Duration, Instant};

use super::request::Kind;
use crate::report::Distribution;

/// Counts and latencies of a phase.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Requests that succeeded.
    pub(crate) succeeded: u64,
    /// Requests that did not.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<String>,
    /// Bytes of file content that went out and came in with requests that succeeded.
    pub(crate) content_size: u64,
    /// Downloads whose every byte was compared, and right.
    pub(crate) verified: u64,
    /// Connections that the server closed and that were opened again.
    pub(crate) reopened: u64,
    /// When the last one ended.
    pub(crate) ended: Option<Instant>,
    pub(crate) uploads: Distribution,
    pub(crate) downloads: Distribution,
}

impl Tally {
    /// Nothing happened yet.
    pub(crate) fn new() -> Tally {
        Tally {
            succeeded: 0,
            errors: 0,
            first_error: None,
            content_size: 0,
            verified: 0,
            reopened: 0,
            ended: None,
            uploads: Distribution::new(),
            downloads: Distribution::new(),
        }
    }

    /// Counts a request that succeeded.
    pub(crate) fn succeed(&mut self, kind: Kind, content_size: u64, latency: Duration) {
        self.succeeded += 1;
        self.content_size += content_size;
        match kind {
            Kind::Upload => self.uploads.record(latency),
            Kind::Download | Kind::Range => self.downloads.record(latency),
        }
    }

    /// Counts one that failed. Its latency is no latency of an answer, and is not recorded.
    pub(crate) fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    /// Counts what another driver counted.
    pub(crate) fn merge(&mut self, other: Tally) {
        self.succeeded += other.succeeded;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.content_size += other.content_size;
        self.verified += other.verified;
        self.reopened += other.reopened;
        self.ended = self.ended.max(other.ended);
        self.uploads.merge(&other.uploads);
        self.downloads.merge(&other.downloads);
    }

    /// The latencies of all requests.
    pub(crate) fn latencies(&self) -> Distribution {
        let mut all = self.uploads.clone();
        all.merge(&self.downloads);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_counts_both_and_keeps_the_first_error() {
        let (mut one, mut other) = (Tally::new(), Tally::new());
        one.succeed(Kind::Upload, 10, Duration::from_millis(1));
        let now = Instant::now();
        one.ended = Some(now);
        other.succeed(Kind::Range, 5, Duration::from_millis(3));
        other.fail("a".to_owned());
        other.fail("b".to_owned());
        one.merge(other);
        assert_eq!((one.succeeded, one.errors, one.content_size), (2, 2, 15));
        assert_eq!(one.first_error.as_deref(), Some("a"));
        assert_eq!(one.ended, Some(now));
        assert_eq!((one.latencies().count(), one.downloads.count()), (2, 1));
    }
}
