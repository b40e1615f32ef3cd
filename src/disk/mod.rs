//! The only door to the kernel's disk side: the [`Disk`] trait, its four engines, the slab of
//! buffers they move bytes through, and the probe that picks an engine. Floor 2.

mod contract;
mod error;
mod file;
mod gate;
mod slab;
mod syscall;

pub use contract::{Disk, EngineKind, EngineReport, Op, Stat, Transfer};
pub use error::{DiskError, DiskErrorKind, DiskResult};
pub use file::File;
pub use gate::{Gate, Permit};
pub use slab::{Lease, Pool, Slab, SlabOptions};
pub use syscall::TEMPORARY_PREFIX;
