//! What several commands take.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::ValueEnum;

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum EngineArgument {
    /// `io_uring` where it works, threads elsewhere
    Auto,
    /// `io_uring`, or refuse to start
    IoUring,
    /// Blocking calls on threads
    Threads,
}

/// `--durability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArgument {
    /// Bytes and name are on stable storage
    Full,
    /// The kernel has them; a power cut may lose them
    None,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressArgument {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A numeric address, or a name that the system resolves; the first answer is taken.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let remedy = "write HOST:PORT, like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080";
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {remedy}"))?;
    addresses.next().ok_or_else(|| format!("the name has no address; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_numbers_or_a_name() {
        assert_eq!(parse_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(parse_address("localhost:80").unwrap().port(), 80);
        for wrong in ["", "127.0.0.1", "8080", "127.0.0.1:99999"] {
            assert!(parse_address(wrong).unwrap_err().contains("HOST:PORT"), "{wrong}");
        }
    }
}
