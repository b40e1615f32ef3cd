//! Where the relay is, and how long its silence and that of the other end is borne.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::error::PeerError;
use crate::base::limits::{
    PEER_AGREE_TIMEOUT_S, PEER_CONNECT_TIMEOUT_S, PEER_IDLE_TIMEOUT_S, PEER_MEET_TIMEOUT_S,
};

/// A relay to meet at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    host: String,
    port: u16,
    patience: Patience,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection to the relay.
    pub connect: Duration,
    /// For any byte of a relay that shows life regularly, and for progress on a line, in both
    /// directions.
    pub idle: Duration,
    /// For each step of the agreement on a key and for the greeting of a line.
    pub agree: Duration,
    /// For the other end to come to a channel.
    pub meet: Duration,
}

impl RelayAddress {
    /// Of `HOST:PORT`, where the host is a name or an address; one of IPv6 is in brackets.
    ///
    /// # Errors
    /// [`PeerError::Address`]
    pub fn parse(text: &str) -> Result<RelayAddress, PeerError> {
        let wrong =
            |why: &str| PeerError::Address(format!("{why}: give HOST:PORT, like 127.0.0.1:9021"));
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let port: u16 = match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("its port is no number from 1 to 65535")),
            Ok(port) => port,
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let is_literal = bracketed.is_some();
        if host.is_empty() || (host.contains(':') && !is_literal) {
            return Err(wrong("it has no host"));
        }
        if host.contains(|c: char| c.is_control() || c.is_whitespace() || "/@?#".contains(c)) {
            return Err(wrong("it is no host and port alone"));
        }
        Ok(RelayAddress { host: host.to_owned(), port, patience: Patience::default() })
    }

    /// The same with other time limits.
    pub fn with_patience(self, patience: Patience) -> RelayAddress {
        RelayAddress { patience, ..self }
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    pub(super) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(PEER_CONNECT_TIMEOUT_S),
            idle: Duration::from_secs(PEER_IDLE_TIMEOUT_S),
            agree: Duration::from_secs(PEER_AGREE_TIMEOUT_S),
            meet: Duration::from_secs(PEER_MEET_TIMEOUT_S),
        }
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RelayAddress { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A step that may take so long; else the sentence says who is silent.
pub(super) async fn within<T>(
    limit: Duration,
    who: &str,
    step: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, PeerError> {
    match tokio::time::timeout(limit, step).await {
        Ok(done) => done,
        Err(_elapsed) => {
            Err(PeerError::TimedOut(format!("{who} is silent for {} s", limit.as_secs_f32())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, shown) in [
            ("127.0.0.1:9021", "127.0.0.1:9021"),
            (" relay.example:1 ", "relay.example:1"),
            ("[::1]:9021", "[::1]:9021"),
        ] {
            assert_eq!(RelayAddress::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_says_so_and_how_one_looks() {
        for text in [
            "",
            "relay.example",
            ":9021",
            "relay.example:0",
            "relay.example:65536",
            "relay.example:x",
            "::1:9021",
            "http://relay.example:9021",
            "relay example:9021",
            "user@relay.example:9021",
            "\u{1b}[2J:9021",
        ] {
            let error = RelayAddress::parse(text).unwrap_err();
            assert!(error.to_string().ends_with("give HOST:PORT, like 127.0.0.1:9021"), "{text}");
        }
    }
}
