//! A request that has not ended.

use std::rc::Rc;

use super::access_log::Entry;
use super::watch::Watch;

/// A request from its head to the last byte of its answer. Dropping it ends it: the line is written,
/// and the clock of the connection waits for the next request.
pub(super) struct Running {
    pub(super) entry: Entry,
    watch: Rc<Watch>,
}

impl Running {
    /// Begins; the clock knows it already.
    pub(super) fn new(entry: Entry, watch: Rc<Watch>) -> Running {
        Running { entry, watch }
    }

    /// The clock of its connection.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.watch.response_ended();
    }
}
