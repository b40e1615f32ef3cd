//! One file to another place: chunks in flight, holes kept, never half a file. Floor 3. Knows the
//! disk and the planner; nothing of stores, sockets or terminals.

mod copier;
mod error;
mod pass;
#[cfg(test)]
mod tests;
mod walk;

pub use copier::{Copied, CopyOptions, CopyProgress, Whole, copy, directory, write};
pub use error::CopyError;
