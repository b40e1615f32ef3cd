//! What could have been in std: limits, units, clock and cores. Floor 0.

pub mod clock;
pub mod cores;
pub mod limits;
pub mod units;
