//! The client library: files to a ringhold daemon and from any server, streamed, checked, in constant
//! memory. Floor 4.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use ringhold::client::{Client, ReadAhead};
//!
//! let client = Client::new("http://127.0.0.1:8080")?;
//! let mut upload = client.upload().await?;
//! upload.send_unclose("hello.txt", &b"hello"[..]).await?;
//! upload.send_frames_unclose("big.bin", ReadAhead::new(std::fs::File::open("big.bin")?)?).await?;
//! for stored in upload.close().await? {
//!     println!("{}", stored.file_id);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - **Memory** is constant: [`UPLOAD_FRAMES_QUEUED`](crate::base::limits::UPLOAD_FRAMES_QUEUED)
//!   frames of [`UPLOAD_FRAME_SIZE`](crate::base::limits::UPLOAD_FRAME_SIZE), and what hyper writes
//!   at once (408 KiB). A slow server slows the reading of the source.
//! - **Every file is checked**: its BLAKE3 is computed while it is sent and compared with the one
//!   that the daemon stored. A difference is [`ClientError::Mismatch`].
//! - **Errors** say whether a retry makes sense: [`ClientError::is_worth_a_retry`],
//!   [`ClientError::retry_after`]. No upload is retried here, as nobody but the caller knows whether a
//!   source can be read again.
//! - **Cancellation**: dropping an [`Upload`], or a future of it, ends the request in its middle. The
//!   daemon keeps nothing of a request that did not come whole.
//! - **Downloads** come over several connections into a file, or in order to any writer:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use ringhold::client::{Download, DownloadOptions};
//!
//! let url = "http://127.0.0.1:8080/files/FILE_ID";
//! let download = Download::of_url(url, DownloadOptions::default()).await?;
//! let done = download.save(download.name().as_ref()).await?;
//! assert!(done.is_verified);
//! # Ok(())
//! # }
//! ```
//!   Every block is checked as it arrives, by a daemon's hashes, and a bad one alone is fetched again,
//!   in here and a bounded number of times. Dropping [`Download::save`] keeps what is there, and
//!   another call goes on with it. The disk has a thread of its own meanwhile.
//! - **Runtime**: any tokio runtime with I/O and time enabled. There is no global state; a [`Client`]
//!   keeps idle connections for its next request, so it belongs to the runtime that it is used in.
//!
//! Beside it, [`peer`]: two ends that meet at a relay by a code, without a daemon.

mod body;
mod download;
mod error;
mod landing;
pub mod peer;
mod read_ahead;
mod server;
pub mod transfer;
mod upload;

pub use download::{Download, DownloadError, DownloadOptions, DownloadProgress, Downloaded};
pub use error::ClientError;
pub use read_ahead::ReadAhead;
pub use server::Client;
pub use upload::{Sent, Upload};

pub use crate::wire::UploadAnswer;
