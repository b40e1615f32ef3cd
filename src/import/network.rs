//! What the machine knows of names and addresses, as a value, so that tests bring their own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::thread;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

use crate::base::limits::{LOOKUP_THREAD_STACK_SIZE, LOOKUPS_MAX};

/// Names, and which addresses are the machine's own.
pub trait Network: Send + Sync {
    /// Every address of a name, the best first.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;

    /// Whether what is sent to `address` stays on this machine.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// That of this machine: `getaddrinfo(3)` and the kernel's routes.
#[derive(Debug)]
pub struct SystemNetwork {
    lookups: Arc<Semaphore>,
}

impl Default for SystemNetwork {
    fn default() -> SystemNetwork {
        SystemNetwork { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Network for SystemNetwork {
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let (lookups, name) = (Arc::clone(&self.lookups), name.to_owned());
        async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            aside(move || {
                // Given back by the thread: a lookup that nobody waits for any more still runs.
                let _permit = permit;
                (name.as_str(), 0).to_socket_addrs()
            })
            .await?
            .map(|addresses| addresses.map(|address| address.ip()).collect())
        }
        .boxed()
    }

    /// A datagram socket that is connected sends nothing, but the kernel looks up the route and
    /// binds it to the address it would send from; on the way to itself that is the target.
    fn is_own(&self, address: IpAddr) -> bool {
        let unbound: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // The port does not matter: nothing is sent.
        let local = UdpSocket::bind((unbound, 0)).and_then(|socket| {
            socket.connect((address, 9))?;
            socket.local_addr()
        });
        local.is_ok_and(|local| local.ip() == address)
    }
}

/// Runs what blocks on a thread of its own. Not on the runtime's blocking pool: its threads are
/// waited for when the runtime ends, and a resolver that hangs would hold the exit. Callers bound
/// how many there are.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new()
        .name("rh-lookup".to_owned())
        .stack_size(LOOKUP_THREAD_STACK_SIZE)
        .spawn(move || {
            // Whoever asked may have gone.
            let _ = done.send(work());
        })?;
    result.await.map_err(|_| io::Error::other("the thread panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_knows_localhost_and_no_invalid_name() {
        let network = SystemNetwork::default();
        let addresses = network.resolve("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback) && !addresses.is_empty());
        assert!(network.resolve("no-such-host.invalid").await.is_err());
        assert_eq!(network.lookups.available_permits(), LOOKUPS_MAX);
    }

    #[tokio::test]
    async fn a_lookup_that_nobody_waits_for_gives_its_permit_back() {
        let network = SystemNetwork::default();
        drop(network.resolve("localhost"));
        let mut lookup = network.resolve("localhost");
        let _begun = futures_util::poll!(&mut lookup);
        drop(lookup);
        let all = network.lookups.acquire_many(u32::try_from(LOOKUPS_MAX).unwrap()).await;
        assert!(all.is_ok());
    }

    #[test]
    fn the_kernel_tells_own_addresses_from_others() {
        let network = SystemNetwork::default();
        assert!(network.is_own(Ipv4Addr::LOCALHOST.into()));
        // Documentation addresses are nobody's.
        assert!(!network.is_own(Ipv4Addr::new(192, 0, 2, 1).into()));
        assert!(!network.is_own("2001:db8::1".parse().unwrap()));
    }
}
