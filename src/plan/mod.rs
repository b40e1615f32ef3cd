//! The chunk planner: which bytes go where, in which pieces, and how far ahead to reserve room.
//! Pure: no I/O, no clock, no runtime. Floor 1.

mod backoff;
mod blocks;
mod chunk;
mod cursor;
mod error;
mod parts;
mod preallocation;
#[cfg(test)]
mod strategies;
mod tail;
mod throttle;
mod tree_hash;
mod wanted;

pub use backoff::retry_pause;
pub use blocks::{BlockPlan, NextBlock};
pub use chunk::{Chunk, Chunks, Geometry};
pub use cursor::{Cursor, Spill};
pub use error::PlanError;
pub use parts::parts;
pub use preallocation::Preallocation;
pub use tail::Tail;
pub use throttle::Throttle;
pub use tree_hash::{Leaf, TreeHash, TreeShape};
pub use wanted::{Arrival, NotAsked, Place, Wanted};
