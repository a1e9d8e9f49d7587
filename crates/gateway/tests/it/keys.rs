//! SSH keys and certificates, from seeds.

use ajar_core::id::TokenId;
use ajar_core::port::{SshAuthority, SshAuthorityError, SshAuthorityKeys, SshCertify, SshSubject};
use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{LineEnding, PrivateKey, PublicKey};

pub(crate) const VISITORS: u8 = 1;
pub(crate) const USERS: u8 = 2;
pub(crate) const HOSTS: u8 = 3;
pub(crate) const GATEWAY: u8 = 4;
pub(crate) const DEV: u8 = 5;

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

pub(crate) fn private(seed: u8) -> Secret {
    Secret::new(key(seed).to_openssh(LineEnding::LF).unwrap().to_string())
}

pub(crate) fn public(seed: u8) -> String {
    key(seed).public_key().to_openssh().unwrap()
}

/// The one token that the door takes.
pub(crate) fn token() -> TokenId {
    "tok_01h455vb4pex5vsknk084sn02q".parse().unwrap()
}

/// A certificate for the developer's key, good for an hour.
pub(crate) fn visitor(by: u8, change: impl FnOnce(&mut Builder)) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut builder = Builder::new(vec![1; 16], key(DEV).public_key().key_data().clone(), now - 60, now + 3_600).unwrap();
    builder.key_id(token().to_string()).unwrap().cert_type(CertType::User).unwrap();
    change(&mut builder);
    builder.sign(&key(by)).unwrap().to_openssh().unwrap()
}

/// Signs what the gateway asks for.
pub(crate) struct Authority;

impl SshAuthority for Authority {
    fn keys(&self) -> SshAuthorityKeys {
        SshAuthorityKeys { visitors: public(VISITORS), users: public(USERS), hosts: public(HOSTS) }
    }

    fn certify(&self, ask: &SshCertify) -> Result<String, SshAuthorityError> {
        let key_data = PublicKey::from_openssh(&ask.public_key).unwrap().key_data().clone();
        let seconds = |at: Timestamp| u64::try_from(at.as_millis() / 1_000).unwrap();
        let mut builder = Builder::new(vec![2; 16], key_data, seconds(ask.valid_from), seconds(ask.valid_until)).unwrap();
        builder.key_id(ask.key_id.clone()).unwrap().serial(ask.serial).unwrap();
        let by = match &ask.subject {
            SshSubject::Visitor { .. } => unreachable!("the gateway asks for none"),
            SshSubject::Login { login, .. } => {
                builder.cert_type(CertType::User).unwrap().valid_principal(login).unwrap();
                for extension in ["permit-pty", "permit-port-forwarding", "permit-agent-forwarding", "permit-X11-forwarding"] {
                    builder.extension(extension, "").unwrap();
                }
                USERS
            }
            SshSubject::Host { names } => {
                builder.cert_type(CertType::Host).unwrap();
                for name in names {
                    builder.valid_principal(name).unwrap();
                }
                HOSTS
            }
        };
        Ok(builder.sign(&key(by)).unwrap().to_openssh().unwrap())
    }

    fn revocations(&self, _: &[u64], _: u64, _: Timestamp) -> Vec<u8> {
        Vec::new()
    }
}
