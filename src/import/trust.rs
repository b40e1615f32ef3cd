//! Whose certificates are believed: those the system trusts, or those that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name. Read when the first https source is asked, once per process: most daemons
//! never need them, and a bundle installed after a failure is found by the next try.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto};
use tokio_rustls::TlsConnector;

use super::error::ImportError;
use super::network::aside;

/// The trusted roots; one per process.
#[derive(Default)]
pub(super) struct Trust {
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// What makes a connection TLS.
    pub(super) async fn connector(&self) -> Result<TlsConnector, ImportError> {
        if let Some(config) = self.config.get() {
            return Ok(TlsConnector::from(Arc::clone(config)));
        }
        let unequipped = |why: std::io::Error| ImportError::unequipped(why.to_string());
        // Hundreds of files, perhaps, to read and parse. Imports at once are few, so these are.
        let config = Arc::new(aside(load).await.map_err(unequipped)??);
        // Of two at once either is good.
        Ok(TlsConnector::from(Arc::clone(self.config.get_or_init(|| config))))
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
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ImportError::unequipped(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
