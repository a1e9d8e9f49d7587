//! What a gateway asks of the control plane. Every protocol does the same: identify, knock, perhaps wait, go in with a
//! [`Permit`](crate::permit::Permit), obey orders, report the end.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::event::Actor;
use crate::grant::CloseReason;
use crate::id::{LeaseId, PrincipalId, RequestId, SessionId, TokenId};
use crate::name::{PrincipalName, ResourceName, RoleName};
use crate::permit::SignedGrant;
use crate::port::LeaseSecret;
use crate::resource::Resource;
use crate::secret::Secret;
use crate::session::{EndReason, Recording};
use crate::time::Timestamp;

/// How a client proves who it is.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A token, sent as the password over TLS.
    Token(Secret),
    /// A client certificate that TLS has verified against our authority: its subject's common name.
    Certificate {
        /// The common name.
        common_name: String,
    },
    /// A key that the client has proven to hold, certified by our authority for the holder of this token.
    Key {
        /// The token.
        token: TokenId,
    },
    /// What a browser was given at this door when it came in ([`Door::enter`]).
    Entry {
        /// What it was given.
        secret: Secret,
        /// The host name at which it comes with it.
        host: String,
    },
}

/// Who a client is, as proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Which principal.
    pub principal: PrincipalId,
    /// Its name, for messages to itself.
    pub name: PrincipalName,
    /// For the ledger: the principal and its proof.
    pub actor: Actor,
}

/// What a client said it wants, unchecked text all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `ajar.role`.
    pub role: Option<String>,
    /// `ajar.reason`.
    pub reason: Option<String>,
    /// `ajar.for`.
    pub duration: Option<String>,
    /// `ajar.ticket`.
    pub ticket: Option<String>,
    /// `ajar.scope`.
    pub scope: Option<String>,
}

/// A client at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knock {
    /// The resource it named, unchecked.
    pub resource: String,
    /// The protocol it speaks, which is the kind of what it may get into: `postgres`, `http`, `ssh`.
    pub protocol: &'static str,
    /// What it wants.
    pub wishes: Wishes,
    /// Its address.
    pub client: IpAddr,
    /// What is to be done when nothing is open.
    pub otherwise: Otherwise,
}

/// What is to be done for a client for which nothing is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// File a request, or find the one that is pending, and let the client wait.
    Hold,
    /// The same, but the client doesn't wait.
    Ask,
    /// Say what is pending, and file nothing: the client can't mean that.
    Look,
}

/// What a browser is given that has come in.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it shows from then on, as [`Credential::Entry`].
    pub secret: Secret,
    /// Until when that is good at the latest.
    pub expires_at: Timestamp,
    /// As who.
    pub who: Identified,
}

/// Why somebody is not let in. Every text is safe to show and says what to do next (I20).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// One sentence.
    pub message: String,
    /// Why.
    pub detail: Option<String>,
    /// The next command or link.
    pub hint: Option<String>,
    /// Which part of what was said it is about, by its name in the API: `reason`, `for`, …; nothing when it is about the whole.
    pub field: Option<&'static str>,
}

impl Refusal {
    /// The same, about one part of what was said.
    #[must_use]
    pub fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }
}

/// The kinds of refusal: protocols map them to their own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Not who they say they are.
    BadCredential,
    /// No rule allows it, or there is no such resource: the two look the same.
    NotRequestable,
    /// It could be asked for if more were said: a reason, a scope, a ticket.
    Lacking,
    /// The request was denied or withdrawn.
    Denied,
    /// Who asks has to prove themselves again, with a passkey.
    StepUpNeeded,
    /// The request was not decided in time, or the grant is over.
    Expired,
    /// What they said is unusable.
    BadInput,
    /// Ajar or the target can't open anything now.
    Unavailable,
}

/// What the door answers.
#[derive(Debug)]
pub enum Admission {
    /// Come in.
    Open(Box<Opening>),
    /// Wait.
    Held(Held),
    /// This request waits for a decision; the client doesn't.
    Asked(RequestId),
    /// Nothing is open or pending; this could be asked for.
    Unasked {
        /// The resource.
        resource: ResourceName,
        /// The role, where it is clear which.
        role: Option<RoleName>,
    },
}

/// A connection that waits.
pub struct Held {
    /// The session.
    pub session: SessionId,
    /// The request that it waits for.
    pub request: RequestId,
    /// What to tell the client meanwhile, and at last the outcome. Dropping it gives up waiting, not the request.
    pub waiting: Box<dyn Waiting>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({}, {})", self.session, self.request)
    }
}

/// What a waiting connection hears.
#[derive(Debug)]
pub enum HeldNotice {
    /// Tell the client this line.
    Say(String),
    /// Come in. Last.
    Open(Box<Opening>),
    /// Not let in. Last.
    Refused(Refusal),
}

/// The news for one waiting connection.
#[async_trait]
pub trait Waiting: Send {
    /// The next news. Cancel-safe. After `Open` or `Refused` it isn't called again.
    async fn next(&mut self) -> HeldNotice;
}

/// As whom a gateway signs in to a target.
#[derive(Debug, Clone)]
pub enum Access {
    /// As a login that was made for the grant.
    Login {
        /// The lease that it is of.
        lease: LeaseId,
        /// Its name on the target.
        login: String,
        /// Its secret.
        secret: LeaseSecret,
    },
    /// With what the resource's files say: nothing is made on the target.
    Stored,
}

/// Everything a gateway needs to carry one session. It still needs a [`Permit`](crate::permit::Permit) from `grant` to dial.
pub struct Opening {
    /// The session; `session.live` is durable already.
    pub session: SessionId,
    /// The signed grant.
    pub grant: SignedGrant,
    /// As whom to sign in to the target.
    pub access: Access,
    /// Where to dial.
    pub resource: Arc<Resource>,
    /// Until when, and whether to cut now.
    pub orders: Box<dyn OrderFeed>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({}, {:?})", self.session, self.grant.claims)
    }
}

/// What a live session must obey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Go on until this instant, then cut without asking.
    Until(Timestamp),
    /// Go on under this grant, which extends the one before, until its end. Only if it verifies, and is for the same principal,
    /// resource and role: otherwise what was in force stays so.
    GoOn(Arc<SignedGrant>),
    /// Cut now.
    Cut(CutReason),
}

/// Why a session is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutReason {
    /// The grant's time is over.
    Expired,
    /// Its principal gave it back.
    Returned,
    /// It was revoked.
    Revoked,
    /// Its principal or resource is locked.
    Locked,
    /// Its principal is disabled.
    PrincipalDisabled,
    /// The resource is gone from the files.
    ResourceRemoved,
    /// Somebody who may has ended this one session; its grant stays open.
    Killed,
    /// The server stops.
    ServerStopping,
}

impl From<&CloseReason> for CutReason {
    fn from(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Expired => Self::Expired,
            CloseReason::Returned => Self::Returned,
            CloseReason::Revoked { .. } | CloseReason::DeniedLate { .. } => Self::Revoked,
            CloseReason::Locked { .. } => Self::Locked,
            CloseReason::PrincipalDisabled => Self::PrincipalDisabled,
            CloseReason::ResourceRemoved => Self::ResourceRemoved,
            // None of these cuts: the one session is over, none ever began, or all have moved on.
            CloseReason::Used | CloseReason::NotAllowedAnyMore | CloseReason::Extended { .. } => Self::Expired,
        }
    }
}

/// The orders for one session, as they are and as they change.
#[async_trait]
pub trait OrderFeed: Send + Sync {
    /// The order in force. Cheap.
    fn current(&self) -> Order;
    /// Waits for another one. Cancel-safe; when the control plane is gone, it never comes back: the deadline already held counts.
    async fn changed(&mut self) -> Order;
}

/// How a session ended, as the gateway saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// Which.
    pub session: SessionId,
    /// Why.
    pub reason: EndReason,
    /// The finished recording.
    pub recording: Option<Recording>,
    /// Bytes from the client to the target.
    pub bytes_in: u64,
    /// Bytes from the target to the client.
    pub bytes_out: u64,
    /// For a cut at the deadline: milliseconds from the deadline to the last forwarded byte, 0 when it was earlier.
    pub late_ms: Option<u64>,
}

/// The control plane, as a gateway sees it. Implemented by `ajar-engine`.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Who is this? `claimed` is the name that the client gave in its protocol, unchecked; none where the protocol asks for none.
    async fn identify(&self, credential: &Credential, claimed: Option<&str>, client: IpAddr) -> Result<Identified, Refusal>;

    /// Let them in, let them wait, or refuse. Files a request when there is none that fits, unless it is only to look.
    async fn knock(&self, who: &Identified, knock: Knock) -> Result<Admission, Refusal>;

    /// Lets a browser in that brings a code, which is good once. `begun` is what the door told the control plane when it sent the
    /// browser there, and `authority` the host name, with its port, at which the browser brings it.
    fn enter(&self, code: &Secret, begun: &str, authority: &str) -> Result<Entry, Refusal>;

    /// The resource that has a host name, for protocols in which clients name a host. It says nothing of who may know that.
    fn resource_at(&self, host: &str) -> Option<ResourceName>;

    /// A session (held or live) is over. It is kept until it is in the ledger.
    async fn ended(&self, report: SessionReport);
}
