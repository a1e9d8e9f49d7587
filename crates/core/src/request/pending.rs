//! How a pending request moves on: through reviews, time-outs and changes of who is who. It is approved by a review, or at
//! filing when its plan has no stage, and by nothing else.

use std::collections::BTreeSet;

use super::reminder::remind_at;
use super::{
    Approved, Ask, Denied, DeniedBecause, Filed, Fresh, InForce, Pending, PlanTightened, RequestError, RequestEvent, ReviewCommand,
    Reviewed, Settled, StageEntered, StageEscalated, StageSkipped, TakenBack, Talk,
};
use crate::id::{GrantId, PreapprovalId, PrincipalId, ReviewId};
use crate::plan::{Course, Facts, Limits, Otherwise, Review, Standing, Subject, Verdict};
use crate::time::{Span, Timestamp};

impl Pending {
    pub(super) fn new(filed: Filed) -> Self {
        Self {
            plan: filed.plan.clone(),
            duration: filed.duration,
            filed,
            course: Course::default(),
            automatic: None,
            reviews: Vec::new(),
            talk: Talk::default(),
            stage: None,
            reminded: None,
        }
    }

    /// Approves that were not taken back.
    pub fn standing_approves(&self) -> impl Iterator<Item = &Review> {
        self.reviews.iter().filter(|r| r.verdict == Verdict::Approve && !self.course.taken_back.contains(&r.id))
    }

    /// What is left of what was asked, and for how long: the rules' limit, and every approve's that was not taken back. An
    /// approve that counts no more for another reason still limits.
    #[must_use]
    pub fn left(&self) -> (Vec<Ask>, Span) {
        let (mut asks, mut duration) = (self.filed.asks.clone(), self.duration);
        for review in self.standing_approves() {
            if let Some(only) = &review.limits.asks {
                asks.retain(|ask| only.contains(ask));
            }
            duration = review.limits.duration.map_or(duration, |most| duration.min(most));
        }
        (asks, duration)
    }

    /// Whether `limits` leave something, and nothing that is not there to be left.
    fn fits(&self, limits: &Limits) -> Result<(), RequestError> {
        let refused = |why| Err(RequestError::Limits { id: self.filed.id, why });
        let (asks, duration) = self.left();
        if limits.duration.is_some_and(|most| most == Span::ZERO || most > duration) {
            return refused("it can be made shorter, but neither longer nor nothing");
        }
        match &limits.asks {
            Some(only) if only.is_empty() => refused("nothing would be left: deny it instead"),
            Some(only) if only.iter().any(|ask| !asks.contains(ask)) => refused("only what was asked for, and is left, can be kept"),
            Some(_) | None => Ok(()),
        }
    }

    fn approved(&self, grants: Vec<GrantId>, now: Timestamp) -> RequestEvent {
        let (asks, duration) = self.left();
        let grants = grants.into_iter().take(asks.len()).collect();
        let limits = Limits {
            duration: (duration != self.duration).then_some(duration),
            asks: (asks.len() != self.filed.asks.len()).then_some(asks),
        };
        RequestEvent::Approved(Approved { grants, limits, at: now })
    }

    /// Who may decide the stage that waits.
    #[must_use]
    pub fn asked(&self, facts: &dyn Facts) -> BTreeSet<PrincipalId> {
        match self.standing(facts) {
            Standing::Waiting { asked, .. } => asked,
            Standing::Met => BTreeSet::new(),
        }
    }

    pub(super) fn take_back(&self, by: PrincipalId, facts: &dyn Facts, now: Timestamp) -> Result<Vec<RequestEvent>, RequestError> {
        let id = self.filed.id;
        if now >= self.filed.expires_at {
            return Err(RequestError::TooLate { id, deadline: self.filed.expires_at });
        }
        let mut next = self.clone();
        let mut events = Vec::new();
        for review in self.reviews.iter().filter(|r| r.reviewer == by && r.verdict == Verdict::Approve) {
            if next.course.taken_back.insert(review.id) {
                events.push(RequestEvent::TakenBack(TakenBack { review: review.id, at: now }));
            }
        }
        if events.is_empty() {
            return Err(RequestError::NothingToTakeBack { id });
        }
        events.extend(next.advance(None, facts, now));
        Ok(events)
    }

    /// Where the plan stands now.
    #[must_use]
    pub fn standing(&self, facts: &dyn Facts) -> Standing {
        let resources = self.filed.resources();
        let subject = Subject { requester: self.filed.requester, beneficiary: self.filed.beneficiary, resources: &resources };
        self.plan.standing(subject, &self.course, &self.reviews, facts)
    }

    pub(super) fn tighten(&mut self, to: PlanTightened) {
        self.plan = to.plan;
        self.duration = to.duration;
    }

    pub(super) fn settle<T>(self, outcome: T) -> Settled<T> {
        Settled {
            filed: self.filed,
            plan: self.plan,
            duration: self.duration,
            course: self.course,
            automatic: self.automatic,
            reviews: self.reviews,
            talk: self.talk,
            outcome,
        }
    }

    /// `mine` is the reviewer's last review with the same verdict, if there is one.
    pub(super) fn review(
        &self,
        command: ReviewCommand,
        mine: Option<ReviewId>,
        in_force: &InForce,
        facts: &dyn Facts,
        now: Timestamp,
    ) -> Result<Reviewed, RequestError> {
        let id = self.filed.id;
        let ReviewCommand { reviewer, verdict, note, limits, ids } = command;
        if now >= self.filed.expires_at {
            return Err(RequestError::TooLate { id, deadline: self.filed.expires_at });
        }
        let mut next = self.clone();
        let mut events = Vec::new();
        // A deadline counts when it is used, not when its timer comes.
        if let Some((stage, until)) = next.timed_out(facts, now) {
            match next.give_up_on(stage, DeniedBecause::StageTimedOut(stage), now) {
                Ok(event) => {
                    next.note(&event);
                    events.push(event);
                }
                Err(_) => return Err(RequestError::TooLate { id, deadline: until }),
            }
        }
        if verdict == Verdict::Approve {
            match next.stricter(in_force) {
                Ok(None) => {}
                Ok(Some(tightened)) => {
                    next.tighten(tightened.clone());
                    events.push(RequestEvent::PlanTightened(tightened));
                }
                Err(because) => {
                    // Only somebody who may decide makes this known.
                    next.stage_for(reviewer, verdict, facts)?;
                    events.push(RequestEvent::Denied(Denied { because, at: now }));
                    return Ok(Reviewed::Recorded(events));
                }
            }
        }
        let stage = match (next.stage_for(reviewer, verdict, facts), mine) {
            (Ok(stage), _) => stage,
            (Err(_), Some(_))
                if verdict == Verdict::Approve && facts.human(reviewer).is_some() && next.standing(facts) == Standing::Met =>
            {
                // Reviews that were void count again: one of those who gave them says so once more.
                events.extend(next.advance(Some(ids.then), facts, now));
                return Ok(Reviewed::Recorded(events));
            }
            (Err(_), Some(mine)) => return Ok(Reviewed::Already(mine)),
            (Err(refused), None) => return Err(refused),
        };
        let limits = match verdict {
            Verdict::Approve => limits,
            Verdict::Deny => Limits::default(),
        };
        next.fits(&limits)?;
        let review = Review { id: ids.review, stage, reviewer, verdict, note, limits, beforehand: None, at: now };
        next.reviews.push(review.clone());
        events.push(RequestEvent::Reviewed(review));
        match verdict {
            Verdict::Deny => events.push(RequestEvent::Denied(Denied { because: DeniedBecause::Review(ids.review), at: now })),
            Verdict::Approve => events.extend(next.advance(Some(ids.then), facts, now)),
        }
        Ok(Reviewed::Recorded(events))
    }

    /// INVARIANT I06: what the rules in force ask for beyond the snapshot, or that they don't allow it any more.
    fn stricter(&self, in_force: &InForce) -> Result<Option<PlanTightened>, DeniedBecause> {
        match in_force {
            InForce::Allowed { plan, max, rules_hash } if *max > Span::ZERO => {
                let plan = self.plan.clone().combine(plan);
                let duration = self.duration.min(*max);
                let alike = (plan.opening, plan.low_risk) == (self.plan.opening, self.plan.low_risk);
                let same = plan.stages == self.plan.stages && alike && duration == self.duration;
                Ok((!same).then(|| PlanTightened { plan, duration, rules_hash: rules_hash.clone() }))
            }
            InForce::Allowed { .. } | InForce::Refused => Err(DeniedBecause::Rules),
        }
    }

    /// The stage that `reviewer` may decide: the one that waits. INVARIANT I05: a deny may also come from somebody whom a
    /// stage before it asks, so that one that arrives together with that stage's last approve is not lost.
    fn stage_for(&self, reviewer: PrincipalId, verdict: Verdict, facts: &dyn Facts) -> Result<usize, RequestError> {
        let not_yours = |why| Err(RequestError::NotYours { id: self.filed.id, why });
        let Some(human) = facts.human(reviewer) else {
            return not_yours("only an enabled person can decide");
        };
        let own = [self.filed.requester, self.filed.beneficiary];
        if own.iter().any(|p| *p == reviewer || facts.human(*p) == Some(human)) {
            return not_yours("you asked for it, or it is for you (linked accounts count as one person)");
        }
        let stands = |r: &&Review| !self.course.taken_back.contains(&r.id) && facts.human(r.reviewer) == Some(human);
        let reviewed = |stage: usize| self.reviews.iter().filter(stands).any(|r| r.stage == stage);
        let waiting = match self.standing(facts) {
            Standing::Waiting { stage, asked, .. } if asked.contains(&reviewer) => return Ok(stage),
            Standing::Waiting { stage, .. } => Some(stage),
            Standing::Met => None,
        };
        let reached = waiting.map_or(self.plan.stages.len(), |stage| stage + 1);
        if verdict == Verdict::Deny
            && let Some(stage) = (0..reached).rev().find(|stage| !reviewed(*stage) && self.asks(*stage, reviewer, facts))
        {
            return Ok(stage);
        }
        match waiting {
            _ if (0..reached).any(|stage| reviewed(stage) && waiting.is_none_or(|w| w == stage)) => {
                Err(RequestError::AlreadyReviewed { id: self.filed.id })
            }
            Some(_) => not_yours("you are not among those whom this stage asks, or have been counted in another stage"),
            None => not_yours("every stage is met"),
        }
    }

    fn asks(&self, stage: usize, reviewer: PrincipalId, facts: &dyn Facts) -> bool {
        facts.candidates(&self.plan.named(stage, &self.course), self.filed.requester, &self.filed.resources()).contains(&reviewer)
    }

    /// Moves on as far as the plan allows now: to the stage that waits, past stages that nobody can fulfil, or to the end;
    /// to an approval, and past what was approved beforehand, only with `fresh` ids for it.
    pub(super) fn advance(&self, mut fresh: Option<Fresh>, facts: &dyn Facts, now: Timestamp) -> Vec<RequestEvent> {
        let mut next = self.clone();
        let mut events = Vec::new();
        loop {
            let standing = next.standing(facts);
            let Standing::Waiting { stage, ref asked, .. } = standing else {
                events.extend(fresh.map(|fresh| next.approved(fresh.grants, now)));
                return events;
            };
            if let Some(review) = fresh.as_mut().and_then(|fresh| next.beforehand(stage, asked, fresh, facts, now)) {
                next.reviews.push(review.clone());
                events.push(RequestEvent::Reviewed(review));
                continue;
            }
            if !standing.can_be_fulfilled(facts) {
                match next.give_up_on(stage, DeniedBecause::NobodyCanDecide(stage), now) {
                    Ok(event) => {
                        next.note(&event);
                        events.push(event);
                        continue;
                    }
                    Err(denied) => {
                        events.push(RequestEvent::Denied(denied));
                        return events;
                    }
                }
            }
            if next.stage.as_ref().is_none_or(|s| s.stage != stage) {
                let within = next.plan.stages.get(stage).map_or(Span::ZERO, |s| s.within);
                let until = now.after(within);
                // It can be decided no longer than the request.
                let remind_at = remind_at(now, until.min(next.filed.expires_at));
                let asked = asked.iter().copied().collect();
                events.push(RequestEvent::StageEntered(StageEntered { stage, asked, until, remind_at }));
            }
            return events;
        }
    }

    /// An approve that was given beforehand by somebody whom the stage asks now, for what is asked now; each counts once, and what its
    /// giver has taken back does not come again.
    fn beforehand(
        &self,
        stage: usize,
        asked: &BTreeSet<PrincipalId>,
        fresh: &mut Fresh,
        facts: &dyn Facts,
        now: Timestamp,
    ) -> Option<Review> {
        let used = |id: &PreapprovalId| self.reviews.iter().any(|r| r.beforehand.as_ref() == Some(id));
        let mut given = facts.beforehand(&self.filed).into_iter();
        let (id, reviewer) = given.find(|(id, by)| asked.contains(by) && !used(id))?;
        let review = fresh.beforehand.pop()?;
        let (verdict, limits) = (Verdict::Approve, Limits::default());
        Some(Review { id: review, stage, reviewer, verdict, note: None, limits, beforehand: Some(id), at: now })
    }

    pub(super) fn tick(&self, facts: &dyn Facts, now: Timestamp) -> Vec<RequestEvent> {
        let mut next = self.clone();
        let mut events = Vec::new();
        if let Some((stage, _)) = self.timed_out(facts, now) {
            match next.give_up_on(stage, DeniedBecause::StageTimedOut(stage), now) {
                Ok(event) => {
                    next.note(&event);
                    events.push(event);
                }
                Err(denied) => return vec![RequestEvent::Denied(denied)],
            }
        }
        events.extend(next.advance(None, facts, now));
        if events.is_empty() {
            events.extend(self.remind(facts, now));
        }
        events
    }

    pub(super) fn reassess(&self, in_force: &InForce, facts: &dyn Facts, now: Timestamp) -> Vec<RequestEvent> {
        let mut next = self.clone();
        match next.stricter(in_force) {
            Ok(None) => next.advance(None, facts, now),
            Ok(Some(tightened)) => {
                next.tighten(tightened.clone());
                let mut events = vec![RequestEvent::PlanTightened(tightened)];
                events.extend(next.advance(None, facts, now));
                events
            }
            Err(because) => vec![RequestEvent::Denied(Denied { because, at: now })],
        }
    }

    /// The stage whose time is over, and since when; not one that waits no longer because one before it waits again.
    fn timed_out(&self, facts: &dyn Facts, now: Timestamp) -> Option<(usize, Timestamp)> {
        let entered = self.stage.as_ref().filter(|s| now >= s.until)?;
        match self.standing(facts) {
            Standing::Waiting { stage, .. } if stage != entered.stage => None,
            Standing::Waiting { .. } | Standing::Met => Some((entered.stage, entered.until)),
        }
    }

    /// A stage that timed out or can't be fulfilled: more people, the next stage, or the end. INVARIANT A10: never an approval,
    /// so the last stage is never skipped.
    fn give_up_on(&self, stage: usize, because: DeniedBecause, now: Timestamp) -> Result<RequestEvent, Denied> {
        let denied = Denied { because, at: now };
        let Some(found) = self.plan.stages.get(stage) else { return Err(denied) };
        match &found.otherwise {
            Otherwise::Escalate(chain) if self.course.steps(stage) < chain.len() => {
                Ok(RequestEvent::StageEscalated(StageEscalated { stage }))
            }
            Otherwise::Next if stage + 1 < self.plan.stages.len() => Ok(RequestEvent::StageSkipped(StageSkipped { stage })),
            Otherwise::Escalate(_) | Otherwise::Next | Otherwise::Deny => Err(denied),
        }
    }

    fn note(&mut self, event: &RequestEvent) {
        match event {
            RequestEvent::StageEscalated(e) => {
                self.course.escalated.push(e.stage);
                self.stage = None;
            }
            RequestEvent::StageSkipped(e) => {
                self.course.skipped.insert(e.stage);
                self.stage = None;
            }
            RequestEvent::Filed(_)
            | RequestEvent::StageEntered(_)
            | RequestEvent::AutoReviewed(_)
            | RequestEvent::Reminded(_)
            | RequestEvent::Reviewed(_)
            | RequestEvent::TakenBack(_)
            | RequestEvent::Seen(_)
            | RequestEvent::Commented(_)
            | RequestEvent::PlanTightened(_)
            | RequestEvent::Approved(_)
            | RequestEvent::Denied(_)
            | RequestEvent::Withdrawn(_)
            | RequestEvent::Expired(_) => {}
        }
    }
}
