//! Connections that are open and idle meanwhile: each asks once, so that it is a keep-alive
//! connection like a browser's, and is then left alone.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::answer::read_head;

/// Descriptors for everything that is no connection.
const DESCRIPTORS_SPARE: u64 = 64;
/// Longest answer to the one request: a HEAD has no body.
const ANSWER_SIZE_MAX: usize = 16 << 10;

/// The idle connections.
#[derive(Debug)]
pub(crate) struct Idle {
    streams: Vec<TcpStream>,
}

/// Lets this process open so many connections, as far as its hard limit goes.
pub(crate) fn allow_descriptors(connections: usize) -> Result<(), String> {
    let wanted = connections as u64 + DESCRIPTORS_SPARE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(format!(
            "{connections} connections need {wanted} open descriptors, and the hard limit is {}: \
             raise it (ulimit -Hn, LimitNOFILE=), here and for the server",
            limit.maximum.unwrap_or(0)
        ));
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|error| format!("cannot raise the limit: {error}"))
}

impl Idle {
    /// Opens so many.
    pub(crate) fn open(
        address: SocketAddr,
        host: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<Idle, String> {
        let request = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let open = |index| {
            connect(address, &request, timeout).map_err(|error| explained(&error, index, address))
        };
        Ok(Idle { streams: (0..count).map(open).collect::<Result<_, _>>()? })
    }

    /// How many the server closed since.
    pub(crate) fn closed(&self) -> usize {
        let is_closed = |stream: &&TcpStream| {
            let _refused = stream.set_nonblocking(true);
            !stream.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        self.streams.iter().filter(is_closed).count()
    }
}

fn connect(address: SocketAddr, request: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(request.as_bytes())?;
    let (mut received, mut held) = (vec![0; ANSWER_SIZE_MAX], 0);
    loop {
        let count = stream.read(&mut received[held..])?;
        held += count;
        match read_head(&received[..held]) {
            Ok(Some((answer, _))) if answer.is_kept || answer.status < 500 => return Ok(stream),
            Ok(None) if count > 0 => {}
            _ => return Err(io::Error::other("the server does not keep connections")),
        }
    }
}

fn explained(error: &io::Error, index: usize, address: SocketAddr) -> String {
    let remedy = match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => {
            ". The ports of this host are used up: one address takes about 28,000 connections \
             (net.ipv4.ip_local_port_range)"
        }
        Some(libc::EMFILE | libc::ENFILE) => ". Raise the limit of open descriptors (ulimit -n)",
        _ => "",
    };
    format!("cannot open idle connection {} to {address}: {error}{remedy}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_remedy() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let told = |code| explained(&io::Error::from_raw_os_error(code), 28_231, address);
        assert!(told(libc::EADDRNOTAVAIL).contains("28232 to 127.0.0.1:80"));
        assert!(told(libc::EADDRNOTAVAIL).contains("28,000"));
        assert!(told(libc::EMFILE).contains("ulimit -n"));
        let error = allow_descriptors(usize::MAX >> 8).unwrap_err();
        assert!(error.contains("hard limit"), "{error}");
    }
}
