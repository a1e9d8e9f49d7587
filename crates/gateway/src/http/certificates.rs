//! Certificates for the host names that APIs have of their own: which one is shown, and when their files are read again.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ajar_core::port::{Clock, Mono};
use ajar_core::resource::SecretSource;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;

use crate::config::{HttpCertificate, SecretResolver};

/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(2);

/// Chooses by the name that a client asks for.
pub(super) struct Certificates {
    /// For all other names.
    otherwise: Arc<dyn ResolvesServerCert>,
    secrets: SecretResolver,
    clock: Arc<dyn Clock>,
    all: Vec<HttpCertificate>,
    kept: Mutex<Kept>,
}

struct Kept {
    looked: Mono,
    read: Vec<Read>,
}

/// One, as its files were.
struct Read {
    stamp: Option<Stamp>,
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

/// When both files were written, and how long they are.
type Stamp = [(SystemTime, u64); 2];

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|one| &one.chain_file)).finish()
    }
}

impl Certificates {
    /// Reads them all. In words when one can't be used.
    pub(super) fn new(
        all: Vec<HttpCertificate>,
        otherwise: Arc<dyn ResolvesServerCert>,
        secrets: SecretResolver,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let read = all.iter().map(|one| read(one, &secrets)).collect::<Result<_, _>>()?;
        let kept = Mutex::new(Kept { looked: clock.mono(), read });
        Ok(Self { otherwise, secrets, clock, all, kept })
    }

    /// The one for a name.
    fn of(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.mono();
        if Duration::from_nanos(now.0.saturating_sub(kept.looked.0)) >= LOOK {
            kept.looked = now;
            for (one, before) in self.all.iter().zip(&mut kept.read) {
                self.look(one, before);
            }
        }
        let name = name.trim_end_matches('.');
        kept.read.iter().find(|read| read.names.iter().any(|own| covers(own, name))).map(|read| Arc::clone(&read.key))
    }

    /// Files that can't be used change nothing: they may be half written.
    fn look(&self, one: &HttpCertificate, before: &mut Read) {
        let stamp = stamp(one);
        if stamp == before.stamp {
            return;
        }
        match read(one, &self.secrets) {
            Ok(read) => {
                tracing::info!(file = %one.chain_file.display(), "a certificate has changed: new connections are shown it");
                *before = read;
            }
            Err(why) => {
                tracing::warn!(%why, "a certificate can't be used: the one before goes on being shown");
                before.stamp = stamp;
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name().and_then(|name| self.of(&name.to_ascii_lowercase())) {
            Some(key) => Some(key),
            None => self.otherwise.resolve(hello),
        }
    }
}

fn stamp(one: &HttpCertificate) -> Option<Stamp> {
    let of = |path: &Path| std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
    Some([of(&one.chain_file)?, of(&one.key_file)?])
}

fn read(one: &HttpCertificate, secrets: &SecretResolver) -> Result<Read, String> {
    // Before they are read: what is written meanwhile is read again.
    let stamp = stamp(one);
    let shown = one.chain_file.display();
    let pem = std::fs::read(&one.chain_file).map_err(|why| format!("the certificate {shown} can't be read: {why}"))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|why| format!("the certificate {shown} is not PEM: {why}"))?;
    let names = chain.first().map(names).unwrap_or_default();
    if names.is_empty() {
        return Err(format!("the certificate {shown} is for no host name (subjectAltName)"));
    }
    let key = key_of(&one.key_file, secrets)?;
    let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|why| format!("the certificate {shown}: {why}"))?;
    Ok(Read { stamp, names, key: Arc::new(key) })
}

fn key_of(file: &Path, secrets: &SecretResolver) -> Result<PrivateKeyDer<'static>, String> {
    let text = secrets(&SecretSource::File(file.to_string_lossy().into_owned()))?;
    PrivateKeyDer::from_pem_slice(text.expose().as_bytes()).map_err(|_| format!("the key {} is not PEM", file.display()))
}

/// The host names that it is for.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return Vec::new() };
    let Ok(Some(all)) = parsed.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| if let GeneralName::DNSName(name) = name { Some(name.to_ascii_lowercase()) } else { None };
    all.value.general_names.iter().filter_map(name).collect()
}

/// Whether a certificate's name covers a host's: `*` stands for its first label (RFC 9525, 6.3).
fn covers(own: &str, host: &str) -> bool {
    own == host
        || own.strip_prefix("*.").is_some_and(|own| host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (own, host, wanted) in [
            ("api.example", "api.example", true),
            ("*.example.org", "api.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", ".example.org", false),
            ("api.example", "other.example", false),
        ] {
            assert_eq!(covers(own, host), wanted, "{own} {host}");
        }
    }
}
