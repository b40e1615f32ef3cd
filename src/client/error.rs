//! Why a transfer failed, by what the caller can do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::base::causes::causes;
use crate::base::limits::PARTS_MAX;
use crate::wire::UploadAnswer;

/// A failed transfer. Of a failed upload the daemon keeps nothing, with two exceptions: after
/// [`Mismatch`](ClientError::Mismatch) it has the file that is told, and after a
/// [`Broken`](ClientError::Broken) or a [`TimedOut`](ClientError::TimedOut) of
/// [`close`](super::Upload::close) nobody knows.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The server's URL cannot be used. The sentence says why.
    Url(String),
    /// This machine lacks something: certificates to check a server with, randomness. The sentence
    /// says what.
    Unequipped(String),
    /// The source could not be read.
    Source(io::Error),
    /// No connection to the server came about.
    Unreachable(String),
    /// The connection broke.
    Broken(String),
    /// The server takes nothing, or does not answer.
    TimedOut(String),
    /// The server is busy or away for a while: 408, 429, 502, 503, 504.
    Busy {
        /// Its answer.
        status: StatusCode,
        /// What it says about it.
        message: String,
        /// What it asks to wait (`Retry-After` in seconds, RFC 9110, section 10.2.3).
        retry_after: Option<Duration>,
    },
    /// The server does not want this upload, by any other status.
    Refused {
        /// Its answer.
        status: StatusCode,
        /// What it says about it.
        message: String,
    },
    /// The server stored something else than what was sent. Its `delete_token` deletes it.
    Mismatch {
        /// What it stored.
        stored: Box<UploadAnswer>,
        /// BLAKE3 of what was sent, hex.
        blake3: String,
        /// Size of what was sent, bytes.
        size_bytes: u64,
    },
    /// The answer is none of ringhold's.
    Nonsense(String),
    /// The files are not as long as was announced.
    SizeDiffers,
    /// An earlier call on this upload failed or was dropped before its end.
    Abandoned,
    /// A request has as many files as it may have.
    TooManyFiles,
}

impl ClientError {
    /// Whether the same again may succeed. For an upload all its sources have to be read again from
    /// their beginnings.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            ClientError::Unreachable(_)
            | ClientError::Broken(_)
            | ClientError::TimedOut(_)
            | ClientError::Busy { .. } => true,
            ClientError::Url(_)
            | ClientError::Unequipped(_)
            | ClientError::Source(_)
            | ClientError::Refused { .. }
            | ClientError::Mismatch { .. }
            | ClientError::Nonsense(_)
            | ClientError::SizeDiffers
            | ClientError::Abandoned
            | ClientError::TooManyFiles => false,
        }
    }

    /// How long the server asks to wait before that.
    pub fn retry_after(&self) -> Option<Duration> {
        if let ClientError::Busy { retry_after, .. } = self { *retry_after } else { None }
    }

    /// What the server says with a status that is no success.
    pub(super) fn of_status(
        status: StatusCode,
        message: String,
        retry_after: Option<Duration>,
    ) -> ClientError {
        match status.as_u16() {
            408 | 429 | 502 | 503 | 504 => ClientError::Busy { status, message, retry_after },
            _ => ClientError::Refused { status, message },
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> ClientError {
        // The wrappers name the URL, which may hold a password.
        let cause = causes(&error).last().map(ToString::to_string).unwrap_or_default();
        let is_tls = causes(&error).any(<dyn Error>::is::<rustls::Error>);
        if is_tls {
            ClientError::Nonsense(format!("no TLS with the server: {cause}"))
        } else if error.is_builder() {
            ClientError::Url(format!("the URL does not fit into a request: {cause}"))
        } else if error.is_redirect() {
            ClientError::Nonsense(format!("the server leads elsewhere: {cause}"))
        } else if error.is_connect() {
            ClientError::Unreachable(cause)
        } else if error.is_timeout() {
            ClientError::TimedOut(cause)
        } else {
            ClientError::Broken(cause)
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Url(why) => write!(f, "the server's URL cannot be used: {why}"),
            ClientError::Unequipped(why) => write!(
                f,
                "this machine lacks something: {why}; for https, install ca-certificates or name a \
                 bundle in SSL_CERT_FILE"
            ),
            ClientError::Source(error) => write!(f, "the source cannot be read: {error}"),
            ClientError::Unreachable(why) => write!(f, "no connection to the server: {why}"),
            ClientError::Broken(why) => write!(f, "the connection to the server broke: {why}"),
            ClientError::TimedOut(why) => write!(f, "the server is silent: {why}"),
            ClientError::Busy { status, message, .. }
            | ClientError::Refused { status, message } => {
                write!(f, "the server answered {status}: {message}")
            }
            ClientError::Mismatch { stored, blake3, size_bytes } => write!(
                f,
                "the server stored something else than what was sent: {} bytes with BLAKE3 {} \
                 instead of {size_bytes} with {blake3}; do not rely on it",
                stored.size, stored.blake3
            ),
            ClientError::Nonsense(why) => write!(f, "this is no answer of ringhold: {why}"),
            ClientError::SizeDiffers => f.write_str(
                "the files are not as long as was announced: announce their sizes as they are",
            ),
            ClientError::Abandoned => f.write_str(
                "an earlier file of this upload was not sent to its end: open a new upload",
            ),
            ClientError::TooManyFiles => {
                write!(f, "an upload takes at most {PARTS_MAX} files: send the rest with another")
            }
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let ClientError::Source(error) = self { Some(error) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_a_retry_makes_sense() {
        for (status, again) in [
            (400, false),
            (404, false),
            (408, true),
            (413, false),
            (429, true),
            (500, false),
            (503, true),
            (504, true),
            (507, false),
        ] {
            let asked = Some(Duration::from_secs(7));
            let status = StatusCode::from_u16(status).unwrap();
            let error = ClientError::of_status(status, "why".to_owned(), asked);
            assert_eq!(error.is_worth_a_retry(), again, "{status}");
            assert_eq!(error.retry_after(), asked.filter(|_| again), "{status}");
            assert!(error.to_string().contains("why"));
        }
    }
}
