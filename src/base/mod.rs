//! What could have been in std: limits, units, clock, cores, what the kernel allows, whose
//! certificates are believed, what is behind an error. Floor 0.

pub mod causes;
pub mod cgroup;
pub mod chance;
pub mod clock;
pub mod cores;
pub mod host;
pub mod limits;
pub mod tls;
pub mod units;
