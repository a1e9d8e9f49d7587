//! SSH: real OpenSSH clients, each channel relayed and noted, forwards and the like as the role allows.
//!
//! The transport on both sides is `russh`; who somebody is by a certificate, what a role allows, the cut and the recording are ours.
//! A *session* is one connection of a client's: its channels share one grant, one connection to the host and one recording.
//!
//! | module | owns |
//! | --- | --- |
//! | `visit` | the walk of one client: known, let in or held, dialled, carried, cut, reported |
//! | `line` | one client's connection, as everything that works on it sees it |
//! | `front`, `back` | what the client and what the host says |
//! | `hosts` | what hosts show: that they are set up, that they refuse what is revoked |
//! | `reach` | reaching a host, known to be it, and signing in |
//! | `lane` | one channel, in both directions |
//! | `gate`, `greeting` | the bytes below the encryption: the cut, waiting for a slow side; strict key exchange |
//! | `identity` | certificates of visitors and hosts, hosts' keys |
//! | `room` | what a client's channels share once it is in |
//! | `tape`, `transfers` | the lines of the recording |
//! | `prompt`, `words` | asking for a reason; what clients are told |

mod back;
mod front;
mod gate;
mod greeting;
mod hosts;
mod identity;
mod lane;
mod line;
mod prompt;
mod reach;
mod room;
mod tape;
mod transfers;
mod visit;
mod words;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::port::{Entropy, SshAuthority, SshCertify, SshSubject};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, client, compression, kex, mac, server};

pub use hosts::{SshHosts, SshHostsSetup};
pub(crate) use visit::serve;

/// How long the gateway's own host certificates are good for. They are made again at each start, and when half of it is over.
const HOST: Span = Span::from_secs(30 * 24 * 3_600);
/// Resources whose host certificates are kept.
const KEPT: usize = 1_024;

/// Where SSH's clients come in, and as what the gateway appears.
#[derive(Clone)]
pub struct SshConfig {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The gateway's own host key, in OpenSSH's format.
    pub host_key: Secret,
    /// The names by which clients know the gateway.
    pub names: Vec<String>,
    /// Signs the gateway's certificates.
    pub authority: Arc<dyn SshAuthority>,
}

impl std::fmt::Debug for SshConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConfig").field("listen", &self.listen).field("names", &self.names).finish_non_exhaustive()
    }
}

/// What all sessions share.
pub(crate) struct Ssh {
    /// What clients meet at the door.
    server: Arc<server::Config>,
    towards: reach::Towards,
    visitors: KeyData,
    authority: Arc<dyn SshAuthority>,
    host_key: PrivateKey,
    /// What clients meet behind a jump.
    behind: Mutex<HashMap<String, (Timestamp, Arc<server::Config>)>>,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ssh")
    }
}

impl Ssh {
    /// From the keys; in words when they can't be used.
    pub(crate) fn new(config: &SshConfig, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, String> {
        let host_key = PrivateKey::from_openssh(config.host_key.expose()).map_err(|_| "the host key is not in OpenSSH's format")?;
        let certificate = host_certificate(&*config.authority, &host_key, &config.names, now)?;
        Ok(Self {
            server: Arc::new(server_config(&host_key, certificate)),
            towards: reach::Towards::new(Arc::clone(&config.authority), entropy)?,
            visitors: identity::public_key(&config.authority.keys().visitors).map_err(|why| why.to_string())?,
            authority: Arc::clone(&config.authority),
            host_key,
            behind: Mutex::default(),
        })
    }

    /// What a client meets that has jumped to a resource: the gateway, as the host of this name.
    fn server_for(&self, name: &str, now: Timestamp) -> Result<Arc<server::Config>, String> {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, config)) = behind.get(name)
            && now.since(*made).as_millis() < HOST.as_millis() / 2
        {
            return Ok(Arc::clone(config));
        }
        if behind.len() >= KEPT {
            behind.clear();
        }
        let certificate = host_certificate(&*self.authority, &self.host_key, &[name.to_owned()], now)?;
        let config = Arc::new(server_config(&self.host_key, certificate));
        behind.insert(name.to_owned(), (now, Arc::clone(&config)));
        Ok(config)
    }
}

fn host_certificate(authority: &dyn SshAuthority, key: &PrivateKey, names: &[String], now: Timestamp) -> Result<Certificate, String> {
    let ask = SshCertify {
        public_key: key.public_key().to_openssh().map_err(|error| error.to_string())?,
        subject: SshSubject::Host { names: names.to_vec() },
        key_id: "ajar gateway".to_owned(),
        serial: 0,
        valid_from: now.before(Span::from_secs(60)),
        valid_until: now.after(HOST),
    };
    let made = authority.certify(&ask).map_err(|error| error.to_string())?;
    Certificate::from_openssh(&made).map_err(|error| error.to_string())
}

/// No compression, no algorithm of which there is doubt, no group exchange.
fn preferred(certificates: bool) -> Preferred {
    const KEYS: [Algorithm; 6] = [
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G16_SHA512,
            kex::EXTENSION_SUPPORT_AS_CLIENT,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Owned(KEYS.to_vec()),
        host_key_certificates: if certificates { Cow::Owned(KEYS.to_vec()) } else { Cow::Borrowed(&[]) },
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM]),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// What the gateway calls itself.
fn id() -> SshId {
    SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-Ajar_", env!("CARGO_PKG_VERSION"))))
}

fn server_config(key: &PrivateKey, certificate: Certificate) -> server::Config {
    server::Config {
        server_id: id(),
        methods: MethodSet::from([MethodKind::PublicKey, MethodKind::Password].as_slice()),
        auth_rejection_time: Duration::from_millis(500),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key.clone()],
        certificates: vec![certificate],
        preferred: preferred(false),
        max_auth_attempts: 6,
        inactivity_timeout: None,
        window_size: gate::WINDOW,
        ..server::Config::default()
    }
}

fn client_config(certificates: bool) -> client::Config {
    client::Config { client_id: id(), preferred: preferred(certificates), window_size: gate::WINDOW, ..client::Config::default() }
}
