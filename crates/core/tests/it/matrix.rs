//! Every state × every event, and every state × every command, of each lifecycle: the whole tables, as text.
//!
//! In the tables a row is a state, a column an event or a command; `·` changes nothing, `!` can't be (an event) or is refused (a command).

use ajar_core::debt::{Debt, DebtEvent};
use ajar_core::delegation::{Delegation, DelegationEvent};
use ajar_core::event::Event;
use ajar_core::grant::{CloseReason, Grant, GrantEvent};
use ajar_core::lease::{Lease, LeaseEvent, RevocationProof};
use ajar_core::lock::{Lock, LockEvent, Locked};
use ajar_core::plan::{Otherwise, Verdict};
use ajar_core::preapproval::{Preapproval, PreapprovalEvent};
use ajar_core::request::{InForce, Request, RequestEvent, ReviewCommand, Reviewed};
use ajar_core::sealed::Disclosure;
use ajar_core::session::{EndReason, Ended, HeldFor, Killed, Session, SessionEvent};
use ajar_core::time::Span;

use crate::office::{Office, person, plan, stage};

/// One of each kind, made by really going through it.
struct Made {
    office: Office,
    requests: Vec<RequestEvent>,
    grants: Vec<GrantEvent>,
    leases: Vec<LeaseEvent>,
    sessions: Vec<SessionEvent>,
}

const MINUTE: Span = Span::from_secs(60);

fn made() -> Made {
    let mut office = Office::new();
    let deny = || Otherwise::Deny;
    let approved = office.file(0, plan(vec![stage("a", 1, deny())]), MINUTE);
    office.review(approved, 1, Verdict::Approve).unwrap();
    let grant = office.open(approved)[0];
    let lease = office.intend(grant).unwrap();
    for step in [0, 1, 2, 3] {
        office.lease(step, lease).unwrap();
        if step == 0 {
            office.live(grant, lease).unwrap();
            office.extend(grant, 0, plan(vec![]), MINUTE).unwrap();
        }
    }
    let grant = office.world.standing_grant(grant);
    office.close(grant, CloseReason::Returned).unwrap();
    let denied = office.file(0, plan(vec![stage("a", 1, deny())]), MINUTE);
    office.review(denied, 1, Verdict::Deny).unwrap();
    let withdrawn = office.file(0, plan(vec![stage("a", 1, deny())]), MINUTE);
    office.withdraw(withdrawn, 0).unwrap();
    office.file(0, plan(vec![]), MINUTE);
    office.file(
        2,
        plan(vec![stage("none", 1, Otherwise::Next), stage("a", 1, Otherwise::Escalate(vec![ajar_core::plan::Step(vec![])]))]),
        MINUTE,
    );
    office.tick(601_000);
    let mut made = Made { requests: vec![], grants: vec![], leases: vec![], sessions: vec![], office };
    for envelope in &made.office.log {
        match &envelope.event {
            Event::Request(e) if made.requests.iter().all(|x| x.kind() != e.kind()) => made.requests.push(e.clone()),
            Event::Grant(e) if made.grants.iter().all(|x| x.kind() != e.kind()) => made.grants.push(e.clone()),
            Event::Lease(e) if made.leases.iter().all(|x| x.kind() != e.kind()) => made.leases.push(e.clone()),
            Event::Session(e) if made.sessions.iter().all(|x| x.kind() != e.kind()) => made.sessions.push(e.clone()),
            Event::Request(_) | Event::Grant(_) | Event::Lease(_) | Event::Session(_) => {}
            Event::Lock(_)
            | Event::Delegation(_)
            | Event::Preapproval(_)
            | Event::Debt(_)
            | Event::Principal(_)
            | Event::Token(_)
            | Event::Policy(_) => {}
        }
    }
    made
}

/// A table: what each column makes of each row.
fn table<S: Clone, C>(states: &[S], columns: &[(&str, C)], name: fn(&S) -> &'static str, cell: impl Fn(S, &C) -> String) -> String {
    let mut out = columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(" | ");
    for state in states {
        let cells = columns.iter().map(|(_, change)| cell(state.clone(), change));
        let cells: Vec<_> = cells.map(|found| if found == name(state) { "·".to_owned() } else { found }).collect();
        out.push_str(&format!("\n{}: {}", name(state), cells.join(" | ")));
    }
    out
}

/// An event that can't be is an error; another state of the same name counts as unchanged.
fn evolved<S, E>(evolve: impl Fn(S, &E) -> Option<S>, name: fn(&S) -> &'static str) -> impl Fn(S, &E) -> String {
    move |state, event| evolve(state, event).map_or("!".into(), |next| name(&next).to_owned())
}

fn compare(found: &str, expected: &str) {
    let clean = |text: &str| text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (found_lines, expected) = (clean(found), clean(expected));
    assert!(found_lines == expected, "the table is\n{found}");
}

fn kinds<E: Clone>(events: &[E], kind: fn(&E) -> &'static str) -> Vec<(&'static str, E)> {
    events.iter().map(|e| (kind(e), e.clone())).collect()
}

#[test]
fn every_event_of_a_lease() {
    let made = made();
    let mut states = vec![Lease::born(&made.leases[0]).unwrap()];
    // Moving on is no state of its own.
    for event in made.leases[1..].iter().filter(|e| e.kind() != "lease.moved") {
        states.push(states.last().unwrap().clone().evolve(event).unwrap());
    }
    let events = kinds(&made.leases, LeaseEvent::kind);
    compare(&table(&states, &events, Lease::state, evolved(|s: Lease, e| s.evolve(e).ok(), Lease::state)), LEASE_EVENTS);
    let proof = || RevocationProof { terminated: 0, owned: 0, findings: vec![], asked: "?".into(), answer: "0".into() };
    let now = made.office.now;
    type Command = Box<dyn Fn(&Lease) -> Vec<LeaseEvent>>;
    let commands: Vec<(&str, Command)> = vec![
        ("minted", Box::new(move |l| l.minted(now))),
        ("revoke", Box::new(move |l| l.revoke(now))),
        ("unconfirmed", Box::new(move |l| l.unconfirmed("down".into(), now))),
        ("revoked", Box::new(move |l| l.revoked(proof(), now))),
    ];
    let after = |state: Lease, command: &Command| {
        let events = command(&state);
        events.iter().try_fold(state, Lease::evolve).expect("what a command decides can be").state().to_owned()
    };
    compare(&table(&states, &commands, Lease::state, after), LEASE_COMMANDS);
    let LeaseEvent::Moved(moved) = made.leases.iter().find(|e| e.kind() == "lease.moved").unwrap().clone() else { panic!() };
    let moves: Vec<_> = states.iter().map(|s| s.move_on(moved.clone()).len()).collect();
    assert_eq!(moves, [1, 1, 0, 0, 0], "what is being removed stays where it is");
}

#[test]
fn every_event_of_a_grant() {
    let made = made();
    let find = |kind: &str| made.grants.iter().find(|e| e.kind() == kind).unwrap().clone();
    let GrantEvent::Opened(opened) = find("grant.opened") else { panic!("not opened") };
    let open = Grant::born(&GrantEvent::Opened(ajar_core::grant::Opened { single_use: true, ..opened })).unwrap();
    let used =
        GrantEvent::Used(ajar_core::grant::Used { session: "sess_01h455vb4pex5vsknk084sn02q".parse().unwrap(), at: made.office.now });
    let in_use = open.clone().evolve(&used).unwrap();
    assert!(in_use.evolve(&used).is_err(), "once");
    let claims = open.signed().unwrap().claims.clone();
    let scheduled = GrantEvent::Scheduled(ajar_core::grant::Scheduled {
        redeem_by: None,
        single_use: true,
        approved_by: [].into(),
        ticket: None,
        proof: None,
        asked_by: None,
        id: claims.grant,
        request: claims.request,
        principal: claims.principal,
        resource: claims.resource.clone(),
        role: claims.role.clone(),
        opens_at: claims.starts_at,
        duration: MINUTE,
    });
    let failed = GrantEvent::Failed(ajar_core::grant::Failed { why: "the target is gone".into(), at: made.office.now });
    let waiting = Grant::born(&scheduled).unwrap();
    let closing = open.clone().evolve(&find("grant.closing")).unwrap();
    let closed = closing.clone().evolve(&find("grant.closed")).unwrap();
    let never = waiting.clone().evolve(&failed).unwrap();
    let states = [waiting, open, closing, closed, never];
    let events = kinds(&[scheduled, find("grant.opened"), used, find("grant.closing"), find("grant.closed"), failed], GrantEvent::kind);
    compare(&table(&states, &events, Grant::state, evolved(|s: Grant, e| s.evolve(e).ok(), Grant::state)), GRANT_EVENTS);
    let now = made.office.now;
    let close = |state: Grant, reason: &CloseReason| match state.close(reason.clone(), now) {
        Ok(events) => events.iter().try_fold(state, Grant::evolve).unwrap().state().to_owned(),
        Err(_) => "!".into(),
    };
    compare(&table(&states, &[("close", CloseReason::Returned)], Grant::state, close), GRANT_COMMANDS);
    let revoked = |state: Grant, (): &()| state.leases_revoked(now).iter().try_fold(state, Grant::evolve).unwrap().state().to_owned();
    compare(&table(&states, &[("leases revoked", ())], Grant::state, revoked), GRANT_LEASES);
}

#[test]
fn every_event_of_a_session() {
    let made = made();
    let SessionEvent::Live(live) = made.sessions.iter().find(|e| e.kind() == "session.live").unwrap().clone() else { panic!() };
    let arrived = live.arrived.clone();
    let held = SessionEvent::Held(HeldFor { arrived, request: "req_01h455vb4pex5vsknk084sn02q".parse().unwrap() });
    let over = Ended { reason: EndReason::ClientLeft, recording: None, bytes_in: 0, bytes_out: 0, late_ms: None, at: made.office.now };
    let live = SessionEvent::Live(live);
    let ended = SessionEvent::Ended(over.clone());
    let waiting = Session::born(&held).unwrap();
    let inside = Session::born(&live).unwrap();
    let gone = inside.clone().evolve(&ended).unwrap();
    let states = [waiting, inside, gone];
    let moved = made.sessions.iter().find(|e| e.kind() == "session.moved").unwrap().clone();
    let SessionEvent::Moved(onto) = moved.clone() else { panic!() };
    let reason = Disclosure::seal([5; 32], "odd".into()).commitment;
    let killed = Killed { by: person(2), reason, at: made.office.now };
    let events = kinds(&[held, live, moved.clone(), SessionEvent::Killed(killed.clone()), ended], SessionEvent::kind);
    compare(&table(&states, &events, Session::state, evolved(|s: Session, e| s.evolve(e).ok(), Session::state)), SESSION_EVENTS);
    type Command = Box<dyn Fn(&Session) -> Vec<SessionEvent>>;
    let (end, kill) = (over.clone(), killed.clone());
    let commands: Vec<(&str, Command)> =
        vec![("end", Box::new(move |s| s.end(end.clone()))), ("kill", Box::new(move |s| s.kill(kill.clone())))];
    let after = |state: Session, command: &Command| {
        command(&state).iter().try_fold(state, Session::evolve).expect("what a command decides can be").state().to_owned()
    };
    compare(&table(&states, &commands, Session::state, after), SESSION_COMMANDS);
    // Who kills it stays with it, also when it has moved on and ended; who comes second changes nothing.
    let second = Killed { by: person(3), ..killed.clone() };
    for state in &states {
        let kills = state.kill(killed.clone());
        let dying = kills.iter().try_fold(state.clone(), Session::evolve).unwrap();
        assert_eq!(dying.kill(second.clone()), [], "{}", state.state());
        let steps = [dying.move_on(onto.clone()), dying.end(over.clone())].concat();
        let over = steps.iter().try_fold(dying, Session::evolve).unwrap();
        assert_eq!(over.killed(), kills.first().map(|_| &killed), "{}", state.state());
    }
    let moves: Vec<_> = states.iter().map(|s| s.move_on(onto.clone()).len()).collect();
    assert_eq!(moves, [0, 1, 0], "only what is live moves on");
}

#[test]
fn every_event_of_a_request() {
    let made = made();
    let find = |kind: &str| made.requests.iter().find(|e| e.kind() == kind).unwrap_or_else(|| panic!("{kind}")).clone();
    let pending = Request::born(&find("request.filed")).unwrap();
    let RequestEvent::Filed(filed) = find("request.filed") else { panic!() };
    let pending = pending.evolve(&find("request.stage_entered")).unwrap();
    let expired = RequestEvent::Expired(ajar_core::request::Expired { at: made.office.now });
    let tightened = RequestEvent::PlanTightened(ajar_core::request::PlanTightened {
        plan: filed.plan.clone(),
        duration: MINUTE,
        rules_hash: "11".into(),
    });
    let settled = ["request.approved", "request.denied", "request.withdrawn"].map(|kind| pending.clone().evolve(&find(kind)).unwrap());
    let over = pending.clone().evolve(&expired).unwrap();
    let states = [vec![pending], settled.to_vec(), vec![over]].concat();
    let mut events = made.requests.clone();
    let (at, by) = (made.office.now, person(1));
    let seen = RequestEvent::Seen(ajar_core::request::Seen { by, at });
    let text = Disclosure::seal([4; 32], "why?".into()).commitment;
    let commented = RequestEvent::Commented(ajar_core::request::Comment { by, text, at });
    let review = "rev_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let taken_back = RequestEvent::TakenBack(ajar_core::request::TakenBack { review, at });
    let reminded = RequestEvent::Reminded(ajar_core::request::Reminded { stage: 0, asked: vec![by], at });
    events.extend([expired, tightened, seen, commented, taken_back, reminded]);
    events.sort_by_key(RequestEvent::kind);
    events.dedup_by_key(|e| e.kind());
    let cell = evolved(|s: Request, e| s.evolve(e).ok(), Request::state);
    compare(&table(&states, &kinds(&events, RequestEvent::kind), Request::state, cell), REQUEST_EVENTS);

    let office = &made.office;
    let before = filed.at.after(Span::from_secs(1));
    let after = filed.expires_at.after(Span::from_secs(1));
    let reminder = filed.at.after(Span::from_secs(450));
    let same = InForce::Allowed { plan: filed.plan.clone(), max: MINUTE, rules_hash: "00".into() };
    type Command<'a> = Box<dyn Fn(&Request) -> Option<Vec<RequestEvent>> + 'a>;
    let review = |by: u8, verdict, in_force: InForce, now| -> Command<'_> {
        Box::new(move |request| {
            let ids = ajar_core::request::FreshIds {
                review: "rev_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
                then: ajar_core::request::Fresh { grants: vec!["grant_01h455vb4pex5vsknk084sn02q".parse().unwrap()], beforehand: vec![] },
            };
            let note = Some(Disclosure::seal([3; 32], "a note".into()).commitment);
            let command = ReviewCommand { reviewer: person(by), verdict, note, limits: ajar_core::plan::Limits::default(), ids };
            match request.review(command, &in_force, &office.people, now) {
                Ok(Reviewed::Recorded(events)) => Some(events),
                Ok(Reviewed::Already(_)) => Some(vec![]),
                // A deny after the approval closes the grants, not the request.
                Ok(Reviewed::TooLateButClosing(_)) => Some(vec![]),
                Err(_) => None,
            }
        })
    };
    let commands: Vec<(&str, Command<'_>)> = vec![
        ("approve by one who is asked", review(1, Verdict::Approve, same.clone(), before)),
        ("approve after its deadline", review(1, Verdict::Approve, same.clone(), after)),
        ("approve by the requester", review(0, Verdict::Approve, same.clone(), before)),
        ("approve by somebody else", review(5, Verdict::Approve, same.clone(), before)),
        ("approve under rules that refuse", review(1, Verdict::Approve, InForce::Refused, before)),
        ("deny by one who is asked", review(2, Verdict::Deny, same.clone(), before)),
        ("deny by somebody else", review(5, Verdict::Deny, same.clone(), before)),
        ("withdraw by the requester", Box::new(move |r| r.withdraw(person(0), before).ok())),
        ("withdraw by somebody else", Box::new(move |r| r.withdraw(person(1), before).ok())),
        ("tick before anything is due", Box::new(move |r| Some(r.tick(&office.people, before)))),
        ("tick when a reminder is due", Box::new(move |r| Some(r.tick(&office.people, reminder)))),
        ("tick after its deadline", Box::new(move |r| Some(r.tick(&office.people, after)))),
        (
            "the rules still allow it",
            Box::new({
                let same = same.clone();
                move |r| Some(r.reassess(&same, &office.people, before))
            }),
        ),
        ("the rules refuse it", Box::new(move |r| Some(r.reassess(&InForce::Refused, &office.people, before)))),
        ("the requester is disabled", Box::new(move |r| Some(r.requester_disabled(before)))),
        ("what it goes on with is over", Box::new(move |r| Some(r.grant_over(before)))),
        ("take back nothing", Box::new(move |r| r.take_back(person(1), &office.people, before).ok())),
        ("look at it", Box::new(move |r| r.see(person(1), &office.people, before).ok())),
        ("comment", Box::new(move |r| r.comment(ajar_core::request::Comment { by: person(1), text, at: before }).ok())),
    ];
    let cell = |state: Request, command: &Command<'_>| match command(&state) {
        Some(events) => events.iter().try_fold(state, Request::evolve).expect("what a command decides can be").state().to_owned(),
        None => "!".into(),
    };
    compare(&table(&states, &commands, Request::state, cell), REQUEST_COMMANDS);
}

#[test]
fn every_event_of_a_debt() {
    let mut office = Office::new();
    let (_, late) = office.emergency(0).unwrap();
    office.tick(3_600_000);
    office.review_debt(late, 1, Verdict::Approve).unwrap();
    let events: Vec<DebtEvent> =
        office.log.iter().filter_map(|e| if let Event::Debt(e) = &e.event { Some(e.clone()) } else { None }).collect();
    let owed = Debt::born(&events[0]).unwrap();
    let paid = events[1..].iter().try_fold(owed.clone(), Debt::evolve).unwrap();
    let states = [owed, paid];
    compare(
        &table(&states, &kinds(&events, DebtEvent::kind), Debt::state, evolved(|s: Debt, e| s.evolve(e).ok(), Debt::state)),
        "
        debt.incurred | debt.overdue | debt.reviewed | debt.paid
        owed: ! | · | · | paid
        paid: ! | ! | ! | !
        ",
    );
    let (people, now) = (&office.people, office.now);
    type Command<'a> = Box<dyn Fn(&Debt) -> Option<Vec<DebtEvent>> + 'a>;
    let review = |by: u8, verdict| -> Command<'_> {
        Box::new(move |debt| {
            let id = "rev_01h455vb4pex5vsknk084sn02q".parse().unwrap();
            debt.review(ajar_core::debt::DebtReview { id, reviewer: person(by), verdict, note: None }, people, now).ok()
        })
    };
    let commands: Vec<(&str, Command<'_>)> = vec![
        ("it was right", review(2, Verdict::Approve)),
        ("it was not", review(2, Verdict::Deny)),
        ("by who asked", review(0, Verdict::Approve)),
        ("by somebody else", review(5, Verdict::Approve)),
        ("tick", Box::new(move |debt| Some(debt.tick(people, now)))),
    ];
    let cell = |state: Debt, command: &Command<'_>| match command(&state) {
        Some(events) => events.iter().try_fold(state, Debt::evolve).unwrap().state().to_owned(),
        None => "!".into(),
    };
    compare(
        &table(&states, &commands, Debt::state, cell),
        "
        it was right | it was not | by who asked | by somebody else | tick
        owed: paid | paid | ! | ! | ·
        paid: ! | ! | ! | ! | ·
        ",
    );
}

#[test]
fn every_event_of_a_lock_and_a_delegation() {
    let mut office = Office::new();
    let lock = office.lock(Locked::Principal(person(0)));
    office.lift(lock).unwrap();
    let delegation = office.delegate(1, 2, 60).unwrap();
    office.end_delegation(delegation).unwrap();
    let (mut locks, mut delegations) = (vec![], vec![]);
    for envelope in &office.log {
        if let Event::Lock(e) = &envelope.event {
            locks.push(e.clone());
        }
        if let Event::Delegation(e) = &envelope.event {
            delegations.push(e.clone());
        }
    }
    let states = [Lock::born(&locks[0]).unwrap(), Lock::born(&locks[0]).unwrap().evolve(&locks[1]).unwrap()];
    let events = kinds(&locks, LockEvent::kind);
    compare(
        &table(&states, &events, Lock::state, evolved(|s: Lock, e| s.evolve(e).ok(), Lock::state)),
        "
        lock.placed | lock.lifted
        placed: ! | lifted
        lifted: ! | !
        ",
    );
    let now = office.now;
    let lift = |state: Lock, (): &()| state.lift(person(1), now).iter().try_fold(state, Lock::evolve).unwrap().state().to_owned();
    compare(&table(&states, &[("lift", ())], Lock::state, lift), "lift\n placed: lifted\n lifted: ·");

    let states = [Delegation::born(&delegations[0]).unwrap(), Delegation::born(&delegations[0]).unwrap().evolve(&delegations[1]).unwrap()];
    let events = kinds(&delegations, DelegationEvent::kind);
    compare(
        &table(&states, &events, Delegation::state, evolved(|s: Delegation, e| s.evolve(e).ok(), Delegation::state)),
        "
        delegation.made | delegation.ended
        made: ! | ended
        ended: ! | !
        ",
    );
    let end = |state: Delegation, (): &()| state.end(now).iter().try_fold(state, Delegation::evolve).unwrap().state().to_owned();
    compare(&table(&states, &[("end", ())], Delegation::state, end), "end\n made: ended\n ended: ·");
}

#[test]
fn every_event_of_a_preapproval() {
    let mut office = Office::new();
    let given = office.preapprove(1, 0, 60, None).unwrap();
    office.end_preapproval(given).unwrap();
    let events: Vec<PreapprovalEvent> =
        office.log.iter().filter_map(|e| if let Event::Preapproval(e) = &e.event { Some(e.clone()) } else { None }).collect();
    let states = [Preapproval::born(&events[0]).unwrap(), Preapproval::born(&events[0]).unwrap().evolve(&events[1]).unwrap()];
    let cell = evolved(|s: Preapproval, e| s.evolve(e).ok(), Preapproval::state);
    compare(
        &table(&states, &kinds(&events, PreapprovalEvent::kind), Preapproval::state, cell),
        "
        preapproval.given | preapproval.ended
        given: ! | ended
        ended: ! | !
        ",
    );
    let now = office.now;
    let end = |state: Preapproval, (): &()| state.end(now).iter().try_fold(state, Preapproval::evolve).unwrap().state().to_owned();
    compare(&table(&states, &[("end", ())], Preapproval::state, end), "end\n given: ended\n ended: ·");
}

const LEASE_EVENTS: &str = "
    lease.intended | lease.minted | lease.moved | lease.revoking | lease.revoke_unconfirmed | lease.revoked
    intended: ! | minted | · | revoking | ! | !
    minted: ! | ! | · | revoking | ! | !
    revoking: ! | ! | ! | ! | revoke_unconfirmed | revoked
    revoke_unconfirmed: ! | ! | ! | ! | · | revoked
    revoked: ! | ! | ! | ! | ! | !
";
const LEASE_COMMANDS: &str = "
    minted | revoke | unconfirmed | revoked
    intended: minted | revoking | · | ·
    minted: · | revoking | · | ·
    revoking: · | · | revoke_unconfirmed | revoked
    revoke_unconfirmed: · | · | · | revoked
    revoked: · | · | · | ·
";
const GRANT_EVENTS: &str = "
    grant.scheduled | grant.opened | grant.used | grant.closing | grant.closed | grant.failed
    scheduled: ! | open | ! | ! | ! | failed
    open: ! | ! | · | closing | ! | !
    closing: ! | ! | ! | ! | closed | !
    closed: ! | ! | ! | ! | ! | !
    failed: ! | ! | ! | ! | ! | !
";
const GRANT_COMMANDS: &str = "
    close
    scheduled: failed
    open: closing
    closing: ·
    closed: ·
    failed: !
";
const GRANT_LEASES: &str = "
    leases revoked
    scheduled: ·
    open: ·
    closing: closed
    closed: ·
    failed: ·
";
const SESSION_EVENTS: &str = "
    session.held | session.live | session.moved | session.killed | session.ended
    held: ! | live | ! | ended | ended
    live: ! | ! | · | · | ended
    ended: ! | ! | ! | ! | !
";
const SESSION_COMMANDS: &str = "
    end | kill
    held: ended | ended
    live: ended | ·
    ended: · | ·
";
const REQUEST_EVENTS: &str = "
    request.approved | request.auto_reviewed | request.commented | request.denied | request.expired | request.filed | request.plan_tightened | request.reminded | request.review_taken_back | request.reviewed | request.seen | request.stage_entered | request.stage_escalated | request.stage_skipped | request.withdrawn
    pending: approved | · | · | denied | expired | ! | · | · | · | · | · | · | · | · | withdrawn
    approved: ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | !
    denied: ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | !
    withdrawn: ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | !
    expired: ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | ! | !
";
const REQUEST_COMMANDS: &str = "
    approve by one who is asked | approve after its deadline | approve by the requester | approve by somebody else | approve under rules that refuse | deny by one who is asked | deny by somebody else | withdraw by the requester | withdraw by somebody else | tick before anything is due | tick when a reminder is due | tick after its deadline | the rules still allow it | the rules refuse it | the requester is disabled | what it goes on with is over | take back nothing | look at it | comment
    pending: approved | ! | ! | ! | denied | denied | ! | withdrawn | ! | · | · | expired | · | denied | denied | denied | ! | · | ·
    approved: ! | ! | ! | ! | ! | · | ! | ! | ! | · | · | · | · | · | · | · | ! | ! | !
    denied: ! | ! | ! | ! | ! | ! | ! | ! | ! | · | · | · | · | · | · | · | ! | ! | !
    withdrawn: ! | ! | ! | ! | ! | ! | ! | ! | ! | · | · | · | · | · | · | · | ! | ! | !
    expired: ! | ! | ! | ! | ! | ! | ! | ! | ! | · | · | · | · | · | · | · | ! | ! | !
";
