//! What could have been in std: limits, units, clock, cores, and what the kernel allows. Floor 0.

pub mod cgroup;
pub mod clock;
pub mod cores;
pub mod host;
pub mod limits;
pub mod units;
