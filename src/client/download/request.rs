//! What a caller sees: a download that is asked for, one that was found, and what came of it.

use std::fs;
use std::num::NonZeroU8;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::digests::Expected;
use super::error::DownloadError;
use super::found::Remote;
use super::origin::Origin;
use super::progress::DownloadProgress;
use crate::base::limits::{
    DOWNLOAD_CONNECTIONS_DEFAULT, DOWNLOAD_RETRIES_DEFAULT, DOWNLOAD_STALL_DEFAULT_S,
};
use crate::client::ClientError;
use crate::client::landing::DockEnd;
use crate::client::server::parse;
use crate::disk::EngineChoice;
use crate::wire::Digest;

/// How a file is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadOptions {
    /// Connections at once; fewer where there are fewer blocks.
    pub connections: NonZeroU8,
    /// Times that a block, or a question about the file, is tried after the first.
    pub retries: u32,
    /// Time without a byte after which a connection is given up, and its blocks go to others.
    pub stall: Duration,
    /// What writes to the disk.
    pub engine: EngineChoice,
    /// Whether bytes and name are on stable storage when a download is done.
    pub durable: bool,
    /// Whether another file of the target's name is replaced, in one step.
    pub replace: bool,
    /// The BLAKE3 that the file has to have.
    pub blake3: Option<[u8; 32]>,
    /// Other digests that it has to have.
    pub digests: Vec<Digest>,
}

impl Default for DownloadOptions {
    fn default() -> DownloadOptions {
        let connections = NonZeroU8::new(DOWNLOAD_CONNECTIONS_DEFAULT).unwrap_or(NonZeroU8::MIN);
        DownloadOptions {
            connections,
            retries: DOWNLOAD_RETRIES_DEFAULT,
            stall: Duration::from_secs(DOWNLOAD_STALL_DEFAULT_S),
            engine: EngineChoice::Auto,
            durable: true,
            replace: false,
            blake3: None,
            digests: Vec::new(),
        }
    }
}

/// A file on a server that answered.
#[derive(Clone, Debug)]
pub struct Download {
    pub(super) remote: Remote,
    pub(super) options: DownloadOptions,
    pub(super) progress: DownloadProgress,
    /// The end of the disk's thread that the last [`Download::save`] began.
    pub(super) disk_end: Arc<Mutex<Option<DockEnd>>>,
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Size, bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Whether every block was checked against the hashes of a daemon.
    pub is_verified: bool,
    /// Digests of the whole file that were compared.
    pub checked: Vec<&'static str>,
    /// Bytes that came over the network, those in vain too.
    pub fetched_bytes: u64,
    /// Bytes that an earlier process had fetched.
    pub found_bytes: u64,
    /// Times that a block was fetched again.
    pub failed_block_count: u64,
}

impl Download {
    /// Finds the file of an ID at a daemon, given like the server of a
    /// [`Client`](crate::client::Client).
    ///
    /// # Errors
    /// [`DownloadError::Server`] or [`DownloadError::Damaged`].
    pub async fn of_file_id(
        server: &str,
        file_id: &str,
        options: DownloadOptions,
    ) -> Result<Download, DownloadError> {
        let mut url = parse(server)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("files").push(file_id);
        }
        Download::find(url, true, options).await
    }

    /// Finds the file of any http or https URL. One of a daemon's files is known by its path.
    ///
    /// Proxies and certificates are as with [`Client::new`](crate::client::Client::new). Up to
    /// [`DOWNLOAD_REDIRECTS_MAX`](crate::base::limits::DOWNLOAD_REDIRECTS_MAX) redirects are followed,
    /// with the credentials of the URL only on its own host, and never from https to http.
    ///
    /// # Errors
    /// [`DownloadError::Server`] or [`DownloadError::Damaged`].
    pub async fn of_url(url: &str, options: DownloadOptions) -> Result<Download, DownloadError> {
        let wrong = |why: &str| {
            ClientError::Url(format!("{why}: give one like https://files.example/file"))
        };
        let url = Url::parse(url.trim()).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https are spoken").into());
        }
        Download::find(url, false, options).await
    }

    /// Waits until the disk has nothing more to do for a [`Download::save`] that ended, failed or
    /// was dropped: for a process that exits now, and would leave the temporary name that a file of
    /// one stream has where the filesystem keeps no journal. At most
    /// [`DOCK_END_TIMEOUT_S`](crate::base::limits::DOCK_END_TIMEOUT_S).
    pub async fn settled(&self) {
        let end = self.disk_end.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(end) = end {
            end.wait().await;
        }
    }

    /// A safe name for the file: the server's, else the end of its URL.
    pub fn name(&self) -> &str {
        &self.remote.name
    }

    /// Its size, bytes, if the server says so.
    pub fn size_bytes(&self) -> Option<u64> {
        self.remote.size_bytes
    }

    /// Whether every block is checked against hashes of a daemon.
    pub fn is_verified(&self) -> bool {
        self.remote.is_verified()
    }

    /// Where it comes from, without secrets.
    pub fn url(&self) -> String {
        self.remote.origin.shown()
    }

    /// Counts that move while it is fetched.
    pub fn progress(&self) -> DownloadProgress {
        self.progress.clone()
    }

    /// Whether a file could be saved to `target`, as far as that shows before a byte is fetched.
    ///
    /// # Errors
    /// [`DownloadError::Exists`] or [`DownloadError::Target`].
    pub fn check_target(target: &Path, replace: bool) -> Result<(), DownloadError> {
        match fs::symlink_metadata(target) {
            Ok(_) if !replace => Err(DownloadError::Exists),
            // A link itself is replaced, wherever it leads.
            Ok(found) if !found.is_file() && !found.is_symlink() => {
                let why = "the target is no regular file, and stays what it is".to_owned();
                Err(DownloadError::Target(why))
            }
            _ => Ok(()),
        }
    }

    async fn find(
        url: Url,
        is_ringhold: bool,
        options: DownloadOptions,
    ) -> Result<Download, DownloadError> {
        let origin = Origin::new(url, options.stall)?;
        let mut remote = Remote::find(origin, is_ringhold, options.retries).await?;
        let asked = |digest: &Digest| Expected { digest: *digest, asked_by: "was asked for" };
        remote.told.extend(options.digests.iter().map(asked));
        let (progress, disk_end) = (DownloadProgress::default(), Arc::default());
        Ok(Download { remote, options, progress, disk_end })
    }
}
