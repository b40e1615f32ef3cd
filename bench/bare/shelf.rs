//! The shelf: bodies kept as files, as a server does that never shows half of one and promises
//! nothing about a power cut: a temporary file, written, and renamed. One a thread.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// Where one thread puts bodies.
pub(super) struct Shelf {
    directory: PathBuf,
    thread: usize,
    count: u64,
}

impl Shelf {
    /// In a directory that is there; its names are the thread's own.
    pub(super) fn new(directory: PathBuf, thread: usize) -> Shelf {
        Shelf { directory, thread, count: 0 }
    }

    /// Keeps a body under a name that is new.
    pub(super) fn keep(&mut self, body: &[u8]) -> io::Result<()> {
        let temporary = self.directory.join(format!(".{}", self.thread));
        let name = self.directory.join(format!("{}-{}", self.thread, self.count));
        self.count += 1;
        File::create(&temporary)?.write_all(body)?;
        fs::rename(temporary, name)
    }
}

/// A request with a body, whole in `received`: where its body begins and ends. `None` while some of
/// it is missing; a body of no length is empty.
pub(super) fn whole_request(received: &[u8]) -> Option<(usize, usize)> {
    let head_size = memchr::memmem::find(received, b"\r\n\r\n")? + 4;
    let head = received[..head_size].to_ascii_lowercase();
    let field = memchr::memmem::find(&head, b"\r\ncontent-length:").map_or(&[][..], |at| {
        let value = &head[at + 17..];
        &value[..memchr::memchr(b'\r', value).unwrap_or(value.len())]
    });
    let length = std::str::from_utf8(field).ok().and_then(|text| text.trim().parse().ok());
    let end = head_size.checked_add(length.unwrap_or(0))?;
    (received.len() >= end).then_some((head_size, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        let request = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPUT";
        let end = request.len() - 3;
        for size in 0..end {
            assert_eq!(whole_request(&request[..size]), None, "{size}");
        }
        assert_eq!(whole_request(request), Some((end - 5, end)));
        assert_eq!(whole_request(b"GET / HTTP/1.1\r\n\r\n"), Some((18, 18)));
        let endless = format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", usize::MAX);
        assert_eq!(whole_request(endless.as_bytes()), None);
    }

    #[test]
    fn bodies_are_kept_under_names_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::new(dir.path().to_owned(), 1);
        shelf.keep(b"one").unwrap();
        shelf.keep(b"two").unwrap();
        assert_eq!(fs::read(dir.path().join("1-0")).unwrap(), b"one");
        assert_eq!(fs::read(dir.path().join("1-1")).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
