//! Files, folders and streams from one end to another, over lines that may break. docs/transfer.md tells
//! what is said on them.
//!
//! - **The receiver asks.** It knows which blocks it lacks; the sender keeps open files and nothing
//!   else. So a line that broke costs the blocks that were on it, and any number of lines help.
//! - **A file is there when it is whole.** It has no name until all its blocks are written and its
//!   BLAKE3 is that of what the sender read.
//! - **Cancellation**: dropping a transfer ends its lines; the other end is told when `stop` says so.
//! - **Runtime**: any tokio runtime with I/O and time enabled; several threads make several lines
//!   worth having.

mod arrivals;
mod error;
mod farewell;
mod fetching;
mod inbox;
mod notice;
mod offer;
mod ordered;
mod places;
mod questions;
mod receiving;
mod reception;
mod sending;
mod serving;
mod stream_supply;
mod supply;
#[cfg(test)]
mod tests;
mod upkeep;
mod verdicts;

pub use error::TransferError;
pub use notice::{Notice, Watch, WholeFile};
pub use offer::Offer;
pub use places::Destination;
pub use receiving::{Decide, ReceiveOptions, Receiving};
pub use sending::{Frames, Moved, SendOptions, Sending};
pub use upkeep::Meeting;
