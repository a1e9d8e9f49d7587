//! The envelope that becomes a leaf of the ledger, and the one registry of event kinds.
//!
//! The exact bytes that [`Envelope::to_leaf`] makes are stored, hashed and exported; nothing is
//! encoded a second time.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::debt::DebtEvent;
use crate::delegation::DelegationEvent;
use crate::directory::{PolicyEvent, PrincipalEvent, TokenEvent};
use crate::grant::GrantEvent;
use crate::id::{
    CommandId, DebtId, DelegationId, GrantId, LeaseId, LockId, PasskeyId, PreapprovalId, PrincipalId, RequestId, SessionId, TokenId,
};
use crate::lease::LeaseEvent;
use crate::lock::LockEvent;
use crate::preapproval::PreapprovalEvent;
use crate::request::RequestEvent;
use crate::session::SessionEvent;
use crate::time::Timestamp;

/// Schema version that this build writes. Older ones stay readable.
pub const SCHEMA: u32 = 1;

/// The stream that an event belongs to: one lifecycle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// A request.
    Request(RequestId),
    /// A grant.
    Grant(GrantId),
    /// A lease.
    Lease(LeaseId),
    /// A session.
    Session(SessionId),
    /// A lock.
    Lock(LockId),
    /// A delegation.
    Delegation(DelegationId),
    /// An approve that was given beforehand.
    Preapproval(PreapprovalId),
    /// A debt.
    Debt(DebtId),
    /// A principal.
    Principal(PrincipalId),
    /// A token.
    Token(TokenId),
    /// The rule set: there is one.
    Policy,
}

impl Stream {
    /// The word for what the stream is about, as projections and listings use it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Grant(_) => "grant",
            Self::Lease(_) => "lease",
            Self::Session(_) => "session",
            Self::Lock(_) => "lock",
            Self::Delegation(_) => "delegation",
            Self::Preapproval(_) => "preapproval",
            Self::Debt(_) => "debt",
            Self::Principal(_) => "principal",
            Self::Token(_) => "token",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(id) => id.fmt(f),
            Self::Grant(id) => id.fmt(f),
            Self::Lease(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Lock(id) => id.fmt(f),
            Self::Delegation(id) => id.fmt(f),
            Self::Preapproval(id) => id.fmt(f),
            Self::Debt(id) => id.fmt(f),
            Self::Principal(id) => id.fmt(f),
            Self::Token(id) => id.fmt(f),
            Self::Policy => f.write_str("policy"),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' names no stream: expected an id such as req_…, grant_…, lease_…, sess_…, lock_…, deleg_…, pre_…, debt_…, prin_…, tok_…, or 'policy'"
)]
pub struct ParseStreamError(String);

impl std::str::FromStr for Stream {
    type Err = ParseStreamError;
    fn from_str(text: &str) -> Result<Self, ParseStreamError> {
        let bad = || ParseStreamError(text.chars().take(64).collect());
        match text.split_once('_').map_or(text, |(prefix, _)| prefix) {
            RequestId::PREFIX => text.parse().map(Self::Request).map_err(|_| bad()),
            GrantId::PREFIX => text.parse().map(Self::Grant).map_err(|_| bad()),
            LeaseId::PREFIX => text.parse().map(Self::Lease).map_err(|_| bad()),
            SessionId::PREFIX => text.parse().map(Self::Session).map_err(|_| bad()),
            LockId::PREFIX => text.parse().map(Self::Lock).map_err(|_| bad()),
            DelegationId::PREFIX => text.parse().map(Self::Delegation).map_err(|_| bad()),
            PreapprovalId::PREFIX => text.parse().map(Self::Preapproval).map_err(|_| bad()),
            DebtId::PREFIX => text.parse().map(Self::Debt).map_err(|_| bad()),
            PrincipalId::PREFIX => text.parse().map(Self::Principal).map_err(|_| bad()),
            TokenId::PREFIX => text.parse().map(Self::Token).map_err(|_| bad()),
            "policy" => Ok(Self::Policy),
            _ => Err(bad()),
        }
    }
}

impl Serialize for Stream {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who acted, and how they proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A principal.
    Principal {
        /// Which.
        id: PrincipalId,
        /// Their proof.
        proof: Proof,
    },
    /// Ajar itself: a timer, a worker, a reconciler.
    System,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// With this token.
    Token(TokenId),
    /// With a password.
    Password,
    /// With a client certificate.
    Certificate,
    /// With a passkey, at most minutes ago.
    Passkey {
        /// Which.
        passkey: PasskeyId,
        /// The token that they came with; none yet when they signed in with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenId>,
    },
}

impl Proof {
    /// The token that they came with, if they came with one.
    #[must_use]
    pub fn token(&self) -> Option<TokenId> {
        match self {
            Self::Token(token) => Some(*token),
            Self::Passkey { token, .. } => *token,
            Self::Password | Self::Certificate => None,
        }
    }
}

macro_rules! kinds {
    ($($group:ident { $($variant:ident = $kind:literal;)* })*) => {
        $(
            impl $group {
                /// The kind, as the envelope carries it.
                #[must_use]
                pub fn kind(&self) -> &'static str {
                    match self { $(Self::$variant(_) => $kind,)* }
                }

                fn body(&self) -> Result<Box<RawValue>, serde_json::Error> {
                    match self { $(Self::$variant(body) => serde_json::value::to_raw_value(body),)* }
                }

                fn parse(kind: &str, body: &str) -> Option<Result<Self, serde_json::Error>> {
                    fn read<T: DeserializeOwned>(body: &str) -> Result<T, serde_json::Error> { serde_json::from_str(body) }
                    match kind {
                        $($kind => Some(read(body).map(Self::$variant)),)*
                        _ => None,
                    }
                }
            }
        )*

        /// Every kind of event there is.
        pub const KINDS: &[&str] = &[$($($kind,)*)*];
    };
}

kinds! {
    RequestEvent {
        Filed = "request.filed";
        StageEntered = "request.stage_entered";
        Reminded = "request.reminded";
        StageEscalated = "request.stage_escalated";
        StageSkipped = "request.stage_skipped";
        AutoReviewed = "request.auto_reviewed";
        Reviewed = "request.reviewed";
        TakenBack = "request.review_taken_back";
        Seen = "request.seen";
        Commented = "request.commented";
        PlanTightened = "request.plan_tightened";
        Approved = "request.approved";
        Denied = "request.denied";
        Withdrawn = "request.withdrawn";
        Expired = "request.expired";
    }
    GrantEvent {
        Scheduled = "grant.scheduled";
        Opened = "grant.opened";
        Used = "grant.used";
        Closing = "grant.closing";
        Closed = "grant.closed";
        Failed = "grant.failed";
    }
    LeaseEvent {
        Intended = "lease.intended";
        Minted = "lease.minted";
        Moved = "lease.moved";
        Revoking = "lease.revoking";
        RevokeUnconfirmed = "lease.revoke_unconfirmed";
        Revoked = "lease.revoked";
    }
    SessionEvent {
        Held = "session.held";
        Live = "session.live";
        Moved = "session.moved";
        Killed = "session.killed";
        Ended = "session.ended";
    }
    LockEvent {
        Placed = "lock.placed";
        Lifted = "lock.lifted";
    }
    DelegationEvent {
        Made = "delegation.made";
        Ended = "delegation.ended";
    }
    PreapprovalEvent {
        Given = "preapproval.given";
        Ended = "preapproval.ended";
    }
    DebtEvent {
        Incurred = "debt.incurred";
        Reviewed = "debt.reviewed";
        Overdue = "debt.overdue";
        Paid = "debt.paid";
    }
    PrincipalEvent {
        Added = "principal.added";
        Disabled = "principal.disabled";
        Enabled = "principal.enabled";
        PasswordSet = "principal.password_set";
        PasskeyEnrolled = "principal.passkey_enrolled";
        PasskeyUsed = "principal.passkey_used";
        PasskeyRemoved = "principal.passkey_removed";
    }
    TokenEvent {
        Issued = "token.issued";
        Revoked = "token.revoked";
    }
    PolicyEvent {
        Applied = "policy.applied";
    }
}

/// An event of any stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of a request.
    Request(RequestEvent),
    /// Of a grant.
    Grant(GrantEvent),
    /// Of a lease.
    Lease(LeaseEvent),
    /// Of a session.
    Session(SessionEvent),
    /// Of a lock.
    Lock(LockEvent),
    /// Of a delegation.
    Delegation(DelegationEvent),
    /// Of an approve that was given beforehand.
    Preapproval(PreapprovalEvent),
    /// Of a debt.
    Debt(DebtEvent),
    /// Of a principal.
    Principal(PrincipalEvent),
    /// Of a token.
    Token(TokenEvent),
    /// Of the rule set.
    Policy(PolicyEvent),
}

impl Event {
    /// The kind, as the envelope carries it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request(e) => e.kind(),
            Self::Grant(e) => e.kind(),
            Self::Lease(e) => e.kind(),
            Self::Session(e) => e.kind(),
            Self::Lock(e) => e.kind(),
            Self::Delegation(e) => e.kind(),
            Self::Preapproval(e) => e.kind(),
            Self::Debt(e) => e.kind(),
            Self::Principal(e) => e.kind(),
            Self::Token(e) => e.kind(),
            Self::Policy(e) => e.kind(),
        }
    }

    fn body(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match self {
            Self::Request(e) => e.body(),
            Self::Grant(e) => e.body(),
            Self::Lease(e) => e.body(),
            Self::Session(e) => e.body(),
            Self::Lock(e) => e.body(),
            Self::Delegation(e) => e.body(),
            Self::Preapproval(e) => e.body(),
            Self::Debt(e) => e.body(),
            Self::Principal(e) => e.body(),
            Self::Token(e) => e.body(),
            Self::Policy(e) => e.body(),
        }
    }

    fn parse(kind: &str, body: &str) -> Result<Self, EventError> {
        let group = kind.split_once('.').map_or(kind, |(group, _)| group);
        let parsed = match group {
            "request" => RequestEvent::parse(kind, body).map(|r| r.map(Self::Request)),
            "grant" => GrantEvent::parse(kind, body).map(|r| r.map(Self::Grant)),
            "lease" => LeaseEvent::parse(kind, body).map(|r| r.map(Self::Lease)),
            "session" => SessionEvent::parse(kind, body).map(|r| r.map(Self::Session)),
            "lock" => LockEvent::parse(kind, body).map(|r| r.map(Self::Lock)),
            "delegation" => DelegationEvent::parse(kind, body).map(|r| r.map(Self::Delegation)),
            "preapproval" => PreapprovalEvent::parse(kind, body).map(|r| r.map(Self::Preapproval)),
            "debt" => DebtEvent::parse(kind, body).map(|r| r.map(Self::Debt)),
            "principal" => PrincipalEvent::parse(kind, body).map(|r| r.map(Self::Principal)),
            "token" => TokenEvent::parse(kind, body).map(|r| r.map(Self::Token)),
            "policy" => PolicyEvent::parse(kind, body).map(|r| r.map(Self::Policy)),
            _ => None,
        };
        match parsed {
            Some(result) => result.map_err(EventError::Body),
            None => Err(EventError::UnknownKind(kind.to_owned())),
        }
    }
}

/// A leaf that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not an envelope.
    #[error("not an event's envelope")]
    Envelope(#[source] serde_json::Error),
    /// A body that doesn't fit its kind.
    #[error("the event's body doesn't fit its kind")]
    Body(#[source] serde_json::Error),
    /// Written by a newer Ajar.
    #[error("the kind '{0}' is unknown: it was written by a newer version")]
    UnknownKind(String),
    /// Written by a newer Ajar.
    #[error("the event has schema {0}: it was written by a newer version")]
    NewerSchema(u32),
}

/// One event, with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Its leaf index, from 0.
    pub seq: u64,
    /// The stream.
    pub stream: Stream,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Who acted.
    pub actor: Actor,
    /// The command that caused it.
    pub cause: CommandId,
    /// What happened.
    pub event: Event,
}

#[derive(Serialize)]
struct LeafOut<'a> {
    seq: u64,
    stream: Stream,
    version: u64,
    kind: &'a str,
    schema: u32,
    at: Timestamp,
    actor: Actor,
    cause: CommandId,
    body: Box<RawValue>,
}

#[derive(Deserialize)]
struct LeafIn<'a> {
    seq: u64,
    stream: Stream,
    version: u64,
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    schema: u32,
    at: Timestamp,
    actor: Actor,
    cause: CommandId,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Envelope {
    /// The bytes of the leaf: compact JSON, one line.
    ///
    /// # Errors
    /// When a body can't be written as JSON, which no event of ours is.
    pub fn to_leaf(&self) -> Result<String, EventError> {
        let body = self.event.body().map_err(EventError::Body)?;
        let leaf = LeafOut {
            seq: self.seq,
            stream: self.stream,
            version: self.version,
            kind: self.event.kind(),
            schema: SCHEMA,
            at: self.at,
            actor: self.actor,
            cause: self.cause,
            body,
        };
        serde_json::to_string(&leaf).map_err(EventError::Envelope)
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// When it isn't an envelope, its body doesn't fit, or it was written by a newer version.
    pub fn from_leaf(leaf: &str) -> Result<Self, EventError> {
        let read: LeafIn<'_> = serde_json::from_str(leaf).map_err(EventError::Envelope)?;
        if read.schema > SCHEMA {
            return Err(EventError::NewerSchema(read.schema));
        }
        let event = Event::parse(&read.kind, read.body.get())?;
        Ok(Self { seq: read.seq, stream: read.stream, version: read.version, at: read.at, actor: read.actor, cause: read.cause, event })
    }
}
