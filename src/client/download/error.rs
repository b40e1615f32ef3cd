//! Why a download failed, by what the caller can do about it.

use std::error::Error;
use std::fmt;
use std::io;

use crate::base::units::ByteSize;
use crate::client::ClientError;
use crate::client::landing::LandingError;

/// A failed download. Under the target's name nothing is there, or what was there before; what was
/// fetched is kept in the part where another try can go on with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum DownloadError {
    /// The server, or the way to it.
    Server(ClientError),
    /// The file on the server became another one. Another try fetches that from its beginning.
    Changed,
    /// What came was not the file, time and again. The sentence says how that showed.
    Damaged(String),
    /// The whole file has not the digest that it should have. Nothing of it is kept.
    Mismatch {
        /// Which digest.
        algorithm: &'static str,
        /// Who said what it should be.
        asked_by: &'static str,
        /// The one it should have, hex.
        expected: String,
        /// The one it has, hex.
        found: String,
    },
    /// The target's name is taken.
    Exists,
    /// Another process fetches to the same name.
    Busy,
    /// There is no room for the file.
    NoRoom(String),
    /// The target cannot be written. The sentence says why.
    Target(String),
    /// The output that the file goes to in order cannot be written.
    Output(io::Error),
    /// The file's blocks are too large to be held until they are checked.
    BlocksTooLarge {
        /// Bytes of one.
        block_size: u64,
    },
}

impl DownloadError {
    /// Whether the same again may succeed; it goes on where this one ended.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            DownloadError::Server(error) => error.is_worth_a_retry(),
            DownloadError::Changed | DownloadError::Damaged(_) => true,
            DownloadError::Mismatch { .. }
            | DownloadError::Exists
            | DownloadError::Busy
            | DownloadError::NoRoom(_)
            | DownloadError::Target(_)
            | DownloadError::Output(_)
            | DownloadError::BlocksTooLarge { .. } => false,
        }
    }

    /// Whether the same request may be answered better a moment later.
    pub(super) fn may_pass(&self) -> bool {
        // A damaged head of an answer is nonsense, too.
        let is_nonsense = matches!(self, DownloadError::Server(ClientError::Nonsense(_)));
        let is_another_file = matches!(self, DownloadError::Changed);
        is_nonsense || self.is_worth_a_retry() && !is_another_file
    }
}

impl From<ClientError> for DownloadError {
    fn from(error: ClientError) -> DownloadError {
        DownloadError::Server(error)
    }
}

impl From<LandingError> for DownloadError {
    fn from(error: LandingError) -> DownloadError {
        match error {
            LandingError::Exists => DownloadError::Exists,
            LandingError::Busy => DownloadError::Busy,
            LandingError::Full(_) => DownloadError::NoRoom(error.to_string()),
            LandingError::NoDirectory(_)
            | LandingError::NotPermitted(_)
            | LandingError::NotRegular
            | LandingError::Failed(_)
            | LandingError::Abandoned
            | LandingError::Unequipped(_) => DownloadError::Target(error.to_string()),
        }
    }
}

impl fmt::Display for DownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownloadError::Server(error) => error.fmt(f),
            DownloadError::Changed => f.write_str(
                "the file on the server is another one by now: try again, from its beginning",
            ),
            DownloadError::Damaged(how) => write!(f, "what came is not the file: {how}"),
            DownloadError::Mismatch { algorithm, asked_by, expected, found } => write!(
                f,
                "the file has the {algorithm} {found} and not {expected}, which {asked_by}: \
                 nothing of it is kept"
            ),
            DownloadError::Exists => {
                f.write_str("the target exists: give --force to replace it, or another name")
            }
            DownloadError::Busy => f.write_str(
                "another process fetches to the same name: wait for it, or give another name",
            ),
            DownloadError::NoRoom(why) | DownloadError::Target(why) => f.write_str(why),
            DownloadError::Output(error) => write!(f, "the output cannot be written: {error}"),
            DownloadError::BlocksTooLarge { block_size } => write!(
                f,
                "its blocks of {} are too large to be checked before they go out: fetch it into a \
                 file",
                ByteSize(*block_size)
            ),
        }
    }
}

impl Error for DownloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DownloadError::Server(error) => Some(error),
            DownloadError::Output(error) => Some(error),
            DownloadError::Changed
            | DownloadError::Damaged(_)
            | DownloadError::Mismatch { .. }
            | DownloadError::Exists
            | DownloadError::Busy
            | DownloadError::NoRoom(_)
            | DownloadError::Target(_)
            | DownloadError::BlocksTooLarge { .. } => None,
        }
    }
}
