//! What is told to the service manager that started this process, by the protocol of
//! `sd_notify(3)`: one datagram when we are ready, one when we begin to stop. A manager that cannot
//! be told is a warning: the daemon serves all the same.

use std::io;
use std::net;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::warn;

use crate::base::limits::NOTIFY_TIMEOUT_MS;
use crate::config::{ConfigError, Environment, NotifyAddress, notify_address};

/// Who wants to know how we are; often nobody.
pub(super) struct ServiceManager {
    address: Option<NotifyAddress>,
}

impl ServiceManager {
    /// Whom the environment names.
    pub(super) fn find(environment: &Environment) -> Result<ServiceManager, ConfigError> {
        notify_address(environment).map(|address| ServiceManager { address })
    }

    /// Connections are taken from now on.
    pub(super) fn ready(&self, address: net::SocketAddr) {
        self.tell(&format!("READY=1\nSTATUS=listening on {address}"));
    }

    /// No new ones are.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what runs");
    }

    fn tell(&self, state: &str) {
        if let Some(address) = &self.address
            && let Err(error) = send(address, state)
        {
            warn!(%error, ?address, "cannot tell the service manager; it may take us for stuck");
        }
    }
}

fn send(address: &NotifyAddress, state: &str) -> io::Result<()> {
    let address = match address {
        NotifyAddress::Path(path) => SocketAddr::from_pathname(path)?,
        NotifyAddress::Abstract(name) => SocketAddr::from_abstract_name(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(Duration::from_millis(NOTIFY_TIMEOUT_MS)))?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let size = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    }

    fn notify(address: NotifyAddress, socket: &UnixDatagram) {
        let manager = ServiceManager { address: Some(address) };
        manager.ready(net::SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(received(socket), "READY=1\nSTATUS=listening on 127.0.0.1:80");
        manager.stopping();
        assert!(received(socket).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn both_kinds_of_address_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        notify(NotifyAddress::Path(path.clone()), &UnixDatagram::bind(&path).unwrap());
        let name = format!("ringhold-test-{}", std::process::id()).into_bytes();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        notify(NotifyAddress::Abstract(name), &UnixDatagram::bind_addr(&address).unwrap());
    }

    #[test]
    fn a_manager_that_is_gone_stops_nobody() {
        let address = Some(NotifyAddress::Path("/nonexistent/notify".into()));
        ServiceManager { address }.stopping();
        ServiceManager { address: None }.stopping();
    }
}
