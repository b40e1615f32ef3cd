//! Whose certificates are believed: those the system trusts, or those that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name. Read when the first https source is asked, once per process: most daemons
//! never need them, and a bundle installed after a failure is found by the next try.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto};

use super::error::ImportError;
use super::network::aside;
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
            return believing(RootCertStore::empty());
        }
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let unequipped = |why: std::io::Error| ImportError::unequipped(why.to_string());
        // Hundreds of files, perhaps, to read and parse. Imports at once are few, so these are.
        let config = aside(load).await.map_err(unequipped)??;
        // Of two at once either is good.
        Ok(self.config.get_or_init(|| config).clone())
    }
}

fn load() -> Result<ClientConfig, ImportError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let detail = format!("no CA certificate was found: {}", errors.join("; "));
        return Err(ImportError::unequipped(detail));
    }
    tracing::debug!(added, ignored, errors = found.errors.len(), "read the CA certificates");
    believing(roots)
}

fn believing(roots: RootCertStore) -> Result<ClientConfig, ImportError> {
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ImportError::unequipped(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
