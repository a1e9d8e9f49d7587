//! Reaching a host: known by its key or certificate before anything is said to it, and signed in to with what the files say that it is shown.
//!
//! Whether anybody may go there is decided elsewhere: sessions come here with a permit (`back`).

use std::sync::Arc;

use ajar_core::port::{Entropy, SshAuthority, SshCertify, SshForwarding, SshSubject};
use ajar_core::resource::{Resource, SecretSource};
use ajar_core::ssh::{SshCredential, SshTarget};
use ajar_core::time::{Span, Timestamp};
use russh::client::{self, AuthResult, Handle, Handler};
use russh::keys::PrivateKeyWithHashAlg;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Certificate, PrivateKey};
use tokio::net::TcpStream;

use super::gate::{Gate, Valve};
use super::identity::{self, Known, NotProven};
use crate::config::SecretResolver;
use crate::listener::settle;

/// How long a certificate of the gateway's own is good for: it is shown at once.
pub(super) const SHOWN: Span = Span::from_secs(60);

/// Why a host can't be opened. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    Unreachable(String),
    #[error("it took too long")]
    Slow,
    #[error("it offers no strict key exchange")]
    NotStrict,
    #[error("it is not the host that it should be: {0}")]
    NotTheHost(NotProven),
    #[error("it does not let the gateway in as {0}")]
    Refused(String),
    #[error("{0}")]
    Misconfigured(String),
    #[error("the protocol failed: {0}")]
    Protocol(russh::Error),
}

/// What fails in a handler.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error(transparent)]
    Protocol(#[from] russh::Error),
    #[error("{0}")]
    NotTheHost(NotProven),
}

impl From<HostError> for DialError {
    fn from(error: HostError) -> Self {
        match error {
            // What `greeting` says of a peer.
            HostError::Protocol(russh::Error::IO(error)) if error.kind() == std::io::ErrorKind::Unsupported => Self::NotStrict,
            HostError::Protocol(russh::Error::IO(error)) => Self::Unreachable(error.to_string()),
            HostError::Protocol(error) => Self::Protocol(error),
            HostError::NotTheHost(why) => Self::NotTheHost(why),
        }
    }
}

/// What is the same towards every host.
pub(super) struct Towards {
    to_known: Arc<client::Config>,
    to_certified: Arc<client::Config>,
    /// Our own authority for hosts.
    hosts: KeyData,
    /// The key that hosts are shown, with a certificate: made at the start, never written down.
    own: Arc<PrivateKey>,
    own_line: String,
    authority: Arc<dyn SshAuthority>,
}

/// As whom to sign in, with a certificate that says what.
pub(super) struct Shown<'a> {
    pub(super) login: &'a str,
    pub(super) forwarding: SshForwarding,
    pub(super) key_id: String,
    pub(super) serial: u64,
    pub(super) now: Timestamp,
    /// The certificate is good for a minute, and never longer than until then.
    pub(super) until: Timestamp,
}

impl Towards {
    /// With a new key; in words when the authority's can't be read.
    pub(super) fn new(authority: Arc<dyn SshAuthority>, entropy: &dyn Entropy) -> Result<Self, String> {
        let (own, own_line) = new_key(entropy)?;
        Ok(Self {
            to_known: Arc::new(super::client_config(false)),
            to_certified: Arc::new(super::client_config(true)),
            hosts: identity::public_key(&authority.keys().hosts).map_err(|why| why.to_string())?,
            own: Arc::new(own),
            own_line,
            authority,
        })
    }

    /// What a resource's host is known by.
    pub(super) fn known(&self, resource: &Resource, target: &SshTarget) -> Result<Known, DialError> {
        let names = vec![target.host.clone(), resource.name.to_string()];
        Known::new(&target.host_keys, &self.hosts, names).map_err(|why| DialError::Misconfigured(format!("host_keys: {why}")))
    }

    /// Connects. What shows that it is the host is the handler's to check, before this comes back.
    pub(super) async fn reach<H>(
        &self,
        target: &SshTarget,
        by_certificate: bool,
        valve: &Arc<Valve>,
        handler: H,
    ) -> Result<Handle<H>, DialError>
    where
        H: Handler<Error = HostError> + Send + 'static,
    {
        let unreachable = |error: std::io::Error| DialError::Unreachable(error.to_string());
        let config = Arc::clone(if by_certificate { &self.to_certified } else { &self.to_known });
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(unreachable)?;
        settle(&tcp).map_err(unreachable)?;
        Ok(client::connect_stream(config, Gate::new(tcp, Arc::clone(valve)), handler).await?)
    }

    /// Shows the host what the files say.
    pub(super) async fn sign_in<H: Handler>(
        &self,
        host: &mut Handle<H>,
        credential: &SshCredential,
        shown: &Shown<'_>,
        secrets: &SecretResolver,
    ) -> Result<(), DialError> {
        let answer = match credential {
            SshCredential::Certificate => {
                let made = self.own_certificate(shown)?;
                host.authenticate_openssh_cert(shown.login, Arc::clone(&self.own), made).await.map_err(DialError::Protocol)?
            }
            SshCredential::Key(source) => {
                let key = private_key(source, secrets)?;
                let hash = host.best_supported_rsa_hash().await.map_err(DialError::Protocol)?.flatten();
                host.authenticate_publickey(shown.login, PrivateKeyWithHashAlg::new(Arc::new(key), hash))
                    .await
                    .map_err(DialError::Protocol)?
            }
            SshCredential::Password(source) => {
                host.authenticate_password(shown.login, secret(source, secrets)?.expose()).await.map_err(DialError::Protocol)?
            }
        };
        match answer {
            AuthResult::Success => Ok(()),
            AuthResult::Failure { .. } => Err(DialError::Refused(shown.login.to_owned())),
        }
    }

    /// The gateway's own certificate, for now.
    pub(super) fn own_certificate(&self, shown: &Shown<'_>) -> Result<Certificate, DialError> {
        self.certificate(&SshCertify {
            public_key: self.own_line.clone(),
            subject: SshSubject::Login { login: shown.login.to_owned(), source: None, forwarding: shown.forwarding },
            key_id: shown.key_id.clone(),
            serial: shown.serial,
            // A minute before, for clocks that differ.
            valid_from: shown.now.before(SHOWN),
            valid_until: shown.now.after(SHOWN).min(shown.until),
        })
    }

    /// What the authority makes of it.
    pub(super) fn certificate(&self, ask: &SshCertify) -> Result<Certificate, DialError> {
        let made = self.authority.certify(ask).map_err(|why| DialError::Misconfigured(why.to_string()))?;
        Certificate::from_openssh(&made).map_err(|why| DialError::Misconfigured(why.to_string()))
    }
}

/// A key, and its public half as a line in OpenSSH's format.
pub(super) fn new_key(entropy: &dyn Entropy) -> Result<(PrivateKey, String), String> {
    let mut seed = [0; 32];
    entropy.fill(&mut seed);
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let line = key.public_key().to_openssh().map_err(|error| error.to_string())?;
    Ok((key, line))
}

fn secret(source: &SecretSource, secrets: &SecretResolver) -> Result<ajar_core::secret::Secret, DialError> {
    secrets(source).map_err(|why| DialError::Misconfigured(format!("credential: {why}")))
}

/// The private key that the files name.
pub(super) fn private_key(source: &SecretSource, secrets: &SecretResolver) -> Result<PrivateKey, DialError> {
    let bad = |why: &str| DialError::Misconfigured(format!("credential: {why}"));
    let key = PrivateKey::from_openssh(secret(source, secrets)?.expose())
        .map_err(|_| bad("the key is not in OpenSSH's format, or has a passphrase"))?;
    if key.is_encrypted() { Err(bad("the key has a passphrase")) } else { Ok(key) }
}
