//! The request's lifecycle: `pending` → `approved` | `denied` | `withdrawn` | `expired`.
//!
//! Commands are methods that return events; [`Request::evolve`] folds them. Nothing else changes a request.

mod event;
mod pending;
mod reminder;

use serde::{Deserialize, Serialize};

pub use event::{
    Approved, AutoReview, Comment, Denied, DeniedBecause, Expired, PlanTightened, RequestEvent, Seen, StageEntered, StageEscalated,
    StageSkipped, TakenBack, Talk, Withdrawn,
};
pub use reminder::Reminded;

use crate::debt::Emergency;
use crate::event::Proof;
use crate::id::{GrantId, PrincipalId, RequestId, ReviewId};
use crate::name::{ResourceName, RoleName, RuleName};
use crate::plan::{Course, Facts, Limits, Plan, Review, Verdict};
use crate::sealed::Commitment;
use crate::time::{Span, Timestamp};

/// Comments that a request may have.
pub const COMMENTS_MAX: usize = 100;

/// What is asked for: one role on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ask {
    /// On what.
    pub resource: ResourceName,
    /// Which role.
    pub role: RoleName,
}

/// The grant that a request goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extends {
    /// Which.
    pub grant: GrantId,
    /// How many extensions came before this one.
    pub nth: u8,
}

/// What a request is, fixed when it is filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// Its id.
    pub id: RequestId,
    /// Who asked.
    pub requester: PrincipalId,
    /// Who would get in: the requester, or somebody they ask for.
    pub beneficiary: PrincipalId,
    /// What for: at least one, decided together.
    pub asks: Vec<Ask>,
    /// How long access is to last, from when it opens.
    pub duration: Span,
    /// Why, sealed.
    pub reason: Commitment,
    /// The ticket, as given.
    pub ticket: Option<String>,
    /// What exactly it is to be used for, sealed: who approves, approves that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Commitment>,
    /// The plan at submission (I06).
    pub plan: Plan,
    /// It is an emergency: it opens at once, and a review is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Emergency>,
    /// It goes on with a grant that is open: what it opens ends so much later than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<Extends>,
    /// Hash of the rules at submission, hexadecimal.
    pub rules_hash: String,
    /// How who asked had proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// When.
    pub at: Timestamp,
    /// When access is to begin; as soon as it is approved, unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until when it may be decided (I08).
    pub expires_at: Timestamp,
}

impl Filed {
    /// The resources asked for, in order.
    #[must_use]
    pub fn resources(&self) -> Vec<ResourceName> {
        self.asks.iter().map(|a| a.resource.clone()).collect()
    }
}

/// A request in one of its states; each holds exactly what that state has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Request {
    /// Waits for a decision.
    Pending(Pending),
    /// Approved: its grants exist.
    Approved(Settled<Approved>),
    /// Refused.
    Denied(Settled<Denied>),
    /// Taken back.
    Withdrawn(Settled<Withdrawn>),
    /// Not decided in time.
    Expired(Settled<Expired>),
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What was asked.
    pub filed: Filed,
    /// The plan in force: the snapshot, tightened if the rules were.
    pub plan: Plan,
    /// The duration that the rules leave; reviewers may leave less.
    pub duration: Span,
    /// Skips and escalations so far.
    pub course: Course,
    /// What the rules decided by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutoReview>,
    /// Decisions so far.
    pub reviews: Vec<Review>,
    /// What was said so far.
    pub talk: Talk,
    /// The stage that waits, and until when.
    pub stage: Option<StageEntered>,
    /// When those asked were reminded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Timestamp>,
}

/// A request that is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled<T> {
    /// What was asked.
    pub filed: Filed,
    /// The plan that was in force.
    pub plan: Plan,
    /// The duration that was in force.
    pub duration: Span,
    /// Skips and escalations.
    pub course: Course,
    /// What the rules decided by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutoReview>,
    /// Decisions.
    pub reviews: Vec<Review>,
    /// What was said.
    pub talk: Talk,
    /// How it ended.
    pub outcome: T,
}

/// A command that a request in its state does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is already decided.
    #[error("{id} is {state}: it can't be {command} any more")]
    Settled {
        /// Which.
        id: RequestId,
        /// Its state.
        state: &'static str,
        /// What was tried.
        command: &'static str,
    },
    /// Its deadline has passed (A15).
    #[error("{id} was to be decided before {deadline}: file it again with 'ajar request --again {id}'")]
    TooLate {
        /// Which.
        id: RequestId,
        /// The deadline.
        deadline: Timestamp,
    },
    /// The reviewer may not decide it.
    #[error("{id} is not yours to decide: {why}")]
    NotYours {
        /// Which.
        id: RequestId,
        /// Why not, in words.
        why: &'static str,
    },
    /// They have already decided, differently.
    #[error("you have already decided {id}: a review is never overwritten; take an approve back with 'ajar take-back {id}'")]
    AlreadyReviewed {
        /// Which.
        id: RequestId,
    },
    /// An approve can't be limited like that.
    #[error("{id} can't be approved like that: {why}")]
    Limits {
        /// Which.
        id: RequestId,
        /// Why not, in words.
        why: &'static str,
    },
    /// There is nothing of theirs to take back.
    #[error("you have no approve on {id} to take back")]
    NothingToTakeBack {
        /// Which.
        id: RequestId,
    },
    /// Enough was said.
    #[error("{id} has as many comments as a request can have: talk elsewhere, and decide")]
    TooMuchTalk {
        /// Which.
        id: RequestId,
    },
}

/// An event that doesn't fit the state: the log is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log is damaged: {event} can't happen to {subject}, which is {state}")]
pub struct Impossible {
    /// Whose log.
    pub subject: String,
    /// In which state.
    pub state: &'static str,
    /// Which event.
    pub event: &'static str,
}

/// What the rules in force say of a request that is being decided (I06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InForce {
    /// They allow it, at least so strictly.
    Allowed {
        /// The plan they'd make now.
        plan: Plan,
        /// The longest duration they'd allow now.
        max: Span,
        /// Their hash.
        rules_hash: String,
    },
    /// They don't allow it.
    Refused,
}

/// The ids that a review may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshIds {
    /// For the review.
    pub review: ReviewId,
    /// For what follows from it.
    pub then: Fresh,
}

/// The ids that an approval may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// For the grants, one for each ask.
    pub grants: Vec<GrantId>,
    /// For approves that were given beforehand, as many as may count.
    pub beforehand: Vec<ReviewId>,
}

/// What the rules decide by themselves when a request is filed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByRules {
    /// The rule that denies it.
    pub denied_by: Option<RuleName>,
    /// The values that conditions looked at, as JSON, sealed.
    pub values: Option<Commitment>,
}

/// A review to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewCommand {
    /// By whom.
    pub reviewer: PrincipalId,
    /// Approve or deny.
    pub verdict: Verdict,
    /// The note, sealed.
    pub note: Option<Commitment>,
    /// What an approve leaves of what was asked.
    pub limits: Limits,
    /// Ids to use.
    pub ids: FreshIds,
}

/// What came of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviewed {
    /// These events.
    Recorded(Vec<RequestEvent>),
    /// The same review is already there (A5): nothing to do.
    Already(ReviewId),
    /// A deny after the approval, by somebody who was asked: the request stays approved, these grants are to be closed (I05).
    TooLateButClosing(Vec<GrantId>),
}

impl Request {
    /// The word for the state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Approved(_) => "approved",
            Self::Denied(_) => "denied",
            Self::Withdrawn(_) => "withdrawn",
            Self::Expired(_) => "expired",
        }
    }

    /// What was asked.
    #[must_use]
    pub fn filed(&self) -> &Filed {
        match self {
            Self::Pending(p) => &p.filed,
            Self::Approved(s) => &s.filed,
            Self::Denied(s) => &s.filed,
            Self::Withdrawn(s) => &s.filed,
            Self::Expired(s) => &s.filed,
        }
    }

    /// When it was decided, one way or another.
    #[must_use]
    pub fn decided_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending(_) => None,
            Self::Approved(s) => Some(s.outcome.at),
            Self::Denied(s) => Some(s.outcome.at),
            Self::Withdrawn(s) => Some(s.outcome.at),
            Self::Expired(s) => Some(s.outcome.at),
        }
    }

    /// Decisions so far.
    #[must_use]
    pub fn reviews(&self) -> &[Review] {
        match self {
            Self::Pending(p) => &p.reviews,
            Self::Approved(s) => &s.reviews,
            Self::Denied(s) => &s.reviews,
            Self::Withdrawn(s) => &s.reviews,
            Self::Expired(s) => &s.reviews,
        }
    }

    /// What the rules decided by themselves.
    #[must_use]
    pub fn automatic(&self) -> Option<&AutoReview> {
        match self {
            Self::Pending(p) => p.automatic.as_ref(),
            Self::Approved(s) => s.automatic.as_ref(),
            Self::Denied(s) => s.automatic.as_ref(),
            Self::Withdrawn(s) => s.automatic.as_ref(),
            Self::Expired(s) => s.automatic.as_ref(),
        }
    }

    /// What happened to the stages besides reviews.
    #[must_use]
    pub fn course(&self) -> &Course {
        match self {
            Self::Pending(p) => &p.course,
            Self::Approved(s) => &s.course,
            Self::Denied(s) => &s.course,
            Self::Withdrawn(s) => &s.course,
            Self::Expired(s) => &s.course,
        }
    }

    /// The plan and duration in force.
    #[must_use]
    pub fn terms(&self) -> (&Plan, Span) {
        match self {
            Self::Pending(p) => (&p.plan, p.left().1),
            Self::Approved(s) => (&s.plan, s.duration),
            Self::Denied(s) => (&s.plan, s.duration),
            Self::Withdrawn(s) => (&s.plan, s.duration),
            Self::Expired(s) => (&s.plan, s.duration),
        }
    }

    /// What was said around it.
    #[must_use]
    pub fn talk(&self) -> &Talk {
        match self {
            Self::Pending(p) => &p.talk,
            Self::Approved(s) => &s.talk,
            Self::Denied(s) => &s.talk,
            Self::Withdrawn(s) => &s.talk,
            Self::Expired(s) => &s.talk,
        }
    }

    /// When something is due by itself: the stage's reminder, its time-out, or the request's deadline, whichever comes first.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Pending(p) => {
                let out = p.stage.as_ref().map(|s| s.until);
                out.into_iter().chain(p.reminder_due()).chain([p.filed.expires_at]).min()
            }
            Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_) => None,
        }
    }

    fn pending(&self, command: &'static str) -> Result<&Pending, RequestError> {
        match self {
            Self::Pending(p) => Ok(p),
            Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_) => {
                Err(RequestError::Settled { id: self.filed().id, state: self.state(), command })
            }
        }
    }

    /// Files a request: the events of its birth, up to the stage that waits, or its approval when no stage is needed; or its denial,
    /// when a rule denies it. What the rules decide by themselves leaves a review of theirs; `values` is what they looked at.
    #[must_use]
    pub fn file(filed: Filed, by_rules: ByRules, fresh: Fresh, facts: &dyn Facts) -> Vec<RequestEvent> {
        let now = filed.at;
        let ByRules { denied_by, values } = by_rules;
        let review = |verdict, rules| {
            RequestEvent::AutoReviewed(AutoReview { verdict, rules, rules_hash: filed.rules_hash.clone(), values, at: now })
        };
        if let Some(rule) = denied_by {
            let denied = RequestEvent::Denied(Denied { because: DeniedBecause::Automatic(rule.clone()), at: now });
            return vec![RequestEvent::Filed(filed.clone()), review(Verdict::Deny, vec![rule]), denied];
        }
        let mut events = vec![RequestEvent::Filed(filed.clone())];
        if filed.plan.stages.is_empty() && filed.emergency.is_none() {
            events.push(review(Verdict::Approve, filed.plan.rules.clone()));
        }
        events.extend(Pending::new(filed).advance(Some(fresh), facts, now));
        events
    }

    /// Records a review and what follows from it.
    ///
    /// # Errors
    /// When the request is settled, too late, not theirs to decide, or already decided differently by them.
    pub fn review(&self, command: ReviewCommand, in_force: &InForce, facts: &dyn Facts, now: Timestamp) -> Result<Reviewed, RequestError> {
        let same = |r: &&Review| {
            let as_limited = r.limits == command.limits || r.verdict == Verdict::Deny;
            r.reviewer == command.reviewer && r.verdict == command.verdict && as_limited
        };
        let mine = self.reviews().iter().rfind(same).filter(|r| !self.course().taken_back.contains(&r.id)).map(|r| r.id);
        match self {
            Self::Pending(pending) => pending.review(command, mine, in_force, facts, now),
            Self::Approved(settled) if command.verdict == Verdict::Deny => {
                // INVARIANT I05: a deny that arrives with the last approve wins.
                settled.may_still_deny(command.reviewer, facts)?;
                Ok(Reviewed::TooLateButClosing(settled.outcome.grants.clone()))
            }
            Self::Approved(_) | Self::Denied(_) if let Some(mine) = mine => Ok(Reviewed::Already(mine)),
            Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_) => {
                let command = match command.verdict {
                    Verdict::Approve => "approved",
                    Verdict::Deny => "denied",
                };
                Err(RequestError::Settled { id: self.filed().id, state: self.state(), command })
            }
        }
    }

    /// The requester takes it back.
    ///
    /// # Errors
    /// When it is settled, or somebody else's.
    pub fn withdraw(&self, by: PrincipalId, now: Timestamp) -> Result<Vec<RequestEvent>, RequestError> {
        let pending = self.pending("withdrawn")?;
        if by != pending.filed.requester && by != pending.filed.beneficiary {
            return Err(RequestError::NotYours { id: pending.filed.id, why: "only who asked can take it back" });
        }
        Ok(vec![RequestEvent::Withdrawn(Withdrawn { at: now })])
    }

    /// A reviewer takes their approves back: they count no more, and the stages that they met wait again.
    ///
    /// # Errors
    /// When it is settled, too late, or they have approved nothing.
    pub fn take_back(&self, by: PrincipalId, facts: &dyn Facts, now: Timestamp) -> Result<Vec<RequestEvent>, RequestError> {
        self.pending("un-approved: revoke the grant instead")?.take_back(by, facts, now)
    }

    /// Somebody who is asked has looked at it; only the first time is an event.
    ///
    /// # Errors
    /// When it is settled.
    pub fn see(&self, by: PrincipalId, facts: &dyn Facts, now: Timestamp) -> Result<Vec<RequestEvent>, RequestError> {
        let pending = self.pending("looked at by those asked")?;
        let news = pending.talk.seen.iter().all(|s| s.by != by) && pending.asked(facts).contains(&by);
        Ok(if news { vec![RequestEvent::Seen(Seen { by, at: now })] } else { Vec::new() })
    }

    /// Somebody says something without deciding. Whether they may see the request is for the caller to check.
    ///
    /// # Errors
    /// When it is settled, or enough was said.
    pub fn comment(&self, comment: Comment) -> Result<Vec<RequestEvent>, RequestError> {
        let pending = self.pending("commented on")?;
        if pending.talk.comments.len() >= COMMENTS_MAX {
            return Err(RequestError::TooMuchTalk { id: pending.filed.id });
        }
        Ok(vec![RequestEvent::Commented(comment)])
    }

    /// The requester or beneficiary is disabled (A8). Nothing to do when it is settled.
    #[must_use]
    pub fn requester_disabled(&self, now: Timestamp) -> Vec<RequestEvent> {
        self.called_off(DeniedBecause::RequesterDisabled, now)
    }

    /// The grant that it was to go on with is over. Nothing to do when it is settled.
    #[must_use]
    pub fn grant_over(&self, now: Timestamp) -> Vec<RequestEvent> {
        self.called_off(DeniedBecause::GrantOver, now)
    }

    fn called_off(&self, because: DeniedBecause, now: Timestamp) -> Vec<RequestEvent> {
        match self {
            Self::Pending(_) => vec![RequestEvent::Denied(Denied { because, at: now })],
            Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_) => Vec::new(),
        }
    }

    /// Time has passed: expiry, time-outs, reminders, escalation of stages that nobody can fulfil. Never an approval.
    #[must_use]
    pub fn tick(&self, facts: &dyn Facts, now: Timestamp) -> Vec<RequestEvent> {
        match self {
            Self::Pending(p) if now >= p.filed.expires_at => vec![RequestEvent::Expired(Expired { at: now })],
            Self::Pending(p) => p.tick(facts, now),
            Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_) => Vec::new(),
        }
    }

    /// The rules or who is who have changed: a denial, a stricter plan, other people who are asked. Never an approval.
    #[must_use]
    pub fn reassess(&self, in_force: &InForce, facts: &dyn Facts, now: Timestamp) -> Vec<RequestEvent> {
        match self {
            Self::Pending(p) if now < p.filed.expires_at => p.reassess(in_force, facts, now),
            Self::Pending(_) | Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_) => Vec::new(),
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When the event can't happen in this state: the log is damaged.
    pub fn evolve(self, event: &RequestEvent) -> Result<Self, Impossible> {
        let state = self.state();
        let id = self.filed().id;
        let impossible = |event| Err(Impossible { subject: id.to_string(), state, event });
        match (self, event) {
            (Self::Pending(mut p), RequestEvent::StageEntered(e)) => {
                p.course.begin(e.stage, &e.asked);
                p.stage = Some(e.clone());
                p.reminded = None;
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::Reminded(e)) => {
                p.reminded = Some(e.at);
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::StageEscalated(e)) => {
                p.course.escalated.push(e.stage);
                p.stage = None;
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::StageSkipped(e)) => {
                p.course.skipped.insert(e.stage);
                p.stage = None;
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::AutoReviewed(e)) => {
                p.automatic = Some(e.clone());
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::Reviewed(e)) => {
                p.reviews.push(e.clone());
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::TakenBack(e)) => {
                p.course.taken_back.insert(e.review);
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::Seen(e)) => {
                p.talk.seen.push(e.clone());
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::Commented(e)) => {
                p.talk.comments.push(e.clone());
                Ok(Self::Pending(p))
            }
            (Self::Pending(mut p), RequestEvent::PlanTightened(e)) => {
                p.tighten(e.clone());
                Ok(Self::Pending(p))
            }
            (Self::Pending(p), RequestEvent::Approved(e)) => {
                let duration = e.limits.duration.unwrap_or(p.duration);
                Ok(Self::Approved(Pending { duration, ..p }.settle(e.clone())))
            }
            (Self::Pending(p), RequestEvent::Denied(e)) => Ok(Self::Denied(p.settle(e.clone()))),
            (Self::Pending(p), RequestEvent::Withdrawn(e)) => Ok(Self::Withdrawn(p.settle(e.clone()))),
            (Self::Pending(p), RequestEvent::Expired(e)) => Ok(Self::Expired(p.settle(e.clone()))),
            (Self::Pending(_), RequestEvent::Filed(_)) => impossible(event.kind()),
            (Self::Approved(_) | Self::Denied(_) | Self::Withdrawn(_) | Self::Expired(_), event) => impossible(event.kind()),
        }
    }

    /// The state that the first event of a request's stream makes.
    ///
    /// # Errors
    /// When the stream doesn't begin with `request.filed`.
    pub fn born(event: &RequestEvent) -> Result<Self, Impossible> {
        if let RequestEvent::Filed(filed) = event {
            Ok(Self::Pending(Pending::new(filed.clone())))
        } else {
            Err(Impossible { subject: "a request".into(), state: "not filed", event: event.kind() })
        }
    }
}

impl Settled<Approved> {
    fn may_still_deny(&self, reviewer: PrincipalId, facts: &dyn Facts) -> Result<(), RequestError> {
        let resources = self.filed.resources();
        let human = facts.human(reviewer);
        let named: Vec<_> = (0..self.plan.stages.len()).flat_map(|i| self.plan.named(i, &self.course)).collect();
        let own = [self.filed.requester, self.filed.beneficiary];
        let asked = human.is_some()
            && !own.iter().any(|p| *p == reviewer || facts.human(*p) == human)
            && facts.candidates(&named, self.filed.requester, &resources).contains(&reviewer);
        if asked { Ok(()) } else { Err(RequestError::Settled { id: self.filed.id, state: "approved", command: "denied" }) }
    }
}
