//! Why a transfer ended before its end, by what the user can do about it.

use std::fmt;

use crate::client::landing::LandingError;
use crate::client::peer::PeerError;
use crate::wire::PeerMessageError;

/// A transfer that did not come to its end. Files that had their names keep them; of all others
/// nothing is left.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransferError {
    /// The two ends do not come together, for a reason that trying again does not change.
    Peer(PeerError),
    /// The lines broke, and did not come back for as long as was waited.
    Lost {
        /// How long, seconds.
        patience_s: u64,
        /// What was in the way last.
        last: String,
    },
    /// The receiver wants nothing of what is offered; what it said.
    Declined(String),
    /// This end, the receiver, wants nothing of it.
    Unwanted(String),
    /// The other end gave up; what it said.
    GivenUp(String),
    /// This end was told to stop, by what is named.
    Stopped(String),
    /// What the other end says makes no sense.
    Nonsense(String),
    /// The files that are offered cannot be read, or there are too many.
    Source(String),
    /// The files that come cannot be kept.
    Target(String),
}

impl TransferError {
    /// What the other end's user is told about it.
    pub(super) fn farewell(&self) -> String {
        if let TransferError::Stopped(name) = self {
            return format!("it was stopped there ({name})");
        }
        self.to_string()
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferError::Peer(error) => error.fmt(f),
            TransferError::Lost { patience_s, last } => write!(
                f,
                "no line to the other end for {patience_s} s (last: {last}): look whether it and \
                 the relay still run, and start both ends again"
            ),
            TransferError::Declined(why) => write!(f, "the receiver declined: {why}"),
            TransferError::Unwanted(why)
            | TransferError::Source(why)
            | TransferError::Target(why) => f.write_str(why),
            TransferError::GivenUp(why) => write!(f, "the other end gave up: {why}"),
            TransferError::Stopped(name) => write!(f, "{name} stopped it"),
            TransferError::Nonsense(why) => write!(
                f,
                "what the other end says makes no sense here ({why}): use programs of the same age"
            ),
        }
    }
}

impl std::error::Error for TransferError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let TransferError::Peer(error) = self { Some(error) } else { None }
    }
}

/// Why the work on a line ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// The line: another may do.
    Line(PeerError),
    /// The transfer is over.
    Over(TransferError),
}

impl Fault {
    /// A message that may not come here, or not now.
    pub(super) fn nonsense(why: impl fmt::Display) -> Fault {
        Fault::Over(TransferError::Nonsense(why.to_string()))
    }
}

impl From<PeerError> for Fault {
    fn from(error: PeerError) -> Fault {
        Fault::Line(error)
    }
}

impl From<TransferError> for Fault {
    fn from(error: TransferError) -> Fault {
        Fault::Over(error)
    }
}

impl From<PeerMessageError> for Fault {
    fn from(error: PeerMessageError) -> Fault {
        Fault::nonsense(error)
    }
}

impl TransferError {
    /// A file that did not land.
    pub(super) fn of_landing(name: &str, error: &LandingError) -> TransferError {
        let is_taken = matches!(error, LandingError::Exists);
        let why = if is_taken { "the name is taken by now".to_owned() } else { error.to_string() };
        TransferError::Target(format!("cannot keep \"{}\": {why}", name.escape_debug()))
    }
}
