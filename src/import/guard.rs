//! Who may be asked. A name is resolved once, every answer must pass, and what passed is what is
//! connected to: a name that resolves to something else a moment later changes nothing.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::error::ImportError;
use super::network::Network;
use crate::wire::{SourceHost, SourceUrl, special_purpose};

/// The rule; one per process.
pub(super) struct Guard {
    allow: Vec<IpNet>,
    network: Box<dyn Network>,
}

impl Guard {
    pub(super) fn new(allow: Vec<IpNet>, network: Box<dyn Network>) -> Guard {
        Guard { allow, network }
    }

    /// The addresses of a URL's host, all of which may be asked.
    pub(super) async fn vet(&self, url: &SourceUrl) -> Result<Vec<SocketAddr>, ImportError> {
        let addresses = match url.host() {
            SourceHost::Address(address) => vec![address],
            SourceHost::Name(name) => self.resolve(&name).await?,
        };
        for address in &addresses {
            if let Some(why) = self.objection(*address) {
                let detail = format!("{} leads to {address} ({why})", url.authority());
                return Err(ImportError::refused(detail));
            }
        }
        let port = url.port();
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ImportError> {
        let unknown = |why: String| {
            ImportError::failed(format!("the host has no address ({why}): check its name"))
        };
        let addresses = self.network.resolve(name).await.map_err(|e| unknown(e.to_string()))?;
        if addresses.is_empty() { Err(unknown("none was found".into())) } else { Ok(addresses) }
    }

    fn objection(&self, address: IpAddr) -> Option<&'static str> {
        if self.allow.iter().any(|net| net.contains(&address)) {
            return None;
        }
        special_purpose(address).or_else(|| self.network.is_own(address).then_some("this machine"))
    }
}
