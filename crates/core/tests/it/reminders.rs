//! One reminder before a stage is over: when, to whom, and that it decides nothing.

use ajar_core::event::{Event, Stream};
use ajar_core::id::{PrincipalId, RequestId};
use ajar_core::plan::{Candidates, Otherwise, Stage, Step, Verdict};
use ajar_core::request::{Request, RequestEvent};
use ajar_core::time::Span;

use crate::office::{Office, person, plan, stage};

const HOUR: Span = Span::from_secs(3_600);

/// Who was reminded of a request, and when, counted in seconds from the office's first day.
fn reminders(office: &Office, id: RequestId) -> Vec<(u64, Vec<PrincipalId>)> {
    let start = office.log[0].at;
    let reminder = |e: &ajar_core::event::Envelope| {
        let Event::Request(RequestEvent::Reminded(r)) = &e.event else { return None };
        Some((r.at.since(start).as_millis() / 1_000, r.asked.clone()))
    };
    office.log.iter().filter(|e| e.stream == Stream::Request(id)).filter_map(reminder).collect()
}

fn people(of: &[u8]) -> Vec<PrincipalId> {
    of.iter().map(|n| person(*n)).collect()
}

#[test]
fn those_who_are_asked_are_reminded_once_when_three_quarters_are_over() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 2, Otherwise::Deny)]), HOUR);
    office.review(id, 1, Verdict::Approve).unwrap();
    assert_eq!(office.world.next_due(), Some(office.now.after(Span::from_secs(450))));
    office.tick(449_999);
    assert_eq!(reminders(&office, id), []);
    office.tick(1);
    assert_eq!(reminders(&office, id), [(450, people(&[2, 3]))], "who has approved is asked no more");
    let Some(Request::Pending(pending)) = office.world.request(id) else { panic!("it waits") };
    assert_eq!(pending.reminded, Some(office.now));
    assert_eq!(office.world.next_due(), Some(office.now.after(Span::from_secs(150))), "next it is over");
    office.tick(149_999);
    assert_eq!((reminders(&office, id).len(), office.state(id)), (1, "pending"));
    office.tick(1);
    assert_eq!(office.state(id), "denied", "in time, all the same");
}

#[test]
fn each_step_of_an_escalation_reminds_for_itself_and_asks_who_is_who_then() {
    let mut office = Office::new();
    let chain = Otherwise::Escalate(vec![Step(vec![Candidates::Person(person(5))])]);
    let id = office.file(0, plan(vec![stage("a", 1, chain)]), HOUR);
    office.people.groups.insert("a", [1, 4].map(person).into());
    office.tick(450_000);
    office.tick(150_000);
    office.tick(450_000);
    office.tick(1_000);
    assert_eq!(reminders(&office, id), [(450, people(&[1, 4])), (1_050, people(&[1, 4, 5]))]);
}

#[test]
fn a_stage_that_is_over_before_its_reminder_came_is_not_reminded_of() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 1, Otherwise::Next), stage("b", 1, Otherwise::Deny)]), HOUR);
    // The server was down for longer than the stage had.
    office.tick(700_000);
    assert_eq!(reminders(&office, id), []);
    office.tick(450_000);
    assert_eq!(reminders(&office, id), [(1_150, people(&[3, 4, 5]))], "the next has its own");
}

#[test]
fn a_short_stage_reminds_nobody_and_a_long_one_before_the_request_is_over() {
    let mut office = Office::new();
    let within = |seconds| Stage { within: Span::from_secs(seconds), ..stage("a", 1, Otherwise::Deny) };
    let short = office.file(0, plan(vec![within(119)]), HOUR);
    let just = office.file(2, plan(vec![within(120)]), HOUR);
    // A request waits for an hour.
    let long = office.file(3, plan(vec![within(100_000)]), HOUR);
    for _ in 0..3_599 {
        office.tick(1_000);
    }
    let times = |id| reminders(&office, id).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!((times(short), times(just), times(long)), (vec![], vec![90], vec![2_700]));
    assert_eq!((office.state(short), office.state(just), office.state(long)), ("denied", "denied", "pending"));
}

#[test]
fn i03_a_reminder_approves_nothing_even_when_every_stage_is_met() {
    let mut office = Office::new();
    let id = office.file(0, plan(vec![stage("a", 2, Otherwise::Deny)]), HOUR);
    office.review(id, 1, Verdict::Approve).unwrap();
    // Who has approved is nobody to ask for a while, and then again: what they said counts, but nobody has said so since.
    let before = office.people.groups.insert("a", [2, 3].map(person).into()).unwrap();
    office.review(id, 2, Verdict::Approve).unwrap();
    office.people.groups.insert("a", before);
    office.tick(450_000);
    assert_eq!((office.state(id), reminders(&office, id)), ("pending", vec![(450, vec![])]));
    assert!(office.world.next_due() > Some(office.now));
    office.review(id, 1, Verdict::Approve).unwrap();
    assert_eq!(office.state(id), "approved");
}
