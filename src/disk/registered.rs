//! The slab as tokio-uring wants to see it when it registers buffers with the kernel: one
//! descriptor per region. Nobody reads or writes through these; leases do.
#![expect(unsafe_code, reason = "the trait of a registered buffer promises a stable address")]

use std::ptr::NonNull;

use tokio_uring::buf::{IoBuf, IoBufMut};

use super::Slab;

/// One region of the slab; holding it keeps the mapping alive.
pub(super) struct Region {
    address: NonNull<u8>,
    size: usize,
    _slab: Slab,
}

impl Region {
    /// All regions, in the order of [`super::Lease::region`].
    pub(super) fn all(slab: &Slab) -> Vec<Region> {
        let regions = slab.regions().into_iter();
        regions.map(|(address, size)| Region { address, size, _slab: slab.clone() }).collect()
    }
}

// SAFETY: the mapping does not move and outlives this value, which holds the slab; its bytes are
// initialised, because the kernel hands out zeroed pages.
unsafe impl IoBuf for Region {
    fn stable_ptr(&self) -> *const u8 {
        self.address.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.size
    }

    fn bytes_total(&self) -> usize {
        self.size
    }
}

// SAFETY: as above. `set_init` has nothing to record: all bytes are always initialised.
unsafe impl IoBufMut for Region {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.address.as_ptr()
    }

    unsafe fn set_init(&mut self, _count: usize) {}
}
