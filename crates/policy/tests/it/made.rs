//! A made-up past: people ask, decide, use what they get, on a clock of its own. The events are those that the core decides.

use std::collections::BTreeMap;

use ajar_core::directory::{Added, Applied, PolicyEvent, PrincipalEvent};
use ajar_core::event::{Actor, Envelope, Event, Proof, Stream};
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::{CommandId, DebtId, GrantId, PrincipalId, RequestId, ReviewId, SessionId};
use ajar_core::name::PrincipalName;
use ajar_core::permit::GrantSigner;
use ajar_core::plan::{Limits, Opening, Plan, Verdict};
use ajar_core::request::{Ask, ByRules, Filed, Fresh, FreshIds, RequestEvent, ReviewCommand};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::session::{Arrived, EndReason, Ended, Live};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::{Decision, FileCommand, Present, World};
use ajar_policy::{Bound, Decision as Answer, Question, RuleSet};
use uuid::Uuid;

/// What somebody asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wants<'a> {
    pub(crate) resource: &'a str,
    pub(crate) role: &'a str,
    pub(crate) minutes: u64,
    pub(crate) reason: &'a str,
    pub(crate) ticket: Option<&'a str>,
    pub(crate) emergency: bool,
    pub(crate) on_behalf_of: Option<&'a str>,
}

/// The past, up to now.
pub(crate) struct Made {
    pub(crate) bound: Bound,
    pub(crate) events: Vec<Envelope>,
    pub(crate) disclosures: BTreeMap<Commitment, Disclosure>,
    pub(crate) now: Timestamp,
    ids: BTreeMap<PrincipalName, PrincipalId>,
    world: World,
    signer: GrantSigner,
    count: u128,
}

impl Made {
    /// Puts rules in force at `now`.
    pub(crate) fn new(rules: &RuleSet, now: &str) -> Self {
        let mut made = Self {
            bound: RuleSet::default().bind(&BTreeMap::new()),
            events: Vec::new(),
            disclosures: BTreeMap::new(),
            now: now.parse().unwrap(),
            ids: BTreeMap::new(),
            world: World::default(),
            signer: GrantSigner::new(&[7; 32]),
            count: 0,
        };
        let mut decision = Decision::new();
        for entry in rules.principals() {
            let id = PrincipalId::new(made.uuid());
            let name = made.seal(entry.name.as_str());
            decision.push((Stream::Principal(id), Event::Principal(PrincipalEvent::Added(Added { id, name, kind: entry.kind }))));
            made.ids.insert(entry.name, id);
        }
        let applied = Applied { hash: rules.hash().to_owned(), previous: None, commit: None, at: made.now };
        decision.push((Stream::Policy, Event::Policy(PolicyEvent::Applied(applied))));
        made.bound = rules.bind(&made.ids);
        made.commit(decision, Actor::System);
        made
    }

    /// An id as the server makes them (`UUIDv7`), but for its randomness.
    fn uuid(&mut self) -> Uuid {
        self.count += 1;
        let millis = u128::try_from(self.now.as_millis()).unwrap();
        // Spread, so that short ids differ.
        let spread = self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15) & 0x3FFF_FFFF_FFFF_FFFF;
        Uuid::from_u128((millis << 80) | (7 << 76) | (2 << 62) | spread)
    }

    fn seal(&mut self, value: &str) -> Commitment {
        let mut salt = [0; 32];
        salt[..16].copy_from_slice(self.uuid().as_bytes());
        let sealed = Disclosure::seal(salt, value.to_owned());
        let commitment = sealed.commitment;
        self.disclosures.insert(commitment, sealed);
        commitment
    }

    pub(crate) fn id(&self, name: &str) -> PrincipalId {
        self.ids[&name.parse::<PrincipalName>().unwrap()]
    }

    fn commit(&mut self, decision: Decision, actor: Actor) {
        let cause = CommandId::new(self.uuid());
        for envelope in self.world.envelopes(decision, self.now, actor, cause) {
            self.world.apply(&envelope).unwrap();
            self.events.push(envelope);
        }
    }

    /// Time passes; what is due happens on the way.
    pub(crate) fn go_to(&mut self, instant: Timestamp) {
        while let Some(due) = self.world.next_due().filter(|due| *due <= instant) {
            self.now = due.max(self.now);
            let decision = self.look(|world, present, signer| world.tick(present, signer));
            assert!(!decision.is_empty(), "something is due at {due} and nothing happens");
            self.commit(decision, Actor::System);
        }
        self.now = instant.max(self.now);
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.go_to(self.now.after(Span::from_secs(seconds)));
    }

    fn look<T>(&self, look: impl FnOnce(&World, &Present<'_>, &GrantSigner) -> T) -> T {
        let at = self.bound.at(self.world.history(), self.now);
        look(&self.world, &Present { files: &at, world: &self.world, now: self.now }, &self.signer)
    }

    fn actor(&self, who: PrincipalId) -> Actor {
        Actor::Principal { id: who, proof: Proof::Password }
    }

    /// Files a request, if the rules let it.
    pub(crate) fn ask(&mut self, who: &str, wants: &Wants<'_>) -> Option<RequestId> {
        let requester = self.id(who);
        let beneficiary = wants.on_behalf_of.map_or(requester, |name| self.id(name));
        let ask = Ask { resource: wants.resource.parse().unwrap(), role: wants.role.parse().unwrap() };
        let question = Question {
            beneficiary,
            duration: Some(Span::from_secs(wants.minutes * 60)),
            reason: wants.reason.to_owned(),
            ticket: wants.ticket.map(str::to_owned),
            emergency: wants.emergency,
            proof: Some(Proof::Password),
            recent: self.world.history().recent(beneficiary, &ask, self.now),
            ..Question::new(requester, ask.resource.clone(), ask.role.clone(), self.now)
        };
        let (plan, emergency, denied_by) = match self.bound.decide(&question) {
            Answer::Allowed(allowed) => (allowed.plan, allowed.emergency, None),
            Answer::Denied(denied) => (
                Plan { rules: vec![denied.rule.clone()], stages: Vec::new(), opening: Opening::default(), low_risk: false },
                None,
                Some(denied.rule),
            ),
            Answer::Refused(_) => return None,
        };
        let id = RequestId::new(self.uuid());
        let reason = self.seal(wants.reason);
        let filed = Filed {
            scope: None,
            extends: None,
            id,
            requester,
            beneficiary,
            asks: vec![ask],
            duration: Span::from_secs(wants.minutes * 60),
            reason,
            ticket: wants.ticket.map(str::to_owned),
            plan,
            emergency,
            rules_hash: self.bound.hash().to_owned(),
            proof: Some(Proof::Password),
            at: self.now,
            starts_at: None,
            expires_at: self.now.after(Span::from_secs(24 * 3600)),
        };
        let command = FileCommand {
            filed,
            by_rules: ByRules { denied_by, values: None },
            grants: vec![GrantId::new(self.uuid())],
            beforehand: Vec::new(),
            debt: DebtId::new(self.uuid()),
        };
        let decision = self.look(|world, present, signer| world.request_file(command, present, signer)).ok()?;
        self.commit(decision, self.actor(requester));
        Some(id)
    }

    /// Somebody decides, if they may.
    pub(crate) fn review(&mut self, id: RequestId, who: &str, verdict: Verdict) -> bool {
        let then = Fresh { grants: vec![GrantId::new(self.uuid())], beforehand: Vec::new() };
        let ids = FreshIds { review: ReviewId::new(self.uuid()), then };
        let reviewer = self.id(who);
        let command = ReviewCommand { reviewer, verdict, note: None, limits: Limits::default(), ids };
        let outcome = self.look(|world, present, signer| {
            let filed = world.request(id)?.filed().clone();
            let in_force = self.bound.at(world.history(), self.now).in_force(&filed);
            world.request_review(id, command, &in_force, present, signer).ok()
        });
        let Some(ajar_core::world::ReviewOutcome::Decided(decision)) = outcome else { return false };
        self.commit(decision, self.actor(reviewer));
        true
    }

    pub(crate) fn withdraw(&mut self, id: RequestId, who: &str) {
        let by = self.id(who);
        if let Ok(decision) = self.look(|world, _, _| world.request_withdraw(id, by, self.now)) {
            self.commit(decision, self.actor(by));
        }
    }

    /// Who got in is connected for so long, and gives back what is left.
    pub(crate) fn use_for(&mut self, request: RequestId, seconds: u64) {
        let open = self.world.grants().find_map(|grant| match grant {
            Grant::Open(open) if open.signed.claims.request == request => Some(open.signed.claims.clone()),
            Grant::Open(_) | Grant::Scheduled(_) | Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_) => None,
        });
        let Some(claims) = open else { return };
        let id = SessionId::new(self.uuid());
        let (protocol, client) = ("postgres".to_owned(), self.seal("198.51.100.7"));
        let arrived = Arrived { id, principal: claims.principal, resource: claims.resource.clone(), protocol, client, at: self.now };
        let live = Live { arrived, grant: claims.grant, lease: None, role: claims.role, at: self.now };
        let decision = self.world.session_go_live(live).unwrap();
        self.commit(decision, self.actor(claims.principal));
        self.wait(seconds);
        let ended = Ended { reason: EndReason::ClientLeft, recording: None, bytes_in: 512, bytes_out: 4_096, late_ms: None, at: self.now };
        let decision = self.world.session_end(id, ended).unwrap();
        self.commit(decision, Actor::System);
        if let Ok(decision) = self.world.grant_close(claims.grant, CloseReason::Returned, self.now) {
            self.commit(decision, self.actor(claims.principal));
        }
    }

    /// How many requests there were.
    pub(crate) fn filed(&self) -> usize {
        self.events.iter().filter(|e| matches!(e.event, Event::Request(RequestEvent::Filed(_)))).count()
    }
}
