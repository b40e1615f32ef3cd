//! One server and the connections to it.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::retry;
use rustls::ClientConfig;
use url::{Host, Url};

use super::error::ClientError;
use super::upload::Upload;
use crate::base::limits::{CLIENT_CONNECT_TIMEOUT_S, CLIENT_KEEP_ALIVE_S};
use crate::base::tls::{no_trust, system_trust};

const AGENT: &str = concat!("ringhold/", env!("CARGO_PKG_VERSION"));

/// A daemon to talk to. Cheap to clone; clones share their idle connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    base: Url,
}

impl Client {
    /// For the daemon at a URL like `https://files.example`, or at `host:port`, which means plain
    /// HTTP. A path is kept: the daemon may lie behind a proxy.
    ///
    /// Proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) are used,
    /// but for a host that is this machine. For https the system's certificates are read, here and
    /// blocking.
    ///
    /// # Errors
    /// [`ClientError::Url`], or [`ClientError::Unequipped`] where https has no certificates.
    pub fn new(server: &str) -> Result<Client, ClientError> {
        let base = parse(server)?;
        let trust = if base.scheme() == "https" { system_trust() } else { no_trust() };
        let trust = trust.map_err(ClientError::Unequipped)?;
        // What was streamed cannot be sent again elsewhere.
        let http = connections(&base, trust, Policy::none())?;
        Ok(Client { http, base })
    }

    /// Opens an upload: connects, and begins a request that takes any number of files up to
    /// [`PARTS_MAX`](crate::base::limits::PARTS_MAX). Ready when the server has taken the connection.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], or what the server says to any upload.
    pub async fn upload(&self) -> Result<Upload, ClientError> {
        Upload::open(self, None).await
    }

    /// The same for exactly these files, of which names and sizes, bytes, are known: the request
    /// tells its length, so a server can refuse what does not fit before it is sent, and has less to
    /// do for the rest. The files have to be sent under these names, in this order.
    ///
    /// # Errors
    /// As [`upload`](Client::upload).
    pub async fn upload_sized(&self, files: &[(&str, u64)]) -> Result<Upload, ClientError> {
        Upload::open(self, Some(files)).await
    }

    /// The server, without what the URL holds of secrets.
    pub fn server(&self) -> String {
        shown(&self.base)
    }

    /// Of a route.
    pub(super) fn url(&self, route: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{route}", self.base.path().trim_end_matches('/')));
        url
    }
}

/// What keeps connections to the host of a URL.
pub(super) fn connections(
    url: &Url,
    trust: ClientConfig,
    redirects: Policy,
) -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(trust)
        .connect_timeout(Duration::from_secs(CLIENT_CONNECT_TIMEOUT_S))
        .pool_idle_timeout(Duration::from_secs(CLIENT_KEEP_ALIVE_S))
        .redirect(redirects)
        .retry(retry::never())
        .http1_only()
        .user_agent(AGENT);
    let builder = if is_this_machine(url) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| ClientError::Unequipped(error.to_string()))
}

/// A URL without its secrets, for a sentence.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs without a host.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

pub(super) fn parse(server: &str) -> Result<Url, ClientError> {
    let wrong = |why: &str| {
        ClientError::Url(format!("{why}: give a server like http://127.0.0.1:8080 or HOST:PORT"))
    };
    let server = server.trim();
    let given = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let url = Url::parse(&given).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https are spoken"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a server's URL has no query and no fragment"));
    }
    Ok(url)
}

pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_or_a_host_and_a_port() {
        for (given, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/uploadFile"),
            ("files.example:80", "http://files.example/uploadFile"),
            (" http://[::1]:8080/ ", "http://[::1]:8080/uploadFile"),
            ("http://files.example/below/", "http://files.example/below/uploadFile"),
        ] {
            assert_eq!(Client::new(given).unwrap().url("/uploadFile").as_str(), url, "{given}");
        }
    }

    #[test]
    fn what_is_no_server_is_told_with_an_example() {
        for wrong in ["", "http://", "ftp://a", "http://a?b", "http://a#b", "a b", "a:99999"] {
            let error = Client::new(wrong).unwrap_err();
            assert!(matches!(error, ClientError::Url(_)), "{wrong}");
            assert!(error.to_string().contains("HOST:PORT"), "{error}");
            assert!(!error.is_worth_a_retry());
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let client = Client::new("http://me:secret@127.0.0.1:1").unwrap();
        assert_eq!(client.server(), "http://127.0.0.1:1/");
    }
}
