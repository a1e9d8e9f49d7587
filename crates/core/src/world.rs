//! The fold of all events: what is open, pending, live or to be revoked, with indexes and timers.
//!
//! Only what can still change is kept; what is settled is forgotten here and recalled from its stream when somebody
//! asks for it. [`decide`] holds the commands that touch more than one lifecycle.

mod decide;
mod extend;
mod present;
mod row;
mod sweep;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

pub use decide::{Decision, FileCommand, ReviewOutcome, WorldError};
pub use present::Present;
pub use row::{Part, Row};
pub use sweep::{InFiles, Sweep};
pub use undo::UndoPoint;

use crate::debt::Debt;
use crate::delegation::Delegation;
use crate::directory::{Applied, PolicyEvent, Principal, Token, TokenEvent};
use crate::event::{Actor, Envelope, Event, Stream};
use crate::grant::Grant;
use crate::history::History;
use crate::id::{CommandId, DebtId, DelegationId, GrantId, LeaseId, LockId, PreapprovalId, PrincipalId, RequestId, SessionId, TokenId};
use crate::lease::Lease;
use crate::lock::Lock;
use crate::name::ResourceName;
use crate::preapproval::Preapproval;
use crate::request::{Impossible, Request};
use crate::session::Session;
use crate::time::Timestamp;

/// The state of everything that can still change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    next_seq: u64,
    versions: BTreeMap<Stream, u64>,
    requests: BTreeMap<RequestId, Request>,
    grants: BTreeMap<GrantId, Grant>,
    leases: BTreeMap<LeaseId, Lease>,
    sessions: BTreeMap<SessionId, Session>,
    locks: BTreeMap<LockId, Lock>,
    delegations: BTreeMap<DelegationId, Delegation>,
    preapprovals: BTreeMap<PreapprovalId, Preapproval>,
    debts: BTreeMap<DebtId, Debt>,
    history: History,
    principals: BTreeMap<PrincipalId, Principal>,
    tokens: BTreeMap<TokenId, Token>,
    policy: Option<Applied>,
    due: BTreeSet<(Timestamp, Stream)>,
    /// Grants that are open or are to open.
    usable: BTreeMap<(PrincipalId, ResourceName), BTreeSet<GrantId>>,
    /// Grants that were extended, and the open one that goes on from each.
    goes_on: BTreeMap<GrantId, BTreeSet<GrantId>>,
    /// Grants, and the pending request that would go on with each.
    extension_of: BTreeMap<GrantId, BTreeSet<RequestId>>,
    leases_of: BTreeMap<GrantId, BTreeSet<LeaseId>>,
    sessions_of: BTreeMap<GrantId, BTreeSet<SessionId>>,
}

/// A log that can't be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamagedLog {
    /// The events are not consecutive.
    #[error("the log is damaged: event {found} stands where {expected} should be")]
    Sequence {
        /// The sequence number that should come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// The events of a stream are not consecutive.
    #[error("the log is damaged: {stream} goes from version {expected} to {found}")]
    Version {
        /// The stream.
        stream: Stream,
        /// The version that should come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// An event doesn't fit the state.
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

impl World {
    /// Sequence number of the next event: how many there are.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Puts decided events into envelopes that fit this world.
    #[must_use]
    pub fn envelopes(&self, events: Vec<(Stream, Event)>, at: Timestamp, actor: Actor, cause: CommandId) -> Vec<Envelope> {
        let mut ahead: BTreeMap<Stream, u64> = BTreeMap::new();
        (self.next_seq..)
            .zip(events)
            .map(|(seq, (stream, event))| {
                let version = ahead.entry(stream).or_insert_with(|| self.versions.get(&stream).copied().unwrap_or(0));
                *version += 1;
                Envelope { seq, stream, version: *version, at, actor, cause, event }
            })
            .collect()
    }

    /// Folds the next event of the log in, and gives the projection's new row for what it touched.
    ///
    /// # Errors
    /// When the event doesn't follow: the log is damaged. The world is as it was then.
    pub fn apply(&mut self, envelope: &Envelope) -> Result<Row, DamagedLog> {
        self.fold_next(envelope)?;
        let row = self.row(envelope.stream).ok_or_else(|| misplaced(envelope))?;
        if row.settled {
            self.forget(envelope.stream);
        }
        Ok(row)
    }

    /// [`World::apply`] for an event whose row is stored already.
    ///
    /// # Errors
    /// As there.
    pub fn replay(&mut self, envelope: &Envelope) -> Result<(), DamagedLog> {
        self.fold_next(envelope)?;
        if self.is_settled(envelope.stream) {
            self.forget(envelope.stream);
        }
        Ok(())
    }

    fn fold_next(&mut self, envelope: &Envelope) -> Result<(), DamagedLog> {
        if envelope.seq != self.next_seq {
            return Err(DamagedLog::Sequence { expected: self.next_seq, found: envelope.seq });
        }
        self.fold(envelope)?;
        if let Stream::Request(id) = envelope.stream
            && let Some(request) = self.requests.get(&id)
        {
            self.history.learn(request, envelope.seq);
        }
        self.next_seq += 1;
        Ok(())
    }

    /// Brings a settled stream back by its own events, so that a command on it can be answered. [`World::forget`] it afterwards.
    ///
    /// # Errors
    /// When the events don't follow each other: nothing is brought back then.
    pub fn recall(&mut self, events: &[Envelope]) -> Result<(), DamagedLog> {
        let known: BTreeSet<Stream> = events.iter().map(|e| e.stream).filter(|s| self.knows(*s)).collect();
        let folded = events.iter().try_for_each(|envelope| self.fold(envelope));
        if folded.is_err() {
            for envelope in events.iter().filter(|e| !known.contains(&e.stream)) {
                self.forget(envelope.stream);
            }
        }
        folded
    }

    /// Whether the stream is in memory.
    #[must_use]
    pub fn knows(&self, stream: Stream) -> bool {
        self.versions.contains_key(&stream)
    }

    /// Whether the stream is in memory and can't change any more.
    #[must_use]
    pub fn is_settled(&self, stream: Stream) -> bool {
        match stream {
            Stream::Request(id) => self.requests.get(&id).is_some_and(|r| !matches!(r, Request::Pending(_))),
            Stream::Grant(id) => self.grants.get(&id).is_some_and(|g| matches!(g, Grant::Closed(_) | Grant::Failed(_))),
            Stream::Lease(id) => self.leases.get(&id).is_some_and(|l| !l.may_exist()),
            Stream::Session(id) => self.sessions.get(&id).is_some_and(|s| matches!(s, Session::Ended(_))),
            Stream::Lock(id) => self.locks.get(&id).is_some_and(|l| matches!(l, Lock::Lifted(_))),
            Stream::Delegation(id) => self.delegations.get(&id).is_some_and(|d| matches!(d, Delegation::Ended(_))),
            Stream::Preapproval(id) => self.preapprovals.get(&id).is_some_and(|p| matches!(p, Preapproval::Ended(_))),
            Stream::Debt(id) => self.debts.get(&id).is_some_and(|d| matches!(d, Debt::Paid(_))),
            Stream::Token(id) => self.tokens.get(&id).is_some_and(|t| t.revoked),
            Stream::Principal(_) | Stream::Policy => false,
        }
    }

    /// Drops a stream from memory.
    pub fn forget(&mut self, stream: Stream) {
        self.unindex(stream);
        self.versions.remove(&stream);
        match stream {
            Stream::Request(id) => drop(self.requests.remove(&id)),
            Stream::Grant(id) => drop(self.grants.remove(&id)),
            Stream::Lease(id) => drop(self.leases.remove(&id)),
            Stream::Session(id) => drop(self.sessions.remove(&id)),
            Stream::Lock(id) => drop(self.locks.remove(&id)),
            Stream::Delegation(id) => drop(self.delegations.remove(&id)),
            Stream::Preapproval(id) => drop(self.preapprovals.remove(&id)),
            Stream::Debt(id) => drop(self.debts.remove(&id)),
            Stream::Token(id) => drop(self.tokens.remove(&id)),
            Stream::Principal(_) | Stream::Policy => {}
        }
    }

    fn fold(&mut self, envelope: &Envelope) -> Result<(), DamagedLog> {
        let stream = envelope.stream;
        let expected = self.versions.get(&stream).copied().unwrap_or(0) + 1;
        if envelope.version != expected {
            return Err(DamagedLog::Version { stream, expected, found: envelope.version });
        }
        self.unindex(stream);
        let folded = self.fold_state(envelope);
        if folded.is_ok() {
            self.versions.insert(stream, expected);
        }
        self.index(stream);
        Ok(folded?)
    }

    /// Puts the stream's next state in place, or leaves the old one.
    fn fold_state(&mut self, envelope: &Envelope) -> Result<(), Impossible> {
        let own = |same: bool| if same { Ok(()) } else { Err(misplaced(envelope)) };
        match (envelope.stream, &envelope.event) {
            (Stream::Request(id), Event::Request(e)) => fold_into(&mut self.requests, id, |now| {
                let next = now.map_or_else(|| Request::born(e), |r| r.evolve(e))?;
                own(next.filed().id == id).map(|()| next)
            }),
            (Stream::Grant(id), Event::Grant(e)) => fold_into(&mut self.grants, id, |now| {
                let next = now.map_or_else(|| Grant::born(e), |g| g.evolve(e))?;
                own(next.id() == id).map(|()| next)
            }),
            (Stream::Lease(id), Event::Lease(e)) => fold_into(&mut self.leases, id, |now| {
                let next = now.map_or_else(|| Lease::born(e), |l| l.evolve(e))?;
                own(next.intended().id == id).map(|()| next)
            }),
            (Stream::Session(id), Event::Session(e)) => fold_into(&mut self.sessions, id, |now| {
                let next = now.map_or_else(|| Session::born(e), |s| s.evolve(e))?;
                own(next.arrived().id == id).map(|()| next)
            }),
            (Stream::Lock(id), Event::Lock(e)) => fold_into(&mut self.locks, id, |now| {
                let next = now.map_or_else(|| Lock::born(e), |l| l.evolve(e))?;
                own(next.placed().id == id).map(|()| next)
            }),
            (Stream::Delegation(id), Event::Delegation(e)) => fold_into(&mut self.delegations, id, |now| {
                let next = now.map_or_else(|| Delegation::born(e), |d| d.evolve(e))?;
                own(next.made().id == id).map(|()| next)
            }),
            (Stream::Preapproval(id), Event::Preapproval(e)) => fold_into(&mut self.preapprovals, id, |now| {
                let next = now.map_or_else(|| Preapproval::born(e), |p| p.evolve(e))?;
                own(next.given().id == id).map(|()| next)
            }),
            (Stream::Debt(id), Event::Debt(e)) => fold_into(&mut self.debts, id, |now| {
                let next = now.map_or_else(|| Debt::born(e), |d| d.evolve(e))?;
                own(next.owed().incurred.id == id).map(|()| next)
            }),
            (Stream::Principal(id), Event::Principal(e)) => fold_into(&mut self.principals, id, |now| {
                let next = now.map_or_else(|| Principal::born(e).ok_or_else(|| misplaced(envelope)), |p| Ok(p.evolve(e)))?;
                own(next.id == id).map(|()| next)
            }),
            (Stream::Token(id), Event::Token(e)) => fold_into(&mut self.tokens, id, |now| match (now, e) {
                (None, TokenEvent::Issued(issued)) => own(issued.id == id).map(|()| Token { issued: issued.clone(), revoked: false }),
                (Some(token), TokenEvent::Revoked(_)) => Ok(Token { revoked: true, ..token }),
                (None, TokenEvent::Revoked(_)) | (Some(_), TokenEvent::Issued(_)) => Err(misplaced(envelope)),
            }),
            (Stream::Policy, Event::Policy(PolicyEvent::Applied(applied))) => {
                self.policy = Some(applied.clone());
                Ok(())
            }
            (
                Stream::Request(_)
                | Stream::Grant(_)
                | Stream::Lease(_)
                | Stream::Session(_)
                | Stream::Lock(_)
                | Stream::Delegation(_)
                | Stream::Preapproval(_)
                | Stream::Debt(_)
                | Stream::Principal(_)
                | Stream::Token(_)
                | Stream::Policy,
                Event::Request(_)
                | Event::Grant(_)
                | Event::Lease(_)
                | Event::Session(_)
                | Event::Lock(_)
                | Event::Delegation(_)
                | Event::Preapproval(_)
                | Event::Debt(_)
                | Event::Principal(_)
                | Event::Token(_)
                | Event::Policy(_),
            ) => Err(misplaced(envelope)),
        }
    }

    fn due_of(&self, stream: Stream) -> Option<Timestamp> {
        match stream {
            Stream::Request(id) => self.requests.get(&id).and_then(Request::due),
            Stream::Grant(id) => self.grants.get(&id).and_then(Grant::due),
            Stream::Delegation(id) => self.delegations.get(&id).and_then(Delegation::due),
            Stream::Preapproval(id) => self.preapprovals.get(&id).and_then(Preapproval::due),
            Stream::Debt(id) => self.debts.get(&id).and_then(Debt::due),
            Stream::Lease(_) | Stream::Session(_) | Stream::Lock(_) | Stream::Principal(_) | Stream::Token(_) | Stream::Policy => None,
        }
    }

    fn index(&mut self, stream: Stream) {
        if let Some(due) = self.due_of(stream) {
            self.due.insert((due, stream));
        }
        match stream {
            Stream::Grant(id) => {
                if let Some(grant @ (Grant::Open(_) | Grant::Scheduled(_))) = self.grants.get(&id) {
                    let (principal, resource, _) = grant.parties();
                    self.usable.entry((principal, resource.clone())).or_default().insert(id);
                    if let Grant::Open(open) = grant {
                        for earlier in &open.after {
                            self.goes_on.entry(*earlier).or_default().insert(id);
                        }
                    }
                }
            }
            Stream::Lease(id) => {
                if let Some(lease) = self.leases.get(&id).filter(|l| l.may_exist()) {
                    self.leases_of.entry(lease.intended().grant).or_default().insert(id);
                }
            }
            Stream::Session(id) => {
                if let Some(Session::Live(inside)) = self.sessions.get(&id) {
                    self.sessions_of.entry(inside.live.grant).or_default().insert(id);
                }
            }
            Stream::Request(id) => {
                if let Some(Request::Pending(pending)) = self.requests.get(&id)
                    && let Some(extends) = &pending.filed.extends
                {
                    self.extension_of.entry(extends.grant).or_default().insert(id);
                }
            }
            Stream::Lock(_)
            | Stream::Delegation(_)
            | Stream::Preapproval(_)
            | Stream::Debt(_)
            | Stream::Principal(_)
            | Stream::Token(_)
            | Stream::Policy => {}
        }
    }

    fn unindex(&mut self, stream: Stream) {
        if let Some(due) = self.due_of(stream) {
            self.due.remove(&(due, stream));
        }
        match stream {
            Stream::Grant(id) => {
                if let Some(grant) = self.grants.get(&id) {
                    let (principal, resource, _) = grant.parties();
                    remove_from(&mut self.usable, &(principal, resource.clone()), &id);
                    for earlier in grant.after() {
                        remove_from(&mut self.goes_on, earlier, &id);
                    }
                }
            }
            Stream::Lease(id) => {
                if let Some(lease) = self.leases.get(&id) {
                    remove_from(&mut self.leases_of, &lease.intended().grant, &id);
                }
            }
            Stream::Session(id) => {
                if let Some(grant) = self.sessions.get(&id).and_then(Session::grant) {
                    remove_from(&mut self.sessions_of, &grant, &id);
                }
            }
            Stream::Request(id) => {
                if let Some(extends) = self.requests.get(&id).and_then(|r| r.filed().extends.as_ref()) {
                    remove_from(&mut self.extension_of, &extends.grant, &id);
                }
            }
            Stream::Lock(_)
            | Stream::Delegation(_)
            | Stream::Preapproval(_)
            | Stream::Debt(_)
            | Stream::Principal(_)
            | Stream::Token(_)
            | Stream::Policy => {}
        }
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A request that is in memory.
    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// A grant that is in memory.
    #[must_use]
    pub fn grant(&self, id: GrantId) -> Option<&Grant> {
        self.grants.get(&id)
    }

    /// A lease that is in memory.
    #[must_use]
    pub fn lease(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// A session that is in memory.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// A principal.
    #[must_use]
    pub fn principal(&self, id: PrincipalId) -> Option<&Principal> {
        self.principals.get(&id)
    }

    /// A token that is not revoked. Whether it is expired is for the caller to check at use.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<&Token> {
        self.tokens.get(&id)
    }

    /// Every principal.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// Every token that is not revoked.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.values()
    }

    /// Every request that is pending, and those that were recalled.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// Every grant that is not over.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    /// Every lease that may exist on a target.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// Every session that is held or live.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Every lock that is in force, and those that were recalled.
    pub fn locks(&self) -> impl Iterator<Item = &Lock> {
        self.locks.values()
    }

    /// Every delegation that is in force or to come, and those that were recalled.
    pub fn delegations(&self) -> impl Iterator<Item = &Delegation> {
        self.delegations.values()
    }

    /// Every pre-approval that is in force or to come, and those that were recalled.
    pub fn preapprovals(&self) -> impl Iterator<Item = &Preapproval> {
        self.preapprovals.values()
    }

    /// Every debt that is owed, and those that were recalled.
    pub fn debts(&self) -> impl Iterator<Item = &Debt> {
        self.debts.values()
    }

    /// What lately became of requests.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The rule set in force.
    #[must_use]
    pub fn policy(&self) -> Option<&Applied> {
        self.policy.as_ref()
    }

    /// Open grants of `principal` on `resource`; the one that ends last comes first.
    #[must_use]
    pub fn open_grants(&self, principal: PrincipalId, resource: &ResourceName) -> Vec<&Grant> {
        let mut grants = self.usable(principal, resource, |grant| matches!(grant, Grant::Open(_)));
        grants.sort_by_key(|g| std::cmp::Reverse(g.due()));
        grants
    }

    /// Grants of `principal` on `resource` whose clock starts at the first use, which may come at `now`; the one to be used first comes first.
    #[must_use]
    pub fn redeemable_grants(&self, principal: PrincipalId, resource: &ResourceName, now: Timestamp) -> Vec<&Grant> {
        let redeemable = |grant: &Grant| match grant {
            Grant::Scheduled(s) => s.opens_at <= now && s.redeem_by.is_some_and(|by| now < by),
            Grant::Open(_) | Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_) => false,
        };
        let mut grants = self.usable(principal, resource, redeemable);
        grants.sort_by_key(|g| g.due());
        grants
    }

    fn usable(&self, principal: PrincipalId, resource: &ResourceName, fits: impl Fn(&Grant) -> bool) -> Vec<&Grant> {
        let ids = self.usable.get(&(principal, resource.clone()));
        ids.into_iter().flatten().filter_map(|id| self.grants.get(id)).filter(|g| fits(g)).collect()
    }

    /// Leases of a grant that may exist on the target.
    #[must_use]
    pub fn leases_of(&self, grant: GrantId) -> Vec<&Lease> {
        self.leases_of.get(&grant).into_iter().flatten().filter_map(|id| self.leases.get(id)).collect()
    }

    /// Live sessions of a grant.
    #[must_use]
    pub fn sessions_of(&self, grant: GrantId) -> Vec<SessionId> {
        self.sessions_of.get(&grant).into_iter().flatten().copied().collect()
    }
}

fn misplaced(envelope: &Envelope) -> Impossible {
    Impossible { subject: envelope.stream.to_string(), state: "not of that kind", event: envelope.event.kind() }
}

fn fold_into<K: Ord, V: Clone>(
    map: &mut BTreeMap<K, V>,
    id: K,
    step: impl FnOnce(Option<V>) -> Result<V, Impossible>,
) -> Result<(), Impossible> {
    let next = step(map.get(&id).cloned())?;
    map.insert(id, next);
    Ok(())
}

fn remove_from<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = index.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            index.remove(key);
        }
    }
}
