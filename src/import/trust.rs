//! The trusted roots of imports ([`crate::base::tls`]), read when the first https source is asked,
//! once per process: most daemons never need them, and a bundle installed after a failure is found by
//! the next try.

use std::sync::OnceLock;

use rustls::ClientConfig;

use super::error::ImportError;
use super::network::aside;
use crate::base::tls::{no_trust, system_trust};
use crate::wire::SourceUrl;

/// The trusted roots; one per process.
#[derive(Default)]
pub(super) struct Trust {
    config: OnceLock<ClientConfig>,
}

impl Trust {
    /// What a source is asked with: over http nobody is believed, as nobody has to be.
    pub(super) async fn config_for(&self, url: &SourceUrl) -> Result<ClientConfig, ImportError> {
        if !url.is_tls() {
            return no_trust().map_err(ImportError::unequipped);
        }
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let unequipped = |why: std::io::Error| ImportError::unequipped(why.to_string());
        // Imports at once are few, so these threads are.
        let loaded = aside(system_trust).await.map_err(unequipped)?;
        let config = loaded.map_err(ImportError::unequipped)?;
        // Of two at once either is good.
        Ok(self.config.get_or_init(|| config).clone())
    }
}
