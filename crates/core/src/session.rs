//! The session's lifecycle: `held` → `live` → `ended`.

use serde::{Deserialize, Serialize};

use crate::id::{GrantId, LeaseId, PrincipalId, RequestId, SessionId};
use crate::name::{ResourceName, RoleName};
use crate::request::Impossible;
use crate::sealed::Commitment;
use crate::time::Timestamp;

/// A connection, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Its id.
    pub id: SessionId,
    /// Who, as proven.
    pub principal: PrincipalId,
    /// To what.
    pub resource: ResourceName,
    /// Over which protocol: `postgres`.
    pub protocol: String,
    /// The client's address, sealed.
    pub client: Commitment,
    /// When.
    pub at: Timestamp,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// It waits for a request to be decided.
    Held(HeldFor),
    /// Bytes flow under a grant.
    Live(Live),
    /// It goes on under another grant: the one that it was under was extended.
    Moved(Moved),
    /// Somebody who may ends it.
    Killed(Killed),
    /// It is over.
    Ended(Ended),
}

/// See [`SessionEvent::Held`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFor {
    /// The connection.
    pub arrived: Arrived,
    /// The request it waits for.
    pub request: RequestId,
}

/// See [`SessionEvent::Live`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The connection (once more, so that a session that was never held has it too).
    pub arrived: Arrived,
    /// Under which grant.
    pub grant: GrantId,
    /// With which lease.
    pub lease: Option<LeaseId>,
    /// As what.
    pub role: RoleName,
    /// When.
    pub at: Timestamp,
}

/// See [`SessionEvent::Moved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The grant that it is under now.
    pub grant: GrantId,
    /// When.
    pub at: Timestamp,
}

/// See [`SessionEvent::Killed`]. One that is held is over with it; one that is live when whoever carries it has cut it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// By whom.
    pub by: PrincipalId,
    /// Why, sealed.
    pub reason: Commitment,
    /// When.
    pub at: Timestamp,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The client left.
    ClientLeft,
    /// The target closed it.
    TargetLeft,
    /// The grant's end, or its revocation: cut.
    Cut,
    /// Somebody ended this one session.
    Killed,
    /// While held: the request was refused, withdrawn or expired.
    Refused,
    /// It could not be opened on the target.
    FailedToOpen,
    /// A protocol violation.
    Violation,
    /// The recording could not continue.
    RecordingFailed,
    /// The server stopped.
    ServerStopped,
}

/// See [`SessionEvent::Ended`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// What was recorded: none if it never went live, or if the server died.
    pub recording: Option<Recording>,
    /// Bytes from the client to the target.
    pub bytes_in: u64,
    /// Bytes from the target to the client.
    pub bytes_out: u64,
    /// For a cut at the deadline: milliseconds from the deadline to the last byte that was forwarded (0 when before).
    pub late_ms: Option<u64>,
    /// When.
    pub at: Timestamp,
}

/// A finished recording: the file stands beside the ledger, the ledger holds its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Statements (or commands, requests) in it.
    pub entries: u64,
}

/// A session in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Session {
    /// Waits.
    Held(HeldFor),
    /// Bytes flow.
    Live(Inside),
    /// Over.
    Ended(Finished),
}

/// A session that is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// How it came in, and under which grant it is by now.
    #[serde(flatten)]
    pub live: Live,
    /// Who ends it, if somebody does: it is about to be cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed: Option<Killed>,
}

/// A session that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// The connection.
    pub arrived: Arrived,
    /// The grant, if it went live.
    pub grant: Option<GrantId>,
    /// The role, if it went live.
    pub role: Option<RoleName>,
    /// When it went live, if it did.
    pub live_at: Option<Timestamp>,
    /// Who ended it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed: Option<Killed>,
    /// How it ended.
    pub ended: Ended,
}

impl Session {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::Live(_) => "live",
            Self::Ended(_) => "ended",
        }
    }

    /// The connection.
    #[must_use]
    pub fn arrived(&self) -> &Arrived {
        match self {
            Self::Held(h) => &h.arrived,
            Self::Live(l) => &l.live.arrived,
            Self::Ended(f) => &f.arrived,
        }
    }

    /// The grant it is or was under.
    #[must_use]
    pub fn grant(&self) -> Option<GrantId> {
        match self {
            Self::Held(_) => None,
            Self::Live(l) => Some(l.live.grant),
            Self::Ended(f) => f.grant,
        }
    }

    /// Who ended it, if somebody did.
    #[must_use]
    pub fn killed(&self) -> Option<&Killed> {
        match self {
            Self::Held(_) => None,
            Self::Live(l) => l.killed.as_ref(),
            Self::Ended(f) => f.killed.as_ref(),
        }
    }

    /// Somebody ends it. Repeating this changes nothing: the first one and their reason stay.
    #[must_use]
    pub fn kill(&self, killed: Killed) -> Vec<SessionEvent> {
        match self {
            Self::Held(_) | Self::Live(Inside { killed: None, .. }) => vec![SessionEvent::Killed(killed)],
            Self::Live(Inside { killed: Some(_), .. }) | Self::Ended(_) => Vec::new(),
        }
    }

    /// Its grant was extended by another. One that is not live has nothing to move.
    #[must_use]
    pub fn move_on(&self, moved: Moved) -> Vec<SessionEvent> {
        match self {
            Self::Live(_) => vec![SessionEvent::Moved(moved)],
            Self::Held(_) | Self::Ended(_) => Vec::new(),
        }
    }

    /// It is over. Repeating this changes nothing.
    #[must_use]
    pub fn end(&self, ended: Ended) -> Vec<SessionEvent> {
        match self {
            Self::Held(_) | Self::Live(_) => vec![SessionEvent::Ended(ended)],
            Self::Ended(_) => Vec::new(),
        }
    }

    /// The state that the first event of a session's stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &SessionEvent) -> Result<Self, Impossible> {
        match event {
            SessionEvent::Held(h) => Ok(Self::Held(h.clone())),
            SessionEvent::Live(l) => Ok(Self::inside(l)),
            SessionEvent::Moved(_) | SessionEvent::Killed(_) | SessionEvent::Ended(_) => {
                Err(Impossible { subject: "a session".into(), state: "not there", event: event.kind() })
            }
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &SessionEvent) -> Result<Self, Impossible> {
        let state = self.state();
        let id = self.arrived().id;
        match (self, event) {
            (Self::Held(_), SessionEvent::Live(l)) => Ok(Self::inside(l)),
            (Self::Live(l), SessionEvent::Moved(m)) => Ok(Self::Live(Inside { live: Live { grant: m.grant, ..l.live }, ..l })),
            (Self::Live(l), SessionEvent::Killed(k)) => Ok(Self::Live(Inside { killed: Some(k.clone()), ..l })),
            (Self::Held(h), SessionEvent::Killed(k)) => {
                let ended = Ended { reason: EndReason::Killed, recording: None, bytes_in: 0, bytes_out: 0, late_ms: None, at: k.at };
                Ok(Self::Ended(Finished { arrived: h.arrived, grant: None, role: None, live_at: None, killed: Some(k.clone()), ended }))
            }
            (Self::Held(h), SessionEvent::Ended(e)) => {
                Ok(Self::Ended(Finished { arrived: h.arrived, grant: None, role: None, live_at: None, killed: None, ended: e.clone() }))
            }
            (Self::Live(Inside { live, killed }), SessionEvent::Ended(e)) => Ok(Self::Ended(Finished {
                arrived: live.arrived,
                grant: Some(live.grant),
                role: Some(live.role),
                live_at: Some(live.at),
                killed,
                ended: e.clone(),
            })),
            (Self::Held(_), SessionEvent::Held(_) | SessionEvent::Moved(_))
            | (Self::Live(_), SessionEvent::Held(_) | SessionEvent::Live(_))
            | (Self::Ended(_), _) => Err(Impossible { subject: id.to_string(), state, event: event.kind() }),
        }
    }

    fn inside(live: &Live) -> Self {
        Self::Live(Inside { live: live.clone(), killed: None })
    }
}
