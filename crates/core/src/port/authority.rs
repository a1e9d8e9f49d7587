//! What signs SSH certificates (OpenSSH's `PROTOCOL.certkeys`).

use std::net::IpAddr;

use crate::id::TokenId;
use crate::name::{ResourceName, RoleName};
use crate::time::Timestamp;

/// The public keys of the authorities, each as a line in OpenSSH's format: `ssh-ed25519 AAAA…`. One key for each purpose: what is good
/// in one place means nothing in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAuthorityKeys {
    /// Of the authority that says, to the gateway alone, whose token stands behind a key.
    pub visitors: String,
    /// Of the authority that hosts trust for their users.
    pub users: String,
    /// Of the authority that clients and the gateway trust for hosts.
    pub hosts: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshSubject {
    /// Somebody who comes to the gateway.
    Visitor {
        /// On the strength of this token: with it ends what the certificate is good for.
        token: TokenId,
        /// What they want to get into; their client names it otherwise when there is none.
        resource: Option<ResourceName>,
        /// As what.
        role: Option<RoleName>,
    },
    /// A unix user on a host.
    Login {
        /// Which.
        login: String,
        /// The only address that it may be used from.
        source: Option<IpAddr>,
        /// Whether agent, X11 and ports may be forwarded.
        forwarding: SshForwarding,
    },
    /// A host.
    Host {
        /// The names and addresses by which clients know it: at least one.
        names: Vec<String>,
    },
}

/// What a certificate for a login lets its holder forward; a terminal it always allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SshForwarding {
    /// The agent.
    pub agent: bool,
    /// X11.
    pub x11: bool,
    /// Ports, either way.
    pub ports: bool,
}

/// A certificate that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshCertify {
    /// Whose key, as a line in OpenSSH's format.
    pub public_key: String,
    /// For what.
    pub subject: SshSubject,
    /// What stands in the host's log.
    pub key_id: String,
    /// Its number.
    pub serial: u64,
    /// From when.
    pub valid_from: Timestamp,
    /// Until when.
    pub valid_until: Timestamp,
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshAuthorityError {
    /// The key can't be certified.
    #[error("that is no public key that can be certified: {0}")]
    Key(String),
    /// The authority can't sign.
    #[error("the SSH authority can't sign: {0}")]
    Signing(String),
}

/// Signs certificates.
pub trait SshAuthority: Send + Sync + 'static {
    /// The authorities' public keys.
    fn keys(&self) -> SshAuthorityKeys;

    /// Refuses a key that [`SshAuthority::certify`] would refuse, so that nothing is begun for it.
    ///
    /// # Errors
    /// When the key is none that can be certified.
    fn check(&self, public_key: &str) -> Result<(), SshAuthorityError> {
        let _ = public_key;
        Ok(())
    }

    /// A certificate, as a line in OpenSSH's format. It begins a minute before `valid_from`, since clocks differ, and ends with the last
    /// whole second before `valid_until`. A visitor's has the token's id as its own, whatever `key_id` says.
    ///
    /// # Errors
    /// When the key is none that can be certified, or the authority can't sign.
    fn certify(&self, ask: &SshCertify) -> Result<String, SshAuthorityError>;

    /// A list of revoked certificates of the authority for users, by number, in OpenSSH's format (`PROTOCOL.krl`).
    fn revocations(&self, serials: &[u64], version: u64, now: Timestamp) -> Vec<u8>;
}
