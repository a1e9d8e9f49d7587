//! What would come of putting files in force: what differs, and what that means for people, grants and requests. A dry run of the
//! same code that applies them.

use std::sync::Arc;

use ajar_core::event::{Event, Stream};
use ajar_core::grant::GrantEvent;
use ajar_core::id::{GrantId, PrincipalId, RequestId};
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::request::{Ask, DeniedBecause, RequestEvent};
use ajar_core::world::{Decision, Sweep, World};
use ajar_policy::{Bound, Change, Files};

use crate::engine::Engine;
use crate::people::Caller;
use crate::policies::{ApplyError, Prepared, sweep};
use crate::refusal::refusal;
use crate::sequencer::Desk;

/// What would come of putting files in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlan {
    /// The files' hash.
    pub hash: String,
    /// The hash of what is in force, with which they were compared.
    pub in_force: Option<String>,
    /// What differs.
    pub changes: Vec<Change>,
    /// Principals seen for the first time.
    pub added: usize,
    /// Who could do nothing any more.
    pub disabled: Vec<PrincipalId>,
    /// Grants that would close.
    pub grants: Vec<GrantEnd>,
    /// Requests that would be denied, or ask for more.
    pub requests: Vec<RequestTurn>,
}

/// A grant that would close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantEnd {
    /// Which.
    pub id: GrantId,
    /// Whose.
    pub principal: PrincipalId,
    /// On what.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// Why, as a word.
    pub because: String,
    /// Live sessions that would be cut.
    pub sessions: usize,
}

/// A pending request that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTurn {
    /// Which.
    pub id: RequestId,
    /// Whose.
    pub requester: PrincipalId,
    /// What was asked for.
    pub asks: Vec<Ask>,
    /// What would become of it.
    pub turn: Turn,
}

/// What would become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It would ask for more, or for less time.
    Stricter,
    /// It would be denied.
    Denied(DeniedBecause),
}

impl Engine {
    /// What would come of putting `files` in force: for auditors and operators.
    ///
    /// # Errors
    /// When the caller may not know, a file is wrong, or the engine can't say now.
    pub async fn policy_plan(&self, caller: &Caller, files: Files) -> Result<PolicyPlan, ApplyError> {
        if !self.sees_all(caller) {
            return Err(refusal(RefusalKind::Denied, "comparing rules is for auditors and operators", None, None).into());
        }
        let prepared = self.prepare(&Arc::new(files)).await?;
        Ok(self.plan(&prepared).await?)
    }

    /// A part at a time, as it would really happen.
    async fn plan(&self, prepared: &Prepared) -> Result<PolicyPlan, Refusal> {
        let bound = Arc::clone(&prepared.bound);
        let off = self.sequencer.look({
            let bound = Arc::clone(&bound);
            move |desk| desk.world.principals().filter(|p| p.enabled && !bound.enabled(p.id)).map(|p| p.id).collect::<Vec<_>>()
        });
        let mut plan = prepared.plan();
        plan.disabled = off.await?;
        let mut next = Some(Sweep::default()).filter(|_| plan.in_force.as_deref() != Some(plan.hash.as_str()));
        while let Some(from) = next {
            let bound = Arc::clone(&bound);
            let (grants, requests, more) = self.sequencer.look(move |desk| part(desk, &bound, from)).await?;
            plan.grants.extend(grants);
            plan.requests.extend(requests);
            next = more;
        }
        Ok(plan)
    }
}

/// What a part of the sweep would come to, were `rules` in force.
fn part(desk: &Desk<'_>, rules: &Arc<Bound>, from: Sweep) -> (Vec<GrantEnd>, Vec<RequestTurn>, Option<Sweep>) {
    let at = rules.at(desk.world.history(), desk.now);
    let dry = Desk { world: desk.world, rules, at, now: desk.now, entropy: desk.entropy, shut: desk.shut };
    let (decision, next) = sweep(&dry, from);
    (grant_ends(desk.world, &decision), request_turns(desk.world, &decision), next)
}

/// The grants that a decision closes.
pub(crate) fn grant_ends(world: &World, decision: &Decision) -> Vec<GrantEnd> {
    let ends = decision.iter().filter_map(|(stream, event)| {
        let (Stream::Grant(id), Event::Grant(event)) = (stream, event) else { return None };
        let because = match event {
            GrantEvent::Closing(closing) => closing.reason.word().to_owned(),
            GrantEvent::Failed(failed) => failed.why.clone(),
            GrantEvent::Scheduled(_) | GrantEvent::Opened(_) | GrantEvent::Used(_) | GrantEvent::Closed(_) => return None,
        };
        let (principal, resource, role) = world.grant(*id)?.parties();
        let sessions = world.sessions_of(*id).len();
        Some(GrantEnd { id: *id, principal, resource: resource.clone(), role: role.clone(), because, sessions })
    });
    ends.collect()
}

/// What a decision makes of requests.
pub(crate) fn request_turns(world: &World, decision: &Decision) -> Vec<RequestTurn> {
    let mut turns: Vec<RequestTurn> = Vec::new();
    for (stream, event) in decision {
        let (Stream::Request(id), Event::Request(event)) = (stream, event) else { continue };
        let turn = match event {
            RequestEvent::PlanTightened(_) => Turn::Stricter,
            RequestEvent::Denied(denied) => Turn::Denied(denied.because.clone()),
            RequestEvent::Filed(_)
            | RequestEvent::StageEntered(_)
            | RequestEvent::StageEscalated(_)
            | RequestEvent::StageSkipped(_)
            | RequestEvent::Reminded(_)
            | RequestEvent::AutoReviewed(_)
            | RequestEvent::Reviewed(_)
            | RequestEvent::TakenBack(_)
            | RequestEvent::Seen(_)
            | RequestEvent::Commented(_)
            | RequestEvent::Approved(_)
            | RequestEvent::Withdrawn(_)
            | RequestEvent::Expired(_) => continue,
        };
        match turns.iter_mut().find(|t| t.id == *id) {
            // Stricter, and then denied for it.
            Some(known) => known.turn = turn,
            None => {
                let Some(filed) = world.request(*id).map(|r| r.filed()) else { continue };
                turns.push(RequestTurn { id: *id, requester: filed.requester, asks: filed.asks.clone(), turn });
            }
        }
    }
    turns
}
