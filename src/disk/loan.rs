//! A lease lent to another thread, and back.
//!
//! One loan per transfer of the `threads` engine. Protocol:
//! 1. [`lend`] splits a lease: the [`Lender`] stays on the worker and keeps the lease, the
//!    [`Window`] goes to the thread and is the span's only user.
//! 2. The thread moves its bytes and drops the window.
//! 3. [`Lender::reclaim`] gives the lease back. A lender dropped before step 2 (its runtime was
//!    torn down with the job in flight) leaks the lease: a lost buffer, not a shared one.

use std::ops::Range;
use std::sync::Arc;

use super::Lease;

/// Keeps a lease while a [`Window`] into it is elsewhere.
pub(super) struct Lender {
    /// `None` only once reclaimed.
    lease: Option<Lease>,
    /// Shared with the window, and unique again when the window is gone.
    lent: Arc<()>,
}

/// Lends `lease[span]`.
///
/// # Panics
/// When the span lies outside the lease: our own mistake.
pub(super) fn lend(mut lease: Lease, span: Range<usize>) -> (Lender, Window) {
    let lent = Arc::new(());
    let window = Window::new(&mut lease[span], Arc::clone(&lent));
    (Lender { lease: Some(lease), lent }, window)
}

impl Lender {
    /// The lease again; `None` (and it is leaked) if the window is still out.
    pub(super) fn reclaim(mut self) -> Option<Lease> {
        if self.is_returned() { self.lease.take() } else { None }
    }

    fn is_returned(&mut self) -> bool {
        // Unlike a look at the count, this also orders what the thread wrote before what we read.
        Arc::get_mut(&mut self.lent).is_some()
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        if !self.is_returned() {
            std::mem::forget(self.lease.take());
        }
    }
}

pub(super) use window::Window;

/// The unsafe half: the span as a slice on another thread.
mod window {
    #![expect(unsafe_code, reason = "a lease is not Send; the span lent from it is")]

    use std::ops::{Deref, DerefMut};
    use std::ptr::NonNull;
    use std::sync::Arc;

    /// A span of a lease, on its way to another thread and back.
    pub(in super::super) struct Window {
        span: NonNull<[u8]>,
        /// Dropped last thing: whoever sees it gone may use the lease.
        _lent: Arc<()>,
    }

    // SAFETY: the window is the span's only user while it exists, wherever it exists: the lender
    // owns the lease and gives it out only after the window is gone.
    unsafe impl Send for Window {}

    impl Window {
        pub(super) fn new(span: &mut [u8], lent: Arc<()>) -> Window {
            Window { span: NonNull::from(span), _lent: lent }
        }
    }

    impl Deref for Window {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            // SAFETY: the lender keeps or leaks the lease, so the span is alive; it gives the
            // lease to nobody while this window exists, so no other reference is.
            unsafe { self.span.as_ref() }
        }
    }

    impl DerefMut for Window {
        fn deref_mut(&mut self) -> &mut [u8] {
            // SAFETY: as in `deref`, and `&mut` proves that nobody else reads.
            unsafe { self.span.as_mut() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Pool, Slab, SlabOptions};

    fn slab() -> Slab {
        Slab::new(SlabOptions { chunk_size: 4096, chunk_count: 1, read_count: 1 }).unwrap()
    }

    #[test]
    fn a_lease_comes_back_with_what_the_other_thread_wrote() {
        let slab = slab();
        let (lender, mut window) = lend(slab.try_take(Pool::Upload).unwrap(), 10..20);
        std::thread::spawn(move || window.fill(7)).join().unwrap();
        let lease = lender.reclaim().unwrap();
        assert_eq!(lease[9..21], [0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
        drop(lease);
        assert_eq!(slab.in_use(Pool::Upload), 0);
    }

    #[test]
    fn a_buffer_that_is_still_lent_never_gets_a_second_user() {
        let slab = slab();
        let (lender, mut window) = lend(slab.try_take(Pool::Upload).unwrap(), 0..4096);
        assert!(lender.reclaim().is_none(), "the window is out");
        assert!(slab.try_take(Pool::Upload).is_none(), "the buffer is lost, not shared");
        // Neither is the memory gone, though the slab's last other handle is.
        slab.retire();
        drop(slab);
        window.fill(1);
        assert_eq!(window[4095], 1);
    }
}
