//! Fetching a file for somebody else: vetted addresses, one connection an answer, bounded in time,
//! rate, size and number. Floor 3.

mod client;
mod error;
mod guard;
mod importer;
mod network;
mod source;
#[cfg(test)]
mod tests;
mod trust;

pub use error::{ImportError, ImportErrorKind};
pub use importer::{ImportOptions, Importer};
pub use network::{Network, SystemNetwork};
pub use source::Source;
