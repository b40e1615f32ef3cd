//! Imports over https: from sources whose certificate is trusted, and from no others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::{Setup, Source, payload};
use crate::import::{import, nothing_is_kept, setup};

/// A certificate for 127.0.0.1 alone that signs itself; whoever trusts it, trusts only it.
const CERTIFICATE: &str = "\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = a test
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
";

pub(crate) struct Identity {
    _dir: tempfile::TempDir,
    pub(crate) certificate: PathBuf,
    key: PathBuf,
}

/// `None`, and a word why, without openssl.
pub(crate) fn identity() -> Option<Identity> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name| dir.path().join(name);
    let (config, certificate, key) = (path("config"), path("certificate.pem"), path("key.pem"));
    std::fs::write(&config, CERTIFICATE).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-nodes", "-days", "2", "-config"])
        .arg(&config)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    match made {
        Ok(made) if made.status.success() => Some(Identity { _dir: dir, certificate, key }),
        Ok(made) => panic!("openssl failed: {}", String::from_utf8_lossy(&made.stderr)),
        Err(error) => {
            println!("skipped: openssl cannot be run: {error}");
            None
        }
    }
}

impl Identity {
    pub(crate) fn server_config(&self) -> ServerConfig {
        let certificate = CertificateDer::from_pem_file(&self.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&self.key).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap()
    }

    fn source(&self, body: &[u8]) -> Source {
        let body = body.to_owned();
        Source::start_tls(self.server_config(), move |asked, stream| {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            if asked.target != "/to-the-end" {
                write!(stream, "Content-Length: {}\r\n", body.len())?;
            }
            write!(stream, "\r\n")?;
            stream.write_all(&body)
        })
    }
}

fn trusting(setup: Setup, bundle: &Path) -> Setup {
    setup.env("SSL_CERT_FILE", bundle.to_str().unwrap())
}

#[test]
fn a_source_that_is_trusted_is_fetched_from() {
    let Some(identity) = identity() else { return };
    let daemon = trusting(setup(), &identity.certificate).start();
    let body = payload(1, 3_000_000);
    let source = identity.source(&body);
    for path in ["/a", "/to-the-end"] {
        let url = format!("https://{}{path}", source.address());
        let uploaded = import(&daemon, &url).uploaded();
        assert!(daemon.get(&uploaded.target()).body == body, "{path}");
    }
}

#[test]
fn a_source_that_nobody_vouches_for_is_refused() {
    let (Some(trusted), Some(other)) = (identity(), identity()) else { return };
    let daemon = trusting(setup().flag("--import-allow", "::1"), &trusted.certificate).start();
    let source = other.source(b"hello");
    let refused = import(&daemon, &format!("https://{}/", source.address())).error(502);
    assert!(refused.contains("certificate"), "{refused}");
    // The same machine by a name that its certificate does not hold.
    let misnamed = trusted.source(b"hello");
    let url = format!("https://localhost:{}/", misnamed.address().port());
    let refused = import(&daemon, &url).error(502);
    assert!(refused.contains("not valid for name"), "{refused}");
    assert!(misnamed.asked().is_empty());
    assert!(source.asked().is_empty(), "nothing is asked of a stranger");
    nothing_is_kept(daemon);
}

#[test]
fn a_source_that_speaks_no_tls_is_an_error() {
    let Some(identity) = identity() else { return };
    let daemon = trusting(setup(), &identity.certificate).start();
    let plain = Source::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let refused = import(&daemon, &format!("https://{}/", plain.address())).error(502);
    assert!(refused.contains("TLS"), "{refused}");
}

#[test]
fn a_machine_without_certificates_says_what_is_missing() {
    let mut daemon = trusting(setup(), Path::new("/nowhere/bundle.pem")).allow("/nowhere").start();
    let refused = import(&daemon, "https://127.0.0.1:1/").error(500);
    assert!(refused.contains("SSL_CERT_FILE") && refused.contains("ca-certificates"), "{refused}");
    // Its last log lines are written by then.
    daemon.stop();
    assert!(daemon.log_text().contains("/nowhere/bundle.pem"), "the operator is told which");
}
