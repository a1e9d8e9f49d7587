//! Approval plans: stages in order, and whether *distinct humans* have met them.
//!
//! A plan is data, snapshotted in the request. Who may decide a stage is asked anew, through
//! [`Facts`], every time a plan is assessed.

use std::collections::BTreeSet;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::grant::Scheduled;
use crate::id::{PreapprovalId, PrincipalId, ReviewId};
use crate::name::{GroupName, ResourceName, RuleName, ScheduleName};
use crate::request::{Ask, Filed};
use crate::sealed::Commitment;
use crate::time::{Span, Timestamp};

/// A request's approval plan. No stages means that a rule lets the request through by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The rules that matched and made this plan.
    pub rules: Vec<RuleName>,
    /// Stages, decided in order.
    pub stages: Vec<Stage>,
    /// How it opens once they are met.
    #[serde(default, skip_serializing_if = "Opening::is_plain")]
    pub opening: Opening,
    /// Every rule that made this plan says that what it allows is of low risk: reviewers may decide it together with others like it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub low_risk: bool,
}

/// How an approved request opens. Plain: its clock starts when it is approved, and it lets in as often as it is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The clock starts at the first use, which must come within this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_first_use: Option<Span>,
    /// It lets one session in, once.
    #[serde(default)]
    pub single_use: bool,
}

impl Opening {
    /// See the type.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The stricter of both in each respect: a clock that starts at the approval does not wait.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        let on_first_use = match (self.on_first_use, other.on_first_use) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (Some(_), None) | (None, Some(_) | None) => None,
        };
        Self { on_first_use, single_use: self.single_use || other.single_use }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Who may decide.
    pub candidates: Vec<Candidates>,
    /// How many distinct humans must approve.
    pub needed: NonZeroU8,
    /// How long the stage may take.
    pub within: Span,
    /// What happens when it takes longer, or when nobody can fulfil it.
    pub otherwise: Otherwise,
    /// Whether only those approve who were asked when the stage began: who joins a group or becomes an owner later does not (A7).
    #[serde(default)]
    pub asked_only: bool,
}

impl Stage {
    /// Whom the first `steps` steps of its escalation name.
    pub fn begun(&self, steps: usize) -> impl Iterator<Item = &Candidates> {
        let chain: &[Step] = match &self.otherwise {
            Otherwise::Escalate(chain) => chain,
            Otherwise::Deny | Otherwise::Next => &[],
        };
        chain.iter().take(steps).flat_map(|step| &step.0)
    }

    /// Everybody whom it may ever ask.
    pub fn everyone(&self) -> impl Iterator<Item = &Candidates> {
        self.candidates.iter().chain(self.begun(usize::MAX))
    }
}

/// A set of people who may decide a stage, named rather than listed: it is resolved at each review.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidates {
    /// Members of a group.
    Group(GroupName),
    /// Who owns everything that is asked for.
    Owners,
    /// The requester's manager.
    Manager,
    /// Whoever is on call in a schedule.
    OnCall(ScheduleName),
    /// One person.
    Person(PrincipalId),
}

/// What becomes of a stage that is not decided in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The request is closed.
    Deny,
    /// The next stage decides instead; from the last stage this means the request is closed.
    Next,
    /// The people of each step may decide too, one step after the other, each within the same time again; after the last the
    /// request is closed.
    Escalate(#[serde(deserialize_with = "chain")] Vec<Step>),
}

/// One step of an escalation: who may decide from then on, besides those who could before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step(pub Vec<Candidates>);

/// Logs of the first version name the candidates of the one step that there was, without a list around them.
fn chain<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Steps(Vec<Step>),
        One(Step),
    }
    Ok(match Read::deserialize(deserializer)? {
        Read::Steps(steps) => steps,
        Read::One(step) => vec![step],
    })
}

/// Approve or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// In favour.
    Approve,
    /// Against: one is enough.
    Deny,
}

/// One person's decision on one stage. Immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// Index of the stage it was given on.
    pub stage: usize,
    /// Who decided.
    pub reviewer: PrincipalId,
    /// What they decided.
    pub verdict: Verdict,
    /// Their note, sealed.
    pub note: Option<Commitment>,
    /// What an approve leaves of what was asked.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// It was given beforehand, as this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beforehand: Option<PreapprovalId>,
    /// When.
    pub at: Timestamp,
}

/// Less than was asked: what an approve is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Not for longer than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Vec<Ask>>,
}

impl Limits {
    /// Whether everything that was asked for stays.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Who is who right now, as the directory and the rules in force say. Implemented by `ajar-policy`.
pub trait Facts {
    /// The human behind a principal: linked accounts give the same answer. `None` for a workload,
    /// for somebody unknown and for somebody disabled: they can't approve.
    fn human(&self, principal: PrincipalId) -> Option<PrincipalId>;
    /// Whether the rules in force let what was approved open now: asked again when it opens later.
    fn may_open(&self, scheduled: &Scheduled) -> bool;
    /// Approves that were given beforehand and cover a request now: which, and by whom. Files know of none.
    fn beforehand(&self, _filed: &Filed) -> Vec<(PreapprovalId, PrincipalId)> {
        Vec::new()
    }
    /// Everyone whom `candidates` names, for a request of `requester` for `resources`.
    fn candidates(&self, candidates: &[Candidates], requester: PrincipalId, resources: &[ResourceName]) -> BTreeSet<PrincipalId>;
}

/// Whom the request is from and for, which is what candidates depend on.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who asked, and for whom.
    pub requester: PrincipalId,
    /// Who else is linked to the request and may not decide it: the beneficiary.
    pub beneficiary: PrincipalId,
    /// The resources asked for.
    pub resources: &'a [ResourceName],
}

/// What happened to the stages of a plan so far, besides reviews.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Stages that timed out into [`Otherwise::Next`].
    pub skipped: BTreeSet<usize>,
    /// Stages that were escalated, once for each step that has begun.
    pub escalated: Vec<usize>,
    /// Approves that were taken back while the request was pending: they count no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taken_back: BTreeSet<ReviewId>,
    /// Who was asked when each stage began, the first time.
    #[serde(default)]
    pub asked: Vec<Asked>,
}

/// See [`Course::asked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Index of the stage.
    pub stage: usize,
    /// Who was asked.
    pub people: BTreeSet<PrincipalId>,
}

impl Course {
    /// How many steps of a stage's escalation have begun.
    #[must_use]
    pub fn steps(&self, stage: usize) -> usize {
        self.escalated.iter().filter(|s| **s == stage).count()
    }

    /// A stage begins, perhaps once more.
    pub(crate) fn begin(&mut self, stage: usize, people: &[PrincipalId]) {
        if self.asked.iter().all(|a| a.stage != stage) {
            self.asked.push(Asked { stage, people: people.iter().copied().collect() });
        }
    }
}

/// Where a plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every stage that must be met is met.
    Met,
    /// This stage waits.
    Waiting {
        /// Its index.
        stage: usize,
        /// Who may decide it now: neither the requester's or beneficiary's human, nor anyone who has already been counted.
        asked: BTreeSet<PrincipalId>,
        /// Distinct humans who have approved it.
        have: u8,
        /// Distinct humans who must.
        needed: u8,
    },
}

impl Standing {
    /// Whether the people who may still decide are enough humans for what is missing.
    #[must_use]
    pub fn can_be_fulfilled(&self, facts: &dyn Facts) -> bool {
        match self {
            Self::Met => true,
            Self::Waiting { asked, have, needed, .. } => {
                let missing = usize::from(needed.saturating_sub(*have));
                let mut humans = BTreeSet::new();
                missing == 0 || asked.iter().filter_map(|p| facts.human(*p)).any(|human| humans.insert(human) && humans.len() >= missing)
            }
        }
    }
}

impl Plan {
    /// The strictest combination of two plans (I04): every stage of both, except those that a stage of the same candidates
    /// covers, each at most one. Stages keep their indexes. Adding a rule never loosens a plan.
    #[must_use]
    pub fn combine(mut self, other: &Self) -> Self {
        for rule in &other.rules {
            if !self.rules.contains(rule) {
                self.rules.push(rule.clone());
            }
        }
        self.opening = self.opening.combine(other.opening);
        self.low_risk &= other.low_risk;
        let mut more = Vec::new();
        let mut covering = BTreeSet::new();
        for (index, stage) in other.stages.iter().enumerate() {
            let otherwise = other.otherwise(index);
            let covers = |i: &usize| {
                !covering.contains(i)
                    && self.stages.get(*i).is_some_and(|mine| mine.candidates == stage.candidates)
                    && self.otherwise(*i) == otherwise
            };
            let found = (0..self.stages.len()).find(covers);
            match found.and_then(|i| self.stages.get_mut(i).map(|mine| (i, mine))) {
                Some((i, mine)) => {
                    mine.needed = mine.needed.max(stage.needed);
                    mine.within = mine.within.min(stage.within);
                    mine.asked_only |= stage.asked_only;
                    covering.insert(i);
                }
                None => more.push(Stage { otherwise, ..stage.clone() }),
            }
        }
        if !more.is_empty() {
            // What could not be skipped because it was the last must not become so because something follows it now.
            let last = self.stages.len().checked_sub(1).map(|last| self.otherwise(last));
            if let (Some(stage), Some(otherwise)) = (self.stages.last_mut(), last) {
                stage.otherwise = otherwise;
            }
        }
        self.stages.extend(more);
        self
    }

    /// The longest that all its stages may take together, each step of an escalation included.
    #[must_use]
    pub fn takes(&self) -> Span {
        let steps = |stage: &Stage| match &stage.otherwise {
            Otherwise::Escalate(chain) => u64::try_from(chain.len()).unwrap_or(u64::MAX).saturating_add(1),
            Otherwise::Deny | Otherwise::Next => 1,
        };
        let millis = self.stages.iter().map(|stage| stage.within.as_millis().saturating_mul(steps(stage)));
        Span::from_millis(millis.fold(0, u64::saturating_add))
    }

    /// What really becomes of a stage that is not decided: the last has no next.
    fn otherwise(&self, stage: usize) -> Otherwise {
        match self.stages.get(stage).map(|s| &s.otherwise) {
            Some(Otherwise::Next) if stage + 1 < self.stages.len() => Otherwise::Next,
            Some(Otherwise::Escalate(more)) => Otherwise::Escalate(more.clone()),
            Some(Otherwise::Next | Otherwise::Deny) | None => Otherwise::Deny,
        }
    }

    /// Who may decide `stage`, its escalation included once that has begun.
    #[must_use]
    pub fn named(&self, stage: usize, course: &Course) -> Vec<Candidates> {
        let Some(found) = self.stages.get(stage) else { return Vec::new() };
        found.candidates.iter().chain(found.begun(course.steps(stage))).cloned().collect()
    }

    /// Who may decide `stage` now. Those whom an escalation names are asked when it begins, so that they need not have been before.
    #[must_use]
    pub fn able(&self, stage: usize, subject: Subject<'_>, course: &Course, facts: &dyn Facts) -> BTreeSet<PrincipalId> {
        let Some(found) = self.stages.get(stage) else { return BTreeSet::new() };
        let named = |candidates: &[Candidates]| facts.candidates(candidates, subject.requester, subject.resources);
        let mut able = named(&found.candidates);
        if let (true, Some(asked)) = (found.asked_only, course.asked.iter().find(|a| a.stage == stage)) {
            able.retain(|p| asked.people.contains(p));
        }
        let escalated: Vec<_> = found.begun(course.steps(stage)).cloned().collect();
        able.extend(named(&escalated));
        able
    }

    /// Where the plan stands, given the reviews so far and who is who *now*.
    ///
    /// INVARIANT I03: a human counts once in the whole plan, never if they are the requester or
    /// beneficiary (or linked to either), and only while they are still a candidate (I06, A4).
    #[must_use]
    pub fn standing(&self, subject: Subject<'_>, course: &Course, reviews: &[Review], facts: &dyn Facts) -> Standing {
        let mut used: BTreeSet<PrincipalId> = BTreeSet::new();
        for principal in [subject.requester, subject.beneficiary] {
            used.insert(principal);
            used.extend(facts.human(principal));
        }
        for (index, stage) in self.stages.iter().enumerate() {
            if course.skipped.contains(&index) {
                continue;
            }
            let able = self.able(index, subject, course, facts);
            let mut have: u8 = 0;
            for review in reviews.iter().filter(|r| r.stage == index && r.verdict == Verdict::Approve) {
                if course.taken_back.contains(&review.id) || !able.contains(&review.reviewer) {
                    continue;
                }
                if let Some(human) = facts.human(review.reviewer)
                    && used.insert(human)
                {
                    have = have.saturating_add(1);
                }
            }
            if have < stage.needed.get() {
                let asked =
                    able.into_iter().filter(|p| facts.human(*p).is_some_and(|human| !used.contains(&human)) && !used.contains(p)).collect();
                return Standing::Waiting { stage: index, asked, have, needed: stage.needed.get() };
            }
        }
        Standing::Met
    }
}
