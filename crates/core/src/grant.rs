//! The grant's lifecycle: `scheduled` → `open` → `closing` → `closed`, or `failed`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::Proof;
use crate::id::{GrantId, LockId, PrincipalId, RequestId, SessionId};
use crate::name::{ResourceName, RoleName};
use crate::permit::SignedGrant;
use crate::request::Impossible;
use crate::sealed::Commitment;
use crate::time::{Span, Timestamp};

/// What an approved request wants opened, later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// Its id.
    pub id: GrantId,
    /// The request.
    pub request: RequestId,
    /// Who gets in.
    pub principal: PrincipalId,
    /// Into what.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// When it opens; at the first use after that, if it has a `redeem_by`.
    pub opens_at: Timestamp,
    /// How long it then lasts.
    pub duration: Span,
    /// Its clock starts at the first use, which must come before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeem_by: Option<Timestamp>,
    /// It lets one session in, once.
    #[serde(default)]
    pub single_use: bool,
    /// Who approved it: if one of them may decide no more when it opens, it doesn't (I06).
    #[serde(default)]
    pub approved_by: BTreeSet<PrincipalId>,
    /// The ticket that the request carried: the rules are asked again when it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// How who asked had proved who they are, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Who asked, if it was somebody else than who gets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<PrincipalId>,
}

/// Why a grant closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Its time is over.
    Expired,
    /// Its principal gave it back.
    Returned,
    /// Somebody took it away.
    Revoked {
        /// Who.
        by: PrincipalId,
    },
    /// A reviewer's deny arrived after the last approve (I05).
    DeniedLate {
        /// Who.
        by: PrincipalId,
        /// Their note, sealed.
        note: Option<Commitment>,
    },
    /// Its principal or resource is locked.
    Locked {
        /// By this lock.
        lock: LockId,
    },
    /// Its principal is disabled.
    PrincipalDisabled,
    /// The resource or role is no longer in the files.
    ResourceRemoved,
    /// It was for one session, and that is over.
    Used,
    /// When it was to open, the rules or who is who did not allow it any more.
    NotAllowedAnyMore,
    /// What was left of it goes on as another grant, with its sessions and leases.
    Extended {
        /// Which.
        by: GrantId,
    },
}

impl CloseReason {
    /// The word that metrics and tables use.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Returned => "returned",
            Self::Revoked { .. } => "revoked",
            Self::DeniedLate { .. } => "denied_late",
            Self::Locked { .. } => "locked",
            Self::PrincipalDisabled => "principal_disabled",
            Self::ResourceRemoved => "resource_removed",
            Self::Used => "used",
            Self::NotAllowedAnyMore => "not_allowed_any_more",
            Self::Extended { .. } => "extended",
        }
    }
}

/// What happens to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantEvent {
    /// It is to open later.
    Scheduled(Scheduled),
    /// It is open, with the control plane's signature.
    Opened(Opened),
    /// It is for one session, and this is it.
    Used(Used),
    /// It ends: sessions are cut, leases revoked.
    Closing(Closing),
    /// Every lease of it is revoked, and that was read back; or has moved on to what it was extended by.
    Closed(Closed),
    /// It could not open.
    Failed(Failed),
}

/// See [`GrantEvent::Opened`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The signed claims; `ends_at` in them is the one absolute end (I07).
    pub signed: SignedGrant,
    /// Whether it lets one session in, once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_use: bool,
    /// The grants that it goes on from, the first first: each was extended by the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<GrantId>,
}

/// See [`GrantEvent::Used`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// By which session.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
}

/// See [`GrantEvent::Closing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Why.
    pub reason: CloseReason,
    /// When.
    pub at: Timestamp,
}

/// See [`GrantEvent::Closed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
}

/// See [`GrantEvent::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Why, in words without secrets.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A grant in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Grant {
    /// Opens later.
    Scheduled(Scheduled),
    /// Open.
    Open(Open),
    /// Ended; leases are being revoked.
    Closing(Ending),
    /// Over.
    Closed(Over),
    /// Never opened.
    Failed(NeverOpened),
}

/// A grant that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// What is allowed.
    pub signed: SignedGrant,
    /// Whether it lets one session in, once.
    #[serde(default)]
    pub single_use: bool,
    /// That session, once it is in.
    #[serde(default)]
    pub used: Option<Used>,
    /// The grants that it goes on from, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<GrantId>,
}

impl Open {
    /// How often it was extended so far.
    #[must_use]
    pub fn extensions(&self) -> u8 {
        u8::try_from(self.after.len()).unwrap_or(u8::MAX)
    }
}

/// A grant that has ended and whose leases are being revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// What was open.
    pub signed: SignedGrant,
    /// The grants that it went on from, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<GrantId>,
    /// Why and when it ended.
    pub closing: Closing,
}

/// A grant that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// What was open.
    pub signed: SignedGrant,
    /// The grants that it went on from, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<GrantId>,
    /// Why and when it ended.
    pub closing: Closing,
    /// When everything was proven gone.
    pub closed: Closed,
}

/// A grant that could not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeverOpened {
    /// What was to open.
    pub scheduled: Scheduled,
    /// Why it didn't.
    pub failed: Failed,
}

/// A command that a grant in its state does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id} is {state}: it can't be {command}")]
pub struct GrantError {
    /// Which.
    pub id: GrantId,
    /// Its state.
    pub state: &'static str,
    /// What was tried.
    pub command: &'static str,
}

impl Grant {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Scheduled(_) => "scheduled",
            Self::Open(_) => "open",
            Self::Closing(_) => "closing",
            Self::Closed(_) => "closed",
            Self::Failed(_) => "failed",
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> GrantId {
        match self {
            Self::Scheduled(s) => s.id,
            Self::Failed(f) => f.scheduled.id,
            Self::Open(o) => o.signed.claims.grant,
            Self::Closing(e) => e.signed.claims.grant,
            Self::Closed(o) => o.signed.claims.grant,
        }
    }

    /// Who it is for, on what, as what.
    #[must_use]
    pub fn parties(&self) -> (PrincipalId, &ResourceName, &RoleName) {
        match self {
            Self::Scheduled(s) => (s.principal, &s.resource, &s.role),
            Self::Failed(f) => (f.scheduled.principal, &f.scheduled.resource, &f.scheduled.role),
            Self::Open(Open { signed, .. }) | Self::Closing(Ending { signed, .. }) | Self::Closed(Over { signed, .. }) => {
                (signed.claims.principal, &signed.claims.resource, &signed.claims.role)
            }
        }
    }

    /// The request that it was approved as.
    #[must_use]
    pub fn request(&self) -> RequestId {
        match self {
            Self::Scheduled(s) => s.request,
            Self::Failed(f) => f.scheduled.request,
            Self::Open(Open { signed, .. }) | Self::Closing(Ending { signed, .. }) | Self::Closed(Over { signed, .. }) => {
                signed.claims.request
            }
        }
    }

    /// The signed claims, once it has opened.
    #[must_use]
    pub fn signed(&self) -> Option<&SignedGrant> {
        match self {
            Self::Scheduled(_) | Self::Failed(_) => None,
            Self::Open(Open { signed, .. }) | Self::Closing(Ending { signed, .. }) | Self::Closed(Over { signed, .. }) => Some(signed),
        }
    }

    /// The grants that it goes on from, the first first.
    #[must_use]
    pub fn after(&self) -> &[GrantId] {
        match self {
            Self::Scheduled(_) | Self::Failed(_) => &[],
            Self::Open(Open { after, .. }) | Self::Closing(Ending { after, .. }) | Self::Closed(Over { after, .. }) => after,
        }
    }

    /// When something is due by itself: opening or ending.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Scheduled(s) => Some(s.redeem_by.unwrap_or(s.opens_at)),
            Self::Open(o) => Some(o.signed.claims.ends_at),
            Self::Closing(_) | Self::Closed(_) | Self::Failed(_) => None,
        }
    }

    /// Ends it. Closing what is closing or closed already is nothing to do: closing always works (I13).
    ///
    /// # Errors
    /// When it never opened and isn't going to.
    pub fn close(&self, reason: CloseReason, now: Timestamp) -> Result<Vec<GrantEvent>, GrantError> {
        match self {
            Self::Open(_) => Ok(vec![GrantEvent::Closing(Closing { reason, at: now })]),
            Self::Scheduled(_) => Ok(vec![GrantEvent::Failed(Failed { why: format!("{} before it opened", reason.word()), at: now })]),
            Self::Closing(_) | Self::Closed(_) => Ok(Vec::new()),
            Self::Failed(_) => Err(GrantError { id: self.id(), state: self.state(), command: "closed" }),
        }
    }

    /// Every lease is revoked: it is over.
    #[must_use]
    pub fn leases_revoked(&self, now: Timestamp) -> Vec<GrantEvent> {
        match self {
            Self::Closing(_) => vec![GrantEvent::Closed(Closed { at: now })],
            Self::Scheduled(_) | Self::Open(_) | Self::Closed(_) | Self::Failed(_) => Vec::new(),
        }
    }

    fn opened(opened: &Opened) -> Self {
        let Opened { signed, single_use, after } = opened.clone();
        Self::Open(Open { signed, single_use, used: None, after })
    }

    /// The state that the first event of a grant's stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &GrantEvent) -> Result<Self, Impossible> {
        match event {
            GrantEvent::Scheduled(s) => Ok(Self::Scheduled(s.clone())),
            GrantEvent::Opened(o) => Ok(Self::opened(o)),
            GrantEvent::Used(_) | GrantEvent::Closing(_) | GrantEvent::Closed(_) | GrantEvent::Failed(_) => {
                Err(Impossible { subject: "a grant".into(), state: "not there", event: event.kind() })
            }
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &GrantEvent) -> Result<Self, Impossible> {
        let state = self.state();
        let id = self.id();
        match (self, event) {
            (Self::Scheduled(_), GrantEvent::Opened(o)) => Ok(Self::opened(o)),
            (Self::Open(open @ Open { single_use: true, used: None, .. }), GrantEvent::Used(used)) => {
                Ok(Self::Open(Open { used: Some(used.clone()), ..open }))
            }
            (Self::Scheduled(scheduled), GrantEvent::Failed(f)) => Ok(Self::Failed(NeverOpened { scheduled, failed: f.clone() })),
            (Self::Open(o), GrantEvent::Closing(c)) => Ok(Self::Closing(Ending { signed: o.signed, after: o.after, closing: c.clone() })),
            (Self::Closing(e), GrantEvent::Closed(c)) => {
                Ok(Self::Closed(Over { signed: e.signed, after: e.after, closing: e.closing, closed: c.clone() }))
            }
            (Self::Scheduled(_), GrantEvent::Scheduled(_) | GrantEvent::Used(_) | GrantEvent::Closing(_) | GrantEvent::Closed(_))
            | (
                Self::Open(_),
                GrantEvent::Scheduled(_) | GrantEvent::Opened(_) | GrantEvent::Used(_) | GrantEvent::Closed(_) | GrantEvent::Failed(_),
            )
            | (
                Self::Closing(_),
                GrantEvent::Scheduled(_) | GrantEvent::Opened(_) | GrantEvent::Used(_) | GrantEvent::Closing(_) | GrantEvent::Failed(_),
            )
            | (Self::Closed(_) | Self::Failed(_), _) => Err(Impossible { subject: id.to_string(), state, event: event.kind() }),
        }
    }
}
