//! Three hosts on one machine: a sender, a relay, a receiver, each a network namespace of its own.
//! Both ends have a cable to the relay and none to each other, and the relay forwards nothing.
//!
//! ```text
//! sender 10.77.1.2 ──── 10.77.1.1 relay 10.77.2.1 ──── 10.77.2.2 receiver
//! ```

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespaces, removed when this goes.
pub(crate) struct Hosts {
    /// Tells them from those of other tests.
    number: String,
}

impl Hosts {
    pub(crate) const RELAY_FROM_SENDER: [u8; 4] = [10, 77, 1, 1];
    pub(crate) const RELAY_FROM_RECEIVER: [u8; 4] = [10, 77, 2, 1];
    pub(crate) const RECEIVER: [u8; 4] = [10, 77, 2, 2];

    /// Makes them; `None` where that needs a privilege or a program that is not there, which is
    /// said.
    pub(crate) fn new() -> Option<Hosts> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let hosts = Hosts { number: format!("{}-{count}", std::process::id()) };
        if let Err(why) = ip(&["netns", "add", &hosts.relay()]) {
            println!("skipped: network namespaces need root and iproute2: {why}");
            return None;
        }
        for host in [hosts.sender(), hosts.receiver()] {
            ip(&["netns", "add", &host]).unwrap();
        }
        hosts.connect(&hosts.sender(), "10.77.1.2/24", "10.77.1.1/24", "to-sender");
        hosts.connect(&hosts.receiver(), "10.77.2.2/24", "10.77.2.1/24", "to-receiver");
        Some(hosts)
    }

    pub(crate) fn sender(&self) -> String {
        format!("rh-sender-{}", self.number)
    }

    pub(crate) fn relay(&self) -> String {
        format!("rh-relay-{}", self.number)
    }

    pub(crate) fn receiver(&self) -> String {
        format!("rh-receiver-{}", self.number)
    }

    /// Does something on a host: what is opened there stays there.
    pub(crate) fn on<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
        let place = File::open(Path::new("/run/netns").join(namespace)).unwrap();
        let enter = || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(place.as_fd(), network).unwrap();
            work()
        };
        // A namespace is a thread's, which ends with this.
        thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// Pulls an end's cable out, or plugs it in again.
    pub(crate) fn set_cable(&self, end: &str, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        assert!(end == self.sender() || end == self.receiver(), "an end has one cable");
        ip(&["-n", end, "link", "set", "to-relay", state]).unwrap();
    }

    /// A cable from an end to the relay.
    fn connect(&self, end: &str, end_address: &str, relay_address: &str, relay_link: &str) {
        let relay = self.relay();
        let cable = ["link", "add", relay_link, "netns", &relay, "type", "veth"];
        ip(&[&cable[..], &["peer", "name", "to-relay", "netns", end]].concat()).unwrap();
        for (host, link, address) in
            [(end, "to-relay", end_address), (relay.as_str(), relay_link, relay_address)]
        {
            ip(&["-n", host, "address", "add", address, "dev", link]).unwrap();
            ip(&["-n", host, "link", "set", link, "up"]).unwrap();
        }
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [self.sender(), self.receiver(), self.relay()] {
            // Some may not have been made.
            let _gone = ip(&["netns", "del", &host]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(errors) }
}
