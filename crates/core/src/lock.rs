//! The lock's lifecycle: `placed` → `lifted`. While one is placed, nothing of its principal or on its resource opens or stays open.

use serde::{Deserialize, Serialize};

use crate::id::{LockId, PrincipalId};
use crate::name::ResourceName;
use crate::request::Impossible;
use crate::sealed::Commitment;
use crate::time::Timestamp;

/// What is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Locked {
    /// Somebody, with every account of theirs.
    Principal(PrincipalId),
    /// A resource.
    Resource(ResourceName),
}

/// What happens to a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockEvent {
    /// It was placed.
    Placed(Placed),
    /// It was lifted.
    Lifted(Lifted),
}

/// See [`LockEvent::Placed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Its id.
    pub id: LockId,
    /// On what.
    pub on: Locked,
    /// By whom.
    pub by: PrincipalId,
    /// Why, sealed.
    pub reason: Commitment,
    /// When.
    pub at: Timestamp,
}

/// See [`LockEvent::Lifted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// By whom.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// A lock in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Lock {
    /// In force.
    Placed(Placed),
    /// Over.
    Lifted(Over),
}

/// A lock that was lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// What it was.
    pub placed: Placed,
    /// How it ended.
    pub lifted: Lifted,
}

impl Lock {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Placed(_) => "placed",
            Self::Lifted(_) => "lifted",
        }
    }

    /// What was placed.
    #[must_use]
    pub fn placed(&self) -> &Placed {
        match self {
            Self::Placed(placed) => placed,
            Self::Lifted(over) => &over.placed,
        }
    }

    /// Lifts it. Lifting it twice is nothing to do.
    #[must_use]
    pub fn lift(&self, by: PrincipalId, now: Timestamp) -> Vec<LockEvent> {
        match self {
            Self::Placed(_) => vec![LockEvent::Lifted(Lifted { by, at: now })],
            Self::Lifted(_) => Vec::new(),
        }
    }

    /// The state that the first event of a lock's stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &LockEvent) -> Result<Self, Impossible> {
        match event {
            LockEvent::Placed(placed) => Ok(Self::Placed(placed.clone())),
            LockEvent::Lifted(_) => Err(Impossible { subject: "a lock".into(), state: "not there", event: event.kind() }),
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &LockEvent) -> Result<Self, Impossible> {
        match (self, event) {
            (Self::Placed(placed), LockEvent::Lifted(lifted)) => Ok(Self::Lifted(Over { placed, lifted: lifted.clone() })),
            (state @ Self::Placed(_), LockEvent::Placed(_)) | (state @ Self::Lifted(_), LockEvent::Placed(_) | LockEvent::Lifted(_)) => {
                Err(Impossible { subject: state.placed().id.to_string(), state: state.state(), event: event.kind() })
            }
        }
    }
}
