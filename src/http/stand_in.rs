//! Stand-ins: what hyper is given to send for bytes that stay in the page cache.
//!
//! hyper sends slices of memory, and an [`Extent`] is none: the socket sends it by itself. So:
//!
//! 1. For an extent, hyper gets a slice as long of a block of zeros that is used for nothing else
//!    ([`StandIns::show`]), and the extent waits in a queue.
//! 2. hyper sends in order. Where the outlet is to write a slice of that block, which it knows by
//!    its address ([`is_stand_in`]), it sends the first extent of the queue instead.
//! 3. What was sent so is credited, and hyper's advance over the slice takes the credit
//!    ([`StandIns::claim`]). An advance without credit says that the zeros were copied: then nothing
//!    more is sent, so that no client ever gets one of them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::sync::LazyLock;

use crate::base::limits::EXTENT_SIZE_MAX;
use crate::disk::Extent;

/// One per process; its pages are never touched, so it takes no memory.
static BLOCK: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; EXTENT_SIZE_MAX].into());

/// The extents that hyper has stand-ins of; one per connection.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    queue: RefCell<VecDeque<Extent>>,
    /// Bytes that were sent, and that hyper has not advanced over yet.
    credit: Cell<usize>,
    is_broken: Cell<bool>,
}

/// The stand-in of so many bytes.
pub(super) fn stand_in(size: usize) -> &'static [u8] {
    &BLOCK[..size.min(BLOCK.len())]
}

/// Whether these bytes stand for others.
pub(super) fn is_stand_in(bytes: &[u8]) -> bool {
    !bytes.is_empty() && BLOCK.as_ptr_range().contains(&bytes.as_ptr())
}

impl StandIns {
    /// hyper gets the stand-in of an extent.
    pub(super) fn show(&self, extent: Extent) {
        self.queue.borrow_mut().push_back(extent);
    }

    /// The extent that the next stand-in is of, if that is as long.
    pub(super) fn first(&self, size: usize) -> io::Result<Extent> {
        let first = self.queue.borrow().front().cloned();
        first.filter(|extent| extent.size() == size).ok_or_else(out_of_step)
    }

    /// So much of the first one was sent, or will be.
    pub(super) fn sent(&self, size: usize) {
        let mut queue = self.queue.borrow_mut();
        let Some(first) = queue.front_mut() else { return };
        first.advance(size);
        if first.size() == 0 {
            queue.pop_front();
        }
        self.credit.set(self.credit.get() + size);
    }

    /// hyper takes so much of a stand-in for sent.
    pub(super) fn claim(&self, size: usize) {
        match self.credit.get().checked_sub(size) {
            Some(credit) => self.credit.set(credit),
            None => self.is_broken.set(true),
        }
    }

    /// An error once a stand-in was taken for the bytes themselves.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_broken.get() { Err(out_of_step()) } else { Ok(()) }
    }
}

fn out_of_step() -> io::Error {
    io::Error::other("what stands for a file's bytes was not sent in their order")
}
