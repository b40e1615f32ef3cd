//! Downloads a file with the client library: over several connections, every block of a daemon's file
//! checked as it arrives, gone on with where an earlier run was stopped.
//!
//! ```text
//! cargo run --example download -- http://127.0.0.1:8080/files/FILE_ID [TARGET]
//! ```

use std::error::Error;
use std::num::NonZeroU8;
use std::path::PathBuf;

use ringhold::client::{Download, DownloadOptions};

// Any tokio runtime will do: a current-thread one as here, or a multi-threaded one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: download URL [TARGET]")?;
    let connections = NonZeroU8::new(8).ok_or("at least one connection")?;
    let options = DownloadOptions { connections, ..DownloadOptions::default() };

    let download = Download::of_url(&url, options).await?;
    let target = arguments.next().map_or_else(|| PathBuf::from(download.name()), PathBuf::from);
    // Dropping this future keeps what is there; the next `save` to the same target goes on.
    match download.save(&target).await {
        Ok(done) => {
            let verdict = if done.is_verified { "every block verified" } else { "as it came" };
            println!("{} {} bytes, {verdict}", target.display(), done.size_bytes);
            Ok(())
        }
        Err(error) if error.is_worth_a_retry() => Err(format!("{error}: try again").into()),
        Err(error) => Err(error.into()),
    }
}
