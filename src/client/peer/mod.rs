//! Two ends that meet at a relay: the code, the agreement on a key, the encrypted lines. docs/send.md
//! describes all of it.
//!
//! The relay is believed in nothing: it can delay, cut and count, and it can neither read nor change
//! what goes over a line without being found out.

mod agreement;
mod code;
mod error;
mod keys;
mod line;
mod record;
mod relay_address;
mod rendezvous;
mod session;
mod words;

pub use code::{Code, CodeError, code_completions};
pub use error::PeerError;
pub use line::{Line, LineReader, LineWriter};
pub use record::{Opened, Opener, Pieces, Sealer};
pub use relay_address::{Patience, RelayAddress};
#[cfg(test)]
pub(crate) use session::session_pair;
pub use session::{Registered, Session};

pub use crate::wire::Role;
