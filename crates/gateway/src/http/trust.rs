//! What a target's connections are made with: who vouches for it, and the certificate that we show it. Both lie in files that others
//! replace, so they are looked at again while connections are used.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::port::Mono;
use ajar_core::resource::{SecretSource, TargetTls};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sha2::{Digest, Sha256};

use crate::config::SecretResolver;
use crate::tls::Targets;

/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(2);

/// Where files and secrets are found.
pub(super) type Files = (Arc<Targets>, PathBuf, SecretResolver);

/// What one set of connections is made with.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// Another one whenever something has changed; 0 is never one.
    pub(super) id: u64,
    /// None is without TLS.
    pub(super) config: Option<Arc<ClientConfig>>,
}

/// See the module.
pub(super) struct Trust {
    files: Files,
    tls: TargetTls,
    /// The chain's file, and where its key is.
    certificate: Option<(String, SecretSource)>,
    kept: Mutex<Kept>,
}

struct Kept {
    looked: Option<Mono>,
    from: From,
    made: Made,
    /// What was said last of files that can't be used.
    said: Option<String>,
}

/// What something was made from.
struct From {
    base: Option<Arc<ClientConfig>>,
    /// The hash of chain and key.
    shown: Option<[u8; 32]>,
}

impl From {
    fn same(&self, other: &Self) -> bool {
        let base = match (&self.base, &other.base) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        base && self.shown == other.shown
    }
}

impl Trust {
    /// What the files say now. In words when they can't be used.
    pub(super) fn new(files: Files, tls: TargetTls, certificate: Option<(String, SecretSource)>) -> Result<Self, String> {
        if tls == TargetTls::Off && certificate.is_some() {
            return Err("a client certificate needs TLS".into());
        }
        let (from, config) = read(&files, &tls, certificate.as_ref(), None)?;
        let made = Made { id: next(), config: config.unwrap_or_default() };
        Ok(Self { files, tls, certificate, kept: Mutex::new(Kept { looked: None, from, made, said: None }) })
    }

    /// What connections are to be made with now. Files that can't be used change nothing: they may be half written.
    pub(super) fn made(&self, now: Mono) -> Made {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        if kept.looked.is_some_and(|looked| Duration::from_nanos(now.0.saturating_sub(looked.0)) < LOOK) {
            return kept.made.clone();
        }
        kept.looked = Some(now);
        match read(&self.files, &self.tls, self.certificate.as_ref(), Some(&kept.from)) {
            Ok((_, None)) => kept.said = None,
            Ok((from, Some(config))) => {
                tracing::info!("files that a target's connections are made with have changed: new connections are made with them");
                (kept.from, kept.made, kept.said) = (from, Made { id: next(), config }, None);
            }
            Err(why) if kept.said.as_ref() == Some(&why) => {}
            Err(why) => {
                tracing::warn!(%why, "files that a target's connections are made with can't be used: what was in them goes on counting");
                kept.said = Some(why);
            }
        }
        kept.made.clone()
    }
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

type Read = (From, Option<Option<Arc<ClientConfig>>>);

/// What the files say, unless it is what they said `before`.
fn read(
    (targets, directory, secrets): &Files,
    tls: &TargetTls,
    certificate: Option<&(String, SecretSource)>,
    before: Option<&From>,
) -> Result<Read, String> {
    let base = targets.config(tls, directory)?;
    let same = |from: &From| before.is_some_and(|before| before.same(from));
    let (Some(config), Some((chain_file, key))) = (&base, certificate) else {
        let from = From { base: base.clone(), shown: None };
        return Ok(if same(&from) { (from, None) } else { (from, Some(base)) });
    };
    let pem = std::fs::read(directory.join(chain_file)).map_err(|why| format!("the certificate {chain_file} can't be read: {why}"))?;
    let key = secrets(key)?;
    let shown = Sha256::new().chain_update((pem.len() as u64).to_be_bytes()).chain_update(&pem).chain_update(key.expose()).finalize();
    let from = From { base: base.clone(), shown: Some(shown.into()) };
    if same(&from) {
        return Ok((from, None));
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|why| format!("the certificate {chain_file} is not PEM: {why}"))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| "the certificate's key is not PEM".to_owned())?;
    let certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|why| format!("the client certificate: {why}"))?;
    let mut config = (**config).clone();
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    // A resumed session shows what was shown when it began: none of another certificate's is resumed.
    config.resumption = Resumption::default();
    Ok((from, Some(Some(Arc::new(config)))))
}
