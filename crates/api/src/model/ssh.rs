//! SSH: where its clients go, and certificates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where SSH's clients go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SshDoor {
    /// Its name, as its host certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The public key of the authority that certifies hosts, the gateway among them: `ssh-ed25519 AAAA…`.
    pub hosts_authority: String,
}

/// The public keys of the SSH authorities, each as in OpenSSH's files: `ssh-ed25519 AAAA…`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SshAuthorities {
    /// Says to the gateway whose token stands behind a key. Hosts must not trust it.
    pub visitors: String,
    /// Certifies unix users: for `TrustedUserCAKeys`.
    pub users: String,
    /// Certifies hosts: for `@cert-authority` lines.
    pub hosts: String,
}

/// A key to be certified for the gateway.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSshCertificate {
    /// The line of a file that ends with `.pub`.
    pub public_key: String,
    /// Which resource it is for; the client names it otherwise when there is none.
    #[serde(default)]
    pub resource: Option<String>,
    /// As which role.
    #[serde(default)]
    pub role: Option<String>,
}

/// A host's key to be certified.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSshHost {
    /// The line of a file such as `/etc/ssh/ssh_host_ed25519_key.pub`.
    pub public_key: String,
    /// The names and addresses by which clients know it.
    pub names: Vec<String>,
    /// For how long: a year unless said, and at the most.
    #[serde(default)]
    pub life: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SshCertificate {
    /// For a file whose name ends with `-cert.pub`.
    pub certificate: String,
    /// Until when it is good.
    pub expires_at: String,
}

/// A key to be certified for a host itself, past the gateway.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSshDirect {
    /// The resource: there must be an open grant for it.
    pub resource: String,
    /// The role, where several are open.
    #[serde(default)]
    pub role: Option<String>,
    /// The unix user; the role's first unless said.
    #[serde(default)]
    pub login: Option<String>,
    /// The line of a file that ends with `.pub`.
    pub public_key: String,
    /// The only address that it may be used from; the caller's, unless said.
    #[serde(default)]
    pub source_address: Option<String>,
}

/// A certificate for a host itself. What is done with it is not recorded.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SshDirect {
    /// For a file whose name ends with `-cert.pub`.
    pub certificate: String,
    /// Until when it is good: the grant's end.
    pub expires_at: String,
    /// Under which grant.
    pub grant: String,
    /// The lease that it is.
    pub lease: String,
    /// As which role.
    pub role: String,
    /// As which unix user.
    pub login: String,
    /// Where the host is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it is known by: lines for a `known_hosts` file of its own.
    pub known_hosts: Vec<String>,
}
