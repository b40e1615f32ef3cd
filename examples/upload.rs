//! Uploads files with the client library: one request, one connection, an ID for each.
//!
//! ```text
//! cargo run --example upload -- http://127.0.0.1:8080 FILE...
//! ```
//! A greeting goes first, to show that anything that can be read asynchronously can be sent.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use ringhold::client::{Client, ReadAhead};

// Any tokio runtime will do: a current-thread one as here, or a multi-threaded one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().ok_or("usage: upload URL FILE...")?;
    let client = Client::new(&server)?;

    let mut upload = client.upload().await?;
    // Bytes in memory, a socket, a decompressor: any `AsyncRead`.
    upload.send_unclose("greeting.txt", &b"hello from the library"[..]).await?;
    for path in arguments {
        let name = Path::new(&path).file_name().and_then(|name| name.to_str());
        // A file is read ahead on a thread of its own, and nothing of it is copied.
        let frames = ReadAhead::new(File::open(&path)?)?;
        let sent = upload.send_frames_unclose(name.unwrap_or("file"), frames).await?;
        eprintln!("sent {path}: {} bytes", sent.size_bytes);
    }
    // Nothing is stored before this, and everything after it, with the BLAKE3 that was sent.
    for stored in upload.close().await? {
        println!("{} {}", stored.file_id, stored.name);
    }
    Ok(())
}
