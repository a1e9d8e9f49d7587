//! Cases of approval and time, by number.

use ajar_core::grant::{CloseReason, Grant};
use ajar_core::lock::Locked;
use ajar_core::plan::{Candidates, Limits, Opening, Otherwise, Plan, Stage, Step, Verdict};
use ajar_core::request::{Ask, InForce};
use ajar_core::time::Span;
use ajar_core::world::WorldError;

use crate::office::{Office, ROBOT, SECOND, person, plan, stage};

const HOUR: Span = Span::from_secs(3_600);

fn deny() -> Otherwise {
    Otherwise::Deny
}

#[test]
fn a01_neither_the_requester_nor_a_second_account_nor_a_workload_counts() {
    let mut office = Office::new();
    office.people.groups.insert("a", [0, SECOND, ROBOT, 1].map(person).into());
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    for by in [0, SECOND, ROBOT, 4] {
        assert!(office.review(id, by, Verdict::Approve).is_err(), "{by}");
    }
    assert_eq!(office.state(id), "pending");
    assert!(office.review(id, 1, Verdict::Approve).unwrap());
    assert_eq!(office.state(id), "approved");
}

#[test]
fn a01_linked_accounts_are_one_human_for_a_quorum() {
    let mut office = Office::new();
    office.people.groups.insert("a", [0, SECOND, 1].map(person).into());
    let id = office.file(2, plan(vec![stage("a", 2, deny())]), HOUR);
    assert!(office.review(id, 0, Verdict::Approve).unwrap());
    assert!(!matches!(office.review(id, SECOND, Verdict::Approve), Ok(true)), "the second account adds nothing");
    assert_eq!(office.state(id), "pending");
    assert!(office.review(id, 1, Verdict::Approve).unwrap());
    assert_eq!(office.state(id), "approved");
}

#[test]
fn a02_somebody_in_two_groups_is_counted_once() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny()), stage("b", 1, deny())]), HOUR);
    assert!(office.review(id, 3, Verdict::Approve).unwrap());
    assert!(!matches!(office.review(id, 3, Verdict::Approve), Ok(true)));
    assert_eq!(office.state(id), "pending");
    assert!(office.review(id, 4, Verdict::Approve).unwrap());
    assert_eq!(office.state(id), "approved");
}

#[test]
fn a03_two_approves_and_a_deny_in_every_order_end_closed() {
    // All orders, 1,700 times each with other ids: 10,000 in all.
    for round in 0..10_200u32 {
        let mut office = Office::new();
        let id = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
        let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
        for by in orders[(round % 6) as usize] {
            // Person 3 denies; what comes too late may be refused, but never opens.
            drop(office.review(id, by, if by == 3 { Verdict::Deny } else { Verdict::Approve }));
        }
        assert!(office.open(id).is_empty(), "round {round}");
        assert!(office.world.grants().all(|g| matches!(g, Grant::Closing(_) | Grant::Closed(_))));
    }
}

#[test]
fn a04_rules_that_got_stricter_count_at_the_review() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    let stricter = |plan: Plan, max| InForce::Allowed { plan, max, rules_hash: "11".into() };
    let two = plan(vec![stage("a", 2, deny())]);
    assert!(office.review_under(id, 1, Verdict::Approve, stricter(two.clone(), HOUR)).unwrap());
    assert_eq!(office.state(id), "pending");
    // The group changes: who approved may no more, so their review is void.
    office.people.groups.insert("a", [2, 3].map(person).into());
    assert!(office.review_under(id, 2, Verdict::Approve, stricter(two.clone(), HOUR)).unwrap());
    assert_eq!(office.state(id), "pending");
    assert!(office.review_under(id, 3, Verdict::Approve, stricter(two, Span::from_secs(60))).unwrap());
    let grant = office.open(id)[0];
    let Some(Grant::Open(open)) = office.world.grant(grant) else { panic!("not open") };
    assert_eq!(open.signed.claims.ends_at.since(open.signed.claims.starts_at), Span::from_secs(60), "the shorter maximum counts");
    // What the rules no longer allow is not approved by anybody.
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    drop(office.review_under(id, 2, Verdict::Approve, InForce::Refused));
    assert_eq!(office.state(id), "denied");
}

#[test]
fn a04_i04_what_was_of_low_risk_is_so_only_as_long_as_every_rule_in_force_says_so() {
    let mut office = Office::new();
    let low = |low_risk| Plan { low_risk, ..plan(vec![stage("a", 2, deny())]) };
    let in_force = |low_risk| InForce::Allowed { plan: low(low_risk), max: HOUR, rules_hash: "11".into() };
    let id = office.file(0, low(true), HOUR);
    assert!(office.review_under(id, 1, Verdict::Approve, in_force(true)).unwrap());
    assert!(office.replayed(id).terms().0.low_risk);
    office.review_under(id, 2, Verdict::Approve, in_force(false)).unwrap();
    assert_eq!((office.state(id), office.replayed(id).terms().0.low_risk), ("approved", false));
    // It does not become so by rules that are looser than those it was filed under.
    let id = office.file(0, low(false), HOUR);
    office.review_under(id, 1, Verdict::Approve, in_force(true)).unwrap();
    assert!(!office.replayed(id).terms().0.low_risk);
}

#[test]
fn a05_a_repeated_approve_is_one_review() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
    assert!(office.review(id, 1, Verdict::Approve).unwrap());
    for _ in 0..5 {
        assert!(!office.review(id, 1, Verdict::Approve).unwrap());
    }
    assert_eq!(office.replayed(id).reviews().len(), 1);
}

#[test]
fn a08_a_disabled_requester_loses_what_is_pending_and_what_is_open() {
    let mut office = Office::new();
    let open = office.file(0, plan(vec![]), HOUR);
    let pending = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    assert_eq!(office.open(open).len(), 1);
    office.stop(0);
    assert!(office.open(open).is_empty());
    assert_ne!(office.state(pending), "pending");
    assert!(office.review(pending, 1, Verdict::Approve).is_err());
}

#[test]
fn a07_who_joins_the_group_later_decides_only_where_the_rule_lets_them() {
    for asked_only in [false, true] {
        let mut office = Office::new();
        let two = Stage { asked_only, ..stage("a", 1, Otherwise::Escalate(vec![Step(vec![Candidates::Person(person(5))])])) };
        let id = office.file(0, plan(vec![two]), HOUR);
        let mine = Stage { asked_only, ..stage("b", 1, deny()) };
        let stricter = || InForce::Allowed { plan: plan(vec![mine.clone()]), max: HOUR, rules_hash: "11".into() };
        office.people.groups.insert("a", [1, 4].map(person).into());
        assert_eq!(office.review(id, 4, Verdict::Approve).is_ok_and(|counted| counted), !asked_only, "{asked_only}");
        if asked_only {
            assert!(office.review(id, 2, Verdict::Approve).is_err(), "who left decides no more");
            // A stage that the rules add begins when it is reached: who is there then is asked.
            assert!(office.review_under(id, 1, Verdict::Approve, stricter()).unwrap());
            assert_eq!(office.state(id), "pending");
            office.people.groups.insert("b", [2, 3].map(person).into());
            assert!(office.review(id, 2, Verdict::Approve).is_err());
            assert!(office.review(id, 3, Verdict::Approve).unwrap());
        }
        assert_eq!(office.state(id), "approved");
        // Escalated, whom the escalation names is asked then.
        let late = office.file(
            0,
            plan(vec![Stage { asked_only, ..stage("a", 2, Otherwise::Escalate(vec![Step(vec![Candidates::Person(person(5))])])) }]),
            HOUR,
        );
        office.tick(601_000);
        assert!(office.review(late, 5, Verdict::Approve).unwrap());
        assert!(office.review(late, 1, Verdict::Approve).unwrap());
        assert_eq!(office.state(late), "approved");
    }
}

#[test]
fn a10_a_stage_that_nobody_can_fulfil_never_approves() {
    for (group, requester) in [("none", 0), ("own", 0)] {
        let mut office = Office::new();
        let id = office.file(requester, plan(vec![stage(group, 1, deny())]), HOUR);
        assert_eq!(office.state(id), "denied", "{group}");
        // With somebody to escalate to, they are asked at once.
        let to = Otherwise::Escalate(vec![Step(vec![Candidates::Person(person(4))])]);
        let id = office.file(requester, plan(vec![stage(group, 1, to)]), HOUR);
        assert_eq!(office.state(id), "pending", "{group}");
        assert!(office.review(id, 4, Verdict::Approve).unwrap());
        assert_eq!(office.state(id), "approved");
        // The last stage is never skipped.
        let id = office.file(requester, plan(vec![stage("a", 1, deny()), stage(group, 1, Otherwise::Next)]), HOUR);
        drop(office.review(id, 1, Verdict::Approve));
        assert_ne!(office.state(id), "approved", "{group}");
    }
    // More than there are.
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 4, deny())]), HOUR);
    assert_eq!(office.state(id), "denied");
}

#[test]
fn a14_the_second_of_two_overlapping_grants_does_not_flicker() {
    let mut office = Office::new();
    let short = office.file(0, plan(vec![]), Span::from_secs(60));
    let long = office.file(0, plan(vec![]), Span::from_secs(600));
    let resource = "orders-db".parse().unwrap();
    assert_eq!(office.world.open_grants(person(0), &resource).len(), 2);
    office.tick(60_000);
    assert!(office.open(short).is_empty());
    assert_eq!(office.open(long).len(), 1);
    assert_eq!(office.world.open_grants(person(0), &resource).len(), 1);
    let grant = office.open(long)[0];
    let lease = office.intend(grant).unwrap();
    office.lease(0, lease).unwrap();
    assert!(office.live(grant, lease).is_ok());
}

#[test]
fn a15_an_approval_after_the_deadline_is_refused() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    // The timer is late: the deadline counts when it is used.
    office.now = office.now.after(Span::from_secs(3_600));
    assert!(office.review(id, 1, Verdict::Approve).is_err());
    assert!(office.open(id).is_empty());
    office.tick(0);
    assert_ne!(office.state(id), "pending");
}

#[test]
fn t08_i07_nothing_that_begins_late_lasts_longer() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![]), Span::from_secs(600));
    let grant = office.open(id)[0];
    let Some(Grant::Open(open)) = office.world.grant(grant) else { panic!("not open") };
    let end = open.signed.claims.ends_at;
    office.now = office.now.after(Span::from_secs(540));
    let lease = office.intend(grant).unwrap();
    assert_eq!(office.world.lease(lease).unwrap().intended().valid_until, end);
    office.now = end;
    assert!(office.intend(grant).is_err(), "at the end it is over, whether or not the timer has come");
}

#[test]
fn i05_a_deny_after_the_last_approve_closes_what_it_opened() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    assert!(office.review(id, 1, Verdict::Approve).unwrap());
    assert_eq!(office.open(id).len(), 1);
    assert!(office.review(id, 2, Verdict::Deny).unwrap());
    assert!(office.open(id).is_empty());
}

#[test]
fn i04_combining_plans_never_loosens() {
    let one = plan(vec![stage("a", 1, Otherwise::Next), stage("b", 1, deny())]);
    let other = plan(vec![stage("a", 2, deny())]);
    for both in [one.clone().combine(&other), other.clone().combine(&one)] {
        for each in [&one, &other] {
            for needed in &each.stages {
                let covered =
                    both.stages.iter().any(|s| s.candidates == needed.candidates && s.needed >= needed.needed && s.within <= needed.within);
                assert!(covered, "{both:?} lacks {needed:?}");
            }
        }
    }
}

#[test]
fn a_grant_that_is_returned_twice_is_returned() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![]), HOUR);
    let grant = office.open(id)[0];
    office.close(grant, CloseReason::Returned).unwrap();
    let before = office.log.len();
    drop(office.close(grant, CloseReason::Returned));
    assert_eq!(office.log.len(), before);
    assert!(office.withdraw(id, 0).is_err());
}

#[test]
fn i03_an_approve_that_is_taken_back_counts_no_more() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
    assert!(office.take_back(id, 1).is_err(), "nothing to take back");
    office.review(id, 1, Verdict::Approve).unwrap();
    office.take_back(id, 1).unwrap();
    assert!(office.take_back(id, 1).is_err(), "once");
    office.review(id, 2, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "pending", "one of two");
    // Who took it back may decide anew.
    office.review(id, 1, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "approved");
    assert!(office.take_back(id, 1).is_err(), "what is open is revoked, not un-approved");
}

#[test]
fn an_earlier_stage_waits_again_when_its_approve_is_taken_back() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny()), stage("b", 1, deny())]), HOUR);
    office.review(id, 1, Verdict::Approve).unwrap();
    office.take_back(id, 1).unwrap();
    assert!(office.review(id, 4, Verdict::Approve).is_err(), "the second stage doesn't wait");
    office.review(id, 2, Verdict::Approve).unwrap();
    office.review(id, 4, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "approved");
}

#[test]
fn an_approve_may_leave_less_and_the_least_that_was_left_is_what_opens() {
    let minutes = |n: u64| Limits { duration: Some(Span::from_secs(60 * n)), asks: None };
    let only = |role: &str| Limits {
        duration: None,
        asks: Some(vec![Ask { resource: "orders-db".parse().unwrap(), role: role.parse().unwrap() }]),
    };
    let mut office = Office::new();
    let id = office.file_for(0, plan(vec![stage("a", 3, deny())]), HOUR, &["read", "write"]).unwrap();
    for (why, limits) in [
        ("longer", minutes(61)),
        ("nothing", minutes(0)),
        ("not asked for", only("admin")),
        ("none", Limits { asks: Some(vec![]), ..Limits::default() }),
    ] {
        assert!(office.review_with(id, 1, Verdict::Approve, limits).is_err(), "{why}");
    }
    office.review_with(id, 1, Verdict::Approve, minutes(30)).unwrap();
    assert!(office.review_with(id, 2, Verdict::Approve, minutes(31)).is_err(), "more than is left");
    office.review_with(id, 2, Verdict::Approve, only("read")).unwrap();
    assert!(office.review_with(id, 3, Verdict::Approve, only("write")).is_err(), "nothing would be left");
    assert!(office.review_with(id, 1, Verdict::Approve, minutes(10)).is_err(), "a review is never overwritten");
    // Taken back, it limits no more.
    office.take_back(id, 1).unwrap();
    office.review_with(id, 1, Verdict::Approve, minutes(45)).unwrap();
    office.review(id, 3, Verdict::Approve).unwrap();
    let open = office.open(id);
    assert_eq!(open.len(), 1);
    let Some(Grant::Open(grant)) = office.world.grant(open[0]) else { panic!("not open") };
    let claims = &grant.signed.claims;
    assert_eq!((claims.role.as_str(), claims.ends_at.since(claims.starts_at)), ("read", Span::from_secs(45 * 60)));
}

#[test]
fn an_escalation_goes_step_by_step_and_then_ends() {
    let mut office = Office::new();
    let step = |n| Step(vec![Candidates::Person(person(n))]);
    let id = office.file(0, plan(vec![stage("a", 1, Otherwise::Escalate(vec![step(4), step(5)]))]), HOUR);
    assert!(office.review(id, 4, Verdict::Approve).is_err(), "not asked yet");
    office.tick(600_000);
    assert!(office.review(id, 5, Verdict::Approve).is_err(), "not asked yet");
    office.tick(600_000);
    assert_eq!(office.state(id), "pending");
    let late = office.file(0, plan(vec![stage("a", 1, Otherwise::Escalate(vec![step(4), step(5)]))]), HOUR);
    assert!(office.review(id, 5, Verdict::Approve).unwrap());
    for _ in 0..3 {
        assert_eq!(office.state(late), "pending");
        office.tick(600_000);
    }
    assert_eq!(office.state(late), "denied");
}

#[test]
fn a10_a_step_of_an_escalation_that_names_nobody_is_passed_at_once() {
    let mut office = Office::new();
    let nobody = Step(vec![Candidates::Group("none".parse().unwrap())]);
    let chain = vec![nobody, Step(vec![Candidates::Person(person(4))])];
    let id = office.file(0, plan(vec![stage("none", 1, Otherwise::Escalate(chain))]), HOUR);
    assert!(office.review(id, 4, Verdict::Approve).unwrap());
    assert_eq!(office.state(id), "approved");
}

#[test]
fn an_escalation_of_the_first_version_is_one_step() {
    let read: Otherwise = serde_json::from_str(r#"{"escalate":[{"group":"a"},"manager"]}"#).unwrap();
    let step = Step(vec![Candidates::Group("a".parse().unwrap()), Candidates::Manager]);
    assert_eq!(read, Otherwise::Escalate(vec![step]));
    let again: Otherwise = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!(again, read);
}

#[test]
fn those_asked_are_seen_to_have_looked_and_anybody_may_talk() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    for by in [1, 1, 0, 4] {
        office.see(id, by).unwrap();
    }
    office.comment(id, 0).unwrap();
    let talk = office.world.request(id).unwrap().talk();
    assert_eq!((talk.seen.len(), talk.comments.len()), (1, 1), "once, and only who is asked");
    for _ in 1..ajar_core::request::COMMENTS_MAX {
        office.comment(id, 1).unwrap();
    }
    assert!(office.comment(id, 1).is_err());
}

#[test]
fn a_lock_closes_what_is_open_and_keeps_everything_shut_until_it_is_lifted() {
    let everything = Locked::Resource("orders-db".parse().unwrap());
    for (on, mine) in [
        (Locked::Principal(person(0)), true),
        (Locked::Principal(person(SECOND)), true),
        (everything, true),
        (Locked::Principal(person(5)), false),
    ] {
        let mut office = Office::new();
        let open = office.file(0, plan(vec![]), HOUR);
        let pending = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
        let lock = office.lock(on.clone());
        assert_eq!(office.lock(on.clone()), lock, "locked twice is locked");
        assert_eq!(office.open(open).is_empty(), mine, "{on:?}");
        assert_eq!(office.file_for(0, plan(vec![]), HOUR, &["read"]).is_err(), mine, "{on:?}");
        if mine {
            assert!(matches!(office.review(pending, 1, Verdict::Approve), Err(WorldError::Locked(by)) if by == lock));
            assert_eq!(office.state(pending), "pending");
            office.lift(lock).unwrap();
            assert!(office.open(open).is_empty(), "what was closed stays closed");
        }
        assert!(office.review(pending, 1, Verdict::Approve).unwrap());
        assert_eq!(office.open(pending).len(), 1);
    }
}

#[test]
fn a_lock_that_is_placed_never_keeps_anybody_from_denying() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    office.lock(Locked::Principal(person(0)));
    assert!(office.review(id, 2, Verdict::Deny).unwrap());
    assert_eq!(office.state(id), "denied");
}

#[test]
fn i03_who_is_locked_decides_nothing_and_what_they_approved_counts_no_more() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
    office.review(id, 1, Verdict::Approve).unwrap();
    let lock = office.lock(Locked::Principal(person(1)));
    office.review(id, 2, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "pending");
    assert!(!office.review(id, 1, Verdict::Approve).unwrap(), "nothing comes of saying it again");
    office.lift(lock).unwrap();
    assert_eq!(office.state(id), "pending", "lifting it opens nothing by itself");
    office.review(id, 1, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "approved");
}

#[test]
fn a_delegation_moves_candidacy_for_its_time_and_is_not_passed_on() {
    let mut office = Office::new();
    let file = |office: &mut Office| office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    office.delegate(1, 4, 300).unwrap();
    let first = file(&mut office);
    assert!(office.review(first, 1, Verdict::Approve).is_err(), "who is away is not asked");
    assert!(office.review(first, 4, Verdict::Approve).unwrap(), "their delegate is");
    // 4 goes away too: what 4 has from 1 is not 5's.
    office.delegate(4, 5, 300).unwrap();
    let second = file(&mut office);
    assert!(office.review(second, 5, Verdict::Approve).is_err());
    assert!(office.review(second, 4, Verdict::Approve).unwrap());
    // Its end counts when it is used, not when its timer comes.
    let third = file(&mut office);
    office.now = office.now.after(Span::from_secs(300));
    assert!(office.review(third, 4, Verdict::Approve).is_err());
    assert!(office.review(third, 1, Verdict::Approve).is_ok());
    office.tick(0);
    assert_eq!(office.world.delegations().count(), 0, "and is in the ledger");
}

#[test]
fn i03_a_delegate_counts_once_and_never_for_what_is_theirs() {
    let mut office = Office::new();
    // 2 stands in for 1: of three, two are left to count.
    office.delegate(1, 2, 6_000).unwrap();
    let id = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
    office.review(id, 2, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "pending");
    drop(office.review(id, 2, Verdict::Approve));
    assert_eq!(office.state(id), "pending");
    // Nor does a delegation to who asks, or to another account of theirs, let them in.
    for to in [0, SECOND] {
        let mut office = Office::new();
        office.people.groups.insert("a", [person(1)].into());
        office.delegate(1, to, 6_000).unwrap();
        let id = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
        assert!(office.review(id, to, Verdict::Approve).is_err());
        assert_ne!(office.state(id), "approved");
    }
}

#[test]
fn t03_a_delegation_is_for_another_enabled_human_and_for_a_time() {
    let mut office = Office::new();
    for (why, from, to, seconds) in [
        ("a workload can't stand in", 1, ROBOT, 60),
        ("nor be stood in for", ROBOT, 1, 60),
        ("oneself", 1, 1, 60),
        ("one's other account", 0, SECOND, 60),
        ("no time", 1, 2, 0),
        ("too long", 1, 2, 61 * 24 * 3_600),
    ] {
        assert!(matches!(office.delegate(from, to, seconds), Err(WorldError::Delegation(_))), "{why}");
    }
    let made = office.delegate(1, 2, 60).unwrap();
    assert!(office.delegate(1, 3, 60).is_err(), "two at once");
    office.end_delegation(made).unwrap();
    office.delegate(1, 3, 60).unwrap();
}

fn opening(on_first_use: Option<u64>, single_use: bool) -> Opening {
    Opening { on_first_use: on_first_use.map(Span::from_secs), single_use }
}

#[test]
fn i08_a_clock_that_starts_at_the_first_use_runs_its_whole_length_from_there() {
    let first_use = Plan { opening: opening(Some(3_600), false), ..plan(vec![stage("a", 1, deny())]) };
    let mut office = Office::new();
    let id = office.file(0, first_use.clone(), Span::from_secs(600));
    office.review(id, 1, Verdict::Approve).unwrap();
    let grant = office.scheduled(id)[0];
    assert!(office.intend(grant).is_err(), "it is not open before it is used");
    office.tick(1_800_000);
    office.redeem(grant).unwrap();
    office.redeem(grant).unwrap();
    let Some(Grant::Open(open)) = office.world.grant(grant) else { panic!("not open") };
    assert_eq!(open.signed.claims.ends_at, office.now.after(Span::from_secs(600)));
    // Not used in time, it never opens; its end counts when it is used, not when its timer comes.
    let id = office.file(0, first_use, Span::from_secs(600));
    office.review(id, 1, Verdict::Approve).unwrap();
    let grant = office.scheduled(id)[0];
    office.now = office.now.after(Span::from_secs(3_600));
    assert!(office.redeem(grant).is_err());
    office.tick(0);
    assert!(office.scheduled(id).is_empty() && office.open(id).is_empty());
}

#[test]
fn a09_what_is_for_one_session_lets_one_in_and_ends_with_it() {
    let mut office = Office::new();
    let id = office.file(0, Plan { opening: opening(Some(3_600), true), ..plan(vec![]) }, HOUR);
    let grant = office.scheduled(id)[0];
    office.redeem(grant).unwrap();
    let lease = office.intend(grant).unwrap();
    office.lease(0, lease).unwrap();
    let sessions: Vec<_> = (0..100).filter_map(|_| office.live(grant, lease).ok()).collect();
    assert_eq!(sessions.len(), 1);
    office.leave(sessions[0]).unwrap();
    assert!(office.open(id).is_empty());
    assert!(office.live(grant, lease).is_err());
}

#[test]
fn i06_what_opens_later_is_looked_up_again_when_it_opens() {
    type Change = fn(&mut Office);
    let changes: [(&str, Change); 5] = [
        ("nothing", |_| {}),
        ("the holder is disabled", |office| office.stop(0)),
        ("who approved is disabled", |office| office.stop(1)),
        ("no rule lets them", |office| {
            office.people.unruled.insert(person(0));
        }),
        ("who approved is locked", |office| {
            office.lock(Locked::Principal(person(1)));
        }),
    ];
    for (what, change) in changes {
        for on_first_use in [None, Some(3_600)] {
            let mut office = Office::new();
            let at = office.now.after(Span::from_secs(1_200));
            let plan = Plan { opening: opening(on_first_use, false), ..plan(vec![stage("a", 1, deny())]) };
            let id = office.file_later(0, plan, HOUR, at);
            office.review(id, 1, Verdict::Approve).unwrap();
            assert!(office.open(id).is_empty(), "not before its time");
            let grant = office.scheduled(id)[0];
            change(&mut office);
            office.tick(1_200_000);
            if on_first_use.is_some() {
                drop(office.redeem(grant));
            }
            assert_eq!(!office.open(id).is_empty(), what == "nothing", "{what}");
            assert!(office.scheduled(id).is_empty(), "{what}");
        }
    }
    // Approved after the start that was asked for, it opens then, for its whole length.
    let mut office = Office::new();
    let at = office.now.after(Span::from_secs(60));
    let id = office.file_later(0, plan(vec![stage("a", 1, deny())]), HOUR, at);
    office.tick(300_000);
    office.review(id, 1, Verdict::Approve).unwrap();
    let Some(Grant::Open(open)) = office.world.grant(office.open(id)[0]) else { panic!("not open") };
    assert_eq!((open.signed.claims.starts_at, open.signed.claims.ends_at), (office.now, office.now.after(HOUR)));
}

#[test]
fn i04_the_stricter_opening_wins() {
    let merged = |one, other| opening(one, false).combine(opening(other, true));
    assert_eq!(merged(Some(60), Some(30)), opening(Some(30), true));
    assert_eq!(merged(Some(60), None), opening(None, true));
    assert_eq!(merged(None, Some(60)), opening(None, true));
}

#[test]
fn a13_an_emergency_opens_at_once_and_its_debt_stops_routine_approvals_but_no_emergency() {
    let mut office = Office::new();
    let (first, debt) = office.emergency(0).unwrap();
    assert_eq!(office.open(first).len(), 1);
    // Nothing is approved automatically, for any account of theirs; what people decide still is, and so is another emergency.
    for who in [0, SECOND] {
        assert!(matches!(office.file_for(who, plan(vec![]), HOUR, &["read"]), Err(WorldError::InDebt(owed)) if owed == debt));
    }
    let routine = office.file(0, plan(vec![stage("b", 1, deny())]), HOUR);
    office.review(routine, 4, Verdict::Approve).unwrap();
    let (second, other) = office.emergency(0).unwrap();
    assert_eq!(office.open(second).len(), 1);
    office.file(1, plan(vec![]), HOUR);
    // Only those whom the rule names review it, never who asked. It stays owed when it is overdue.
    for by in [0, SECOND, 4, ROBOT] {
        assert!(office.review_debt(debt, by, Verdict::Approve).is_err(), "{by}");
    }
    office.tick(3_600_000);
    assert_eq!(office.world.debts().filter(|d| d.owed().overdue.is_some()).count(), 2);
    office.review_debt(debt, 1, Verdict::Approve).unwrap();
    assert!(office.file_for(0, plan(vec![]), HOUR, &["read"]).is_err(), "one is still owed");
    office.review_debt(other, 2, Verdict::Approve).unwrap();
    office.file_for(0, plan(vec![]), HOUR, &["read"]).unwrap();
}

#[test]
fn i05_an_objection_to_an_emergency_closes_what_is_open_of_it() {
    let mut office = Office::new();
    let (id, debt) = office.emergency(0).unwrap();
    office.review_debt(debt, 3, Verdict::Deny).unwrap();
    assert!(office.open(id).is_empty());
    assert!(office.review_debt(debt, 1, Verdict::Approve).is_err(), "reviewed");
}

#[test]
fn i01_an_emergency_opens_nothing_that_is_locked() {
    let mut office = Office::new();
    office.lock(Locked::Principal(person(0)));
    assert!(matches!(office.emergency(0), Err(WorldError::Locked(_))));
}

#[test]
fn what_rules_decide_by_themselves_leaves_a_review_of_theirs() {
    use ajar_core::request::{ByRules, Request};
    let mut office = Office::new();
    let id = office.file(0, plan(vec![]), HOUR);
    let request = office.replayed(id);
    let auto = request.automatic().unwrap();
    assert_eq!((auto.verdict, auto.rules[0].as_str(), auto.rules_hash.as_str()), (Verdict::Approve, "a-rule", "00"));
    assert_eq!(office.open(id).len(), 1);
    // One that a rule denies opens nothing, whatever its plan, and owes nothing.
    office.by_rules = ByRules { denied_by: Some("no".parse().unwrap()), values: None };
    for stages in [vec![], vec![stage("a", 1, deny())]] {
        let id = office.file(0, plan(stages), HOUR);
        let request = office.replayed(id);
        assert!(matches!(&request, Request::Denied(_)) && office.open(id).is_empty());
        assert_eq!(request.automatic().unwrap().rules[0].as_str(), "no");
        assert!(office.review(id, 1, Verdict::Approve).is_err(), "denied is denied");
    }
    office.emergency = Some(office.some_emergency());
    let id = office.file(0, plan(vec![]), HOUR);
    assert!(office.open(id).is_empty() && office.world.debts().next().is_none(), "what never opened owes no review");
}

#[test]
fn i03_an_approve_given_beforehand_counts_where_its_giver_is_asked_then_and_nowhere_else() {
    let mut office = Office::new();
    // Nobody approves their own beforehand, by whatever account, nor does a workload.
    for (by, principal) in [(0, 0), (SECOND, 0), (0, SECOND), (ROBOT, 0)] {
        assert!(matches!(office.preapprove(by, principal, 600, None), Err(WorldError::Preapproval(_))), "{by} for {principal}");
    }
    assert!(office.preapprove(1, 0, 8 * 86_400, None).is_err(), "7 days at the most");
    office.preapprove(1, 0, 600, Some(HOUR)).unwrap();
    // Two are needed: it is one of them.
    let two = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
    assert_eq!((office.state(two), office.replayed(two).reviews().len()), ("pending", 1));
    assert!(!matches!(office.review(two, 1, Verdict::Approve), Ok(true)), "it is given already");
    office.review(two, 2, Verdict::Approve).unwrap();
    assert_eq!(office.state(two), "approved");
    // A later stage finds it too, but a human counts once in the whole plan.
    let both = office.file(0, plan(vec![stage("b", 1, deny()), stage("a", 1, deny())]), HOUR);
    assert_eq!(office.state(both), "pending");
    office.review(both, 4, Verdict::Approve).unwrap();
    assert_eq!(office.state(both), "approved");
    let twice = office.file(0, plan(vec![stage("a", 1, deny()), stage("a", 1, deny())]), HOUR);
    assert_eq!(office.state(twice), "pending");
    // Not for longer than its giver said, not for somebody else, not where they are not asked.
    for (who, group, time) in [(0, "a", Span::from_secs(3_601)), (2, "a", HOUR), (0, "b", HOUR)] {
        let id = office.file(who, plan(vec![stage(group, 1, deny())]), time);
        assert_eq!((office.state(id), office.replayed(id).reviews().len()), ("pending", 0), "{who} {group} {time}");
    }
    // Nor once its giver may not decide any more, nor when it is over.
    office.people.groups.insert("a", [2, 3].map(person).into());
    let gone = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    assert_eq!(office.state(gone), "pending");
    office.people.groups.insert("a", [1, 2, 3].map(person).into());
    office.tick(600_000);
    let late = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    assert_eq!(office.state(late), "pending");
}

#[test]
fn i05_what_was_approved_beforehand_is_taken_back_and_does_not_come_again() {
    let mut office = Office::new();
    let given = office.preapprove(1, 0, 600, None).unwrap();
    let id = office.file(0, plan(vec![stage("a", 2, deny())]), HOUR);
    office.take_back(id, 1).unwrap();
    office.review(id, 2, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "pending", "it does not count again by itself");
    office.end_preapproval(given).unwrap();
    let other = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    assert_eq!(office.state(other), "pending");
    // A tick or a change of people never approves, whatever was given beforehand.
    office.preapprove(1, 0, 600, None).unwrap();
    office.tick(1_000);
    assert_eq!(office.state(other), "pending");
}

#[test]
fn history_counts_what_became_of_requests_for_a_month() {
    let mut office = Office::new();
    let ask = Ask { resource: "orders-db".parse().unwrap(), role: "read".parse().unwrap() };
    let approved = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    office.review(approved, 1, Verdict::Approve).unwrap();
    let denied = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    office.review(denied, 1, Verdict::Deny).unwrap();
    office.emergency(0).unwrap();
    let withdrawn = office.file(0, plan(vec![stage("a", 1, deny())]), HOUR);
    office.withdraw(withdrawn, 0).unwrap();
    let recent = |office: &Office, who| office.world.history().recent(person(who), &ask, office.now);
    let found = recent(&office, 0);
    assert_eq!((found.approved, found.denied, found.emergencies), (1, 1, 1));
    assert_eq!(recent(&office, 1), ajar_core::history::Recent::default());
    office.tick(29 * 86_400_000);
    assert_eq!(recent(&office, 0).approved, 1);
    office.tick(2 * 86_400_000);
    assert_eq!(recent(&office, 0), ajar_core::history::Recent::default());
}
