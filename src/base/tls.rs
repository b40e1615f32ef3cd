//! Whose certificates a client believes: those the system trusts, or those that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name. Keeps nothing: who asks again reads them again.

use std::fmt::Display;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto};

/// Reads the system's certificates: hundreds of files, perhaps, so not on a thread that others wait
/// for. The error is a sentence for the operator of this machine.
pub fn system_trust() -> Result<ClientConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!("no CA certificate was found: {}", errors.join("; ")));
    }
    tracing::debug!(added, ignored, errors = found.errors.len(), "read the CA certificates");
    believing(roots)
}

/// Believes nobody: for plain HTTP, where nobody has to be believed.
pub fn no_trust() -> Result<ClientConfig, String> {
    believing(RootCertStore::empty())
}

/// HTTP/1.1 by *ring*, whatever provider the process has installed.
fn believing(roots: RootCertStore) -> Result<ClientConfig, String> {
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(text)?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn text(error: impl Display) -> String {
    error.to_string()
}
