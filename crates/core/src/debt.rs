//! The lifecycle of a review that is owed for an emergency: `owed` → `paid`. While it is owed, nothing is approved automatically for who
//! owes it; another emergency still is.

use serde::{Deserialize, Serialize};

use crate::id::{DebtId, PrincipalId, RequestId, ReviewId};
use crate::name::ResourceName;
use crate::plan::{Candidates, Course, Facts, Limits, Plan, Review, Stage, Standing, Subject, Verdict};
use crate::request::Impossible;
use crate::sealed::Commitment;
use crate::time::{Span, Timestamp};

/// What a break-glass rule asks for, afterwards: snapshotted in the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// Who is alerted at once.
    pub alert: Vec<Candidates>,
    /// Who reviews it afterwards.
    pub reviews: Vec<Stage>,
    /// Within what time.
    pub within: Span,
}

impl Emergency {
    /// Both of two rules' demands.
    #[must_use]
    pub fn combine(mut self, other: &Self) -> Self {
        for alert in &other.alert {
            if !self.alert.contains(alert) {
                self.alert.push(alert.clone());
            }
        }
        let plan = |stages: &[Stage]| Plan {
            rules: Vec::new(),
            stages: stages.to_vec(),
            opening: crate::plan::Opening::default(),
            low_risk: false,
        };
        let reviews = plan(&self.reviews).combine(&plan(&other.reviews)).stages;
        Self { alert: self.alert, reviews, within: self.within.min(other.within) }
    }
}

/// What happens to a debt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebtEvent {
    /// An emergency opened: a review is owed, and these people are alerted.
    Incurred(Incurred),
    /// Somebody reviewed it: an approve says that it was right, a deny that it was not.
    Reviewed(Review),
    /// It was not reviewed in time.
    Overdue(Overdue),
    /// It is reviewed.
    Paid(Paid),
}

/// See [`DebtEvent::Incurred`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incurred {
    /// Its id.
    pub id: DebtId,
    /// The emergency.
    pub request: RequestId,
    /// Who asked: they owe it.
    pub debtor: PrincipalId,
    /// Who got in.
    pub beneficiary: PrincipalId,
    /// Where.
    pub resources: Vec<ResourceName>,
    /// Who is to review it.
    pub reviews: Vec<Stage>,
    /// Who was alerted.
    pub alerted: Vec<PrincipalId>,
    /// Who was asked to review it, then.
    #[serde(default)]
    pub asked: Vec<PrincipalId>,
    /// Until when.
    pub due: Timestamp,
    /// Since when.
    pub at: Timestamp,
}

/// See [`DebtEvent::Overdue`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// Who is asked to review it, now.
    #[serde(default)]
    pub asked: Vec<PrincipalId>,
    /// When.
    pub at: Timestamp,
}

/// See [`DebtEvent::Paid`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// When.
    pub at: Timestamp,
}

/// A debt in one of its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Debt {
    /// Not reviewed yet.
    Owed(Owed),
    /// Reviewed.
    Paid(Over),
}

/// A debt that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// What for.
    pub incurred: Incurred,
    /// Reviews so far.
    pub reviews: Vec<Review>,
    /// Since when it is overdue.
    pub overdue: Option<Overdue>,
}

/// A debt that is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// What it was.
    pub owed: Owed,
    /// When it was paid.
    pub paid: Paid,
}

/// A review of an emergency, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebtReview {
    /// Its id.
    pub id: ReviewId,
    /// By whom.
    pub reviewer: PrincipalId,
    /// Whether it was right.
    pub verdict: Verdict,
    /// The note, sealed.
    pub note: Option<Commitment>,
}

/// A review that a debt does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DebtError {
    /// It is reviewed already.
    #[error("{0} is reviewed already")]
    Paid(DebtId),
    /// The reviewer may not.
    #[error("{0} is not yours to review: you are not among those whom the rule asks, have reviewed it, or it was your own emergency")]
    NotYours(DebtId),
}

impl Owed {
    /// One that nobody has reviewed yet.
    #[must_use]
    pub fn new(incurred: Incurred) -> Self {
        Self { incurred, reviews: Vec::new(), overdue: None }
    }

    /// Who may review it now.
    #[must_use]
    pub fn asked(&self, facts: &dyn Facts) -> Vec<PrincipalId> {
        match self.standing(facts) {
            Standing::Waiting { asked, .. } => asked.into_iter().collect(),
            Standing::Met => Vec::new(),
        }
    }

    /// Where its review stands: distinct humans, neither who asked nor who got in, nor linked to either (I03).
    #[must_use]
    pub fn standing(&self, facts: &dyn Facts) -> Standing {
        let Incurred { debtor, beneficiary, resources, reviews, .. } = &self.incurred;
        let plan = Plan { rules: Vec::new(), stages: reviews.clone(), opening: crate::plan::Opening::default(), low_risk: false };
        let subject = Subject { requester: *debtor, beneficiary: *beneficiary, resources };
        plan.standing(subject, &Course::default(), &self.reviews, facts)
    }
}

impl Debt {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Owed(_) => "owed",
            Self::Paid(_) => "paid",
        }
    }

    /// What it is or was.
    #[must_use]
    pub fn owed(&self) -> &Owed {
        match self {
            Self::Owed(owed) => owed,
            Self::Paid(over) => &over.owed,
        }
    }

    /// When something is due by itself.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Owed(owed) if owed.overdue.is_none() => Some(owed.incurred.due),
            Self::Owed(_) | Self::Paid(_) => None,
        }
    }

    /// Its time is over. It stays owed.
    #[must_use]
    pub fn tick(&self, facts: &dyn Facts, now: Timestamp) -> Vec<DebtEvent> {
        match self {
            Self::Owed(owed) if self.due().is_some_and(|due| now >= due) => {
                vec![DebtEvent::Overdue(Overdue { asked: owed.asked(facts), at: now })]
            }
            Self::Owed(_) | Self::Paid(_) => Vec::new(),
        }
    }

    /// Somebody reviews it. An objection is a review too: one is enough.
    ///
    /// # Errors
    /// When it is reviewed already, or not theirs to review.
    pub fn review(&self, review: DebtReview, facts: &dyn Facts, now: Timestamp) -> Result<Vec<DebtEvent>, DebtError> {
        let Self::Owed(owed) = self else { return Err(DebtError::Paid(self.owed().incurred.id)) };
        let stage = match owed.standing(facts) {
            Standing::Waiting { stage, asked, .. } if asked.contains(&review.reviewer) => stage,
            Standing::Waiting { .. } | Standing::Met => return Err(DebtError::NotYours(owed.incurred.id)),
        };
        let DebtReview { id, reviewer, verdict, note } = review;
        let mut next = owed.clone();
        let review = Review { id, stage, reviewer, verdict, note, limits: Limits::default(), beforehand: None, at: now };
        next.reviews.push(review.clone());
        let mut events = vec![DebtEvent::Reviewed(review)];
        if verdict == Verdict::Deny || next.standing(facts) == Standing::Met {
            events.push(DebtEvent::Paid(Paid { at: now }));
        }
        Ok(events)
    }

    /// The state that the first event of a debt's stream makes.
    ///
    /// # Errors
    /// When the stream begins otherwise.
    pub fn born(event: &DebtEvent) -> Result<Self, Impossible> {
        match event {
            DebtEvent::Incurred(incurred) => Ok(Self::Owed(Owed::new(incurred.clone()))),
            DebtEvent::Reviewed(_) | DebtEvent::Overdue(_) | DebtEvent::Paid(_) => {
                Err(Impossible { subject: "a debt".into(), state: "not there", event: event.kind() })
            }
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &DebtEvent) -> Result<Self, Impossible> {
        match (self, event) {
            (Self::Owed(mut owed), DebtEvent::Reviewed(review)) => {
                owed.reviews.push(review.clone());
                Ok(Self::Owed(owed))
            }
            (Self::Owed(owed), DebtEvent::Overdue(overdue)) => Ok(Self::Owed(Owed { overdue: Some(overdue.clone()), ..owed })),
            (Self::Owed(owed), DebtEvent::Paid(paid)) => Ok(Self::Paid(Over { owed, paid: paid.clone() })),
            (state @ Self::Owed(_), DebtEvent::Incurred(_))
            | (state @ Self::Paid(_), DebtEvent::Incurred(_) | DebtEvent::Reviewed(_) | DebtEvent::Overdue(_) | DebtEvent::Paid(_)) => {
                Err(Impossible { subject: state.owed().incurred.id.to_string(), state: state.state(), event: event.kind() })
            }
        }
    }
}
