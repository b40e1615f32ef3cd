//! File IDs: names that only their owner can have, that cannot be forged, and that say which
//! object they stand for. Pure: secrets and randomness come in as values. Floor 1. The format is
//! docs/ids.md.

mod file_id;
mod keys;
mod object;
mod plaintext;
mod primitives;
mod service;
#[cfg(test)]
mod tests;

pub use file_id::{FileId, Kind, OpenedId};
pub use keys::KeyError;
pub use object::{ObjectNumber, ObjectNumberError};
pub use plaintext::NameTooLong;
pub use service::IdService;
