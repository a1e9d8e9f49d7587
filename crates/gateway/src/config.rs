//! What a gateway is told at its start.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::resource::SecretSource;
use ajar_core::secret::Secret;

use crate::ssh::SshConfig;

/// Where a gateway listens, with what identity, and where its recordings go.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The address to listen on for PostgreSQL's clients; port 0 takes a free one.
    pub postgres: SocketAddr,
    /// The same for HTTP's.
    pub http: Option<SocketAddr>,
    /// Certificates for host names that HTTP APIs have of their own, beside the server's.
    pub http_certificates: Vec<HttpCertificate>,
    /// SSH's clients, where they may come.
    pub ssh: Option<SshConfig>,
    /// Where people decide: what links begin with.
    pub public_url: String,
    /// The server's certificate chain, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM.
    pub key_pem: Secret,
    /// The authority for client certificates, PEM. Without one, none is asked for.
    pub client_ca_pem: Option<String>,
    /// The folder for recordings; it must exist.
    pub recordings: PathBuf,
    /// What relative paths in resources (`ca_file`) are relative to.
    pub policy_dir: PathBuf,
    /// Where the secrets that resources name come from.
    pub secrets: SecretResolver,
    /// Limits.
    pub limits: Limits,
}

/// A certificate for some host names, in files that are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCertificate {
    /// The chain, PEM; its host names are those that it is shown for.
    pub chain_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// Gives the secret behind a source; in words when it can't be had.
pub type SecretResolver = Arc<dyn Fn(&SecretSource) -> Result<Secret, String> + Send + Sync>;

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("postgres", &self.postgres)
            .field("http", &self.http)
            .field("ssh", &self.ssh)
            .field("key_pem", &self.key_pem)
            .field("client_ca", &self.client_ca_pem.is_some())
            .field("recordings", &self.recordings)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Limits of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that haven't proven who they are, in all.
    pub starting: usize,
    /// The same from one address.
    pub starting_per_address: usize,
    /// Connections in all.
    pub connections: usize,
    /// For everything up to the client's credential: TLS handshake, start-up packet, password (P7, O1).
    pub start_up: Duration,
    /// For reaching and signing in to the target.
    pub dial: Duration,
    /// How often a quiet session's recording is written out.
    pub record_every: Duration,
    /// How long before the end a session is warned, at most; never longer than a quarter of the grant.
    pub warning: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            starting: 1_024,
            starting_per_address: 256,
            connections: 20_000,
            start_up: Duration::from_secs(10),
            dial: Duration::from_secs(10),
            record_every: Duration::from_millis(250),
            warning: Duration::from_secs(60),
        }
    }
}
