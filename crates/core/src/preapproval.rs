//! The lifecycle of an approve that is given beforehand: `given` → `ended`. While it is in force, a request that it covers finds
//! it and counts it as its giver's approve, on a stage that asks them; it decides nothing that they could not decide then.

use serde::{Deserialize, Serialize};

use crate::id::{PreapprovalId, PrincipalId};
use crate::name::{ResourceName, RoleName};
use crate::request::{Filed, Impossible};
use crate::sealed::Commitment;
use crate::time::{Span, Timestamp};

/// The furthest ahead that one may reach.
pub const LONGEST: Span = Span::from_secs(7 * 24 * 3600);

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreapprovalEvent {
    /// It was given.
    Given(Given),
    /// It is over, or was taken back.
    Ended(Ended),
}

/// See [`PreapprovalEvent::Given`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its id.
    pub id: PreapprovalId,
    /// Who approves.
    pub by: PrincipalId,
    /// Who would get in.
    pub principal: PrincipalId,
    /// Into what.
    pub resource: ResourceName,
    /// As what; any role unless said.
    pub role: Option<RoleName>,
    /// For requests of at most so long.
    pub most: Option<Span>,
    /// What they say of it, sealed.
    pub note: Option<Commitment>,
    /// For requests from then on.
    pub starts_at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When it was given.
    pub at: Timestamp,
}

/// See [`PreapprovalEvent::Ended`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
}

/// One in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Preapproval {
    /// In force, or to come.
    Given(Given),
    /// Over.
    Ended(Over),
}

/// One that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// What it was.
    pub given: Given,
    /// When it ended.
    pub ended: Ended,
}

impl Given {
    /// Whether it covers a request at `now`: everything that it asks for, for as long as it asks. Its end counts when it is used, not
    /// when its timer comes.
    #[must_use]
    pub fn covers(&self, filed: &Filed, now: Timestamp) -> bool {
        let in_force = self.starts_at <= now && now < self.until;
        // What begins later than that is not what they had in mind.
        let begins = filed.starts_at.is_none_or(|at| at < self.until);
        let asked = filed.asks.iter().all(|ask| ask.resource == self.resource && self.role.as_ref().is_none_or(|role| *role == ask.role));
        in_force && begins && asked && filed.beneficiary == self.principal && self.most.is_none_or(|most| filed.duration <= most)
    }
}

impl Preapproval {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::Ended(_) => "ended",
        }
    }

    /// What was given.
    #[must_use]
    pub fn given(&self) -> &Given {
        match self {
            Self::Given(given) => given,
            Self::Ended(over) => &over.given,
        }
    }

    /// When it ends by itself.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Given(given) => Some(given.until),
            Self::Ended(_) => None,
        }
    }

    /// Ends it. Ending it twice is nothing to do.
    #[must_use]
    pub fn end(&self, now: Timestamp) -> Vec<PreapprovalEvent> {
        match self {
            Self::Given(_) => vec![PreapprovalEvent::Ended(Ended { at: now })],
            Self::Ended(_) => Vec::new(),
        }
    }

    /// The state that the first event of its stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &PreapprovalEvent) -> Result<Self, Impossible> {
        match event {
            PreapprovalEvent::Given(given) => Ok(Self::Given(given.clone())),
            PreapprovalEvent::Ended(_) => Err(Impossible { subject: "a pre-approval".into(), state: "not there", event: event.kind() }),
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &PreapprovalEvent) -> Result<Self, Impossible> {
        match (self, event) {
            (Self::Given(given), PreapprovalEvent::Ended(ended)) => Ok(Self::Ended(Over { given, ended: ended.clone() })),
            (state @ Self::Given(_), PreapprovalEvent::Given(_))
            | (state @ Self::Ended(_), PreapprovalEvent::Given(_) | PreapprovalEvent::Ended(_)) => {
                Err(Impossible { subject: state.given().id.to_string(), state: state.state(), event: event.kind() })
            }
        }
    }
}
