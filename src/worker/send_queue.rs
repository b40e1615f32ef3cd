//! How much of what a connection sent its peer's system has not acknowledged: what tells a slow
//! peer from one that takes nothing, since the kernel makes room only when a third of its send
//! buffer, which may be megabytes, is free.

use std::os::fd::{AsFd, AsRawFd};

/// A connection that knows how many bytes are under way.
pub trait SendQueue {
    /// Bytes handed to the kernel that the peer's system has not acknowledged, `SIOCOUTQ` of
    /// tcp(7); `None` when nobody knows.
    fn queued_bytes(&self) -> Option<u64>;
}

/// Of a TCP socket.
#[expect(unsafe_code, reason = "an ioctl that no safe wrapper of our crates has")]
pub(super) fn queued_bytes(socket: &impl AsFd) -> Option<u64> {
    let fd = socket.as_fd().as_raw_fd();
    let mut queued: libc::c_int = 0;
    // SAFETY: the borrow of `socket` keeps the descriptor open for the call, and SIOCOUTQ (the
    // number that sockets share with TIOCOUTQ of terminals) writes one `int`, which `queued` is.
    let result = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut queued) };
    if result == 0 { u64::try_from(queued).ok() } else { None }
}
