//! The only door to the kernel's disk side: the [`Disk`] trait, its four engines, the slab of
//! buffers they move bytes through, and the probe that picks an engine. Floor 2.

mod contract;
mod error;
mod file;
mod gate;
mod lock;
mod probe;
mod registered;
mod slab;
mod syscall;
mod transfer;
mod uring;

pub use contract::{Disk, EngineKind, EngineReport, Op, Stat, Transfer};
pub use error::{DiskError, DiskErrorKind, DiskResult};
pub use file::File;
pub use gate::{Gate, Permit};
pub use lock::{RootLock, RootLockError};
pub use probe::{Chosen, EngineChoice, RingFlags, RingRefused, choose};
pub use slab::{Lease, Pool, Slab, SlabOptions};
pub use syscall::TEMPORARY_PREFIX;
pub use transfer::{read_full, write_all};
pub use uring::UringDisk;
