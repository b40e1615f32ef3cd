//! What `serve` says to a person on a terminal when it is ready.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::disk::{EngineChoice, EngineKind, EngineReport};
use crate::store::{Durability, StoreOptions};

/// The greeting; `Display` is its text.
pub(super) struct Greeting<'a> {
    pub(super) address: SocketAddr,
    pub(super) relay: Option<SocketAddr>,
    pub(super) engine: &'a EngineReport,
    pub(super) wanted: EngineChoice,
    pub(super) worker_count: usize,
    pub(super) store: &'a StoreOptions,
}

impl Greeting<'_> {
    /// The root as it can be found from anywhere.
    pub(super) fn root(&self) -> String {
        let root = &self.store.root;
        root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string()
    }

    fn engine(&self) -> String {
        let why = match (self.engine.kind, self.wanted) {
            (EngineKind::IoUring, EngineChoice::Auto) => "it works here",
            (EngineKind::Threads, EngineChoice::Auto) => "io_uring does not work here, see above",
            _ => "as --engine asks",
        };
        let buffers = match (self.engine.kind, self.engine.buffers_registered) {
            (EngineKind::IoUring, true) => ", registered buffers",
            (EngineKind::IoUring, false) => ", unregistered buffers",
            (EngineKind::Threads | EngineKind::Memory, _) => "",
        };
        let plural = if self.worker_count == 1 { "" } else { "s" };
        let name = engine_name(self.engine.kind);
        format!("{name} ({why}){buffers}, {} worker{plural}", self.worker_count)
    }

    fn durability(&self) -> &'static str {
        match self.store.durability {
            Durability::Full => "full: an acknowledged upload survives a power cut",
            Durability::None => "none: a power cut may lose acknowledged uploads",
        }
    }

    /// The address as a client on this machine reaches it.
    fn url(&self) -> String {
        format!("http://{}", reachable(self.address))
    }
}

impl fmt::Display for Greeting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(f, "ringhold {version} listens on http://{}", self.address)?;
        writeln!(f, "  engine      {}", self.engine())?;
        writeln!(f, "  root        {}", self.root())?;
        writeln!(f, "  durability  {}", self.durability())?;
        if let Some(relay) = self.relay {
            writeln!(f, "  relay       {relay}")?;
        }
        write!(f, "  try         echo hello | curl -T - {}/files/hello.txt", self.url())
    }
}

/// Where a client on this machine reaches a daemon that listens on `address`: of an address that
/// means all there are, the loopback one.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// How an engine is called in flags, logs and metrics.
pub(super) fn engine_name(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::IoUring => "io_uring",
        EngineKind::Threads => "threads",
        EngineKind::Memory => "memory",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn greet(address: &str, kind: EngineKind, durability: Durability) -> String {
        let engine = EngineReport { kind, buffers_registered: true, caveat: None };
        let store =
            StoreOptions { root: PathBuf::from("/"), durability, min_free: 0, verify_reads: false };
        let (address, wanted) = (address.parse().unwrap(), EngineChoice::Auto);
        let relay = None;
        Greeting { address, relay, engine: &engine, wanted, worker_count: 2, store: &store }
            .to_string()
    }

    #[test]
    fn the_greeting_says_all_that_a_first_upload_needs() {
        let text = greet("127.0.0.1:8080", EngineKind::IoUring, Durability::Full);
        let expected = format!(
            "ringhold {} listens on http://127.0.0.1:8080\n\
             \x20 engine      io_uring (it works here), registered buffers, 2 workers\n\
             \x20 root        /\n\
             \x20 durability  full: an acknowledged upload survives a power cut\n\
             \x20 try         echo hello | curl -T - http://127.0.0.1:8080/files/hello.txt",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn the_curl_line_works_when_every_address_is_listened_on() {
        let text = greet("0.0.0.0:80", EngineKind::Threads, Durability::None);
        assert!(text.contains("curl -T - http://127.0.0.1:80/files/"), "{text}");
        assert!(text.contains("threads (io_uring does not work here, see above), 2 workers"));
        assert!(text.contains("none: a power cut may lose"));
        let text = greet("[::]:80", EngineKind::IoUring, Durability::Full);
        assert!(text.contains("curl -T - http://[::1]:80/files/"), "{text}");
    }
}
