//! `ringhold health`: asks a running daemon for `/readyz` and exits 0 if it is ready. For containers'
//! health checks, whose images hold no other HTTP client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Failure;
use super::greeting::reachable;
use crate::base::limits::{HEALTH_ANSWER_SIZE_MAX, HEALTH_TIMEOUT_S};
use crate::config::HealthArguments;

/// Asks; what the daemon says goes to stdout when it is ready, and is the failure when it is not.
pub fn health(arguments: &HealthArguments) -> Result<(), Failure> {
    let address = reachable(arguments.listen);
    let answer = ask(address).map_err(|error| {
        Failure::failed(format!("no answer from {address}: {error}. Does the daemon run there?"))
    })?;
    match verdict(&answer) {
        Ok(body) => {
            // Whoever closed stdout wants the exit code alone.
            let _ = writeln!(io::stdout(), "{body}");
            Ok(())
        }
        Err(what) => Err(Failure::failed(format!("the daemon on {address} is not ready: {what}"))),
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let timeout = Duration::from_secs(HEALTH_TIMEOUT_S);
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(HEALTH_ANSWER_SIZE_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of a 200; of anything else what there is to say about it.
fn verdict(answer: &str) -> Result<&str, String> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    match status_line.split(' ').nth(1) {
        Some("200") if status_line.starts_with("HTTP/1.1 ") => Ok(body.trim()),
        Some(status) if status_line.starts_with("HTTP/1.1 ") => {
            Err(format!("{status}, {}", body.trim()))
        }
        _ => Err("what answers there speaks no HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_200_is_health() {
        assert_eq!(verdict("HTTP/1.1 200 OK\r\na: b\r\n\r\nready\n"), Ok("ready"));
        let stopping = verdict("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"error\": \"x\"}");
        assert_eq!(stopping, Err("503, {\"error\": \"x\"}".to_owned()));
        for nonsense in ["", "200", "SSH-2.0-OpenSSH_9.2\r\n", "FTP 200 OK\r\n\r\n"] {
            assert!(verdict(nonsense).unwrap_err().contains("no HTTP"), "{nonsense}");
        }
    }
}
