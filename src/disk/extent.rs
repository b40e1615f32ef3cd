//! A piece of an open file that is in the page cache, to be sent from there: nobody copies it on
//! its way to the socket (sendfile(2)).
//!
//! 1. Who made it has asked [`Disk::is_filled`](super::Disk::is_filled), now or lately: what left the
//!    page cache since is read by the call that sends it, and the thread waits for the disk.
//! 2. The file must keep its bytes until the peer has them: the kernel sends the page and not a copy
//!    of it. Objects never change.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::sendfile;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, send};

use super::file::File;
use crate::base::limits::EXTENT_COPY_SIZE;

/// Bytes of a file of the kernel's, not sent yet.
#[derive(Clone, Debug)]
pub struct Extent {
    file: File,
    range: Range<u64>,
}

impl Extent {
    /// A range of a file; `None` for a file that has no descriptor.
    pub fn new(file: &File, range: Range<u64>) -> Option<Extent> {
        file.os()?;
        Some(Extent { file: file.clone(), range })
    }

    /// How many bytes.
    pub fn size(&self) -> usize {
        usize::try_from(self.range.end.saturating_sub(self.range.start)).unwrap_or(usize::MAX)
    }

    /// Leaves the first `size` bytes out.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn advance(&mut self, size: usize) {
        assert!(size <= self.size(), "nobody advances beyond the end");
        self.range.start += size as u64;
    }

    /// Sends what the socket takes of the first bytes; how many these were.
    ///
    /// # Errors
    /// Of the socket, which may have no room (`WouldBlock`). Of the file: `UnexpectedEof` when it has
    /// become shorter, `InvalidData` when the disk did not read it.
    pub fn send(&self, socket: impl AsFd) -> io::Result<usize> {
        let Some(file) = self.file.os() else { return Err(io::ErrorKind::Unsupported.into()) };
        let mut offset = self.range.start;
        let sent = retry_on_intr(|| sendfile(&socket, file, Some(&mut offset), self.size()));
        match sent {
            Ok(0) if self.size() > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(size) => Ok(size),
            // Not from this filesystem, or not by this process.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                self.send_copy(file, socket)
            }
            // No socket's answer.
            Err(Errno::IO) => Err(io::Error::new(io::ErrorKind::InvalidData, Errno::IO)),
            Err(errno) => Err(errno.into()),
        }
    }

    fn send_copy(&self, file: &fs::File, socket: impl AsFd) -> io::Result<usize> {
        let mut copy = vec![0; self.size().min(EXTENT_COPY_SIZE)];
        file.read_exact_at(&mut copy, self.range.start)?;
        Ok(retry_on_intr(|| send(&socket, &copy, SendFlags::NOSIGNAL | SendFlags::DONTWAIT))?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn extent(data: &[u8], range: Range<u64>) -> Extent {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(data).unwrap();
        Extent::new(&File::from_fd(file.into()), range).unwrap()
    }

    #[test]
    fn what_is_sent_are_the_bytes_of_the_range() {
        let (socket, mut peer) = UnixStream::pair().unwrap();
        let mut extent = extent(b"hello, ring", 2..11);
        assert_eq!(extent.size(), 9);
        extent.advance(5);
        assert_eq!(extent.send(&socket).unwrap(), 4);
        assert_eq!(extent.send_copy(extent.file.os().unwrap(), &socket).unwrap(), 4);
        let mut received = [0; 8];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"ringring");
    }

    #[test]
    fn a_socket_without_room_and_a_file_that_was_cut_are_told_apart() {
        let (socket, _peer) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let extent = extent(&vec![7; 1 << 20], 0..1 << 20);
        let is_full = |sent: io::Result<usize>| {
            sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        assert!((0..1000).any(|_| is_full(extent.send(&socket))));
        let file = extent.file.os().unwrap();
        assert!((0..1000).any(|_| is_full(extent.send_copy(file, &socket))));
        file.set_len(100).unwrap();
        let (socket, _peer) = UnixStream::pair().unwrap();
        let cut = Extent { range: 100..200, ..extent.clone() };
        for sent in [cut.send(&socket), cut.send_copy(file, &socket)] {
            assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_file_without_a_descriptor_has_no_extents() {
        assert!(Extent::new(&File::from_handle(()), 0..1).is_none());
    }
}
