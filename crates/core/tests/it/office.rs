//! A small office: who is who, a world, and commands on it in one line each.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;

use ajar_core::debt::{DebtReview, Emergency};
use ajar_core::delegation::Made;
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::grant::{CloseReason, Grant, Scheduled};
use ajar_core::id::{
    CommandId, DebtId, DelegationId, GrantId, LeaseId, LockId, PreapprovalId, PrincipalId, RequestId, ReviewId, SessionId,
};
use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::lock::{Locked, Placed};
use ajar_core::name::ResourceName;
use ajar_core::permit::GrantSigner;
use ajar_core::plan::{Candidates, Facts, Limits, Otherwise, Plan, Stage, Verdict};
use ajar_core::preapproval::Given;
use ajar_core::request::{Ask, ByRules, Comment, Extends, Filed, Fresh, FreshIds, InForce, Request, ReviewCommand};
use ajar_core::sealed::Disclosure;
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::{Decision, FileCommand, InFiles, Present, ReviewOutcome, Sweep, World, WorldError};
use uuid::Uuid;

pub(crate) fn person(n: u8) -> PrincipalId {
    PrincipalId::new(Uuid::from_u128(u128::from(n) + 1))
}

/// Person 7 is a second account of person 0; person 6 is a workload.
pub(crate) const SECOND: u8 = 7;
pub(crate) const ROBOT: u8 = 6;

/// Who is who. Groups by name, changed by tests as they go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct People {
    pub(crate) disabled: BTreeSet<PrincipalId>,
    /// Whom no rule lets have anything any more.
    pub(crate) unruled: BTreeSet<PrincipalId>,
    pub(crate) groups: BTreeMap<&'static str, BTreeSet<PrincipalId>>,
}

impl Facts for People {
    fn human(&self, principal: PrincipalId) -> Option<PrincipalId> {
        if self.disabled.contains(&principal) || principal == person(ROBOT) {
            return None;
        }
        Some(if principal == person(SECOND) { person(0) } else { principal })
    }

    fn may_open(&self, scheduled: &Scheduled) -> bool {
        !self.unruled.contains(&scheduled.principal)
    }

    fn candidates(&self, candidates: &[Candidates], _: PrincipalId, _: &[ResourceName]) -> BTreeSet<PrincipalId> {
        let of = |c: &Candidates| match c {
            Candidates::Group(name) => self.groups.get(name.as_str()).cloned().unwrap_or_default(),
            Candidates::Person(id) => BTreeSet::from([*id]),
            Candidates::Owners | Candidates::Manager | Candidates::OnCall(_) => BTreeSet::new(),
        };
        candidates.iter().flat_map(of).collect()
    }
}

pub(crate) fn stage(group: &str, needed: u8, otherwise: Otherwise) -> Stage {
    Stage {
        candidates: vec![Candidates::Group(group.parse().unwrap())],
        needed: NonZeroU8::new(needed).unwrap(),
        within: Span::from_secs(600),
        otherwise,
        asked_only: false,
    }
}

pub(crate) fn plan(stages: Vec<Stage>) -> Plan {
    Plan { rules: vec!["a-rule".parse().unwrap()], stages, opening: ajar_core::plan::Opening::default(), low_risk: false }
}

/// The world, its clock, and everything that ever happened.
pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) people: People,
    pub(crate) now: Timestamp,
    pub(crate) log: Vec<Envelope>,
    pub(crate) signer: GrantSigner,
    next: u128,
    pub(crate) starts_at: Option<Timestamp>,
    /// What the next request goes on with.
    pub(crate) extends: Option<Extends>,
    pub(crate) emergency: Option<Emergency>,
    /// What rules decide by themselves of what is filed.
    pub(crate) by_rules: ByRules,
}

impl Office {
    pub(crate) fn new() -> Self {
        let group = |members: &[u8]| members.iter().map(|n| person(*n)).collect();
        let groups =
            BTreeMap::from([("a", group(&[1, 2, 3])), ("b", group(&[3, 4, 5])), ("own", group(&[0, ROBOT, SECOND])), ("none", group(&[]))]);
        Self {
            world: World::default(),
            people: People { groups, ..People::default() },
            now: Timestamp::from_millis(1_800_000_000_000),
            log: Vec::new(),
            signer: GrantSigner::new(&[5; 32]),
            next: 1_000,
            starts_at: None,
            extends: None,
            emergency: None,
            by_rules: ByRules::default(),
        }
    }

    pub(crate) fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    /// Commits a decision: every event is encoded and read again on its way into the world.
    pub(crate) fn commit(&mut self, decision: Decision) {
        let cause = CommandId::new(self.id());
        for envelope in self.world.envelopes(decision, self.now, Actor::System, cause) {
            let leaf = envelope.to_leaf().unwrap();
            let read = Envelope::from_leaf(&leaf).unwrap();
            assert_eq!(read.to_leaf().unwrap(), leaf, "a leaf has one text");
            self.world.apply(&read).unwrap_or_else(|e| panic!("{e}: {leaf}"));
            self.log.push(read);
        }
    }

    pub(crate) fn file(&mut self, requester: u8, plan: Plan, duration: Span) -> RequestId {
        self.file_for(requester, plan, duration, &["read"]).unwrap()
    }

    /// A request for later.
    pub(crate) fn file_later(&mut self, requester: u8, plan: Plan, duration: Span, starts_at: Timestamp) -> RequestId {
        self.starts_at = Some(starts_at);
        let id = self.file(requester, plan, duration);
        self.starts_at = None;
        id
    }

    /// Something that can't wait: group a reviews it afterwards, within an hour.
    pub(crate) fn emergency(&mut self, requester: u8) -> Result<(RequestId, DebtId), WorldError> {
        self.emergency = Some(self.some_emergency());
        let filed = self.file_for(requester, plan(vec![]), Span::from_secs(600), &["read"]);
        self.emergency = None;
        let id = filed?;
        let debt = self.world.debts().find(|d| d.owed().incurred.request == id).unwrap().owed().incurred.id;
        Ok((id, debt))
    }

    pub(crate) fn some_emergency(&self) -> Emergency {
        let alert = vec![Candidates::Group("b".parse().unwrap())];
        Emergency { alert, reviews: vec![stage("a", 1, Otherwise::Deny)], within: Span::from_secs(3_600) }
    }

    pub(crate) fn review_debt(&mut self, id: DebtId, by: u8, verdict: Verdict) -> Result<(), WorldError> {
        let review = DebtReview { id: ReviewId::new(self.id()), reviewer: person(by), verdict, note: None };
        let decision = self.world.debt_review(id, review, &self.present())?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn redeem(&mut self, grant: GrantId) -> Result<(), WorldError> {
        let decision = self.world.grant_redeem(grant, &self.present(), &self.signer)?;
        self.commit(decision);
        Ok(())
    }

    /// Somebody ends a session.
    pub(crate) fn kill(&mut self, session: SessionId, by: u8) -> Result<(), WorldError> {
        let reason = Disclosure::seal([3; 32], "odd".into()).commitment;
        let killed = ajar_core::session::Killed { by: person(by), reason, at: self.now };
        let decision = self.world.session_kill(session, killed)?;
        self.commit(decision);
        Ok(())
    }

    /// A session of a grant is over.
    pub(crate) fn leave(&mut self, session: SessionId) -> Result<(), WorldError> {
        use ajar_core::session::{EndReason, Ended};
        let ended = Ended { reason: EndReason::ClientLeft, recording: None, bytes_in: 0, bytes_out: 0, late_ms: None, at: self.now };
        let decision = self.world.session_end(session, ended)?;
        self.commit(decision);
        Ok(())
    }

    /// Grants of a request that are to open.
    pub(crate) fn scheduled(&self, id: RequestId) -> Vec<GrantId> {
        let of = |g: &&Grant| matches!(g, Grant::Scheduled(s) if s.request == id);
        self.world.grants().filter(of).map(Grant::id).collect()
    }

    pub(crate) fn file_for(&mut self, requester: u8, plan: Plan, duration: Span, roles: &[&str]) -> Result<RequestId, WorldError> {
        let id = RequestId::new(self.id());
        let grants = roles.iter().map(|_| GrantId::new(self.id())).collect();
        let filed = Filed {
            id,
            requester: person(requester),
            beneficiary: person(requester),
            asks: roles.iter().map(|role| Ask { resource: "orders-db".parse().unwrap(), role: role.parse().unwrap() }).collect(),
            duration,
            reason: Disclosure::seal([1; 32], "because".into()).commitment,
            ticket: None,
            scope: None,
            plan,
            emergency: self.emergency.clone(),
            extends: self.extends.clone(),
            rules_hash: "00".into(),
            proof: None,
            at: self.now,
            starts_at: self.starts_at,
            expires_at: self.extends.as_ref().map_or(self.now.after(Span::from_secs(3_600)), |e| self.end_of(e.grant)),
        };
        let debt = DebtId::new(self.id());
        let beforehand = self.review_ids();
        let decision = self.world.request_file(
            FileCommand { filed, by_rules: self.by_rules.clone(), grants, beforehand, debt },
            &self.present(),
            &self.signer,
        )?;
        self.commit(decision);
        Ok(id)
    }

    fn review_ids(&mut self) -> Vec<ReviewId> {
        (0..self.world.preapprovals().count()).map(|_| ReviewId::new(self.id())).collect()
    }

    /// Somebody approves beforehand what somebody else is to ask for.
    pub(crate) fn preapprove(&mut self, by: u8, principal: u8, seconds: u64, most: Option<Span>) -> Result<PreapprovalId, WorldError> {
        let id = PreapprovalId::new(self.id());
        let given = Given {
            id,
            by: person(by),
            principal: person(principal),
            resource: "orders-db".parse().unwrap(),
            role: None,
            most,
            note: None,
            starts_at: self.now,
            until: self.now.after(Span::from_secs(seconds)),
            at: self.now,
        };
        let decision = self.world.preapproval_give(given, &self.present())?;
        self.commit(decision);
        Ok(id)
    }

    pub(crate) fn end_preapproval(&mut self, id: PreapprovalId) -> Result<(), WorldError> {
        let decision = self.world.preapproval_end(id, self.now)?;
        self.commit(decision);
        Ok(())
    }

    /// Somebody asks to go on with a grant.
    pub(crate) fn extend(&mut self, grant: GrantId, by: u8, plan: Plan, duration: Span) -> Result<RequestId, WorldError> {
        let nth = match self.world.grant(grant) {
            Some(Grant::Open(open)) => open.extensions(),
            Some(Grant::Scheduled(_) | Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_)) | None => 0,
        };
        self.extends = Some(Extends { grant, nth });
        let filed = self.file_for(by, plan, duration, &["read"]);
        self.extends = None;
        filed
    }

    /// When a grant that is in memory ends; now, if there is none.
    pub(crate) fn end_of(&self, grant: GrantId) -> Timestamp {
        self.world.grant(grant).and_then(Grant::signed).map_or(self.now, |s| s.claims.ends_at)
    }

    pub(crate) fn present(&self) -> Present<'_> {
        Present { files: &self.people, world: &self.world, now: self.now }
    }

    pub(crate) fn lock(&mut self, on: Locked) -> LockId {
        let id = LockId::new(self.id());
        let reason = Disclosure::seal([4; 32], "odd queries".into()).commitment;
        let placed = Placed { id, on, by: person(1), reason, at: self.now };
        let (id, decision) = self.world.lock_place(placed, &self.present());
        self.commit(decision);
        id
    }

    pub(crate) fn lift(&mut self, id: LockId) -> Result<(), WorldError> {
        let decision = self.world.lock_lift(id, person(1), self.now)?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn delegate(&mut self, from: u8, to: u8, seconds: u64) -> Result<DelegationId, WorldError> {
        let id = DelegationId::new(self.id());
        let until = self.now.after(Span::from_secs(seconds));
        let made = Made { id, from: person(from), to: person(to), starts_at: self.now, until, at: self.now };
        let decision = self.world.delegation_make(made, &self.people)?;
        self.commit(decision);
        Ok(id)
    }

    pub(crate) fn end_delegation(&mut self, id: DelegationId) -> Result<(), WorldError> {
        let decision = self.world.delegation_end(id, self.now)?;
        self.commit(decision);
        Ok(())
    }

    /// What the rules in force say, unless a test says otherwise: what they said.
    pub(crate) fn review(&mut self, id: RequestId, by: u8, verdict: Verdict) -> Result<bool, WorldError> {
        self.review_with(id, by, verdict, Limits::default())
    }

    pub(crate) fn review_with(&mut self, id: RequestId, by: u8, verdict: Verdict, limits: Limits) -> Result<bool, WorldError> {
        let plan = self.world.request(id).map(|r| r.filed().plan.clone()).unwrap_or_else(|| plan(vec![]));
        let in_force = InForce::Allowed { plan, max: Span::from_secs(100_000), rules_hash: "00".into() };
        self.review_as(id, (by, verdict, limits), in_force)
    }

    pub(crate) fn review_under(&mut self, id: RequestId, by: u8, verdict: Verdict, in_force: InForce) -> Result<bool, WorldError> {
        self.review_as(id, (by, verdict, Limits::default()), in_force)
    }

    fn review_as(&mut self, id: RequestId, (by, verdict, limits): (u8, Verdict, Limits), in_force: InForce) -> Result<bool, WorldError> {
        let asks = self.world.request(id).map_or(1, |r| r.filed().asks.len());
        let review = ReviewId::new(self.id());
        let grants = (0..asks).map(|_| GrantId::new(self.id())).collect();
        let ids = FreshIds { review, then: Fresh { grants, beforehand: self.review_ids() } };
        let command = ReviewCommand { reviewer: person(by), verdict, note: None, limits, ids };
        // As the engine does: what is settled is recalled for the command, and forgotten after it.
        let recalled = self.world.request(id).is_none();
        if recalled {
            let events: Vec<_> = self.log.iter().filter(|e| e.stream == Stream::Request(id)).cloned().collect();
            self.world.recall(&events).unwrap();
        }
        let reviewed = self.reviewed(id, command, &in_force);
        if recalled {
            self.world.forget(Stream::Request(id));
        }
        reviewed
    }

    fn reviewed(&mut self, id: RequestId, command: ReviewCommand, in_force: &InForce) -> Result<bool, WorldError> {
        match self.world.request_review(id, command, in_force, &self.present(), &self.signer)? {
            ReviewOutcome::Decided(decision) => {
                let any = !decision.is_empty();
                self.commit(decision);
                Ok(any)
            }
            ReviewOutcome::Already(_) => Ok(false),
        }
    }

    pub(crate) fn withdraw(&mut self, id: RequestId, by: u8) -> Result<(), WorldError> {
        let decision = self.world.request_withdraw(id, person(by), self.now)?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn take_back(&mut self, id: RequestId, by: u8) -> Result<(), WorldError> {
        let decision = self.world.request_take_back(id, person(by), &self.present(), self.now)?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn see(&mut self, id: RequestId, by: u8) -> Result<(), WorldError> {
        let decision = self.world.request_see(id, person(by), &self.present(), self.now)?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn comment(&mut self, id: RequestId, by: u8) -> Result<(), WorldError> {
        let text = Disclosure::seal([3; 32], "why so long?".into()).commitment;
        let decision = self.world.request_comment(id, Comment { by: person(by), text, at: self.now })?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn tick(&mut self, millis: u64) {
        self.now = self.now.after(Span::from_millis(millis));
        let decision = self.world.tick(&self.present(), &self.signer);
        self.commit(decision);
    }

    pub(crate) fn close(&mut self, grant: GrantId, reason: CloseReason) -> Result<(), WorldError> {
        let decision = self.world.grant_close(grant, reason, self.now)?;
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn stop(&mut self, who: u8) {
        self.people.disabled.insert(person(who));
        let still = |filed: &Filed| InForce::Allowed { plan: filed.plan.clone(), max: Span::from_secs(100_000), rules_hash: "00".into() };
        let mut next = Some(Sweep::default());
        while let Some(from) = next {
            let enabled = |id: PrincipalId| !self.people.disabled.contains(&id);
            let files = InFiles { enabled: &enabled, there: &|_, _| true, in_force: &still };
            // Two at a time, so that it goes on where it was again and again.
            let (decision, more) = self.world.sweep(from, 2, files, &self.present());
            self.commit(decision);
            next = more;
        }
    }

    pub(crate) fn intend(&mut self, grant: GrantId) -> Result<LeaseId, WorldError> {
        let id = LeaseId::new(self.id());
        let (resource, role) = ("orders-db".parse().unwrap(), "read".parse().unwrap());
        let valid_until = self.now.after(Span::from_secs(1_000_000));
        let intended =
            Intended { id, grant, resource, role, login: format!("ajar_{id}"), valid_until, files: None, serial: None, at: self.now };
        let decision = self.world.lease_intend(intended)?;
        self.commit(decision);
        Ok(id)
    }

    pub(crate) fn lease(&mut self, step: u8, id: LeaseId) -> Result<(), WorldError> {
        let proof = RevocationProof { terminated: 0, owned: 0, findings: vec![], asked: "?".into(), answer: "0".into() };
        let decision = match step % 4 {
            0 => self.world.lease_minted(id, self.now)?,
            1 => self.world.lease_revoke(id, self.now)?,
            2 => self.world.lease_unconfirmed(id, "down".into(), self.now)?,
            _ => self.world.lease_revoked(id, proof, self.now)?,
        };
        self.commit(decision);
        Ok(())
    }

    pub(crate) fn live(&mut self, grant: GrantId, lease: LeaseId) -> Result<SessionId, WorldError> {
        use ajar_core::session::{Arrived, Live};
        let principal = self.world.grant(grant).map_or(person(0), |g| g.parties().0);
        let id = SessionId::new(self.id());
        let client = Disclosure::seal([2; 32], "127.0.0.1".into()).commitment;
        let arrived = Arrived { id, principal, resource: "orders-db".parse().unwrap(), protocol: "postgres".into(), client, at: self.now };
        let live = Live { arrived, grant, lease: Some(lease), role: "read".parse().unwrap(), at: self.now };
        let decision = self.world.session_go_live(live)?;
        self.commit(decision);
        Ok(id)
    }

    pub(crate) fn state(&self, id: RequestId) -> &'static str {
        // Settled requests leave memory; the log has them.
        match self.world.request(id) {
            Some(request) => request.state(),
            None => self.replayed(id).state(),
        }
    }

    /// A request as its own events tell it.
    pub(crate) fn replayed(&self, id: RequestId) -> Request {
        let mut state: Option<Request> = None;
        for envelope in self.log.iter().filter(|e| e.stream == Stream::Request(id)) {
            let Event::Request(event) = &envelope.event else { panic!("{envelope:?}") };
            state = Some(state.take().map_or_else(|| Request::born(event), |r| r.evolve(event)).unwrap());
        }
        state.unwrap()
    }

    /// Grants of a request that are open now.
    pub(crate) fn open(&self, id: RequestId) -> Vec<GrantId> {
        let of = |g: &&Grant| matches!(g, Grant::Open(o) if o.signed.claims.request == id);
        self.world.grants().filter(of).map(Grant::id).collect()
    }
}
