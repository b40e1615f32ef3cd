//! Sending what lies in the page cache: the kernel hands its pages to the connection, and no byte
//! passes through this process.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::disk::Extent;

/// A connection that may know how to send an extent.
pub trait SendExtent {
    /// Whether it does.
    fn takes_extents(&self) -> bool;

    /// Writes what an extent follows at once: the kernel waits for that, so that a small answer is
    /// one segment with its head, and its reader is woken once.
    fn poll_write_ahead(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Sends what the connection takes of the first bytes; how many these were. See
    /// [`Extent::send`] for the errors of the file.
    fn poll_send_extent(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        extent: &Extent,
    ) -> Poll<io::Result<usize>>;
}

/// Over TCP, by a call that does not wait.
pub(super) fn poll_send(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    call: impl Fn(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, || call(stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

/// Writes what more follows at once.
pub(super) fn write_ahead(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    Ok(sendmsg(stream, bufs, &mut SendAncillaryBuffer::default(), flags)?)
}
