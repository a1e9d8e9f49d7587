//! The delegation's lifecycle: `made` → `ended`. While it is in force, whoever is away is not asked; their delegate is, instead.
//!
//! It moves candidacy, not votes: what was approved stays approved by who approved it, and the delegate decides in their own name,
//! never on what is theirs. It can't be chained: what was delegated to somebody is not passed on by their own delegation.

use serde::{Deserialize, Serialize};

use crate::id::{DelegationId, PrincipalId};
use crate::request::Impossible;
use crate::time::{Span, Timestamp};

/// The longest that a delegation may last.
pub const LONGEST: Span = Span::from_secs(60 * 24 * 3600);

/// What happens to a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegationEvent {
    /// It was made.
    Made(Made),
    /// It is over.
    Ended(Ended),
}

/// See [`DelegationEvent::Made`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its id.
    pub id: DelegationId,
    /// Who is away.
    pub from: PrincipalId,
    /// Who is asked instead.
    pub to: PrincipalId,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When it was made.
    pub at: Timestamp,
}

/// See [`DelegationEvent::Ended`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
}

/// A delegation in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Delegation {
    /// In force, or to come.
    Made(Made),
    /// Over.
    Ended(Over),
}

/// A delegation that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// What it was.
    pub made: Made,
    /// When it ended.
    pub ended: Ended,
}

impl Made {
    /// Whether it counts at `now`: its end counts when it is used, not when its timer comes.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.until
    }
}

impl Delegation {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Made(_) => "made",
            Self::Ended(_) => "ended",
        }
    }

    /// What was made.
    #[must_use]
    pub fn made(&self) -> &Made {
        match self {
            Self::Made(made) => made,
            Self::Ended(over) => &over.made,
        }
    }

    /// When it ends by itself.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Made(made) => Some(made.until),
            Self::Ended(_) => None,
        }
    }

    /// Ends it. Ending it twice is nothing to do.
    #[must_use]
    pub fn end(&self, now: Timestamp) -> Vec<DelegationEvent> {
        match self {
            Self::Made(_) => vec![DelegationEvent::Ended(Ended { at: now })],
            Self::Ended(_) => Vec::new(),
        }
    }

    /// The state that the first event of a delegation's stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &DelegationEvent) -> Result<Self, Impossible> {
        match event {
            DelegationEvent::Made(made) => Ok(Self::Made(made.clone())),
            DelegationEvent::Ended(_) => Err(Impossible { subject: "a delegation".into(), state: "not there", event: event.kind() }),
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &DelegationEvent) -> Result<Self, Impossible> {
        match (self, event) {
            (Self::Made(made), DelegationEvent::Ended(ended)) => Ok(Self::Ended(Over { made, ended: ended.clone() })),
            (state @ Self::Made(_), DelegationEvent::Made(_))
            | (state @ Self::Ended(_), DelegationEvent::Made(_) | DelegationEvent::Ended(_)) => {
                Err(Impossible { subject: state.made().id.to_string(), state: state.state(), event: event.kind() })
            }
        }
    }
}
