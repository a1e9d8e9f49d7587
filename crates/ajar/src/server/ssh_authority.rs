//! Ajar's own SSH authorities, and what they certify (OpenSSH's `PROTOCOL.certkeys`). Their keys are made once, in the data directory.
//!
//! One key for each purpose: what visitors show means nothing to hosts, what hosts show means nothing to visitors.

use std::path::Path;
use std::sync::Arc;

use ajar_core::port::{Entropy, SshAuthority, SshAuthorityError, SshAuthorityKeys, SshCertify, SshForwarding, SshSubject};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use anyhow::{Context, bail};
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{LineEnding, PrivateKey, PublicKey};

use super::keys::read_private;
use super::krl;
use crate::client::{make_private_dir, write_private};

/// Certificates begin so much before they are asked for: clocks differ.
const EARLIER: Span = Span::from_secs(60);
/// Bits of an RSA key at the least, and at the most.
const RSA_BITS: std::ops::RangeInclusive<usize> = 3_072..=16_384;
/// Characters of a public key's line at the most.
const LINE_MAX: usize = 16 * 1024;
/// The one principal of visitors' certificates.
const VISITOR: &str = "ajar-visitor";
/// Extensions of visitors' certificates.
const RESOURCE: &str = "ajar-resource";
const ROLE: &str = "ajar-role";
/// The authorities, and the gateway's own key.
pub(crate) struct SshAuthorities {
    visitors: PrivateKey,
    users: PrivateKey,
    hosts: PrivateKey,
    gateway: PrivateKey,
    entropy: Arc<dyn Entropy>,
}

impl SshAuthorities {
    pub(crate) fn load_or_make(data_dir: &Path, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let dir = data_dir.join("keys");
        make_private_dir(&dir)?;
        let key = |name: &str| load_or_make(&dir.join(format!("ssh-{name}.key")), name, &*entropy);
        Ok(Self { visitors: key("visitors")?, users: key("users")?, hosts: key("hosts")?, gateway: key("gateway")?, entropy })
    }

    /// The gateway's own host key, in OpenSSH's format.
    pub(crate) fn gateway_key(&self) -> anyhow::Result<Secret> {
        let key = self.gateway.to_openssh(LineEnding::LF).context("the gateway's SSH key can't be written")?;
        Ok(Secret::new(key.as_str().to_owned()))
    }
}

impl std::fmt::Debug for SshAuthorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SshAuthorities(redacted)")
    }
}

/// A new key for SSH, Ed25519.
pub(crate) fn new_key(comment: &str, entropy: &dyn Entropy) -> anyhow::Result<PrivateKey> {
    let mut seed = [0; 32];
    entropy.fill(&mut seed);
    let pair = Ed25519Keypair::from_seed(&seed);
    seed.fill(0);
    PrivateKey::new(pair.into(), comment).context("cannot make an SSH key")
}

/// A public key as OpenSSH writes it.
pub(crate) fn line(key: &PublicKey) -> anyhow::Result<String> {
    key.to_openssh().context("a public SSH key can't be written")
}

fn load_or_make(path: &Path, name: &str, entropy: &dyn Entropy) -> anyhow::Result<PrivateKey> {
    if !path.exists() {
        let made = new_key(&format!("ajar {name}"), entropy)?;
        let text = made.to_openssh(LineEnding::LF).context("an SSH key can't be written")?;
        write_private(path, text.as_bytes())?;
    }
    // What a parser says of a private key stays out of messages.
    let Ok(key) = PrivateKey::from_openssh(read_private(path)?.expose()) else { bail!("{} is damaged", path.display()) };
    if !key.key_data().is_ed25519() {
        bail!("{} is no Ed25519 key without passphrase", path.display());
    }
    Ok(key)
}

/// The key in a line, if it may be certified.
fn certifiable(text: &str) -> Result<KeyData, SshAuthorityError> {
    let no = |why: &str| SshAuthorityError::Key(why.to_owned());
    let text = text.trim();
    if text.len() > LINE_MAX || text.contains(['\n', '\r']) {
        return Err(no("give one line as in a file that ends with .pub"));
    }
    if text.split_whitespace().next().is_some_and(|kind| kind.contains("-cert-v")) {
        return Err(no("it is a certificate itself: give the key's own line"));
    }
    let key = PublicKey::from_openssh(text).map_err(|_| no("give the line of a file that ends with .pub, such as ssh-ed25519 AAAA…"))?;
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {}
        KeyData::Rsa(rsa) => {
            let modulus = rsa.n().as_positive_bytes().unwrap_or_default();
            let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            if !RSA_BITS.contains(&(modulus.len() * 8).saturating_sub(unused)) {
                return Err(no("an RSA key has 3072 bits at the least and 16384 at the most"));
            }
        }
        KeyData::Dsa(_) => return Err(no("DSA is broken: make a key with ssh-keygen -t ed25519")),
        KeyData::Certificate(_) | KeyData::Other(_) | _ => return Err(no("its kind is not known: make a key with ssh-keygen -t ed25519")),
    }
    Ok(key.key_data().clone())
}

/// Whether a text can be one principal: S4, what hosts would read as several, or as a pattern, is none.
fn is_principal(text: &str, extra: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    (1..=253).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-')
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis().div_euclid(1_000)).unwrap_or(0)
}

impl SshAuthority for SshAuthorities {
    fn keys(&self) -> SshAuthorityKeys {
        let line = |key: &PrivateKey| line(key.public_key()).unwrap_or_default();
        SshAuthorityKeys { visitors: line(&self.visitors), users: line(&self.users), hosts: line(&self.hosts) }
    }

    fn check(&self, public_key: &str) -> Result<(), SshAuthorityError> {
        certifiable(public_key).map(drop)
    }

    fn certify(&self, ask: &SshCertify) -> Result<String, SshAuthorityError> {
        let signing = |why: &str| SshAuthorityError::Signing(why.to_owned());
        let failed = |error: russh::keys::ssh_key::Error| SshAuthorityError::Signing(error.to_string());
        let key = certifiable(&ask.public_key)?;
        // INVARIANT I07: to the second, and never later than asked for.
        let (from, until) = (seconds(ask.valid_from.before(EARLIER)), seconds(ask.valid_until));
        if until <= seconds(ask.valid_from) {
            return Err(signing("no time is left for it"));
        }
        if ask.key_id.chars().any(char::is_control) {
            return Err(signing("its id can't stand in a log"));
        }
        let mut nonce = [0; Builder::RECOMMENDED_NONCE_SIZE * 2];
        self.entropy.fill(&mut nonce);
        let mut made = Builder::new(nonce, key, from, until).map_err(failed)?;
        made.serial(ask.serial).map_err(failed)?;
        let (authority, id) = match &ask.subject {
            SshSubject::Visitor { token, resource, role } => {
                made.cert_type(CertType::User).and_then(|made| made.valid_principal(VISITOR)).map_err(failed)?;
                let said = [(RESOURCE, resource.as_ref().map(AsRef::as_ref)), (ROLE, role.as_ref().map(AsRef::as_ref))];
                for (name, value) in said.into_iter().filter_map(|(name, value): (_, Option<&str>)| Some((name, value?))) {
                    made.extension(name, value).map_err(failed)?;
                }
                // The gateway goes by it, so that it is never anything else.
                (&self.visitors, token.to_string())
            }
            SshSubject::Login { login, source, forwarding } => {
                if !is_principal(login, "._-@+$\\") {
                    return Err(signing("that can't be a unix user's name"));
                }
                made.cert_type(CertType::User).and_then(|made| made.valid_principal(login.as_str())).map_err(failed)?;
                if let Some(source) = source {
                    let source = source.to_canonical();
                    let bits = if source.is_ipv4() { 32 } else { 128 };
                    made.critical_option("source-address", format!("{source}/{bits}")).map_err(failed)?;
                }
                let SshForwarding { agent, x11, ports } = *forwarding;
                let permits = [
                    ("permit-pty", true),
                    ("permit-agent-forwarding", agent),
                    ("permit-X11-forwarding", x11),
                    ("permit-port-forwarding", ports),
                ];
                for (name, _) in permits.into_iter().filter(|(_, permitted)| *permitted) {
                    made.extension(name, "").map_err(failed)?;
                }
                (&self.users, ask.key_id.clone())
            }
            SshSubject::Host { names } => {
                made.cert_type(CertType::Host).map_err(failed)?;
                // Without any, it would be good for every host.
                if names.is_empty() || !names.iter().all(|name| is_principal(name, ".:_-")) {
                    return Err(signing("a host is certified for host names and addresses, one or more, without patterns"));
                }
                for name in names {
                    made.valid_principal(name.to_ascii_lowercase()).map_err(failed)?;
                }
                (&self.hosts, ask.key_id.clone())
            }
        };
        made.key_id(id).map_err(failed)?;
        made.sign(authority).and_then(|certificate| certificate.to_openssh()).map_err(failed)
    }

    fn revocations(&self, serials: &[u64], version: u64, now: Timestamp) -> Vec<u8> {
        let authority = self.users.public_key().to_bytes().unwrap_or_default();
        krl::write(&authority, serials, version, seconds(now))
    }
}

#[cfg(test)]
#[path = "ssh_authority_tests.rs"]
mod tests;
