//! `ringhold doctor`: what works here for `serve`, what does not, and the remedy.
//!
//! 1. `facts.rs` asks the machine: by use where that leaves no trace, else by reading.
//! 2. The judges (`judge_*.rs`) make findings of facts. They are pure: each has tests for each of
//!    its verdicts.
//! 3. `command.rs` prints the findings and decides the exit code.

mod command;
mod facts;
mod finding;
mod judge_host;
mod judge_ring;
mod judge_root;

pub use command::doctor;
