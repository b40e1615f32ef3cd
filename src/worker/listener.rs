//! The listening sockets: one per worker, all on one port with `SO_REUSEPORT`; or the one that
//! whoever started this process passed on, which one worker accepts from for all of them.
//!
//! 1. [`bind_all`] takes the port before any worker starts, so a taken port is the first thing
//!    that is said; port 0 is resolved by the first socket.
//! 2. [`Bound::listen`] opens the door when every worker is ready. Until then clients are
//!    refused, not left waiting; on a socket that was passed on they wait in its backlog.
//! 3. The worker accepts until it drains; closing the socket refuses what comes later. One that
//!    its maker still holds goes on taking connections, for the next process that gets it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::base::limits::LISTEN_BACKLOG;

/// Where connections come from.
#[derive(Clone, Debug)]
pub enum Listen {
    /// Sockets of our own on this address; port 0 takes a free one.
    Address(SocketAddr),
    /// The socket that was passed to this process, listening and non-blocking. The workers use a
    /// duplicate: it is closed when they and this are gone.
    Inherited(Arc<TcpListener>),
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.address)?;
        match self.source.raw_os_error() {
            Some(libc::EADDRINUSE) => {
                f.write_str("another program has that port; stop it or choose another port")
            }
            Some(libc::EADDRNOTAVAIL) => f.write_str(
                "this machine does not have that address; 127.0.0.1 is always there, 0.0.0.0 is \
                 all it has",
            ),
            Some(libc::EACCES | libc::EPERM) => f.write_str(
                "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE, a port above \
                 needs nothing",
            ),
            _ => self.source.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A socket that has its port and is not accepted from yet.
#[derive(Debug)]
pub(super) enum Bound {
    /// Ours, which does not listen before all are ready.
    Own { socket: Socket, address: SocketAddr },
    /// Not ours, which listens already.
    Inherited(TcpListener),
}

/// The sockets for `count` workers, one each or one for all, and the address they have.
pub(super) fn bind_all(
    listen: &Listen,
    count: usize,
) -> Result<(Vec<Bound>, SocketAddr), ListenError> {
    match listen {
        Listen::Address(address) => bind_each(*address, count),
        Listen::Inherited(listener) => {
            let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
            let address = listener.local_addr();
            let address = address.map_err(|source| ListenError { address: unknown, source })?;
            let duplicate = listener.try_clone();
            let duplicate = duplicate.map_err(|source| ListenError { address, source })?;
            Ok((vec![Bound::Inherited(duplicate)], address))
        }
    }
}

fn bind_each(address: SocketAddr, count: usize) -> Result<(Vec<Bound>, SocketAddr), ListenError> {
    let refused = |source| ListenError { address, source };
    refuse_taken(address).map_err(refused)?;
    let mut resolved = address;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = bind_shared(resolved).map_err(refused)?;
        if let Some(local) = socket.local_addr().map_err(refused)?.as_socket() {
            resolved = local;
        }
        all.push(Bound::Own { socket, address: resolved });
    }
    Ok((all, resolved))
}

impl Bound {
    /// Begins to take connections.
    pub(super) fn listen(self) -> Result<TcpListener, ListenError> {
        match self {
            Bound::Own { socket, address } => match socket.listen(LISTEN_BACKLOG) {
                Ok(()) => Ok(socket.into()),
                Err(source) => Err(ListenError { address, source }),
            },
            Bound::Inherited(listener) => Ok(listener),
        }
    }
}

/// `SO_REUSEPORT` would quietly share the port with another daemon of the same user, who would
/// then get half of the connections. A socket without it finds out.
fn refuse_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    stream_socket(address)?.bind(&address.into())
}

fn bind_shared(address: SocketAddr) -> io::Result<Socket> {
    let socket = stream_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the last run that linger in TIME_WAIT do not hold the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> Listen {
        Listen::Address(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    #[test]
    fn port_zero_is_resolved_once_for_all() {
        let (all, address) = bind_all(&loopback(), 3).unwrap();
        assert_ne!(address.port(), 0);
        for bound in all {
            assert_eq!(bound.listen().unwrap().local_addr().unwrap(), address);
        }
    }

    #[test]
    fn a_port_that_another_daemon_shares_out_is_refused_with_a_remedy() {
        let (all, address) = bind_all(&loopback(), 1).unwrap();
        let listening: Vec<_> = all.into_iter().map(|bound| bound.listen().unwrap()).collect();
        let refused = bind_each(address, 2).unwrap_err().to_string();
        assert!(refused.contains("another program has that port"), "{refused}");
        drop(listening);
        assert!(bind_each(address, 2).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_a_remedy() {
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
        let refused = bind_each(elsewhere, 1).unwrap_err().to_string();
        assert!(refused.contains("does not have that address"), "{refused}");
    }

    #[test]
    fn version_six_addresses_are_listened_on_too() {
        let any = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0));
        match bind_each(any, 2) {
            Ok((all, address)) => {
                assert!(address.is_ipv6());
                assert_eq!(all.len(), 2);
            }
            Err(error) => assert!(
                matches!(
                    error.source.raw_os_error(),
                    Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)
                ),
                "a machine without IPv6 says so: {error}"
            ),
        }
    }
}
