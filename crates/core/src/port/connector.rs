//! What mints, inspects and revokes on a target.

use async_trait::async_trait;

use crate::lease::{Intended, RevocationProof};
use crate::resource::Resource;
use crate::secret::Secret;

/// The secret half of a lease: lives in memory only, for as long as the process. After a restart the lease is revoked
/// and another one minted.
#[derive(Debug, Clone)]
pub struct LeaseSecret {
    /// A random password for the login.
    pub password: Secret,
    /// Salt for its verifier.
    pub salt: [u8; 16],
}

/// A credential with our prefix that the target has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The login's name.
    pub login: String,
    /// Live connections of it.
    pub connections: u32,
}

/// How bad a finding of a probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works.
    Good,
    /// It works, but somebody should look.
    Warning,
    /// The resource can't be used until it is mended.
    Bad,
}

/// One thing that a probe found out about a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What was checked.
    pub check: String,
    /// What came out, and what to do about it.
    pub result: String,
}

/// Why something could not be done on a target. Texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// It can't be reached, or the connection broke: try again.
    #[error("{resource} can't be reached: {why}")]
    Unreachable {
        /// Which resource.
        resource: String,
        /// Why.
        why: String,
    },
    /// It refused.
    #[error("{resource} refused to {step}: {why}")]
    Refused {
        /// Which resource.
        resource: String,
        /// What was tried.
        step: &'static str,
        /// Its answer.
        why: String,
    },
    /// It still shows what should be gone (R9).
    #[error("{resource} still has {login}: {why}")]
    StillThere {
        /// Which resource.
        resource: String,
        /// Which login.
        login: String,
        /// What shows it.
        why: String,
    },
    /// The files ask for something that can't be done.
    #[error("{resource} is not set up right: {why}")]
    Misconfigured {
        /// Which resource.
        resource: String,
        /// What, and how to mend it.
        why: String,
    },
}

/// Finds out whether a target can be used.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// Proves that the target can be reached as the files say, and that whatever is to be done on it can be (R6).
    async fn probe(&self, resource: &Resource) -> Result<Vec<Finding>, ConnectorError>;
}

/// Mints and revokes on targets of one kind. Every method may be repeated: doing it twice comes to the same.
#[async_trait]
pub trait Connector: Probe {
    /// Makes the login, with exactly what the role maps to, expiring by itself at `intent.valid_until` (I12).
    /// When it fails midway, [`Connector::revoke`] cleans up.
    async fn mint(&self, resource: &Resource, intent: &Intended, secret: &LeaseSecret) -> Result<(), ConnectorError>;

    /// Moves the login's own expiry to `intent.valid_until` (I12). A login that isn't there, or is being removed, stays as it is.
    async fn prolong(&self, resource: &Resource, intent: &Intended) -> Result<(), ConnectorError>;

    /// Disables the login, terminates its connections, verifies that none lives, reassigns or drops what it owns, drops it, and asks the
    /// target again (I11). A login that isn't there is revoked: the answer proves it.
    async fn revoke(&self, resource: &Resource, intent: &Intended) -> Result<RevocationProof, ConnectorError>;

    /// Every login on the target that has our prefix, for the reconciler.
    async fn inspect(&self, resource: &Resource) -> Result<Vec<Found>, ConnectorError>;

    /// Removes a login with our prefix that no lease accounts for (R1, R8), as [`Connector::revoke`] does.
    async fn remove_unknown(&self, resource: &Resource, login: &str) -> Result<RevocationProof, ConnectorError>;
}
