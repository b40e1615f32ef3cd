//! How two ends that may sit on different workers come together: one of them moves the bytes of
//! both, the other gives it its connection and waits.
//!
//! 1. Who waits has the receiving side of a channel for one [`Meeting`]; the sending side is in the
//!    registry. Who comes takes it out.
//! 2. Who comes decides which of the two workers has fewer pairings. If it is the other one's, it
//!    sends its own connection there ([`Meeting::Host`]); if not, it asks for that of the other
//!    ([`Meeting::Visit`]).
//! 3. The guest's task lives until the host drops [`Guest::over`], so that the connection stays
//!    counted where it was accepted.
//!
//! Whoever has left meanwhile is found out by a channel that is closed: nothing is lost but the
//! one that left.

use std::convert::Infallible;
use std::io;
use std::net::{self, SocketAddr};

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::registry::Registry;

/// Who waits: how it is reached.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) worker_index: usize,
    pub(super) meeting: oneshot::Sender<Meeting>,
}

/// What is said to who waits.
#[derive(Debug)]
pub(super) enum Meeting {
    /// Here is the other end: move the bytes.
    Host(Guest),
    /// The other end moves the bytes: give it your connection.
    Visit(oneshot::Sender<Guest>),
    /// A newer connection of your role has your place.
    Replaced,
}

/// A connection on its way to the worker that moves its bytes.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) stream: net::TcpStream,
    pub(super) peer: SocketAddr,
    /// Dropped when it is over.
    pub(super) over: oneshot::Sender<Infallible>,
}

/// What became of two ends.
#[derive(Debug)]
pub(super) enum Paired {
    /// Both connections are here.
    Host(TcpStream, Guest),
    /// Both are there, until this resolves.
    Guest(oneshot::Receiver<Infallible>),
}

/// Brings the end that has come together with one that waited; gives it back if that one has left.
pub(super) async fn meet(
    registry: &Registry,
    own_index: usize,
    there: Waiter,
    stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<Result<Paired, TcpStream>> {
    if registry.is_busier(own_index, there.worker_index) {
        let (guest, over) = guest(stream, peer)?;
        return match there.meeting.send(Meeting::Host(guest)) {
            Ok(()) => Ok(Ok(Paired::Guest(over))),
            Err(Meeting::Host(guest)) => TcpStream::from_std(guest.stream).map(Err),
            Err(Meeting::Visit(_) | Meeting::Replaced) => unreachable!("it was sent as `Host`"),
        };
    }
    let (ask, asked) = oneshot::channel();
    // If it has left, so has the answer's sender.
    let _ = there.meeting.send(Meeting::Visit(ask));
    Ok(match asked.await {
        Ok(guest) => Ok(Paired::Host(stream, guest)),
        Err(_) => Err(stream),
    })
}

/// Gives one's connection to who asked for it; `None` if it has left, the connection with it.
pub(super) fn visit(
    host: oneshot::Sender<Guest>,
    stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<Option<oneshot::Receiver<Infallible>>> {
    let (guest, over) = guest(stream, peer)?;
    Ok(host.send(guest).ok().map(|()| over))
}

/// Out of this worker's epoll: another one is woken for it from now on.
fn guest(
    stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<(Guest, oneshot::Receiver<Infallible>)> {
    let (over, is_over) = oneshot::channel();
    Ok((Guest { stream: stream.into_std()?, peer, over }, is_over))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::relay::RelayOptions;

    async fn connection() -> TcpStream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, _theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        ours.unwrap()
    }

    /// Whether the pairing of an end that comes to the first worker and one that waits at the
    /// second is served by the second.
    async fn is_served_there(registry: &Registry, workers: (usize, usize)) -> bool {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let (meeting, inbox) = oneshot::channel();
        let there = Waiter { worker_index: workers.1, meeting };
        let (stream, waiting) = (connection().await, connection().await);
        let host = async {
            match inbox.await.unwrap() {
                Meeting::Host(guest) => drop(guest),
                Meeting::Visit(host) => drop(visit(host, waiting, peer).unwrap()),
                Meeting::Replaced => panic!("nobody took its place"),
            }
        };
        let (paired, ()) = tokio::join!(meet(registry, workers.0, there, stream, peer), host);
        matches!(paired.unwrap().unwrap(), Paired::Guest(_))
    }

    #[tokio::test]
    async fn a_pairing_goes_to_the_worker_that_has_fewer() {
        let registry = Registry::new(RelayOptions::default(), 2);
        assert!(!is_served_there(&registry, (0, 1)).await, "equals: who comes keeps it");
        let one = registry.host(0);
        assert!(is_served_there(&registry, (0, 1)).await);
        assert!(!is_served_there(&registry, (1, 0)).await);
        let _two = [registry.host(1), registry.host(1)];
        assert!(!is_served_there(&registry, (0, 1)).await);
        drop(one);
        assert!(is_served_there(&registry, (1, 0)).await);
    }
}
