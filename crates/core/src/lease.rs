//! The lease's lifecycle: `intended` → `minted` → `revoking` → `revoked`, with `revoke_unconfirmed` between retries.
//!
//! INVARIANT I10: the intent is durable before anything is made on the target. INVARIANT I11: `revoked` needs the
//! target's own word, which is what [`Revoked::proof`] holds.

use serde::{Deserialize, Serialize};

use crate::id::{GrantId, LeaseId};
use crate::name::{ResourceName, RoleName};
use crate::request::Impossible;
use crate::time::Timestamp;

/// What is to be made on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intended {
    /// Its id.
    pub id: LeaseId,
    /// The grant it is for.
    pub grant: GrantId,
    /// On which resource.
    pub resource: ResourceName,
    /// For which role.
    pub role: RoleName,
    /// The name of the login on the target: unique, with our prefix.
    pub login: String,
    /// When the target must let it expire by itself (I12).
    pub valid_until: Timestamp,
    /// Hash of the files that say where the resource is: it is to be removed there, wherever the resource is by then. Logs of earlier versions don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// The number of the certificate that it is, where it is one: its holder has it, and it lives on whoever else ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// When.
    pub at: Timestamp,
}

impl Intended {
    fn moved(self, to: &Moved) -> Self {
        Self { grant: to.grant, valid_until: to.valid_until, ..self }
    }
}

/// What happens to a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEvent {
    /// It is about to be made.
    Intended(Intended),
    /// It exists on the target.
    Minted(Minted),
    /// It goes on under another grant: what it was for was extended.
    Moved(Moved),
    /// It is being removed.
    Revoking(Revoking),
    /// It was tried, and the target did not confirm.
    RevokeUnconfirmed(RevokeUnconfirmed),
    /// The target, asked again, shows that it is gone and nothing of it lives.
    Revoked(Revoked),
}

/// See [`LeaseEvent::Minted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// When.
    pub at: Timestamp,
}

/// See [`LeaseEvent::Moved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The grant that it is for now.
    pub grant: GrantId,
    /// When the target must let it expire by itself now (I12).
    pub valid_until: Timestamp,
    /// When.
    pub at: Timestamp,
}

/// See [`LeaseEvent::Revoking`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoking {
    /// When.
    pub at: Timestamp,
}

/// See [`LeaseEvent::RevokeUnconfirmed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeUnconfirmed {
    /// What went wrong, without secrets.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// See [`LeaseEvent::Revoked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// What the target showed.
    pub proof: RevocationProof,
    /// When.
    pub at: Timestamp,
}

/// What the target answered when it was asked whether the credential is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationProof {
    /// Connections that were terminated on the target.
    pub terminated: u32,
    /// Objects that the login owned and that were handed over or dropped.
    pub owned: u32,
    /// What the login left behind against the rules (R5): other logins, triggers, jobs. In words.
    pub findings: Vec<String>,
    /// The question that was asked of the target at the end.
    pub asked: String,
    /// Its answer: what shows that it is gone.
    pub answer: String,
}

/// A lease in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Lease {
    /// About to be made, or made without our knowing.
    Intended(Intended),
    /// On the target.
    Minted(Held<Minted>),
    /// Being removed.
    Revoking(Held<Revoking>),
    /// Being removed, and the last try was not confirmed.
    RevokeUnconfirmed(Held<RevokeUnconfirmed>),
    /// Proven gone.
    Revoked(Held<Revoked>),
}

/// A lease past its intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held<T> {
    /// What was intended.
    pub intended: Intended,
    /// What the state adds.
    pub now: T,
}

impl Lease {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Intended(_) => "intended",
            Self::Minted(_) => "minted",
            Self::Revoking(_) => "revoking",
            Self::RevokeUnconfirmed(_) => "revoke_unconfirmed",
            Self::Revoked(_) => "revoked",
        }
    }

    /// What was intended.
    #[must_use]
    pub fn intended(&self) -> &Intended {
        match self {
            Self::Intended(i) => i,
            Self::Minted(h) => &h.intended,
            Self::Revoking(h) => &h.intended,
            Self::RevokeUnconfirmed(h) => &h.intended,
            Self::Revoked(h) => &h.intended,
        }
    }

    /// Whether something of it may exist on the target.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        match self {
            Self::Intended(_) | Self::Minted(_) | Self::Revoking(_) | Self::RevokeUnconfirmed(_) => true,
            Self::Revoked(_) => false,
        }
    }

    /// The target made it. Only an intent can become minted: one that is being revoked meanwhile stays so.
    #[must_use]
    pub fn minted(&self, now: Timestamp) -> Vec<LeaseEvent> {
        match self {
            Self::Intended(_) => vec![LeaseEvent::Minted(Minted { at: now })],
            Self::Minted(_) | Self::Revoking(_) | Self::RevokeUnconfirmed(_) | Self::Revoked(_) => Vec::new(),
        }
    }

    /// Its grant was extended by another: it goes on under that, made or about to be. One that is being removed stays where it is.
    #[must_use]
    pub fn move_on(&self, moved: Moved) -> Vec<LeaseEvent> {
        match self {
            Self::Intended(_) | Self::Minted(_) => vec![LeaseEvent::Moved(moved)],
            Self::Revoking(_) | Self::RevokeUnconfirmed(_) | Self::Revoked(_) => Vec::new(),
        }
    }

    /// It is to be removed. Repeating this changes nothing.
    #[must_use]
    pub fn revoke(&self, now: Timestamp) -> Vec<LeaseEvent> {
        match self {
            Self::Intended(_) | Self::Minted(_) => vec![LeaseEvent::Revoking(Revoking { at: now })],
            Self::Revoking(_) | Self::RevokeUnconfirmed(_) | Self::Revoked(_) => Vec::new(),
        }
    }

    /// The target did not confirm. The same reason again is not told twice.
    #[must_use]
    pub fn unconfirmed(&self, why: String, now: Timestamp) -> Vec<LeaseEvent> {
        let tell = |why| vec![LeaseEvent::RevokeUnconfirmed(RevokeUnconfirmed { why, at: now })];
        match self {
            Self::Revoking(_) => tell(why),
            Self::RevokeUnconfirmed(h) if h.now.why != why => tell(why),
            Self::Intended(_) | Self::Minted(_) | Self::RevokeUnconfirmed(_) | Self::Revoked(_) => Vec::new(),
        }
    }

    /// The target showed that it is gone.
    #[must_use]
    pub fn revoked(&self, proof: RevocationProof, now: Timestamp) -> Vec<LeaseEvent> {
        match self {
            Self::Revoking(_) | Self::RevokeUnconfirmed(_) => vec![LeaseEvent::Revoked(Revoked { proof, at: now })],
            Self::Intended(_) | Self::Minted(_) | Self::Revoked(_) => Vec::new(),
        }
    }

    /// The state that the first event of a lease's stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &LeaseEvent) -> Result<Self, Impossible> {
        match event {
            LeaseEvent::Intended(i) => Ok(Self::Intended(i.clone())),
            LeaseEvent::Minted(_)
            | LeaseEvent::Moved(_)
            | LeaseEvent::Revoking(_)
            | LeaseEvent::RevokeUnconfirmed(_)
            | LeaseEvent::Revoked(_) => Err(Impossible { subject: "a lease".into(), state: "not there", event: event.kind() }),
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &LeaseEvent) -> Result<Self, Impossible> {
        let state = self.state();
        let intended = self.intended().clone();
        match (self, event) {
            (Self::Intended(_), LeaseEvent::Minted(e)) => Ok(Self::Minted(Held { intended, now: e.clone() })),
            (Self::Intended(_), LeaseEvent::Moved(e)) => Ok(Self::Intended(intended.moved(e))),
            (Self::Minted(h), LeaseEvent::Moved(e)) => Ok(Self::Minted(Held { intended: intended.moved(e), now: h.now })),
            (Self::Intended(_) | Self::Minted(_), LeaseEvent::Revoking(e)) => Ok(Self::Revoking(Held { intended, now: e.clone() })),
            (Self::Revoking(_) | Self::RevokeUnconfirmed(_), LeaseEvent::RevokeUnconfirmed(e)) => {
                Ok(Self::RevokeUnconfirmed(Held { intended, now: e.clone() }))
            }
            (Self::Revoking(_) | Self::RevokeUnconfirmed(_), LeaseEvent::Revoked(e)) => {
                Ok(Self::Revoked(Held { intended, now: e.clone() }))
            }
            (Self::Intended(_), LeaseEvent::Intended(_) | LeaseEvent::RevokeUnconfirmed(_) | LeaseEvent::Revoked(_))
            | (
                Self::Minted(_),
                LeaseEvent::Intended(_) | LeaseEvent::Minted(_) | LeaseEvent::RevokeUnconfirmed(_) | LeaseEvent::Revoked(_),
            )
            | (
                Self::Revoking(_) | Self::RevokeUnconfirmed(_),
                LeaseEvent::Intended(_) | LeaseEvent::Minted(_) | LeaseEvent::Moved(_) | LeaseEvent::Revoking(_),
            )
            | (Self::Revoked(_), _) => Err(Impossible { subject: intended.id.to_string(), state, event: event.kind() }),
        }
    }
}
