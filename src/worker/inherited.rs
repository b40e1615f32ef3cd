//! A listening socket that whoever started this process made and passed on (socket activation).
//! At most one per process; taken before anything else opens descriptors.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};
use socket2::{Domain, SockRef, Type};

/// A descriptor that was passed and cannot be listened on.
#[derive(Debug)]
pub struct InheritError {
    fd: RawFd,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    NotOpen,
    /// What it is not.
    NotA(&'static str),
    Kernel(io::Error),
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on the passed descriptor {}: ", self.fd)?;
        match &self.problem {
            Problem::NotOpen => f.write_str(
                "it is not open, although LISTEN_FDS and LISTEN_PID announce it. Pass it, or \
                 unset them",
            ),
            Problem::NotA(what) => write!(
                f,
                "it is not {what}. Pass a TCP socket that listens; in a .socket unit that is \
                 ListenStream= with a port, and Accept=no"
            ),
            Problem::Kernel(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InheritError {}

/// Takes over the socket `fd`, on the word of `LISTEN_PID` and `LISTEN_FDS` that it is ours.
///
/// # Panics
/// When it is called a second time: the descriptor has an owner then.
pub fn take_inherited(fd: RawFd) -> Result<TcpListener, InheritError> {
    let failed = |problem| InheritError { fd, problem };
    let owned = ownership::take(fd).ok_or_else(|| failed(Problem::NotOpen))?;
    match check(&owned) {
        Ok(()) => Ok(TcpListener::from(owned)),
        Err(problem) => {
            // Not what was announced, so perhaps not ours to close.
            std::mem::forget(owned);
            Err(failed(problem))
        }
    }
}

/// A TCP socket that listens, made fit for the workers: programs that this process might start do
/// not get it, and accepting does not block.
fn check(socket: &OwnedFd) -> Result<(), Problem> {
    let view = SockRef::from(socket);
    let not_a_socket = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENOTSOCK) => Problem::NotA("a socket"),
        _ => Problem::Kernel(error),
    };
    if view.r#type().map_err(not_a_socket)? != Type::STREAM {
        return Err(Problem::NotA("a stream socket"));
    }
    if !matches!(view.domain().map_err(Problem::Kernel)?, Domain::IPV4 | Domain::IPV6) {
        return Err(Problem::NotA("an IPv4 or IPv6 socket"));
    }
    if !view.is_listener().map_err(Problem::Kernel)? {
        return Err(Problem::NotA("listening"));
    }
    fcntl_setfd(socket, FdFlags::CLOEXEC).map_err(|error| Problem::Kernel(error.into()))?;
    view.set_nonblocking(true).map_err(Problem::Kernel)
}

/// The unsafe half: a number becomes a descriptor with an owner.
mod ownership {
    #![expect(unsafe_code, reason = "a passed descriptor is a bare number until somebody owns it")]

    use std::os::fd::{FromRawFd, OwnedFd, RawFd};
    use std::sync::atomic::{AtomicBool, Ordering};

    static TAKEN: AtomicBool = AtomicBool::new(false);

    /// The owner of `fd`, once per process; `None` if it is not open.
    pub(super) fn take(fd: RawFd) -> Option<OwnedFd> {
        assert!(!TAKEN.swap(true, Ordering::SeqCst), "the passed socket is taken once");
        // SAFETY: F_GETFD takes a number and touches no memory; on one that is not open it fails.
        let is_open = unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1;
        // SAFETY: it is open, as the line above saw. It has no other owner: whoever started us
        // made it for us (LISTEN_PID names this process), TAKEN lets this happen once, and a
        // descriptor that turns out to be anything but a listening socket, which is what our own
        // would be this early, is never closed by the owner made here (`take_inherited`).
        is_open.then(|| unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn refusal(fd: impl Into<OwnedFd>) -> String {
        let problem = check(&fd.into()).unwrap_err();
        InheritError { fd: 3, problem }.to_string()
    }

    #[test]
    fn a_listening_socket_is_made_fit_for_the_workers() {
        let listener = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        check(&listener).unwrap();
        assert_eq!(rustix::io::fcntl_getfd(&listener).unwrap(), FdFlags::CLOEXEC);
        let accepted = TcpListener::from(listener).accept();
        assert_eq!(accepted.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_cannot_be_listened_on_is_refused_with_what_it_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for (refused, what) in [
            (refusal(UdpSocket::bind("127.0.0.1:0").unwrap()), "a stream socket"),
            (refusal(UnixListener::bind(dir.path().join("s")).unwrap()), "an IPv4 or IPv6 socket"),
            (refusal(connected), "listening"),
            (refusal(std::fs::File::open("/dev/null").unwrap()), "a socket"),
        ] {
            assert!(refused.contains(&format!("not {what}.")), "{refused}");
            assert!(refused.contains("ListenStream="), "{refused}");
        }
    }

    /// One test for both: the second call is refused for the whole process.
    #[test]
    fn a_descriptor_is_taken_once_and_only_if_it_is_open() {
        // Far beyond what this process opens.
        let refused = take_inherited(1 << 20).unwrap_err().to_string();
        assert!(refused.contains("it is not open"), "{refused}");
        assert!(std::panic::catch_unwind(|| take_inherited(3)).is_err());
    }
}
