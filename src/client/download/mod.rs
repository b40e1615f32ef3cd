//! Files from a daemon, or from any HTTP server: over several connections, checked block by block,
//! gone on with where an earlier process was stopped. The protocols are in `save.rs` (into a file),
//! `stream.rs` (in order), `fetch.rs` (the connections).

mod digests;
mod error;
mod fetch;
mod found;
mod journal;
mod names;
mod origin;
mod outline;
mod progress;
mod request;
mod save;
mod sink;
mod stream;
mod whole;

pub use error::DownloadError;
pub use progress::DownloadProgress;
pub use request::{Download, DownloadOptions, Downloaded};
