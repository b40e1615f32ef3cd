//! What could have been in std: limits, units, clock and cores. Floor 0.

pub mod limits;
