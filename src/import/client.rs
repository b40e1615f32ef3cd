//! The HTTP client: reqwest, with everything switched off that would decide something by itself.
//!
//! One is made for each hop and ends with it. Whatever name it is asked to look up, it knows the
//! vetted addresses of this hop and no others. A host that is an address is not looked up at all,
//! but then that address is what was vetted. It keeps no connection, and shares none between
//! workers. The task that drives a connection is one of the worker that asks, and ends when the
//! answer is dropped.

use std::error::Error;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::header::HeaderMap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, retry};
use rustls::ClientConfig;

use super::error::ImportError;
use crate::base::causes::causes;
use crate::base::limits::{IMPORT_ADDRESSES_MAX, IMPORT_CONNECT_TIMEOUT_S};
use crate::wire::SourceUrl;

const AGENT: &str = concat!("ringhold/", env!("CARGO_PKG_VERSION"));

/// Asks one of a URL's vetted `addresses`; returns when the head of the answer has come.
pub(super) async fn ask(
    url: &SourceUrl,
    mut addresses: Vec<SocketAddr>,
    tls: ClientConfig,
    headers: HeaderMap,
) -> Result<Response, ImportError> {
    addresses.truncate(IMPORT_ADDRESSES_MAX);
    let client = client(addresses, tls).map_err(|error| failure(&error))?;
    let request = client.get(url.as_url().clone()).headers(headers);
    request.send().await.map_err(|error| failure(&error))
}

/// Why reqwest failed, without the wrappers, which name the URL.
pub(super) fn first_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn client(addresses: Vec<SocketAddr>, tls: ClientConfig) -> reqwest::Result<Client> {
    let patience = Duration::from_secs(IMPORT_CONNECT_TIMEOUT_S);
    // The addresses share it evenly.
    let patience = addresses.iter().map(|_| patience).sum();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Vetted(addresses))
        .connect_timeout(patience)
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .retry(retry::never())
        .http1_only()
        .pool_max_idle_per_host(0)
        .user_agent(AGENT)
        .build()
}

/// What every name leads to.
struct Vetted(Vec<SocketAddr>);

impl Resolve for Vetted {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(ready(Ok(addresses)))
    }
}

fn failure(error: &reqwest::Error) -> ImportError {
    let cause = first_cause(error);
    // A connection that does not come about has no end: where there is one, TLS did not.
    let is_cut = error.is_connect() && causes(error).any(is_end);
    ImportError::failed(if is_cut || causes(error).any(<dyn Error>::is::<rustls::Error>) {
        format!("no TLS with the source: {cause}")
    } else if error.is_connect() {
        format!("no connection to the source: {cause}; try later")
    } else if error.is_builder() {
        format!("the URL does not fit into a request: {cause}")
    } else {
        format!("the source gave no answer: {cause}")
    })
}

fn is_end(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}
