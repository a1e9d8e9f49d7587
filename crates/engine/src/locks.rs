//! Locks and delegations: what somebody does about themselves, or an operator about others.

use ajar_core::delegation::{Delegation, Made};
use ajar_core::event::Stream;
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::{DelegationId, LockId, PrincipalId};
use ajar_core::lock::{Lock, Locked, Placed};
use ajar_core::name::{PrincipalName, ResourceName};
use ajar_core::port::{CutReason, Refusal, RefusalKind};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::WorldError;
use tracing::instrument;

use crate::desk::text_ok;
use crate::engine::Engine;
use crate::freshness::approves;
use crate::people::{Caller, seal};
use crate::refusal::{bad_input, no_such, of, refusal, unavailable};
use crate::sequencer::{Desk, Draft, Failed};

/// What is to be locked, as somebody said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLock {
    /// A user or workload.
    Principal(String),
    /// A resource.
    Resource(String),
}

/// A lock, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// What is locked, by whom, since when.
    pub placed: Placed,
    /// Why; `None` when it was erased.
    pub reason: Option<String>,
}

/// A delegation to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelegation {
    /// Who is asked instead.
    pub to: String,
    /// From when; now unless said.
    pub from: Option<Timestamp>,
    /// For how long, from then.
    pub life: Span,
}

impl Engine {
    /// Whether the caller may operate, and is not locked: whoever locked them may have had a reason.
    pub async fn operates(&self, caller: &Caller) -> bool {
        let me = caller.principal;
        self.sequencer.look(move |desk| desk.rules.may_operate(me) && !is_locked(desk, me)).await.unwrap_or(false)
    }
}

fn is_locked(desk: &Desk<'_>, principal: PrincipalId) -> bool {
    desk.present().locked(&[principal], &[]).is_some()
}

/// Whether `principal` may lock and unlock `on`: operators anything, owners their resource. Nobody who is locked.
fn may_lock(desk: &Desk<'_>, principal: PrincipalId, on: &Locked) -> bool {
    let owns = match on {
        Locked::Resource(resource) => desk.rules.owns(principal, resource),
        Locked::Principal(_) => false,
    };
    (desk.rules.may_operate(principal) || owns) && !is_locked(desk, principal)
}

fn not_theirs() -> Refusal {
    let who = "operators lock anybody and anything, owners their resources, everybody themselves; only operators and owners unlock";
    refusal(RefusalKind::Denied, "that is not yours to lock or unlock", Some(who.into()), None)
}

impl Engine {
    /// Locks somebody or something: what is open is cut and revoked, and nothing opens until it is lifted. INVARIANT I13: when that
    /// can't be recorded, what is open is cut and revoked all the same.
    ///
    /// # Errors
    /// When it is not the caller's to lock, doesn't exist, or can't be recorded.
    #[instrument(name = "lock", skip_all, fields(principal.id = %caller.principal))]
    pub async fn lock(&self, caller: &Caller, what: ToLock, reason: String) -> Result<LockId, Refusal> {
        caller.writes()?;
        text_ok("reason", &reason)?;
        let on = match what {
            ToLock::Principal(name) => {
                let id = name.parse::<PrincipalName>().ok().and_then(|name| self.people.id(&name));
                Locked::Principal(id.ok_or_else(not_theirs)?)
            }
            ToLock::Resource(name) => {
                let name = name.parse::<ResourceName>().ok().filter(|name| self.rules().resource(name).is_some());
                Locked::Resource(name.ok_or_else(not_theirs)?)
            }
        };
        let by = caller.principal;
        let wanted = on.clone();
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let themselves = on == Locked::Principal(by);
            if !themselves && !may_lock(desk, by, &on) {
                return Err(not_theirs());
            }
            let reason = seal(desk.entropy, reason.trim().to_owned());
            let id = LockId::new(desk.entropy.uuid(desk.now));
            let placed = Placed { id, on, by, reason: reason.commitment, at: desk.now };
            let (id, decision) = desk.world.lock_place(placed, &desk.present());
            Ok((Draft { disclosures: vec![reason], ..Draft::from(decision) }, id))
        });
        match done.await {
            Ok(id) => Ok(id),
            Err(Failed::Refused(refusal)) => Err(refusal),
            Err(Failed::Unavailable(why)) => {
                self.close_what_would_be_locked(caller, wanted).await;
                Err(unavailable(&why))
            }
        }
    }

    async fn close_what_would_be_locked(&self, caller: &Caller, on: Locked) {
        let by = caller.principal;
        let concerned = self.sequencer.look(move |desk| {
            if on != Locked::Principal(by) && !may_lock(desk, by, &on) {
                return Vec::new();
            }
            let present = desk.present();
            let concerns = |g: &&Grant| matches!(g, Grant::Open(_)) && present.closes(&on, g);
            desk.world.grants().filter(concerns).map(Grant::id).collect()
        });
        for grant in concerned.await.unwrap_or_default() {
            self.orders.cut(grant, CutReason::Locked);
            self.close_unrecorded(caller.actor, grant, CloseReason::Revoked { by });
        }
    }

    /// Lifts a lock.
    ///
    /// # Errors
    /// When it is not the caller's to lift: nobody lifts their own.
    #[instrument(name = "unlock", skip_all, fields(lock.id = %id, principal.id = %caller.principal))]
    pub async fn unlock(&self, caller: &Caller, id: LockId) -> Result<(), Refusal> {
        caller.writes()?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, vec![Stream::Lock(id)], move |desk| {
            let lock = desk.world.locks().find(|l| l.placed().id == id).ok_or_else(|| no_such("lock"))?;
            if !sees_lock(desk, by, lock.placed()) {
                return Err(no_such("lock"));
            }
            if !may_lock(desk, by, &lock.placed().on) {
                return Err(not_theirs());
            }
            let decision = desk.world.lock_lift(id, by, desk.now).map_err(|e| crate::refusal::world_refusal(&e))?;
            Ok((Draft::from(decision), ()))
        });
        done.await.map_err(of)
    }

    /// The locks in force that the caller may know of: all for auditors and operators; else those on themselves, and on resources that
    /// they own or may ask for.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn locks(&self, caller: &Caller) -> Result<Vec<LockView>, Refusal> {
        let me = caller.principal;
        let all = self.sees_all(caller);
        let placed = self.sequencer.look(move |desk| {
            let mine = |placed: &&Placed| all || sees_lock(desk, me, placed);
            let placed = desk.world.locks().filter(|l| matches!(l, Lock::Placed(_))).map(Lock::placed);
            placed.filter(mine).cloned().collect::<Vec<_>>()
        });
        let placed = placed.await?;
        let reasons = self.values(&placed.iter().map(|p| p.reason).collect::<Vec<_>>()).await;
        Ok(placed.into_iter().map(|placed| LockView { reason: reasons.get(&placed.reason).cloned(), placed }).collect())
    }

    /// Whether the caller may know of a lock, in force or lifted.
    pub async fn lock_is_seen(&self, caller: &Caller, id: LockId) -> bool {
        let (me, all) = (caller.principal, self.sees_all(caller));
        let row = self.store.row(Stream::Lock(id)).await.ok().flatten();
        let Some(lock) = row.as_ref().and_then(crate::records::parse::<Lock>) else { return false };
        self.sequencer.look(move |desk| all || sees_lock(desk, me, lock.placed())).await.unwrap_or(false)
    }

    /// The caller is away for a time: another is asked instead of them.
    ///
    /// # Errors
    /// When there is no such person, it isn't possible, or the caller is locked.
    #[instrument(name = "delegate", skip_all, fields(principal.id = %caller.principal))]
    pub async fn delegate(&self, caller: &Caller, new: NewDelegation) -> Result<Made, Refusal> {
        caller.writes()?;
        let from = caller.principal;
        let to = new.to.parse::<PrincipalName>().ok().and_then(|name| self.people.id(&name));
        let to = to.ok_or_else(|| bad_input("there is nobody of that name", "give the name of somebody who can decide instead of you"))?;
        let (actor, link) = (self.freshly(caller), format!("{}/settings", self.config.public_url));
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            if is_locked(desk, from) {
                return Err(refusal(RefusalKind::Denied, "you are locked", None, None));
            }
            let starts_at = new.from.unwrap_or(desk.now).max(desk.now);
            let id = DelegationId::new(desk.entropy.uuid(desk.now));
            let made = Made { id, from, to, starts_at, until: starts_at.after(new.life), at: desk.now };
            let decision = desk.world.delegation_make(made.clone(), &desk.at).map_err(|e| crate::refusal::world_refusal(&e))?;
            // INVARIANT A6: to say who decides instead is to decide.
            approves(desk, actor, &link)?;
            Ok((Draft::from(decision), made))
        });
        done.await.map_err(of)
    }

    /// Ends a delegation: the caller's own, or, for operators, anybody's.
    ///
    /// # Errors
    /// When it isn't theirs to end (as if it didn't exist).
    pub async fn undelegate(&self, caller: &Caller, id: DelegationId) -> Result<(), Refusal> {
        caller.writes()?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let theirs = |d: &&Delegation| d.made().id == id && (d.made().from == by || desk.rules.may_operate(by));
            desk.world.delegations().find(theirs).ok_or_else(|| no_such("delegation"))?;
            let ended: Result<_, WorldError> = desk.world.delegation_end(id, desk.now);
            Ok((Draft::from(ended.map_err(|e| crate::refusal::world_refusal(&e))?), ()))
        });
        done.await.map_err(of::<Refusal>)
    }

    /// Delegations in force and to come: the caller's, those to the caller; all for auditors and operators.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn delegations(&self, caller: &Caller) -> Result<Vec<Made>, Refusal> {
        let me = caller.principal;
        let all = self.sees_all(caller);
        let made = self.sequencer.look(move |desk| {
            let mine = |made: &&Made| all || made.from == me || made.to == me;
            desk.world.delegations().map(Delegation::made).filter(mine).cloned().collect::<Vec<_>>()
        });
        Ok(made.await?)
    }
}

fn sees_lock(desk: &Desk<'_>, me: PrincipalId, placed: &Placed) -> bool {
    let concerns_me = match &placed.on {
        Locked::Principal(locked) => {
            let human = |p| desk.rules.human(p);
            *locked == me || human(me).is_some() && human(me) == human(*locked)
        }
        Locked::Resource(resource) => desk.rules.owns(me, resource) || desk.rules.offered(me, resource).is_some(),
    };
    concerns_me || placed.by == me || desk.rules.may_operate(me) || desk.rules.may_audit(me)
}
