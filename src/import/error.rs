//! Why a file could not be fetched, by who can do something about it. The sentence is for whoever
//! asked and names no address; what the operator may want to know besides is kept apart.

use std::fmt;

use crate::base::limits::{IMPORT_REDIRECTS_MAX, IMPORTS_MAX};
use crate::wire::SourceUrlError;

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportErrorKind {
    /// Whoever asked: the URL cannot be asked for.
    BadUrl,
    /// The operator, who decides which addresses may be asked.
    Refused,
    /// The source: it cannot be reached, fails, or answers wrongly.
    Failed,
    /// The source, or the network: too slow.
    TooSlow,
    /// Nobody: the file is larger than it may be.
    TooLarge,
    /// Time: as many imports as there may be are running.
    Busy,
    /// The operator: this machine cannot check a certificate.
    Unequipped,
}

/// A failed import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    kind: ImportErrorKind,
    message: String,
    detail: Option<String>,
}

impl ImportError {
    /// What can be done about it.
    pub fn kind(&self) -> ImportErrorKind {
        self.kind
    }

    /// For the log alone: what would tell a stranger about the inside of the network.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    pub(super) fn failed(message: impl Into<String>) -> ImportError {
        ImportError::new(ImportErrorKind::Failed, message)
    }

    pub(super) fn too_slow(message: impl Into<String>) -> ImportError {
        ImportError::new(ImportErrorKind::TooSlow, message)
    }

    pub(super) fn refused(detail: String) -> ImportError {
        let message = "the host is or resolves to an address that is not public; the operator can \
                       allow it with --import-allow";
        ImportError::new(ImportErrorKind::Refused, message).with_detail(detail)
    }

    pub(super) fn too_large(limit_bytes: u64) -> ImportError {
        let message = format!("the file exceeds the limit of {limit_bytes} bytes");
        ImportError::new(ImportErrorKind::TooLarge, message)
    }

    pub(super) fn busy() -> ImportError {
        let message = format!("{IMPORTS_MAX} imports are running: try again soon");
        ImportError::new(ImportErrorKind::Busy, message)
    }

    pub(super) fn unequipped(detail: String) -> ImportError {
        let message = "this server has no CA certificates to check the source with: the operator \
                       can install ca-certificates, or name a bundle in SSL_CERT_FILE";
        ImportError::new(ImportErrorKind::Unequipped, message).with_detail(detail)
    }

    pub(super) fn bad_redirect(error: &SourceUrlError) -> ImportError {
        ImportError::failed(format!("the source redirects to a URL that cannot be used: {error}"))
    }

    pub(super) fn too_many_redirects() -> ImportError {
        ImportError::failed(format!(
            "the source redirects more than {IMPORT_REDIRECTS_MAX} times: give the URL of the \
             file itself"
        ))
    }

    pub(super) fn status(status: http::StatusCode) -> ImportError {
        ImportError::failed(format!("the source answered {status}: check the URL"))
    }

    fn new(kind: ImportErrorKind, message: impl Into<String>) -> ImportError {
        ImportError { kind, message: message.into(), detail: None }
    }

    fn with_detail(mut self, detail: String) -> ImportError {
        self.detail = Some(detail);
        self
    }
}

impl From<SourceUrlError> for ImportError {
    fn from(error: SourceUrlError) -> ImportError {
        ImportError::new(ImportErrorKind::BadUrl, format!("the URL cannot be fetched: {error}"))
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ImportError {}
