//! A worker's buffers: one mapping, two pools, leases.
//!
//! One slab per worker. Protocol:
//! 1. The worker makes the slab; the engine registers its [`Slab::regions`] with the kernel.
//! 2. A user takes a [`Lease`] (waiting in order of arrival, or not at all), fills it, hands it to
//!    the disk, gets it back with the completion, drops it. Dropping returns the buffer.
//! 3. Each lease taken or given back sets its pool's gauge, once somebody counts
//!    ([`Slab::count_in`]).
//! 4. After the disk drained, [`Slab::retire`] says that no buffer belongs to the kernel. A slab
//!    dropped without that word leaks its mapping on purpose: the kernel may still write to it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::limits::{BLOCK_SIZE, READ_SIZE};
use crate::telemetry::WorkerMetrics;

/// Largest part of the mapping that one registered buffer covers: the kernel's limit.
const REGION_SIZE: usize = 1 << 30;

/// Which pool a lease comes from. Two pools, so that uploads cannot starve downloads nor the
/// other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Chunks of the planner: what uploads fill.
    Upload,
    /// [`READ_SIZE`] each: what downloads read into.
    Download,
}

/// The sizes of a slab.
#[derive(Clone, Copy, Debug)]
pub struct SlabOptions {
    /// Bytes of one upload buffer: the chunk, a power of two and at least a block.
    pub chunk_size: usize,
    /// Upload buffers.
    pub chunk_count: usize,
    /// Download buffers.
    pub read_count: usize,
}

/// A worker's buffers.
#[derive(Clone)]
pub struct Slab(Rc<Inner>);

struct Inner {
    base: NonNull<u8>,
    size: usize,
    upload: PoolState,
    download: PoolState,
    retired: Cell<bool>,
    /// Who is told of every change.
    metrics: OnceCell<Arc<WorkerMetrics>>,
}

struct PoolState {
    offset: usize,
    buffer_size: usize,
    count: usize,
    free: RefCell<Vec<u32>>,
    turns: Arc<Semaphore>,
}

/// One buffer, held by one user.
pub struct Lease {
    memory: Memory,
    size: usize,
}

enum Memory {
    Slab { slab: Rc<Inner>, pool: Pool, index: u32, offset: usize, _turn: OwnedSemaphorePermit },
    Heap(AlignedHeap),
}

impl Slab {
    /// Maps a slab. The pages are not touched: an unregistered slab costs what is used of it.
    ///
    /// # Errors
    /// When the kernel has no memory to map.
    ///
    /// # Panics
    /// When the sizes are not what [`SlabOptions`] asks for: our own mistake.
    pub fn new(options: SlabOptions) -> io::Result<Slab> {
        assert!(options.chunk_size.is_power_of_two(), "the chunk size is a power of two");
        assert!(options.chunk_size >= BLOCK_SIZE, "the chunk size is at least a block");
        assert!(options.chunk_count > 0 && options.read_count > 0, "a pool is never empty");
        // The pool of larger buffers lies first, so that none crosses a region's border.
        let chunks = options.chunk_size * options.chunk_count;
        let reads = READ_SIZE * options.read_count;
        let chunks_first = options.chunk_size >= READ_SIZE;
        let (upload_offset, download_offset) = if chunks_first { (0, chunks) } else { (reads, 0) };
        let size = chunks + reads;
        Ok(Slab(Rc::new(Inner {
            base: mapping::map(size)?,
            size,
            upload: PoolState::new(upload_offset, options.chunk_size, options.chunk_count),
            download: PoolState::new(download_offset, READ_SIZE, options.read_count),
            retired: Cell::new(false),
            metrics: OnceCell::new(),
        })))
    }

    /// A buffer, waiting for one in order of arrival.
    pub async fn take(&self, pool: Pool) -> Lease {
        let turns = Arc::clone(&self.0.pool(pool).turns);
        match turns.acquire_owned().await {
            Ok(turn) => self.lease(pool, turn),
            Err(_closed) => unreachable!("a pool's semaphore is never closed"),
        }
    }

    /// A buffer now, or none.
    pub fn try_take(&self, pool: Pool) -> Option<Lease> {
        let turn = Arc::clone(&self.0.pool(pool).turns).try_acquire_owned().ok()?;
        Some(self.lease(pool, turn))
    }

    fn lease(&self, pool: Pool, turn: OwnedSemaphorePermit) -> Lease {
        let state = self.0.pool(pool);
        let Some(index) = state.free.borrow_mut().pop() else {
            unreachable!("a turn stands for a free buffer")
        };
        self.0.tell(pool);
        let offset = state.offset + index as usize * state.buffer_size;
        let memory = Memory::Slab { slab: Rc::clone(&self.0), pool, index, offset, _turn: turn };
        Lease { memory, size: state.buffer_size }
    }

    /// Buffers of a pool in use.
    pub fn in_use(&self, pool: Pool) -> usize {
        self.0.pool(pool).in_use()
    }

    /// From now on `metrics` says how many buffers are in use. Once per slab.
    pub fn count_in(&self, metrics: Arc<WorkerMetrics>) {
        let is_first = self.0.metrics.set(metrics).is_ok();
        assert!(is_first, "a slab is counted once");
    }

    /// Who counts what this slab's worker does, if anybody.
    pub fn metrics(&self) -> Option<&WorkerMetrics> {
        self.0.metrics.get().map(Arc::as_ref)
    }

    /// Buffers of a pool.
    pub fn count(&self, pool: Pool) -> usize {
        self.0.pool(pool).count
    }

    /// Bytes of one buffer of a pool.
    pub fn buffer_size(&self, pool: Pool) -> usize {
        self.0.pool(pool).buffer_size
    }

    /// Bytes of the whole slab.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// The mapping in pieces that one registered buffer can cover, in order: a lease's
    /// [`Lease::region`] is an index into this list.
    pub fn regions(&self) -> Vec<(NonNull<u8>, usize)> {
        let starts = (0..self.0.size).step_by(REGION_SIZE);
        starts.map(|at| (self.0.address(at), REGION_SIZE.min(self.0.size - at))).collect()
    }

    /// No buffer belongs to the kernel any more: the mapping may be freed with the last handle.
    pub fn retire(&self) {
        self.0.retired.set(true);
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("size", &self.0.size).finish_non_exhaustive()
    }
}

impl Inner {
    /// A pool changed: its gauge follows.
    fn tell(&self, pool: Pool) {
        if let Some(metrics) = self.metrics.get() {
            let gauge = match pool {
                Pool::Upload => &metrics.leases_upload,
                Pool::Download => &metrics.leases_download,
            };
            gauge.set(self.pool(pool).in_use());
        }
    }

    fn pool(&self, pool: Pool) -> &PoolState {
        match pool {
            Pool::Upload => &self.upload,
            Pool::Download => &self.download,
        }
    }

    fn address(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.size, "an address lies inside the mapping");
        mapping::offset(self.base, offset)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.retired.get() {
            mapping::unmap(self.base, self.size);
        } else {
            tracing::debug!(bytes = self.size, "slab not retired: its memory is kept");
        }
    }
}

impl PoolState {
    fn new(offset: usize, buffer_size: usize, count: usize) -> PoolState {
        // Popped from the end: the lowest index, the warmest memory, is used first.
        let free = (0..u32::try_from(count).unwrap_or(u32::MAX)).rev().collect();
        let turns = Arc::new(Semaphore::new(count));
        PoolState { offset, buffer_size, count, free: RefCell::new(free), turns }
    }

    fn in_use(&self) -> usize {
        self.count - self.free.borrow().len()
    }
}

impl Lease {
    /// A buffer of the heap, zeroed and aligned like a slab's, for who may not wait for one: a
    /// download beyond its share, start-up, tests.
    pub fn heap(size: usize) -> Lease {
        Lease { memory: Memory::Heap(AlignedHeap::new(size)), size }
    }

    /// The registered region this buffer lies in; `None` for one of the heap.
    pub fn region(&self) -> Option<u16> {
        match &self.memory {
            Memory::Slab { offset, .. } => u16::try_from(offset / REGION_SIZE).ok(),
            Memory::Heap(_) => None,
        }
    }

    /// Where the buffer starts. What lies there belongs to the kernel while a transfer is in
    /// flight.
    pub fn address(&self) -> NonNull<u8> {
        match &self.memory {
            Memory::Slab { slab, offset, .. } => slab.address(*offset),
            Memory::Heap(heap) => heap.address(),
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        mapping::bytes(self)
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        mapping::bytes_mut(self)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Before the turn is given back (the field drops after this body).
        if let Memory::Slab { slab, pool, index, .. } = &self.memory {
            slab.pool(*pool).free.borrow_mut().push(*index);
            slab.tell(*pool);
        }
    }
}

use mapping::AlignedHeap;

/// The unsafe half: mapping memory and lending it as slices.
mod mapping {
    #![expect(unsafe_code, reason = "buffers that the kernel shares are raw memory")]

    use std::alloc::{self, Layout};
    use std::io;
    use std::ptr::{self, NonNull};

    use super::Lease;
    use crate::base::limits::BLOCK_SIZE;

    pub(super) fn map(size: usize) -> io::Result<NonNull<u8>> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory
        // that anybody has.
        let address = unsafe { libc::mmap(ptr::null_mut(), size, access, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast()).ok_or_else(|| io::Error::other("the kernel mapped page zero"))
    }

    pub(super) fn unmap(base: NonNull<u8>, size: usize) {
        // SAFETY: only `Inner::drop` calls this, once, with what `map` returned; every lease holds
        // the `Rc` of that `Inner`, so none is left.
        unsafe { libc::munmap(base.as_ptr().cast(), size) };
    }

    pub(super) fn offset(base: NonNull<u8>, offset: usize) -> NonNull<u8> {
        // SAFETY: `Inner::address`, the only caller, asserts that the offset is in the mapping.
        unsafe { base.add(offset) }
    }

    pub(super) fn bytes(lease: &Lease) -> &[u8] {
        // SAFETY: the memory is `size` bytes, was zeroed when mapped or allocated, and belongs to
        // this lease alone; the engine owns the lease itself, and not a borrow of it, while the
        // kernel has the buffer.
        unsafe { std::slice::from_raw_parts(lease.address().as_ptr(), lease.size) }
    }

    pub(super) fn bytes_mut(lease: &mut Lease) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut` proves that nobody else reads.
        unsafe { std::slice::from_raw_parts_mut(lease.address().as_ptr(), lease.size) }
    }

    /// Zeroed memory aligned to a block.
    pub(super) struct AlignedHeap {
        address: NonNull<u8>,
        layout: Layout,
    }

    impl AlignedHeap {
        pub(super) fn new(size: usize) -> AlignedHeap {
            let Ok(layout) = Layout::from_size_align(size.max(1), BLOCK_SIZE) else {
                unreachable!("a buffer's size is far below isize::MAX")
            };
            // SAFETY: the layout has a size of at least one.
            let address = unsafe { alloc::alloc_zeroed(layout) };
            match NonNull::new(address) {
                Some(address) => AlignedHeap { address, layout },
                None => alloc::handle_alloc_error(layout),
            }
        }

        pub(super) fn address(&self) -> NonNull<u8> {
            self.address
        }
    }

    impl Drop for AlignedHeap {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout and freed only here.
            unsafe { alloc::dealloc(self.address.as_ptr(), self.layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Slab {
        Slab::new(SlabOptions { chunk_size: 8192, chunk_count: 2, read_count: 1 }).unwrap()
    }

    #[tokio::test]
    async fn a_lease_is_aligned_zeroed_exclusive_and_comes_back() {
        let slab = small();
        let mut first = slab.try_take(Pool::Upload).unwrap();
        let second = slab.try_take(Pool::Upload).unwrap();
        assert!(slab.try_take(Pool::Upload).is_none(), "two buffers, two leases");
        assert_eq!(first.address().as_ptr() as usize % BLOCK_SIZE, 0);
        assert!(first.iter().chain(second.iter()).all(|&byte| byte == 0));
        first.fill(7);
        assert!(second.iter().all(|&byte| byte == 0), "leases do not overlap");
        assert_eq!(slab.in_use(Pool::Upload), 2);
        drop(first);
        assert_eq!(slab.in_use(Pool::Upload), 1);
        assert!(slab.try_take(Pool::Upload).is_some());
        slab.retire();
    }

    #[tokio::test]
    async fn waiting_for_a_lease_is_first_come_first_served() {
        let slab = small();
        let held = slab.take(Pool::Download).await;
        let (first, second) = (slab.take(Pool::Download), slab.take(Pool::Download));
        tokio::pin!(first, second);
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(held);
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut first).is_ready());
        slab.retire();
    }

    #[test]
    fn regions_cover_the_slab_and_no_buffer_crosses_a_border() {
        let options = SlabOptions { chunk_size: 16 << 20, chunk_count: 100, read_count: 3 };
        let slab = Slab::new(options).unwrap();
        let sizes: Vec<usize> = slab.regions().iter().map(|&(_, size)| size).collect();
        assert_eq!(sizes.iter().sum::<usize>(), slab.size());
        assert!(sizes.iter().all(|&size| size <= REGION_SIZE));
        for _ in 0..100 {
            let lease = slab.try_take(Pool::Upload).unwrap();
            let start = lease.address().as_ptr() as usize - slab.regions()[0].0.as_ptr() as usize;
            assert_eq!(start / REGION_SIZE, (start + lease.len() - 1) / REGION_SIZE);
            std::mem::forget(lease);
        }
    }

    #[test]
    fn a_heap_lease_is_aligned_and_unregistered() {
        let lease = Lease::heap(5000);
        assert_eq!((lease.len(), lease.region()), (5000, None));
        assert_eq!(lease.address().as_ptr() as usize % BLOCK_SIZE, 0);
    }
}
