//! Commands that touch more than one lifecycle. Each looks at the world and says what happens, or refuses; nothing
//! changes until the events are committed and applied.

use std::collections::BTreeSet;

use super::{Present, World};
use crate::debt::{DebtError, DebtEvent, DebtReview, Emergency, Incurred, Owed};
use crate::delegation::{self, Delegation, DelegationEvent, Made};
use crate::event::{Event, Stream};
use crate::grant::{CloseReason, Grant, GrantError, GrantEvent, Opened, Scheduled, Used};
use crate::id::{DebtId, DelegationId, GrantId, LeaseId, LockId, PreapprovalId, PrincipalId, RequestId, ReviewId, SessionId};
use crate::lease::{Intended, Lease, LeaseEvent, RevocationProof};
use crate::lock::{Lock, LockEvent, Placed};
use crate::permit::{Claims, GrantSigner};
use crate::plan::{Facts, Verdict};
use crate::preapproval::{self, Given, PreapprovalEvent};
use crate::request::{ByRules, Comment, Filed, Fresh, InForce, Pending, Request, RequestError, RequestEvent, ReviewCommand, Reviewed};
use crate::session::{Ended, HeldFor, Killed, Live, Session, SessionEvent};
use crate::time::{Span, Timestamp};

/// Pre-approvals of one principal that may be in force or to come at once.
const PREAPPROVALS_MAX: usize = 50;

/// What happens, in order, to which streams.
pub type Decision = Vec<(Stream, Event)>;

/// A command that the world does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// There is no such thing (or the caller may not know of it).
    #[error("there is no {0}")]
    NoSuch(Stream),
    /// The request doesn't take it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The grant doesn't take it.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The grant is not open at this instant.
    #[error("{id} is not open: it is {state}")]
    NotOpen {
        /// Which.
        id: GrantId,
        /// Its state.
        state: &'static str,
    },
    /// The grant is open, and can't be extended, or not like that.
    #[error("{id} can't be extended: {why}")]
    NotExtendable {
        /// Which.
        id: GrantId,
        /// Why not, in words.
        why: &'static str,
    },
    /// Who asks, or what they ask for, is locked.
    #[error("{0} keeps this shut: nothing opens until it is lifted")]
    Locked(LockId),
    /// A review is owed: nothing is approved automatically.
    #[error("{0} is owed: nothing is approved automatically until that emergency is reviewed")]
    InDebt(DebtId),
    /// A debt doesn't take the review.
    #[error(transparent)]
    Debt(#[from] DebtError),
    /// A pre-approval that can't be given.
    #[error("that can't be approved beforehand: {0}")]
    Preapproval(&'static str),
    /// A delegation that can't be made.
    #[error("that can't be delegated: {0}")]
    Delegation(&'static str),
}

/// A request to be filed, with the ids that it may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCommand {
    /// What is asked.
    pub filed: Filed,
    /// What the rules decide by themselves.
    pub by_rules: ByRules,
    /// Ids for its grants, one for each ask, should it be approved at once.
    pub grants: Vec<GrantId>,
    /// Ids for approves that were given beforehand, as many as may count.
    pub beforehand: Vec<ReviewId>,
    /// For the review that it owes, should it be an emergency.
    pub debt: DebtId,
}

/// What a review came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// These events; maybe none, for a repeated deny of what is closing already.
    Decided(Decision),
    /// The same review was there already.
    Already(crate::id::ReviewId),
}

pub(super) fn on_request(id: RequestId, events: Vec<RequestEvent>) -> Decision {
    events.into_iter().map(|e| (Stream::Request(id), Event::Request(e))).collect()
}

pub(super) fn on_grant(id: GrantId, events: Vec<GrantEvent>) -> Decision {
    events.into_iter().map(|e| (Stream::Grant(id), Event::Grant(e))).collect()
}

pub(super) fn on_lease(id: LeaseId, events: Vec<LeaseEvent>) -> Decision {
    events.into_iter().map(|e| (Stream::Lease(id), Event::Lease(e))).collect()
}

pub(super) fn on_session(id: SessionId, events: Vec<SessionEvent>) -> Decision {
    events.into_iter().map(|e| (Stream::Session(id), Event::Session(e))).collect()
}

/// INVARIANT I08: the window starts now, not when it was asked for. INVARIANT I07: it has one end, fixed here.
fn opened(scheduled: &Scheduled, signer: &GrantSigner, now: Timestamp) -> Opened {
    let claims = Claims {
        grant: scheduled.id,
        request: scheduled.request,
        principal: scheduled.principal,
        resource: scheduled.resource.clone(),
        role: scheduled.role.clone(),
        starts_at: now,
        ends_at: now.after(scheduled.duration),
    };
    Opened { signed: signer.sign(claims), single_use: scheduled.single_use, after: Vec::new() }
}

/// Nothing opens for somebody, or on something, that is locked.
fn unlocked(filed: &Filed, present: &Present<'_>) -> Result<(), WorldError> {
    match present.locked(&[filed.requester, filed.beneficiary], &filed.resources()) {
        Some(lock) => Err(WorldError::Locked(lock)),
        None => Ok(()),
    }
}

impl World {
    /// Files a request; with a plan of no stages it is approved and opened in the same breath.
    ///
    /// # Errors
    /// When who asks or what they ask for is locked.
    pub fn request_file(&self, command: FileCommand, present: &Present<'_>, signer: &GrantSigner) -> Result<Decision, WorldError> {
        let filed = command.filed.clone();
        unlocked(&filed, present)?;
        self.fits_what_it_extends(&filed)?;
        // INVARIANT A13: who owes a review gets nothing by themselves, but for another emergency.
        let automatic = filed.plan.stages.is_empty() && command.by_rules.denied_by.is_none();
        if let (true, None, Some(debt)) = (automatic, &filed.emergency, present.in_debt(&[filed.requester, filed.beneficiary])) {
            return Err(WorldError::InDebt(debt));
        }
        let fresh = Fresh { grants: command.grants, beforehand: command.beforehand };
        let events = Request::file(command.filed, command.by_rules, fresh, present);
        let opens = events.iter().any(|e| matches!(e, RequestEvent::Approved(_)));
        let mut decision = self.open_approved(&filed, None, events, signer, filed.at);
        if let (Some(Emergency { alert, reviews, within }), true) = (&filed.emergency, opens) {
            let resources = filed.resources();
            let incurred = Incurred {
                id: command.debt,
                request: filed.id,
                debtor: filed.requester,
                beneficiary: filed.beneficiary,
                reviews: reviews.clone(),
                alerted: present.candidates(alert, filed.requester, &resources).into_iter().collect(),
                asked: Vec::new(),
                due: filed.at.after(*within),
                resources,
                at: filed.at,
            };
            let asked = Owed::new(incurred.clone()).asked(present);
            let incurred = Incurred { asked, ..incurred };
            decision.push((Stream::Debt(command.debt), Event::Debt(DebtEvent::Incurred(incurred))));
        }
        Ok(decision)
    }

    /// What an approval leads to, besides the request's own events: grants that open now, or are to open later.
    fn open_approved(
        &self,
        filed: &Filed,
        before: Option<&Pending>,
        events: Vec<RequestEvent>,
        signer: &GrantSigner,
        now: Timestamp,
    ) -> Decision {
        let (mut opening, mut duration) = before.map_or((filed.plan.opening, filed.duration), |p| (p.plan.opening, p.duration));
        let standing = |p: &Pending| p.standing_approves().map(|r| r.reviewer).collect();
        let mut approved_by: BTreeSet<PrincipalId> = before.map(standing).unwrap_or_default();
        let mut grants = Vec::new();
        for event in &events {
            match event {
                RequestEvent::PlanTightened(t) => (opening, duration) = (t.plan.opening, t.duration),
                RequestEvent::Reviewed(review) if review.verdict == Verdict::Approve => drop(approved_by.insert(review.reviewer)),
                RequestEvent::Approved(approved) => {
                    let opens_at = filed.starts_at.unwrap_or(now).max(now);
                    let asks = approved.limits.asks.as_ref().unwrap_or(&filed.asks);
                    for (ask, grant) in asks.iter().zip(&approved.grants) {
                        let scheduled = Scheduled {
                            id: *grant,
                            request: filed.id,
                            principal: filed.beneficiary,
                            resource: ask.resource.clone(),
                            role: ask.role.clone(),
                            opens_at,
                            duration: approved.limits.duration.unwrap_or(duration),
                            redeem_by: opening.on_first_use.map(|within| opens_at.after(within)),
                            single_use: opening.single_use,
                            approved_by: approved_by.clone(),
                            ticket: filed.ticket.clone(),
                            proof: filed.proof,
                            asked_by: (filed.requester != filed.beneficiary).then_some(filed.requester),
                        };
                        let later = opens_at > now || scheduled.redeem_by.is_some();
                        grants.extend(match &filed.extends {
                            // Its first use has been.
                            Some(extends) => self.go_on(extends.grant, &scheduled, signer, now),
                            None if later => on_grant(*grant, vec![GrantEvent::Scheduled(scheduled)]),
                            None => on_grant(*grant, vec![GrantEvent::Opened(opened(&scheduled, signer, now))]),
                        });
                    }
                }
                RequestEvent::Filed(_)
                | RequestEvent::StageEntered(_)
                | RequestEvent::Reminded(_)
                | RequestEvent::StageEscalated(_)
                | RequestEvent::StageSkipped(_)
                | RequestEvent::AutoReviewed(_)
                | RequestEvent::Reviewed(_)
                | RequestEvent::TakenBack(_)
                | RequestEvent::Seen(_)
                | RequestEvent::Commented(_)
                | RequestEvent::Denied(_)
                | RequestEvent::Withdrawn(_)
                | RequestEvent::Expired(_) => {}
            }
        }
        let mut decision = on_request(filed.id, events);
        decision.extend(grants);
        decision
    }

    /// Somebody reviews an emergency. An objection closes what is still open of it, or goes on from it. Of what was extended, that is
    /// known if its grants were recalled.
    ///
    /// # Errors
    /// When there is no such debt, it is paid, or not theirs to review.
    pub fn debt_review(&self, id: DebtId, review: DebtReview, present: &Present<'_>) -> Result<Decision, WorldError> {
        let debt = self.debts.get(&id).ok_or(WorldError::NoSuch(Stream::Debt(id)))?;
        let (by, verdict, note) = (review.reviewer, review.verdict, review.note);
        let events = debt.review(review, present, present.now)?;
        let mut decision: Decision = events.into_iter().map(|e| (Stream::Debt(id), Event::Debt(e))).collect();
        if verdict == Verdict::Deny {
            let of = |g: &&Grant| g.request() == debt.owed().incurred.request;
            for grant in self.grants().filter(of).map(Grant::id) {
                let (grant, reason) = (self.standing_grant(grant), CloseReason::DeniedLate { by, note });
                decision.extend(self.grant_close(grant, reason, present.now).unwrap_or_default());
            }
        }
        Ok(decision)
    }

    /// Records a review, with everything that follows from it.
    ///
    /// # Errors
    /// When there is no such request or it doesn't take the review.
    pub fn request_review(
        &self,
        id: RequestId,
        command: ReviewCommand,
        in_force: &InForce,
        present: &Present<'_>,
        signer: &GrantSigner,
    ) -> Result<ReviewOutcome, WorldError> {
        let now = present.now;
        let request = self.request(id).ok_or(WorldError::NoSuch(Stream::Request(id)))?;
        let (reviewer, note) = (command.reviewer, command.note);
        if let (Verdict::Approve, Request::Pending(pending)) = (command.verdict, request) {
            unlocked(&pending.filed, present)?;
        }
        match request.review(command, in_force, present, now)? {
            Reviewed::Already(review) => Ok(ReviewOutcome::Already(review)),
            Reviewed::Recorded(events) => {
                let before = match request {
                    Request::Pending(pending) => Some(pending),
                    Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_) => None,
                };
                let events = self.only_of_what_is_open(request, events, now);
                Ok(ReviewOutcome::Decided(self.open_approved(request.filed(), before, events, signer, now)))
            }
            Reviewed::TooLateButClosing(grants) => {
                let mut decision = Decision::new();
                for grant in grants {
                    // One that is over, or never opened, keeps none of the others from closing (I13).
                    let (grant, reason) = (self.standing_grant(grant), CloseReason::DeniedLate { by: reviewer, note });
                    decision.extend(self.grant_close(grant, reason, now).unwrap_or_default());
                }
                Ok(ReviewOutcome::Decided(decision))
            }
        }
    }

    /// Takes a request back.
    ///
    /// # Errors
    /// When there is no such request, it is settled, or somebody else's.
    pub fn request_withdraw(&self, id: RequestId, by: PrincipalId, now: Timestamp) -> Result<Decision, WorldError> {
        let request = self.request(id).ok_or(WorldError::NoSuch(Stream::Request(id)))?;
        Ok(on_request(id, request.withdraw(by, now)?))
    }

    /// A reviewer takes their approves of a pending request back.
    ///
    /// # Errors
    /// When there is no such request, it is settled, or they have approved nothing.
    pub fn request_take_back(&self, id: RequestId, by: PrincipalId, facts: &dyn Facts, now: Timestamp) -> Result<Decision, WorldError> {
        let request = self.request(id).ok_or(WorldError::NoSuch(Stream::Request(id)))?;
        Ok(on_request(id, request.take_back(by, facts, now)?))
    }

    /// Somebody who is asked has looked at a request.
    ///
    /// # Errors
    /// When there is no such request, or it is settled.
    pub fn request_see(&self, id: RequestId, by: PrincipalId, facts: &dyn Facts, now: Timestamp) -> Result<Decision, WorldError> {
        let request = self.request(id).ok_or(WorldError::NoSuch(Stream::Request(id)))?;
        Ok(on_request(id, request.see(by, facts, now)?))
    }

    /// Somebody says something about a pending request.
    ///
    /// # Errors
    /// When there is no such request, it is settled, or enough was said.
    pub fn request_comment(&self, id: RequestId, comment: Comment) -> Result<Decision, WorldError> {
        let request = self.request(id).ok_or(WorldError::NoSuch(Stream::Request(id)))?;
        Ok(on_request(id, request.comment(comment)?))
    }

    /// Locks somebody or something: what is open closes, and nothing opens until it is lifted. What is locked already stays so
    /// under the lock that it has.
    #[must_use]
    pub fn lock_place(&self, placed: Placed, present: &Present<'_>) -> (LockId, Decision) {
        let there = self.locks().find(|lock| matches!(lock, Lock::Placed(_)) && lock.placed().on == placed.on);
        if let Some(there) = there {
            return (there.placed().id, Decision::new());
        }
        let (id, at, on) = (placed.id, placed.at, placed.on.clone());
        let mut decision = vec![(Stream::Lock(id), Event::Lock(LockEvent::Placed(placed)))];
        let concerned: Vec<_> = self.grants().filter(|g| present.closes(&on, g)).map(Grant::id).collect();
        for grant in concerned {
            // One that never opened keeps none of the others from closing (I13).
            decision.extend(self.grant_close(grant, CloseReason::Locked { lock: id }, at).unwrap_or_default());
        }
        (id, decision)
    }

    /// Lifts a lock. What it closed stays closed.
    ///
    /// # Errors
    /// When there is no such lock.
    pub fn lock_lift(&self, id: LockId, by: PrincipalId, now: Timestamp) -> Result<Decision, WorldError> {
        let lock = self.locks.get(&id).ok_or(WorldError::NoSuch(Stream::Lock(id)))?;
        Ok(lock.lift(by, now).into_iter().map(|e| (Stream::Lock(id), Event::Lock(e))).collect())
    }

    /// Somebody is away for a time: another is asked instead.
    ///
    /// # Errors
    /// When either is nobody who could decide, both are one human, it is over already or lasts too long, or another one overlaps it.
    pub fn delegation_make(&self, made: Made, files: &dyn Facts) -> Result<Decision, WorldError> {
        let refused = |why| Err(WorldError::Delegation(why));
        let (Some(from), Some(to)) = (files.human(made.from), files.human(made.to)) else {
            return refused("only enabled people decide, and only they can stand in");
        };
        if from == to {
            return refused("that is the same person");
        }
        if made.until <= made.at || made.until <= made.starts_at {
            return refused("it would be over before it begins");
        }
        if made.until.since(made.at) > delegation::LONGEST {
            return refused("it may reach 60 days ahead at the most");
        }
        let overlaps = |other: &Made| other.from == made.from && other.starts_at < made.until && made.starts_at < other.until;
        if self.delegations().any(|d| matches!(d, Delegation::Made(other) if overlaps(other))) {
            return refused("another one of yours overlaps it: end that first");
        }
        Ok(vec![(Stream::Delegation(made.id), Event::Delegation(DelegationEvent::Made(made)))])
    }

    /// Ends a delegation early.
    ///
    /// # Errors
    /// When there is no such delegation.
    pub fn delegation_end(&self, id: DelegationId, now: Timestamp) -> Result<Decision, WorldError> {
        let found = self.delegations.get(&id).ok_or(WorldError::NoSuch(Stream::Delegation(id)))?;
        Ok(found.end(now).into_iter().map(|e| (Stream::Delegation(id), Event::Delegation(e))).collect())
    }

    /// Somebody approves beforehand what is to be asked for.
    ///
    /// # Errors
    /// When they could not decide, it would be their own, it is over already or reaches too far ahead.
    pub fn preapproval_give(&self, given: Given, present: &Present<'_>) -> Result<Decision, WorldError> {
        let refused = |why| Err(WorldError::Preapproval(why));
        let Some(human) = present.human(given.by) else { return refused("only enabled people decide") };
        if given.by == given.principal || present.human(given.principal) == Some(human) {
            return refused("nobody approves what is for themselves (linked accounts count as one person)");
        }
        if given.until <= given.at || given.until <= given.starts_at {
            return refused("it would be over before it begins");
        }
        if given.most == Some(Span::ZERO) {
            return refused("it would cover nothing");
        }
        if given.until.since(given.at) > preapproval::LONGEST {
            return refused("it may reach 7 days ahead at the most");
        }
        if self.preapprovals().filter(|p| p.due().is_some() && p.given().by == given.by).count() >= PREAPPROVALS_MAX {
            return refused("you have given as many as one can: end some first");
        }
        Ok(vec![(Stream::Preapproval(given.id), Event::Preapproval(PreapprovalEvent::Given(given)))])
    }

    /// Ends a pre-approval. What it has let through stays approved.
    ///
    /// # Errors
    /// When there is no such one.
    pub fn preapproval_end(&self, id: PreapprovalId, now: Timestamp) -> Result<Decision, WorldError> {
        let found = self.preapprovals.get(&id).ok_or(WorldError::NoSuch(Stream::Preapproval(id)))?;
        Ok(found.end(now).into_iter().map(|e| (Stream::Preapproval(id), Event::Preapproval(e))).collect())
    }

    /// Ends a grant: it closes, its leases are to be revoked; with no lease it is closed at once.
    ///
    /// # Errors
    /// When there is no such grant, or it never opened.
    pub fn grant_close(&self, id: GrantId, reason: CloseReason, now: Timestamp) -> Result<Decision, WorldError> {
        let grant = self.grant(id).ok_or(WorldError::NoSuch(Stream::Grant(id)))?;
        let events = grant.close(reason, now)?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let was_open = matches!(grant, Grant::Open(_));
        let mut decision = on_grant(id, events);
        decision.extend(self.extension_denied(id, now));
        let leases = self.leases_of(id);
        if was_open && leases.is_empty() {
            decision.extend(on_grant(id, vec![GrantEvent::Closed(crate::grant::Closed { at: now })]));
        }
        for lease in leases {
            decision.extend(on_lease(lease.intended().id, lease.revoke(now)));
        }
        Ok(decision)
    }

    /// Writes down that a lease is about to be made (I10). Only an open grant has leases.
    ///
    /// # Errors
    /// When the grant is not open at `now`.
    pub fn lease_intend(&self, intended: Intended) -> Result<Decision, WorldError> {
        let claims = self.open_claims(intended.grant, intended.at)?;
        // INVARIANT I07: nothing derived from a grant outlives it.
        let valid_until = intended.valid_until.min(claims.ends_at);
        Ok(on_lease(intended.id, vec![LeaseEvent::Intended(Intended { valid_until, ..intended })]))
    }

    /// The target made the lease.
    ///
    /// # Errors
    /// When there is no such lease.
    pub fn lease_minted(&self, id: LeaseId, now: Timestamp) -> Result<Decision, WorldError> {
        let lease = self.lease(id).ok_or(WorldError::NoSuch(Stream::Lease(id)))?;
        Ok(on_lease(id, lease.minted(now)))
    }

    /// A lease is to be removed though its grant may live on: its credential is lost, or it could not be made.
    ///
    /// # Errors
    /// When there is no such lease.
    pub fn lease_revoke(&self, id: LeaseId, now: Timestamp) -> Result<Decision, WorldError> {
        let lease = self.lease(id).ok_or(WorldError::NoSuch(Stream::Lease(id)))?;
        Ok(on_lease(id, lease.revoke(now)))
    }

    /// The target did not confirm a revocation.
    ///
    /// # Errors
    /// When there is no such lease.
    pub fn lease_unconfirmed(&self, id: LeaseId, why: String, now: Timestamp) -> Result<Decision, WorldError> {
        let lease = self.lease(id).ok_or(WorldError::NoSuch(Stream::Lease(id)))?;
        Ok(on_lease(id, lease.unconfirmed(why, now)))
    }

    /// The target showed that a lease is gone; with the last one its closing grant is closed.
    ///
    /// # Errors
    /// When there is no such lease.
    pub fn lease_revoked(&self, id: LeaseId, proof: RevocationProof, now: Timestamp) -> Result<Decision, WorldError> {
        let lease = self.lease(id).ok_or(WorldError::NoSuch(Stream::Lease(id)))?;
        let events = lease.revoked(proof, now);
        let grant = lease.intended().grant;
        let last = !events.is_empty() && self.leases_of(grant).iter().all(|l| l.intended().id == id);
        let mut decision = on_lease(id, events);
        if let (true, Some(found)) = (last, self.grant(grant)) {
            decision.extend(on_grant(grant, found.leases_revoked(now)));
        }
        Ok(decision)
    }

    /// A connection waits for a request.
    #[must_use]
    pub fn session_hold(&self, held: HeldFor) -> Decision {
        on_session(held.arrived.id, vec![SessionEvent::Held(held)])
    }

    /// A connection goes live. INVARIANT I02: this is the one place where a session may begin, and it asks whether the grant
    /// is open *now*, for this principal, resource and role.
    ///
    /// # Errors
    /// When the grant is not open at `live.at`, or is somebody else's, or the lease is not there any more, or the session is over.
    pub fn session_go_live(&self, live: Live) -> Result<Decision, WorldError> {
        if let Some(Session::Live(_) | Session::Ended(_)) = self.session(live.arrived.id) {
            return Err(WorldError::NoSuch(Stream::Session(live.arrived.id)));
        }
        let claims = self.open_claims(live.grant, live.at)?;
        let fits = claims.principal == live.arrived.principal && claims.resource == live.arrived.resource && claims.role == live.role;
        let leased = live.lease.is_none_or(|id| matches!(self.lease(id), Some(Lease::Minted(held)) if held.intended.grant == live.grant));
        if !fits || !leased {
            return Err(WorldError::NoSuch(Stream::Grant(live.grant)));
        }
        let used = match self.grant(live.grant) {
            // INVARIANT A9: what is for one session lets one in, once.
            Some(Grant::Open(open)) if open.single_use => {
                if open.used.is_some() {
                    return Err(WorldError::NotOpen { id: live.grant, state: "used: it was for one session" });
                }
                vec![GrantEvent::Used(Used { session: live.arrived.id, at: live.at })]
            }
            Some(_) | None => Vec::new(),
        };
        let mut decision = on_grant(live.grant, used);
        decision.extend(on_session(live.arrived.id, vec![SessionEvent::Live(live)]));
        Ok(decision)
    }

    /// Somebody who may ends one session; its grant stays as it is. Whoever carries it cuts it, and reports its end.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn session_kill(&self, id: SessionId, killed: Killed) -> Result<Decision, WorldError> {
        let session = self.session(id).ok_or(WorldError::NoSuch(Stream::Session(id)))?;
        Ok(on_session(id, session.kill(killed)))
    }

    /// A connection is over.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn session_end(&self, id: SessionId, ended: Ended) -> Result<Decision, WorldError> {
        let session = self.session(id).ok_or(WorldError::NoSuch(Stream::Session(id)))?;
        let now = ended.at;
        let mut decision = on_session(id, session.end(ended));
        if let (false, Some(grant)) = (decision.is_empty(), session.grant())
            && matches!(self.grant(grant), Some(Grant::Open(open)) if open.used.as_ref().is_some_and(|u| u.session == id))
        {
            decision.extend(self.grant_close(grant, CloseReason::Used, now)?);
        }
        Ok(decision)
    }

    /// Everything that time alone makes happen at `now`.
    #[must_use]
    pub fn tick(&self, present: &Present<'_>, signer: &GrantSigner) -> Decision {
        let now = present.now;
        let mut decision = Decision::new();
        for (_, stream) in self.due.iter().take_while(|(at, _)| *at <= now) {
            match stream {
                // The grant's end says what becomes of it.
                Stream::Request(id) if self.ends_with_its_grant(*id, now) => {}
                Stream::Request(id) => {
                    if let Some(request) = self.request(*id) {
                        decision.extend(on_request(*id, request.tick(present, now)));
                    }
                }
                Stream::Grant(id) => decision.extend(self.grant_tick(*id, present, signer)),
                Stream::Delegation(id) => decision.extend(self.delegation_end(*id, now).unwrap_or_default()),
                Stream::Preapproval(id) => decision.extend(self.preapproval_end(*id, now).unwrap_or_default()),
                Stream::Debt(id) => {
                    let events = self.debts.get(id).map(|debt| debt.tick(present, now)).unwrap_or_default();
                    decision.extend(events.into_iter().map(|e| (Stream::Debt(*id), Event::Debt(e))));
                }
                Stream::Lease(_) | Stream::Session(_) | Stream::Lock(_) | Stream::Principal(_) | Stream::Token(_) | Stream::Policy => {}
            }
        }
        decision
    }

    fn grant_tick(&self, id: GrantId, present: &Present<'_>, signer: &GrantSigner) -> Decision {
        let now = present.now;
        match self.grant(id) {
            Some(Grant::Open(_)) => self.grant_close(id, CloseReason::Expired, now).unwrap_or_default(),
            Some(Grant::Scheduled(s)) => match s.redeem_by {
                Some(by) if now >= by => self.grant_close(id, CloseReason::Expired, now).unwrap_or_default(),
                Some(_) => Vec::new(),
                None => self.grant_open(s, present, signer),
            },
            Some(Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_)) | None => Vec::new(),
        }
    }

    /// INVARIANT I06: who gets in, who approved it and what the rules say are looked up again when it opens.
    fn grant_open(&self, scheduled: &Scheduled, present: &Present<'_>, signer: &GrantSigner) -> Decision {
        let Scheduled { id, principal, resource, .. } = scheduled;
        let close = |reason| self.grant_close(*id, reason, present.now).unwrap_or_default();
        if self.principal(*principal).is_some_and(|p| !p.enabled) {
            return close(CloseReason::PrincipalDisabled);
        }
        if let Some(lock) = present.locked(&[*principal], std::slice::from_ref(resource)) {
            return close(CloseReason::Locked { lock });
        }
        let approvers = scheduled.approved_by.iter().all(|p| present.human(*p).is_some());
        if !approvers || !present.may_open(scheduled) {
            return close(CloseReason::NotAllowedAnyMore);
        }
        on_grant(*id, vec![GrantEvent::Opened(opened(scheduled, signer, present.now))])
    }

    /// The first use of a grant whose clock starts with it. One that is open already is nothing to do.
    ///
    /// # Errors
    /// When there is no such grant, or it is too early or too late for it. What may not open any more is closed instead.
    pub fn grant_redeem(&self, id: GrantId, present: &Present<'_>, signer: &GrantSigner) -> Result<Decision, WorldError> {
        let now = present.now;
        match self.grant(id) {
            Some(Grant::Open(_)) => Ok(Decision::new()),
            Some(Grant::Scheduled(s)) if s.opens_at <= now && s.redeem_by.is_some_and(|by| now < by) => {
                Ok(self.grant_open(s, present, signer))
            }
            Some(other) => Err(WorldError::NotOpen { id, state: other.state() }),
            None => Err(WorldError::NoSuch(Stream::Grant(id))),
        }
    }

    fn open_claims(&self, id: GrantId, now: Timestamp) -> Result<&Claims, WorldError> {
        match self.grant(id) {
            Some(Grant::Open(open)) if now < open.signed.claims.ends_at => Ok(&open.signed.claims),
            Some(Grant::Open(_)) => Err(WorldError::NotOpen { id, state: "over" }),
            Some(other) => Err(WorldError::NotOpen { id, state: other.state() }),
            None => Err(WorldError::NoSuch(Stream::Grant(id))),
        }
    }
}
