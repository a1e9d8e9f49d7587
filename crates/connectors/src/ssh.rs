//! SSH hosts, as far as certificates go that were given for them. Nothing is asked of a host: a certificate counts as gone when its own
//! end has passed, and not before.

use std::sync::Arc;

use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::port::{Clock, Connector, ConnectorError, Finding, Found, LeaseSecret, Probe};
use ajar_core::resource::Resource;
use async_trait::async_trait;

/// Revokes certificates for SSH hosts.
pub struct SshHosts {
    clock: Arc<dyn Clock>,
}

impl SshHosts {
    /// By this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl std::fmt::Debug for SshHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SshHosts")
    }
}

#[async_trait]
impl Probe for SshHosts {
    async fn probe(&self, _: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Connector for SshHosts {
    async fn mint(&self, resource: &Resource, _: &Intended, _: &LeaseSecret) -> Result<(), ConnectorError> {
        Err(ConnectorError::Misconfigured { resource: resource.name.to_string(), why: "no logins are made on SSH hosts".into() })
    }

    /// A certificate's end can't be moved. Whoever goes on gets another one.
    async fn prolong(&self, _: &Resource, _: &Intended) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn revoke(&self, resource: &Resource, intent: &Intended) -> Result<RevocationProof, ConnectorError> {
        if self.clock.now() < intent.valid_until {
            // INVARIANT I11: that it is on the list of revoked ones shows nothing about what the host has read.
            return Err(ConnectorError::StillThere {
                resource: resource.name.to_string(),
                login: intent.login.clone(),
                why: format!("the host may accept its certificate until {}", intent.valid_until),
            });
        }
        Ok(RevocationProof {
            terminated: 0,
            owned: 0,
            findings: Vec::new(),
            asked: "whether the certificate's own end has passed; the host itself was not asked about connections".into(),
            answer: format!("it expired at {}", intent.valid_until),
        })
    }

    async fn inspect(&self, _: &Resource) -> Result<Vec<Found>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn remove_unknown(&self, resource: &Resource, login: &str) -> Result<RevocationProof, ConnectorError> {
        Err(ConnectorError::Misconfigured { resource: resource.name.to_string(), why: format!("{login} is none of our logins") })
    }
}
