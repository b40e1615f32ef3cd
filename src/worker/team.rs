//! What a pool is within its process: one of several, perhaps, that stop together.

use super::Drain;

/// A pool's place among the pools of the process.
#[derive(Clone, Debug)]
pub struct Team {
    /// What its threads are called.
    pub name: &'static str,
    /// Which of the metrics' cells are its first worker's; the others' follow.
    pub cells_from: usize,
    /// What ends it, and every other pool that has the same: one that fails takes them with it.
    pub drain: Drain,
}

impl Default for Team {
    /// The only one.
    fn default() -> Team {
        Team { name: "worker", cells_from: 0, drain: Drain::new() }
    }
}
