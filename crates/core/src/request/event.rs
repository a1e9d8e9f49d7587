//! What happens to a request.

use serde::{Deserialize, Serialize};

use super::{Filed, Reminded};
use crate::id::{GrantId, PrincipalId, ReviewId};
use crate::name::RuleName;
use crate::plan::{Limits, Plan, Review, Verdict};
use crate::sealed::Commitment;
use crate::time::{Span, Timestamp};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a request is filed once; its other events are few")]
pub enum RequestEvent {
    /// It was filed.
    Filed(Filed),
    /// A stage became the one that waits.
    StageEntered(StageEntered),
    /// Most of the stage's time is over: those who are asked are reminded.
    Reminded(Reminded),
    /// A stage was not decided in time, or can't be: more people are asked.
    StageEscalated(StageEscalated),
    /// A stage was not decided in time: the next decides.
    StageSkipped(StageSkipped),
    /// The rules decided, and nobody was asked.
    AutoReviewed(AutoReview),
    /// Somebody decided.
    Reviewed(Review),
    /// Somebody took their approve back.
    TakenBack(TakenBack),
    /// Somebody who was asked has looked at it.
    Seen(Seen),
    /// Somebody said or asked something without deciding.
    Commented(Comment),
    /// The rules in force became stricter than the snapshot: the combination applies.
    PlanTightened(PlanTightened),
    /// All stages are met.
    Approved(Approved),
    /// It is refused.
    Denied(Denied),
    /// The requester took it back.
    Withdrawn(Withdrawn),
    /// Nobody decided in time.
    Expired(Expired),
}

/// See [`RequestEvent::StageEntered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageEntered {
    /// Index of the stage.
    pub stage: usize,
    /// Who was asked, then.
    pub asked: Vec<PrincipalId>,
    /// When the stage times out.
    pub until: Timestamp,
    /// When those asked are reminded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<Timestamp>,
}

/// See [`RequestEvent::StageEscalated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageEscalated {
    /// Index of the stage.
    pub stage: usize,
}

/// See [`RequestEvent::StageSkipped`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSkipped {
    /// Index of the stage.
    pub stage: usize,
}

/// See [`RequestEvent::AutoReviewed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReview {
    /// What they decided.
    pub verdict: Verdict,
    /// Which rules.
    pub rules: Vec<RuleName>,
    /// Their hash, hexadecimal.
    pub rules_hash: String,
    /// The values that their conditions looked at, as JSON, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Commitment>,
    /// When.
    pub at: Timestamp,
}

/// See [`RequestEvent::TakenBack`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// The approve that counts no more.
    pub review: ReviewId,
    /// When.
    pub at: Timestamp,
}

/// See [`RequestEvent::Seen`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Who.
    pub by: PrincipalId,
    /// When, the first time.
    pub at: Timestamp,
}

/// See [`RequestEvent::Commented`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// By whom.
    pub by: PrincipalId,
    /// What they said, sealed.
    pub text: Commitment,
    /// When.
    pub at: Timestamp,
}

/// What was said around a request without deciding anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Who of those asked has looked at it.
    pub seen: Vec<Seen>,
    /// Comments and questions, in order.
    pub comments: Vec<Comment>,
}

/// See [`RequestEvent::PlanTightened`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTightened {
    /// The plan that applies from now on.
    pub plan: Plan,
    /// The duration that applies from now on.
    pub duration: Span,
    /// Hash of the rules in force.
    pub rules_hash: String,
}

/// See [`RequestEvent::Approved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The grants that open for it, one for each ask that is left, in order.
    pub grants: Vec<GrantId>,
    /// What reviewers left of what was asked, if they left less.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// When.
    pub at: Timestamp,
}

/// See [`RequestEvent::Denied`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Why.
    pub because: DeniedBecause,
    /// When.
    pub at: Timestamp,
}

/// See [`RequestEvent::Withdrawn`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// When.
    pub at: Timestamp,
}

/// See [`RequestEvent::Expired`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// When.
    pub at: Timestamp,
}

/// Why a request was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeniedBecause {
    /// A reviewer said no.
    Review(ReviewId),
    /// A rule denies it by itself.
    Automatic(RuleName),
    /// The rules in force at the decision no longer allow it.
    Rules,
    /// The requester or beneficiary is disabled.
    RequesterDisabled,
    /// Nobody can fulfil this stage.
    NobodyCanDecide(usize),
    /// This stage was not decided in time.
    StageTimedOut(usize),
    /// The grant that it was to go on with is over.
    GrantOver,
}
