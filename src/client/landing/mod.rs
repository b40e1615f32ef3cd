//! A file that arrives in pieces, in any order, from several tasks, and gets its name when it is
//! whole. What `get` and `receive` write to.
//!
//! 1. A [`Dock`] is one thread with a disk of its own; its handle goes to any runtime.
//! 2. A [`Landing`] is one file there: without a name, or a part with a name that a later process can
//!    go on with. Pieces are written where they belong, several at a time.
//! 3. [`Landing::publish`] cuts it to its size, makes it durable and gives it its name. Only this can
//!    be seen. What is dropped before leaves nothing, or the part.
//!
//! Memory: [`DockOptions::in_flight`] pieces on their way, and as many buffers of the disk.

mod dock;
mod error;
mod file;
#[cfg(test)]
mod tests;

pub(crate) use dock::{Dock, DockEnd, DockOptions};
pub(crate) use error::LandingError;
pub(crate) use file::{Attributes, Berth, Landing};
