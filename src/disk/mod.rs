//! The only door to the kernel's disk side: the [`Disk`] trait, its four engines, the slab of
//! buffers they move bytes through, and the probe that picks an engine. Floor 2.

mod contract;
#[cfg(test)]
mod contract_suite;
mod crew;
mod desk;
mod detached;
mod error;
mod extent;
mod faulty;
mod file;
mod filesystem;
mod gate;
mod journal;
mod loan;
mod lock;
mod memory;
mod metered;
mod naming;
mod probe;
mod registered;
mod residency;
mod seeded;
mod slab;
mod small;
mod syscall;
mod threads;
mod transfer;
mod turns;
mod uring;

pub use contract::{Disk, EngineKind, EngineReport, FreeSpace, Op, Stat, Transfer};
pub use error::{DiskError, DiskErrorKind, DiskResult};
pub use extent::Extent;
pub use faulty::{Fault, FaultPlan, FaultyDisk, Stop};
pub use file::File;
pub use filesystem::{Filesystem, FilesystemKind, Refusal, Tried, Works, is_same_filesystem};
pub use gate::{Gate, Permit};
pub use journal::Journal;
pub use lock::{RootLock, RootLockError};
pub use memory::{Loss, MemoryDisk};
pub use metered::MeteredDisk;
pub use probe::{Chosen, EngineChoice, RingFlags, RingRefused, choose, opcode_names};
pub use slab::{Lease, Pool, Slab, SlabOptions};
pub use small::{Care, Made, Shortcut, create_written, link_all};
pub use syscall::TEMPORARY_PREFIX;
pub use threads::ThreadsDisk;
pub use transfer::{read_blocks, read_full, write_all};
pub use uring::UringDisk;
