//! The relay: two ends that both connect out meet here, and then their bytes are moved. It knows
//! numbers and channels, no codes, keys or names. Floor 4.

mod book;
mod end;
mod guesses;
mod meeting;
mod options;
mod pairing;
mod pipes;
mod proxy;
mod refusal;
mod registry;
mod service;
mod speech;
mod state;
mod status;
mod waiting;

pub use options::RelayOptions;
pub use registry::Registry;
pub use service::Relay;
pub use status::Status;
