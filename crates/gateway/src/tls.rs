//! TLS configurations: ours as a server, ours as a client of targets, and what certificates say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ajar_core::resource::TargetTls;
use ajar_wire::pg::scram::ChannelBinding;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::config::GatewayConfig;

/// The largest file of authorities that is read, in bytes.
const MAX_PEM: u64 = 1 << 20;

/// Why a TLS configuration can't be had. Holds no key.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct TlsError {
    what: &'static str,
    why: String,
}

impl TlsError {
    pub(crate) fn of_http(why: String) -> Self {
        Self { what: "a certificate for HTTP APIs", why }
    }
}

fn because(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> TlsError {
    move |why| TlsError { what, why: why.to_string() }
}

/// What clients meet. Client certificates are asked for when there is an authority for them, and are optional.
pub(crate) fn server(config: &GatewayConfig) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(config.certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| because("the gateway's certificate")(&e))?;
    let key =
        PrivateKeyDer::from_pem_slice(config.key_pem.expose().as_bytes()).map_err(|_| because("the gateway's key")(&"it is not PEM"))?;
    let versions = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| because("TLS versions")(&e))?;
    let builder = match &config.client_ca_pem {
        None => versions.with_no_client_auth(),
        Some(pem) => {
            let roots = authorities(pem.as_bytes()).map_err(|why| because("the authority for client certificates")(&why))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|e| because("the authority for client certificates")(&e))?;
            versions.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|e| because("the gateway's certificate and key")(&e))?;
    // A resumed session would outlive its client certificate.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(server)
}

/// A file's time and length when it was read, and what it gave.
type FromFile = (SystemTime, u64, Arc<ClientConfig>);

/// Configurations for targets, kept while their files stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    files: Mutex<HashMap<PathBuf, FromFile>>,
    system: Mutex<Option<Arc<ClientConfig>>>,
}

impl Targets {
    /// What `tls` asks for, `None` for plain TCP. In words when it can't be had. Reads files: not for the relay's path.
    pub(crate) fn config(&self, tls: &TargetTls, directory: &Path) -> Result<Option<Arc<ClientConfig>>, String> {
        match tls {
            TargetTls::Off => Ok(None),
            TargetTls::System => {
                let mut kept = self.system.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(config) = &*kept {
                    return Ok(Some(Arc::clone(config)));
                }
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err("the system has no certificate authorities: install them, or name a ca_file".to_owned());
                }
                Ok(Some(Arc::clone(kept.insert(client(roots)?))))
            }
            TargetTls::Verify { ca_file } => {
                let path = directory.join(ca_file);
                self.with_file(&path).map(Some).map_err(|why| format!("the ca_file {ca_file} {why}"))
            }
        }
    }

    fn with_file(&self, path: &Path) -> Result<Arc<ClientConfig>, String> {
        let unreadable = |why: std::io::Error| format!("can't be read: {why}");
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        let stamp = (meta.modified().map_err(unreadable)?, meta.len());
        if stamp.1 > MAX_PEM {
            return Err("is larger than 1 MiB".to_owned());
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, config)) = files.get(path).filter(|(modified, len, _)| (*modified, *len) == stamp) {
            return Ok(Arc::clone(config));
        }
        let config = client(authorities(&std::fs::read(path).map_err(unreadable)?)?)?;
        files.insert(path.to_owned(), (stamp.0, stamp.1, Arc::clone(&config)));
        Ok(config)
    }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|why| format!("is not PEM: {why}"))?;
        roots.add(certificate).map_err(|why| format!("holds a certificate that can't be an authority: {why}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}

fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider: Arc<CryptoProvider> = Arc::new(default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The one common name of a verified client certificate's subject.
pub(crate) fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    match (names.next(), names.next()) {
        (Some(name), None) => name.as_str().ok().map(str::to_owned),
        (Some(_) | None, _) => None,
    }
}

/// `tls-server-end-point` (RFC 5929): the certificate's hash, by its own signature's hash function.
pub(crate) fn channel_binding(certificate: Option<&CertificateDer<'_>>) -> ChannelBinding {
    let Some(certificate) = certificate else { return ChannelBinding::None };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return ChannelBinding::None };
    let hash = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // RSA with MD5, SHA-1 (both count as SHA-256 here), SHA-256; ECDSA with SHA-1, SHA-256.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" | "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => {
            Sha256::digest(certificate).to_vec()
        }
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        // RSA-PSS and EdDSA don't name one hash: no binding, as in libpq.
        _ => return ChannelBinding::None,
    };
    ChannelBinding::TlsServerEndPoint(hash)
}
