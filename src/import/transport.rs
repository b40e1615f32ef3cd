//! The connection to a source: to vetted addresses and no others, plain or TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::ImportError;
use super::trust::Trust;
use crate::base::limits::{IMPORT_ADDRESSES_MAX, IMPORT_CONNECT_TIMEOUT_S};
use crate::wire::{SourceHost, SourceUrl};

/// Both ways of bytes, encrypted or not.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A connection of whatever kind.
pub(super) type Transport = Box<dyn Duplex>;

/// Connects to the first of `addresses` that answers, and makes sure that it is the URL's host.
pub(super) async fn connect(
    url: &SourceUrl,
    addresses: &[SocketAddr],
    trust: &Trust,
) -> Result<Transport, ImportError> {
    // Without certificates there is nobody to be asked.
    let tls = if url.is_tls() { Some(trust.connector().await?) } else { None };
    let unreachable =
        |error| ImportError::failed(format!("no connection to the source: {error}; try later"));
    let stream = connect_tcp(addresses).await.map_err(unreachable)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let untrusted =
        |error: io::Error| ImportError::failed(format!("no TLS with the source: {error}"));
    let stream = tls.connect(server_name(url)?, stream).await.map_err(untrusted)?;
    Ok(Box::new(stream))
}

async fn connect_tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let patience = Duration::from_secs(IMPORT_CONNECT_TIMEOUT_S);
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses.iter().take(IMPORT_ADDRESSES_MAX) {
        outcome = match timeout(patience, TcpStream::connect(address)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn server_name(url: &SourceUrl) -> Result<ServerName<'static>, ImportError> {
    match url.host() {
        SourceHost::Address(address) => Ok(ServerName::from(address)),
        SourceHost::Name(name) => ServerName::try_from(name).map_err(|error| {
            ImportError::failed(format!("no certificate names the host: {error}"))
        }),
    }
}
