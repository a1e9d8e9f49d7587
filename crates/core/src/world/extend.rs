//! Extending: what is left of a grant goes on as a new one, approved like any other, which its sessions and leases move on to.
//!
//! INVARIANT I07: the old grant's end never moves. It closes as the new one opens, in the same decision.

use std::collections::BTreeSet;

use super::World;
use super::decide::{Decision, WorldError, on_grant, on_lease, on_request, on_session};
use crate::event::Stream;
use crate::grant::{CloseReason, Closed, Closing, Grant, GrantEvent, Open, Opened, Scheduled};
use crate::id::{GrantId, PrincipalId, RequestId};
use crate::lease;
use crate::permit::{Claims, GrantSigner};
use crate::request::{Denied, DeniedBecause, Filed, Request, RequestEvent};
use crate::session;
use crate::time::Timestamp;

impl World {
    /// The grant that `id` has become: the one that goes on from it, as long as that is open; else itself.
    #[must_use]
    pub fn standing_grant(&self, id: GrantId) -> GrantId {
        self.goes_on.get(&id).and_then(BTreeSet::first).copied().unwrap_or(id)
    }

    /// The request that is pending and would go on with a grant: there is one at the most.
    #[must_use]
    pub fn extension_of(&self, grant: GrantId) -> Option<&Request> {
        self.extension_of.get(&grant).and_then(BTreeSet::first).and_then(|id| self.requests.get(id))
    }

    /// A grant that `by` may ask to go on with.
    ///
    /// # Errors
    /// When there is none, or it is somebody else's (the two look the same, R7); when it is not open at `now`, or is for one session.
    pub fn grant_extendable(&self, id: GrantId, by: PrincipalId, now: Timestamp) -> Result<&Open, WorldError> {
        let grant = self.grant(id).filter(|g| g.parties().0 == by);
        match grant.ok_or(WorldError::NoSuch(Stream::Grant(id)))? {
            Grant::Open(open) if now >= open.signed.claims.ends_at => Err(WorldError::NotOpen { id, state: "over" }),
            Grant::Open(open) if open.single_use => Err(WorldError::NotExtendable { id, why: "it is for one session" }),
            Grant::Open(open) => Ok(open),
            other @ (Grant::Scheduled(_) | Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_)) => {
                Err(WorldError::NotOpen { id, state: other.state() })
            }
        }
    }

    /// Whether a request that would go on with a grant fits it; any other does.
    pub(super) fn fits_what_it_extends(&self, filed: &Filed) -> Result<(), WorldError> {
        let Some(extends) = &filed.extends else { return Ok(()) };
        let id = extends.grant;
        let refused = |why| Err(WorldError::NotExtendable { id, why });
        let open = self.grant_extendable(id, filed.beneficiary, filed.at)?;
        let claims = &open.signed.claims;
        let same = |ask: &crate::request::Ask| ask.resource == claims.resource && ask.role == claims.role;
        if filed.requester != filed.beneficiary || filed.starts_at.is_some() || filed.emergency.is_some() {
            return refused("only who has it goes on with it, at once, and in the ordinary way");
        }
        if !matches!(filed.asks.as_slice(), [ask] if same(ask)) || extends.nth != open.extensions() {
            return refused("that is not what it is");
        }
        if filed.plan.opening.single_use {
            return refused("the rules let one session in, once");
        }
        if self.extension_of(id).is_some() {
            return refused("that is asked for already");
        }
        Ok(())
    }

    /// An approval of what can't go on any more is a denial: nothing opens.
    pub(super) fn only_of_what_is_open(&self, request: &Request, events: Vec<RequestEvent>, now: Timestamp) -> Vec<RequestEvent> {
        let filed = request.filed();
        let Some(extends) = &filed.extends else { return events };
        let tightened = events.iter().rev().find_map(|e| if let RequestEvent::PlanTightened(t) = e { Some(&t.plan) } else { None });
        let because = if tightened.unwrap_or(request.terms().0).opening.single_use {
            DeniedBecause::Rules
        } else if self.grant_extendable(extends.grant, filed.beneficiary, now).is_err() {
            DeniedBecause::GrantOver
        } else {
            return events;
        };
        let denied = RequestEvent::Denied(Denied { because, at: now });
        events.into_iter().map(|e| if matches!(e, RequestEvent::Approved(_)) { denied.clone() } else { e }).collect()
    }

    /// The new grant opens, what is live and leased moves on to it, the old one closes. It ends `duration` after the old one's end,
    /// whatever the clock says now.
    pub(super) fn go_on(&self, from: GrantId, to: &Scheduled, signer: &GrantSigner, now: Timestamp) -> Decision {
        let Some(Grant::Open(old)) = self.grant(from) else { return Decision::new() };
        let claims = Claims {
            grant: to.id,
            request: to.request,
            principal: to.principal,
            resource: to.resource.clone(),
            role: to.role.clone(),
            starts_at: now,
            ends_at: old.signed.claims.ends_at.after(to.duration),
        };
        let ends_at = claims.ends_at;
        let after = old.after.iter().copied().chain([from]).collect();
        let mut decision = on_grant(to.id, vec![GrantEvent::Opened(Opened { signed: signer.sign(claims), single_use: false, after })]);
        let mut stays = false;
        for lease in self.leases_of(from) {
            let moved = lease.move_on(lease::Moved { grant: to.id, valid_until: ends_at, at: now });
            stays |= moved.is_empty();
            decision.extend(on_lease(lease.intended().id, moved));
        }
        for session in self.sessions_of(from).into_iter().filter_map(|id| self.session(id)) {
            decision.extend(on_session(session.arrived().id, session.move_on(session::Moved { grant: to.id, at: now })));
        }
        let mut ends = vec![GrantEvent::Closing(Closing { reason: CloseReason::Extended { by: to.id }, at: now })];
        // What is being removed stays with it until that is proven.
        if !stays {
            ends.push(GrantEvent::Closed(Closed { at: now }));
        }
        decision.extend(on_grant(from, ends));
        decision
    }

    /// A grant is over: what would have gone on with it is denied.
    pub(super) fn extension_denied(&self, grant: GrantId, now: Timestamp) -> Decision {
        self.extension_of(grant).map(|request| on_request(request.filed().id, request.grant_over(now))).unwrap_or_default()
    }

    /// Whether a request ends with the grant that it would go on with, which is over at `now`.
    pub(super) fn ends_with_its_grant(&self, request: RequestId, now: Timestamp) -> bool {
        let extends = self.request(request).and_then(|r| r.filed().extends.as_ref());
        extends.and_then(|e| self.grant(e.grant)).is_some_and(|g| matches!(g, Grant::Open(_)) && g.due().is_some_and(|end| end <= now))
    }
}
