//! The state machine: random commands, and after each of them a naive reader of the log checks what must always hold.
//!
//! The reader knows nothing of the core's code: it counts humans, looks at clocks, and follows each lease, from events alone.
//! `AJAR_LONG=1` runs long; a failure names the smallest commands that show it, and proptest keeps its seed.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::debt::DebtEvent;
use ajar_core::delegation::DelegationEvent;
use ajar_core::event::{Event, Stream};
use ajar_core::grant::{CloseReason, Grant, GrantEvent, Scheduled};
use ajar_core::id::{DebtId, DelegationId, GrantId, LeaseId, LockId, PreapprovalId, PrincipalId, RequestId, SessionId};
use ajar_core::lease::{Lease, LeaseEvent};
use ajar_core::lock::{LockEvent, Locked};
use ajar_core::plan::{Facts, Limits, Opening, Otherwise, Plan, Review, Verdict};
use ajar_core::preapproval::PreapprovalEvent;
use ajar_core::request::{Filed, Request, RequestEvent};
use ajar_core::session::SessionEvent;
use ajar_core::time::Span;
use ajar_core::world::World;
use proptest::prelude::*;

use crate::office::{Office, People, ROBOT, SECOND, person, plan, stage};

#[derive(Debug, Clone)]
enum Step {
    File { by: u8, stages: Vec<(u8, u8, u8)>, seconds: u16, opening: u8, later: Option<u16>, denied: bool },
    Preapprove { by: u8, principal: u8, seconds: u16, most: Option<u16> },
    EndPreapproval { preapproval: u8 },
    Emergency { by: u8 },
    Extend { grant: u8, by: Option<u8>, stages: Vec<(u8, u8, u8)>, seconds: u16 },
    ReviewDebt { debt: u8, by: u8, deny: bool },
    Redeem { grant: u8 },
    Leave { session: u8 },
    Kill { session: u8, by: u8 },
    Unrule { who: u8 },
    Review { request: u8, by: u8, deny: bool, most: Option<u16> },
    TakeBack { request: u8, by: u8 },
    Talk { request: u8, by: u8, look: bool },
    Lock { who: Option<u8> },
    Lift { lock: u8 },
    Delegate { from: u8, to: u8, seconds: u16 },
    EndDelegation { delegation: u8 },
    Withdraw { request: u8, by: u8 },
    Tick { millis: u32 },
    Skew { millis: u32 },
    Close { grant: u8, revoked: bool },
    Disable { who: u8 },
    Regroup { group: u8, members: u8 },
    Intend { grant: u8 },
    Lease { lease: u8, step: u8 },
    Live { grant: u8, lease: u8 },
    Enter { grant: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..8u8, prop::collection::vec((0..4u8, 1..3u8, 0..3u8), 0..3), 1..2_000u16, 0..6u8, prop::option::weighted(0.2, 0..2_000u16), prop::bool::weighted(0.05)).prop_map(|(by, stages, seconds, opening, later, denied)| Step::File { by, stages, seconds, opening, later, denied }),
        3 => (0..8u8, 0..8u8, 0..2_000u16, prop::option::weighted(0.3, 0..2_000u16)).prop_map(|(by, principal, seconds, most)| Step::Preapprove { by, principal, seconds, most }),
        1 => (0..3u8).prop_map(|preapproval| Step::EndPreapproval { preapproval }),
        1 => (0..6u8).prop_map(|by| Step::Emergency { by }),
        4 => (0..6u8, prop::option::weighted(0.1, 0..8u8), prop::collection::vec((0..3u8, Just(1), 0..3u8), 0..2), 1..900u16).prop_map(|(grant, by, stages, seconds)| Step::Extend { grant, by, stages, seconds }),
        2 => (0..3u8, 0..8u8, prop::bool::weighted(0.2)).prop_map(|(debt, by, deny)| Step::ReviewDebt { debt, by, deny }),
        3 => (0..6u8).prop_map(|grant| Step::Redeem { grant }),
        1 => (0..6u8).prop_map(|session| Step::Leave { session }),
        1 => (0..6u8, 0..8u8).prop_map(|(session, by)| Step::Kill { session, by }),
        1 => (0..8u8).prop_map(|who| Step::Unrule { who }),
        8 => (0..6u8, 0..8u8, prop::bool::weighted(0.12), prop::option::weighted(0.2, 0..1_000u16)).prop_map(|(request, by, deny, most)| Step::Review { request, by, deny, most }),
        2 => (0..6u8, 0..8u8).prop_map(|(request, by)| Step::TakeBack { request, by }),
        1 => (0..6u8, 0..8u8, any::<bool>()).prop_map(|(request, by, look)| Step::Talk { request, by, look }),
        1 => prop::option::weighted(0.8, 0..8u8).prop_map(|who| Step::Lock { who }),
        1 => (0..3u8).prop_map(|lock| Step::Lift { lock }),
        2 => (0..8u8, 0..8u8, 0..2_000u16).prop_map(|(from, to, seconds)| Step::Delegate { from, to, seconds }),
        1 => (0..3u8).prop_map(|delegation| Step::EndDelegation { delegation }),
        1 => (0..6u8, 0..8u8).prop_map(|(request, by)| Step::Withdraw { request, by }),
        2 => (0..900_000u32).prop_map(|millis| Step::Tick { millis }),
        1 => (0..900_000u32).prop_map(|millis| Step::Skew { millis }),
        2 => (0..6u8, any::<bool>()).prop_map(|(grant, revoked)| Step::Close { grant, revoked }),
        1 => (0..8u8).prop_map(|who| Step::Disable { who }),
        1 => (0..2u8, any::<u8>()).prop_map(|(group, members)| Step::Regroup { group, members }),
        3 => (0..6u8).prop_map(|grant| Step::Intend { grant }),
        5 => (0..6u8, 0..4u8).prop_map(|(lease, step)| Step::Lease { lease, step }),
        2 => (0..6u8, 0..6u8).prop_map(|(grant, lease)| Step::Live { grant, lease }),
        4 => (0..3u8).prop_map(|grant| Step::Enter { grant }),
    ]
}

fn plan_of(stages: &[(u8, u8, u8)]) -> Plan {
    let one = |(group, needed, otherwise): &(u8, u8, u8)| {
        let otherwise = match otherwise {
            0 => Otherwise::Deny,
            1 => Otherwise::Next,
            _ => Otherwise::Escalate([5, 4].map(|n| ajar_core::plan::Step(vec![ajar_core::plan::Candidates::Person(person(n))])).into()),
        };
        stage(["a", "b", "own", "none"][usize::from(*group)], *needed, otherwise)
    };
    plan(stages.iter().map(one).collect())
}

fn pick<T: Copy>(all: &[T], n: u8) -> Option<T> {
    // The newest are the interesting ones.
    all.iter().rev().nth(usize::from(n)).copied()
}

#[derive(Default)]
struct Known {
    requests: Vec<RequestId>,
    leases: Vec<LeaseId>,
    sessions: Vec<SessionId>,
    locks: Vec<LockId>,
    debts: Vec<DebtId>,
    delegations: Vec<DelegationId>,
    preapprovals: Vec<PreapprovalId>,
}

/// Who is locked and who stands in for whom, read from the log up to `until`.
fn kept_out_and_away(office: &Office) -> (Vec<Locked>, BTreeMap<PrincipalId, PrincipalId>) {
    let (mut locks, mut away) = (BTreeMap::new(), BTreeMap::new());
    for envelope in &office.log {
        match (&envelope.event, envelope.stream) {
            (Event::Lock(LockEvent::Placed(p)), _) => drop(locks.insert(p.id, p.on.clone())),
            (Event::Lock(LockEvent::Lifted(_)), Stream::Lock(id)) => drop(locks.remove(&id)),
            (Event::Delegation(DelegationEvent::Made(m)), _) => drop(away.insert(m.id, m.clone())),
            (Event::Delegation(DelegationEvent::Ended(_)), Stream::Delegation(id)) => drop(away.remove(&id)),
            _ => {}
        }
    }
    let away = away.into_values().filter(|m| m.starts_at <= office.now && office.now < m.until).map(|m| (m.from, m.to)).collect();
    (locks.into_values().collect(), away)
}

fn grants(office: &Office) -> Vec<GrantId> {
    let opened = |e: &ajar_core::event::Envelope| match (&e.event, e.stream) {
        (Event::Grant(GrantEvent::Opened(_) | GrantEvent::Scheduled(_)), Stream::Grant(id)) => Some(id),
        _ => None,
    };
    office.log.iter().filter_map(opened).collect()
}

fn open(office: &Office) -> Vec<GrantId> {
    office.world.grants().filter(|g| matches!(g, Grant::Open(_))).map(Grant::id).collect()
}

fn take(office: &mut Office, known: &mut Known, step: &Step) {
    match *step {
        Step::Preapprove { by, principal, seconds, most } => {
            let most = most.map(|s| Span::from_secs(u64::from(s)));
            known.preapprovals.extend(office.preapprove(by, principal, u64::from(seconds), most).ok());
        }
        Step::EndPreapproval { preapproval } => {
            if let Some(id) = pick(&known.preapprovals, preapproval) {
                drop(office.end_preapproval(id));
            }
        }
        Step::File { by, ref stages, seconds, opening, later, denied } => {
            if by != ROBOT && !office.people.disabled.contains(&person(by)) {
                let on_first_use = (opening % 3 == 1).then_some(Span::from_secs(300));
                let plan = Plan { opening: Opening { on_first_use, single_use: opening > 2 }, ..plan_of(stages) };
                office.starts_at = later.map(|s| office.now.after(Span::from_secs(u64::from(s))));
                office.by_rules.denied_by = denied.then(|| "no".parse().unwrap());
                let filed = office.file_for(by, plan, Span::from_secs(u64::from(seconds)), &["read"]);
                office.starts_at = None;
                office.by_rules.denied_by = None;
                known.requests.extend(filed.ok());
            }
        }
        Step::Review { request, by, deny, most } => {
            if let Some(id) = pick(&known.requests, request) {
                let limits = Limits { duration: most.map(|s| Span::from_secs(u64::from(s))), asks: None };
                drop(office.review_with(id, by, if deny { Verdict::Deny } else { Verdict::Approve }, limits));
            }
        }
        Step::TakeBack { request, by } => {
            if let Some(id) = pick(&known.requests, request) {
                drop(office.take_back(id, by));
            }
        }
        Step::Talk { request, by, look } => {
            if let Some(id) = pick(&known.requests, request) {
                drop(if look { office.see(id, by) } else { office.comment(id, by) });
            }
        }
        Step::Emergency { by } => {
            if !office.people.disabled.contains(&person(by)) {
                known.debts.extend(office.emergency(by).ok().map(|(_, debt)| debt));
            }
        }
        Step::Extend { grant, by, ref stages, seconds } => {
            // Mostly one that is open; any other is refused.
            let all = if grant < 4 { open(office) } else { grants(office) };
            if let Some(id) = pick(&all, grant % 4) {
                // Who has it, unless said.
                let holder = office.world.grant(id).map(|g| g.parties().0);
                let by = by.or_else(|| (0..8).find(|n| Some(person(*n)) == holder));
                if let Some(by) = by.filter(|by| !office.people.disabled.contains(&person(*by))) {
                    known.requests.extend(office.extend(id, by, plan_of(stages), Span::from_secs(u64::from(seconds))).ok());
                }
            }
        }
        Step::ReviewDebt { debt, by, deny } => {
            if let Some(id) = pick(&known.debts, debt) {
                drop(office.review_debt(id, by, if deny { Verdict::Deny } else { Verdict::Approve }));
            }
        }
        Step::Redeem { grant } => {
            if let Some(id) = pick(&grants(office), grant) {
                drop(office.redeem(id));
            }
        }
        Step::Leave { session } => {
            if let Some(id) = pick(&known.sessions, session) {
                drop(office.leave(id));
            }
        }
        Step::Kill { session, by } => {
            if let Some(id) = pick(&known.sessions, session) {
                drop(office.kill(id, by));
            }
        }
        Step::Unrule { who } => drop(office.people.unruled.insert(person(who))),
        Step::Lock { who } => {
            let on = who.map_or_else(|| Locked::Resource("orders-db".parse().unwrap()), |who| Locked::Principal(person(who)));
            known.locks.push(office.lock(on));
        }
        Step::Lift { lock } => {
            if let Some(id) = pick(&known.locks, lock) {
                drop(office.lift(id));
            }
        }
        Step::Delegate { from, to, seconds } => {
            known.delegations.extend(office.delegate(from, to, u64::from(seconds)).ok());
        }
        Step::EndDelegation { delegation } => {
            if let Some(id) = pick(&known.delegations, delegation) {
                drop(office.end_delegation(id));
            }
        }
        Step::Withdraw { request, by } => {
            if let Some(id) = pick(&known.requests, request) {
                drop(office.withdraw(id, by));
            }
        }
        Step::Tick { millis } => office.tick(u64::from(millis)),
        // Time passes and the timer has not come yet.
        Step::Skew { millis } => office.now = office.now.after(Span::from_millis(u64::from(millis))),
        Step::Close { grant, revoked } => {
            if let Some(id) = pick(&grants(office), grant) {
                drop(office.close(id, if revoked { CloseReason::Revoked { by: person(1) } } else { CloseReason::Returned }));
            }
        }
        Step::Disable { who } => office.stop(who),
        Step::Regroup { group, members } => {
            let members = (0..8).filter(|n| members & (1 << n) != 0).map(person).collect();
            office.people.groups.insert(["a", "b"][usize::from(group)], members);
        }
        Step::Intend { grant } => {
            if let Some(Ok(lease)) = pick(&grants(office), grant).map(|id| office.intend(id)) {
                known.leases.push(lease);
            }
        }
        Step::Lease { lease, step } => {
            if let Some(id) = pick(&known.leases, lease) {
                drop(office.lease(step, id));
            }
        }
        // The whole way in, which takes too many steps to be found by chance.
        Step::Enter { grant } => {
            if let Some(grant) = pick(&open(office), grant)
                && let Ok(lease) = office.intend(grant)
            {
                known.leases.push(lease);
                office.lease(0, lease).unwrap();
                known.sessions.extend(office.live(grant, lease).ok());
            }
        }
        Step::Live { grant, lease } => {
            if let (Some(grant), Some(lease)) = (pick(&grants(office), grant), pick(&known.leases, lease)) {
                known.sessions.extend(office.live(grant, lease).ok());
            }
        }
    }
}

/// Whether what a request's log holds up to its approval may be approved, counted the naive way.
fn may_be_approved(office: &Office, people: &People, id: RequestId) -> Result<(), String> {
    let mut plan: Option<Plan> = None;
    let (mut skipped, mut escalated) = (BTreeSet::new(), Vec::new());
    let (mut approves, mut filed) = (Vec::new(), None);
    let (mut most, mut by_rules) = (Span::MAX, false);
    for envelope in office.log.iter().filter(|e| e.stream == Stream::Request(id)) {
        let Event::Request(event) = &envelope.event else { continue };
        match event {
            RequestEvent::Filed(f) => {
                plan = Some(f.plan.clone());
                most = most.min(f.duration);
                filed = Some(f.clone());
            }
            RequestEvent::PlanTightened(t) => {
                plan = Some(t.plan.clone());
                most = most.min(t.duration);
            }
            RequestEvent::StageSkipped(s) => drop(skipped.insert(s.stage)),
            RequestEvent::StageEscalated(s) => escalated.push(s.stage),
            RequestEvent::Reviewed(r) if r.verdict == Verdict::Approve => approves.push(r.clone()),
            RequestEvent::TakenBack(t) => approves.retain(|r| r.id != t.review),
            RequestEvent::AutoReviewed(a) if a.verdict == Verdict::Deny => return Err("a rule denies it".into()),
            RequestEvent::AutoReviewed(_) => by_rules = true,
            RequestEvent::Seen(_) | RequestEvent::Commented(_) | RequestEvent::Reminded(_) => {}
            RequestEvent::Reviewed(_) => return Err("a deny is on record".into()),
            RequestEvent::Approved(_) => break,
            RequestEvent::StageEntered(_) => {}
            RequestEvent::Denied(_) | RequestEvent::Withdrawn(_) | RequestEvent::Expired(_) => return Err("it was settled before".into()),
        }
    }
    let (plan, filed) = (plan.ok_or("never filed")?, filed.ok_or("never filed")?);
    if by_rules != (filed.plan.stages.is_empty() && filed.emergency.is_none()) {
        return Err("what rules decide by themselves, and only that, leaves a review of theirs".into());
    }
    for review in &approves {
        given_beforehand(office, &filed, review)?;
    }
    if office.now >= filed.expires_at {
        return Err("its deadline is over".into());
    }
    if !plan.stages.is_empty() && skipped.contains(&(plan.stages.len() - 1)) {
        return Err("the last stage was skipped".into());
    }
    let (locks, away) = kept_out_and_away(office);
    let same = |a: PrincipalId, b: PrincipalId| a == b || people.human(a).is_some() && people.human(a) == people.human(b);
    let kept_out = |p: PrincipalId| locks.iter().any(|on| matches!(on, Locked::Principal(locked) if same(*locked, p)));
    if kept_out(filed.requester) || locks.iter().any(|on| matches!(on, Locked::Resource(_))) {
        return Err("it is locked".into());
    }
    if plan.stages.is_empty() && filed.emergency.is_none() {
        let mut owed = BTreeMap::new();
        for envelope in &office.log {
            match (&envelope.event, envelope.stream) {
                (Event::Debt(DebtEvent::Incurred(i)), _) => drop(owed.insert(i.id, i.debtor)),
                (Event::Debt(DebtEvent::Paid(_)), Stream::Debt(id)) => drop(owed.remove(&id)),
                _ => {}
            }
        }
        if owed.values().any(|debtor| same(*debtor, filed.requester)) {
            return Err("a review is owed".into());
        }
    }
    let own = [filed.requester, filed.beneficiary].map(|p| people.human(p));
    let mut counted = BTreeSet::new();
    for (index, stage) in plan.stages.iter().enumerate().filter(|(i, _)| !skipped.contains(i)) {
        let mut named = stage.candidates.clone();
        if let Otherwise::Escalate(chain) = &stage.otherwise {
            let steps = escalated.iter().filter(|s| **s == index).count();
            if steps > chain.len() {
                return Err(format!("stage {index} was escalated {steps} times"));
            }
            named.extend(chain[..steps].iter().flat_map(|step| step.0.clone()));
        }
        let may = people.candidates(&named, filed.requester, &filed.resources());
        let may: BTreeSet<_> = may.into_iter().map(|p| away.get(&p).copied().unwrap_or(p)).collect();
        let mut humans = BTreeSet::new();
        for review in &approves {
            let reviewer = &review.reviewer;
            let Some(human) = people.human(*reviewer).filter(|_| !kept_out(*reviewer)) else { continue };
            let themselves = own.contains(&Some(human)) || *reviewer == filed.requester || *reviewer == filed.beneficiary;
            if review.stage == index && may.contains(reviewer) && !themselves && counted.insert(human) {
                humans.insert(human);
            }
        }
        if humans.len() < usize::from(stage.needed.get()) {
            return Err(format!("stage {index} has {} of {}", humans.len(), stage.needed));
        }
    }
    // Nobody gets more than the least that rules and reviewers left: from now on, or from the end of what it goes on with.
    let most = approves.iter().filter_map(|r| r.limits.duration).fold(most, Span::min);
    let mut ends = BTreeMap::new();
    for envelope in &office.log {
        if let Event::Grant(GrantEvent::Opened(o)) = &envelope.event {
            let claims = &o.signed.claims;
            let from = o.after.last().map_or(claims.starts_at, |before| ends[before]);
            if claims.request == id && claims.ends_at.since(from) > most {
                return Err(format!("{most} was left of it, and more was opened"));
            }
            ends.insert(claims.grant, claims.ends_at);
        }
    }
    Ok(())
}

/// An approve that says it was given beforehand was: by the same, for this, and it was in force.
fn given_beforehand(office: &Office, filed: &Filed, review: &Review) -> Result<(), String> {
    let Some(id) = review.beforehand else { return Ok(()) };
    let of = office.log.iter().filter(|e| e.stream == Stream::Preapproval(id) && e.at <= review.at);
    let mut given = None;
    for envelope in of {
        let Event::Preapproval(event) = &envelope.event else { continue };
        match event {
            PreapprovalEvent::Given(g) => given = Some(g.clone()),
            // At the same instant it may have ended after it was counted.
            PreapprovalEvent::Ended(e) if e.at < review.at => return Err(format!("{id} was over")),
            PreapprovalEvent::Ended(_) => {}
        }
    }
    let given = given.ok_or("it was never given")?;
    let fits = given.by == review.reviewer && given.principal == filed.beneficiary && review.limits.is_none();
    let in_time = given.starts_at <= review.at && review.at < given.until;
    let short = given.most.is_none_or(|most| filed.duration <= most);
    if fits && in_time && short { Ok(()) } else { Err(format!("{given:?} does not cover it")) }
}

/// What must hold after every step.
fn check(office: &Office, before: usize, people_before: &People) -> Result<(), String> {
    for envelope in office.log.iter().skip(before) {
        if let Event::Grant(GrantEvent::Opened(o)) = &envelope.event {
            let of = office.log.iter().filter(|e| e.stream == envelope.stream && e.version == 1);
            let later = of.filter(|e| matches!(e.event, Event::Grant(GrantEvent::Scheduled(_)))).count() == 1;
            if later && office.people.unruled.contains(&o.signed.claims.principal) {
                return Err(format!("I06: {} opened although no rule lets them any more", o.signed.claims.grant));
            }
        }
        if let (Event::Request(RequestEvent::Approved(_)), Stream::Request(id)) = (&envelope.event, envelope.stream) {
            // A step that disables somebody decides with them disabled.
            may_be_approved(office, &office.people, id)
                .or_else(|_| may_be_approved(office, people_before, id))
                .map_err(|why| format!("{id} was approved although {why}"))?;
        }
    }
    let mut leases: BTreeMap<GrantId, BTreeMap<LeaseId, &'static str>> = BTreeMap::new();
    let (mut windows, mut scheduled) = (BTreeMap::new(), BTreeMap::new());
    let (mut single, mut let_in) = (BTreeSet::new(), BTreeMap::<GrantId, u32>::new());
    let (mut open, mut holders, mut under) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for envelope in &office.log {
        match (&envelope.event, envelope.stream) {
            (Event::Grant(GrantEvent::Opened(o)), _) => {
                let claims = &o.signed.claims;
                let permit = office.signer.verifier().permit(&o.signed, claims.starts_at).map_err(|e| format!("I02: {e}"))?;
                if permit.claims() != claims {
                    return Err("I02: a permit allows something else".into());
                }
                if o.single_use {
                    single.insert(claims.grant);
                }
                let to_be: Option<&Scheduled> = scheduled.get(&claims.grant);
                let early = to_be.is_some_and(|s| claims.starts_at < s.opens_at);
                let late = to_be.and_then(|s| s.redeem_by).is_some_and(|by| claims.starts_at >= by);
                let longer = to_be.is_some_and(|s| claims.ends_at.since(claims.starts_at) > s.duration);
                if early || late || longer {
                    return Err(format!("I08: {claims:?} is not what was to open: {to_be:?}"));
                }
                if windows.insert(claims.grant, (claims.starts_at, claims.ends_at)).is_some() {
                    return Err(format!("I07: {} was opened twice", claims.grant));
                }
                holders.insert(claims.grant, (claims.principal, claims.resource.clone(), claims.role.clone()));
                if let Some(from) = o.after.last() {
                    let before = (windows[from], &holders[from]);
                    if !open.contains(from) || claims.starts_at >= before.0.1 || Some(before.1) != holders.get(&claims.grant) {
                        return Err(format!("I07: {} goes on from {from}, which is over or not the same", claims.grant));
                    }
                    if single.contains(from) {
                        return Err(format!("A09: {} goes on from what was for one session", claims.grant));
                    }
                }
                open.insert(claims.grant);
            }
            (Event::Grant(GrantEvent::Closing(closing)), Stream::Grant(id)) => {
                open.remove(&id);
                if let CloseReason::Extended { by } = &closing.reason
                    && (!open.contains(by) || under.values().any(|grant| *grant == id))
                {
                    return Err(format!("I07: {id} was extended, and something is left behind"));
                }
            }
            (Event::Grant(GrantEvent::Scheduled(s)), _) => drop(scheduled.insert(s.id, s.clone())),
            (Event::Lease(LeaseEvent::Intended(i)), _) => {
                if i.valid_until > windows[&i.grant].1 {
                    return Err(format!("I07: {} outlives its grant", i.id));
                }
                leases.entry(i.grant).or_default().insert(i.id, "intended");
            }
            (Event::Lease(LeaseEvent::Moved(m)), Stream::Lease(id)) => {
                if !open.contains(&m.grant) || m.valid_until > windows[&m.grant].1 {
                    return Err(format!("I07: {id} outlives the grant that it is moved to"));
                }
                let was = leases.values_mut().find_map(|all| all.remove(&id));
                if was.is_none_or(|was| was == "revoked") {
                    return Err(format!("I11: {id} is moved and was not there"));
                }
                leases.entry(m.grant).or_default().insert(id, "there");
            }
            (Event::Lease(e), Stream::Lease(id)) => {
                for all in leases.values_mut() {
                    if let Some(state) = all.get_mut(&id) {
                        let gone = *state == "revoked";
                        *state = if matches!(e, LeaseEvent::Revoked(_)) { "revoked" } else { "there" };
                        if gone {
                            return Err(format!("I11: {id} came back"));
                        }
                    }
                }
            }
            (Event::Grant(GrantEvent::Closed(_)), Stream::Grant(id)) => {
                let left: Vec<_> = leases.get(&id).into_iter().flatten().filter(|(_, s)| **s != "revoked").collect();
                if !left.is_empty() {
                    return Err(format!("I11: {id} is closed with {left:?}"));
                }
            }
            (Event::Session(SessionEvent::Live(live)), _) => {
                let (start, end) = windows[&live.grant];
                if !(start <= live.at && live.at < end) {
                    return Err(format!("I07: {} went live outside the window", live.arrived.id));
                }
                under.insert(live.arrived.id, live.grant);
                *let_in.entry(live.grant).or_default() += 1;
                if single.contains(&live.grant) && let_in[&live.grant] > 1 {
                    return Err(format!("A09: {} let more than one session in", live.grant));
                }
            }
            (Event::Session(SessionEvent::Moved(m)), Stream::Session(id)) => {
                let from = under.insert(id, m.grant);
                if !open.contains(&m.grant) || from.is_none_or(|from| !open.contains(&from)) {
                    return Err(format!("I07: {id} is moved from or to a grant that is not open"));
                }
            }
            (Event::Session(SessionEvent::Ended(_)), Stream::Session(id)) => drop(under.remove(&id)),
            _ => {}
        }
    }
    for request in office.world.requests() {
        if let (Request::Pending(_), Some(extends)) = (request, &request.filed().extends)
            && !open.contains(&extends.grant)
        {
            return Err(format!("{} waits to go on with {}, which is over", request.filed().id, extends.grant));
        }
    }
    for (session, grant) in &under {
        // It may be on its way out; it is never under what has been extended.
        if office.world.session(*session).and_then(ajar_core::session::Session::grant) != Some(*grant) {
            return Err(format!("{session} is not under {grant}"));
        }
    }
    let (locks, _) = kept_out_and_away(office);
    for grant in office.world.grants() {
        if let Grant::Open(open) = grant {
            let human = |p| office.people.human(p);
            let holder = open.signed.claims.principal;
            let shut = locks.iter().any(|on| match on {
                Locked::Principal(p) => *p == holder || human(*p).is_some() && human(*p) == human(holder),
                Locked::Resource(resource) => *resource == open.signed.claims.resource,
            });
            if shut {
                return Err(format!("{} is open although it is locked", grant.id()));
            }
        }
        if let Grant::Open(open) = grant
            && office.people.disabled.contains(&open.signed.claims.principal)
        {
            return Err(format!("A08: {} is open for somebody disabled", grant.id()));
        }
        if let Grant::Closing(_) = grant
            && office.world.leases_of(grant.id()).iter().any(|l| matches!(l, Lease::Intended(_) | Lease::Minted(_)))
        {
            return Err(format!("I09: {} is closing and a lease is not being revoked", grant.id()));
        }
    }
    Ok(())
}

/// Each time that a stage begins there is one reminder at the most, while it waits and before it is over, and never to who asked.
fn reminded_once(office: &Office, known: &Known) -> Result<(), String> {
    for id in &known.requests {
        let (mut filed, mut waits) = (None, None);
        for envelope in office.log.iter().filter(|e| e.stream == Stream::Request(*id)) {
            let Event::Request(event) = &envelope.event else { continue };
            match event {
                RequestEvent::Filed(f) => filed = Some(f),
                RequestEvent::StageEntered(e) => waits = Some(e),
                RequestEvent::Reminded(reminded) => {
                    let entered = waits.take().ok_or_else(|| format!("{id} reminds of what doesn't wait, or again"))?;
                    let filed: &Filed = filed.ok_or("never filed")?;
                    let in_time = envelope.at < entered.until && envelope.at < filed.expires_at;
                    let human = |p| office.people.human(p);
                    let own = |p: &PrincipalId| *p == filed.requester || human(*p).is_some() && human(*p) == human(filed.requester);
                    if entered.stage != reminded.stage || !in_time || reminded.asked.iter().any(own) {
                        return Err(format!("{id}: {reminded:?} of {entered:?}"));
                    }
                }
                RequestEvent::StageEscalated(_) | RequestEvent::StageSkipped(_) => waits = None,
                RequestEvent::AutoReviewed(_)
                | RequestEvent::Reviewed(_)
                | RequestEvent::TakenBack(_)
                | RequestEvent::Seen(_)
                | RequestEvent::Commented(_)
                | RequestEvent::PlanTightened(_) => {}
                RequestEvent::Approved(_) | RequestEvent::Denied(_) | RequestEvent::Withdrawn(_) | RequestEvent::Expired(_) => waits = None,
            }
        }
    }
    Ok(())
}

/// A deny that was recorded never leaves anything open.
fn denied_are_closed(office: &Office, known: &Known) -> Result<(), String> {
    for id in &known.requests {
        let denied = office.replayed(*id).reviews().iter().any(|r| r.verdict == Verdict::Deny);
        if denied && !office.open(*id).is_empty() {
            return Err(format!("I05: {id} was denied and is open"));
        }
    }
    Ok(())
}

/// The log alone gives the same world.
fn rebuilt(office: &Office) -> Result<(), String> {
    let mut world = World::default();
    for envelope in &office.log {
        world.apply(envelope).map_err(|e| e.to_string())?;
    }
    let streams: BTreeSet<Stream> = office.log.iter().map(|e| e.stream).collect();
    for stream in streams {
        let (now, again) = (office.world.row(stream), world.row(stream));
        if now.is_some() && now != again {
            return Err(format!("{stream} is {now:?}, rebuilt {again:?}"));
        }
        if let (Stream::Request(id), Some(row)) = (stream, &again)
            && serde_json::from_str(&row.doc).ok().as_ref() != world.request(id)
        {
            return Err(format!("{stream} can't be read back from its row: {}", row.doc));
        }
        if let (Stream::Grant(id), Some(row)) = (stream, &again)
            && serde_json::from_str(&row.doc).ok().as_ref() != world.grant(id)
        {
            return Err(format!("{stream} can't be read back from its row: {}", row.doc));
        }
    }
    if world.next_due() != office.world.next_due() || world.next_seq() != office.world.next_seq() {
        return Err("timers or the sequence differ after rebuilding".into());
    }
    Ok(())
}

fn cases() -> u32 {
    if std::env::var_os("AJAR_LONG").is_some() { 20_000 } else { 300 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn i01_to_i11_hold_after_every_command(steps in prop::collection::vec(step(), 1..60)) {
        let (mut office, mut known) = (Office::new(), Known::default());
        prop_assert!(office.people.human(person(SECOND)) == office.people.human(person(0)));
        for step in &steps {
            let (before, people) = (office.log.len(), office.people.clone());
            take(&mut office, &mut known, step);
            if let Err(why) = check(&office, before, &people).and_then(|()| denied_are_closed(&office, &known)).and_then(|()| reminded_once(&office, &known)) {
                return Err(TestCaseError::fail(format!("after {step:?}: {why}")));
            }
            if matches!(step, Step::Tick { .. }) {
                let over = office.world.grants().any(|g| matches!(g, Grant::Open(o) if o.signed.claims.ends_at <= office.now));
                prop_assert!(!over, "I09: a tick left a grant open that is over");
                prop_assert!(office.world.next_due().is_none_or(|due| due > office.now), "a tick left something due");
            }
        }
        if let Err(why) = rebuilt(&office) {
            return Err(TestCaseError::fail(why));
        }
    }
}
