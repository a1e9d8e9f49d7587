//! Going on with a grant: a new one, approved like any other, which sessions and leases move on to (I07).

use ajar_core::event::{Event, Stream};
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::GrantId;
use ajar_core::lock::Locked;
use ajar_core::plan::{Limits, Opening, Otherwise, Plan, Verdict};
use ajar_core::request::{DeniedBecause, Extends, InForce, Request, RequestEvent};
use ajar_core::time::Span;
use ajar_core::world::{World, WorldError};

use crate::office::{Office, person, plan, stage};

const HOUR: Span = Span::from_secs(3_600);
const HALF: Span = Span::from_secs(1_800);

/// An open grant of person 0 for an hour.
fn open(office: &mut Office) -> GrantId {
    let id = office.file(0, plan(vec![]), HOUR);
    office.open(id)[0]
}

fn reviewed() -> Plan {
    plan(vec![stage("a", 1, Otherwise::Deny)])
}

/// Why a grant closed, as the log has it.
fn closed_because(office: &Office, id: GrantId) -> Vec<&'static str> {
    let of = |e: &ajar_core::event::Envelope| match (&e.event, e.stream) {
        (Event::Grant(ajar_core::grant::GrantEvent::Closing(c)), Stream::Grant(of)) if of == id => Some(c.reason.word()),
        _ => None,
    };
    office.log.iter().filter_map(of).collect()
}

#[test]
fn i07_what_is_live_moves_on_to_a_grant_of_its_own_and_the_old_end_stays() {
    let mut office = Office::new();
    let first = open(&mut office);
    let end = office.end_of(first);
    let lease = office.intend(first).unwrap();
    office.lease(0, lease).unwrap();
    let session = office.live(first, lease).unwrap();
    office.tick(1_800_000);
    let asked = office.extend(first, 0, reviewed(), HALF).unwrap();
    assert_eq!((office.state(asked), office.end_of(first)), ("pending", end), "asking alone moves nothing");
    assert!(office.review(asked, 1, Verdict::Approve).unwrap());
    let second = office.world.standing_grant(first);
    assert_ne!(second, first);
    let Some(Grant::Open(now)) = office.world.grant(second) else { panic!("it is open") };
    assert_eq!((now.signed.claims.starts_at, now.signed.claims.ends_at), (office.now, end.after(HALF)));
    assert_eq!((now.after.as_slice(), now.extensions(), now.signed.claims.request), ([first].as_slice(), 1, asked));
    assert_eq!(closed_because(&office, first), ["extended"]);
    assert_eq!(office.world.sessions_of(second), [session]);
    let held = office.world.lease(lease).unwrap().intended();
    assert_eq!((held.grant, held.valid_until), (second, end.after(HALF)));
    assert!(office.world.leases_of(first).is_empty() && office.world.sessions_of(first).is_empty());
    // And once more; whoever asks for the first comes to the third.
    let again = office.extend(second, 0, plan(vec![]), HALF).unwrap();
    let third = office.open(again)[0];
    assert_eq!((office.world.standing_grant(first), office.world.standing_grant(second)), (third, third));
    assert_eq!(office.end_of(third), end.after(HOUR));
    // At the end everything goes, as for any grant.
    office.tick(2 * 3_600_000);
    assert_eq!(closed_because(&office, third), ["expired"]);
    assert_eq!(office.world.lease(lease).unwrap().state(), "revoking");
    let mut replayed = World::default();
    office.log.iter().for_each(|e| drop(replayed.apply(e).unwrap()));
    assert_eq!(replayed, office.world);
}

#[test]
fn i10_i11_a_lease_being_made_moves_on_and_one_being_removed_stays() {
    let mut office = Office::new();
    let first = open(&mut office);
    let (making, going) = (office.intend(first).unwrap(), office.intend(first).unwrap());
    office.lease(1, going).unwrap();
    let asked = office.extend(first, 0, plan(vec![]), HALF).unwrap();
    let second = office.open(asked)[0];
    assert_eq!(office.world.lease(making).unwrap().intended().grant, second);
    assert_eq!(office.world.lease(going).unwrap().intended().grant, first);
    assert_eq!(office.world.grant(first).unwrap().state(), "closing", "until that is proven gone");
    office.lease(0, making).unwrap();
    office.live(second, making).unwrap();
    assert!(office.live(first, making).is_err());
    office.lease(3, going).unwrap();
    assert!(office.world.grant(first).is_none(), "closed");
    office.close(second, CloseReason::Returned).unwrap();
    office.lease(3, making).unwrap();
    assert!(office.world.grant(second).is_none());
}

#[test]
fn r07_only_who_has_it_goes_on_with_it_and_only_while_it_is_open() {
    let mut office = Office::new();
    let first = open(&mut office);
    let refused = |e: Result<_, WorldError>| e.unwrap_err();
    assert_eq!(refused(office.extend(first, 1, plan(vec![]), HALF)), WorldError::NoSuch(Stream::Grant(first)));
    let nobody = "grant_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    assert_eq!(refused(office.extend(nobody, 0, plan(vec![]), HALF)), WorldError::NoSuch(Stream::Grant(nobody)));
    // Another role, or as if it had been extended before.
    office.extends = Some(Extends { grant: first, nth: 0 });
    assert!(office.file_for(0, plan(vec![]), HALF, &["write"]).is_err());
    assert!(office.file_for(0, plan(vec![]), HALF, &["read", "write"]).is_err());
    office.extends = Some(Extends { grant: first, nth: 1 });
    assert!(office.file_for(0, plan(vec![]), HALF, &["read"]).is_err());
    office.extends = None;
    // One for a single session is used up by it.
    let once = Plan { opening: Opening { single_use: true, on_first_use: None }, ..plan(vec![]) };
    let single = office.file(2, once.clone(), HOUR);
    let single = office.open(single)[0];
    assert!(matches!(refused(office.extend(single, 2, plan(vec![]), HALF)), WorldError::NotExtendable { .. }));
    assert!(matches!(refused(office.extend(first, 0, once, HALF)), WorldError::NotExtendable { .. }));
    // One at a time.
    let asked = office.extend(first, 0, reviewed(), HALF).unwrap();
    assert!(matches!(refused(office.extend(first, 0, reviewed(), HALF)), WorldError::NotExtendable { .. }));
    office.withdraw(asked, 0).unwrap();
    office.extend(first, 0, reviewed(), HALF).unwrap();
    // The clock says that it is over, the timer does not yet.
    office.now = office.end_of(first);
    let late = open(&mut office);
    assert!(matches!(refused(office.extend(first, 0, plan(vec![]), HALF)), WorldError::NotOpen { .. }));
    office.close(late, CloseReason::Returned).unwrap();
    assert!(office.extend(late, 0, plan(vec![]), HALF).is_err());
}

#[test]
fn t03_what_is_over_does_not_go_on_however_it_ended() {
    for how in 0..6 {
        let mut office = Office::new();
        let first = open(&mut office);
        let asked = office.extend(first, 0, reviewed(), HALF).unwrap();
        match how {
            0 => office.close(first, CloseReason::Returned).unwrap(),
            1 => office.close(first, CloseReason::Revoked { by: person(1) }).unwrap(),
            2 => drop(office.lock(Locked::Principal(person(0)))),
            3 => office.stop(0),
            // Both are due in the same instant.
            4 => office.tick(3_600_000),
            // An approve that comes after the end and before the timer.
            _ => office.now = office.end_of(first),
        }
        assert!(office.review(asked, 1, Verdict::Approve).is_err(), "{how}");
        office.tick(1);
        assert!(office.open(asked).is_empty(), "{how}");
        let request = office.replayed(asked);
        assert!(matches!(&request, Request::Denied(s) if s.outcome.because == DeniedBecause::GrantOver), "{how}: {request:?}");
        assert_eq!(office.world.extension_of(first), None);
    }
}

#[test]
fn t03_in_the_last_millisecond_it_still_goes_on_and_still_ends() {
    let mut office = Office::new();
    let first = open(&mut office);
    let end = office.end_of(first);
    office.tick(3_000_000);
    let asked = office.extend(first, 0, reviewed(), HALF).unwrap();
    office.tick(599_999);
    assert!(office.review(asked, 1, Verdict::Approve).unwrap());
    let second = office.open(asked)[0];
    office.tick(1);
    assert_eq!(office.world.grant(second).unwrap().state(), "open", "the old end is past");
    assert_eq!(office.end_of(second), end.after(HALF));
    office.tick(1_800_000);
    assert_eq!(closed_because(&office, second), ["expired"]);
}

#[test]
fn i03_i06_an_extension_is_decided_like_any_request() {
    let mut office = Office::new();
    let first = open(&mut office);
    let end = office.end_of(first);
    let asked = office.extend(first, 0, reviewed(), HALF).unwrap();
    for by in [0, crate::office::SECOND, crate::office::ROBOT, 5] {
        assert!(office.review(asked, by, Verdict::Approve).is_err(), "{by}");
    }
    // A reviewer leaves less of it.
    let less = Limits { duration: Some(Span::from_secs(300)), asks: None };
    assert!(office.review_with(asked, 1, Verdict::Approve, less).unwrap());
    let second = office.open(asked)[0];
    assert_eq!(office.end_of(second), end.after(Span::from_secs(300)));
    // A deny leaves it as it was.
    let asked = office.extend(second, 0, reviewed(), HALF).unwrap();
    office.review(asked, 2, Verdict::Deny).unwrap();
    assert_eq!((office.state(asked), office.world.grant(second).unwrap().state()), ("denied", "open"));
    // Rules that have become stricter meanwhile: what is for one session does not go on.
    let asked = office.extend(second, 0, reviewed(), HALF).unwrap();
    let once = Plan { opening: Opening { single_use: true, on_first_use: None }, ..reviewed() };
    let stricter = InForce::Allowed { plan: once, max: HOUR, rules_hash: "11".into() };
    office.review_under(asked, 1, Verdict::Approve, stricter).unwrap();
    let denied = office.log.iter().rev().find_map(|e| if let Event::Request(RequestEvent::Denied(d)) = &e.event { Some(d) } else { None });
    assert_eq!((office.state(asked), denied.map(|d| &d.because)), ("denied", Some(&DeniedBecause::Rules)));
    assert_eq!(office.world.grant(second).unwrap().state(), "open");
}

#[test]
fn i05_a_late_deny_and_an_objection_close_what_it_has_become() {
    let mut office = Office::new();
    let asked = office.file(0, reviewed(), HOUR);
    office.review(asked, 1, Verdict::Approve).unwrap();
    let first = office.open(asked)[0];
    let more = office.extend(first, 0, plan(vec![]), HALF).unwrap();
    let second = office.open(more)[0];
    assert!(office.review(asked, 2, Verdict::Deny).unwrap(), "of the first");
    assert_eq!(closed_because(&office, second), ["denied_late"]);

    // The same for the extension itself.
    let first = open(&mut office);
    let more = office.extend(first, 0, reviewed(), HALF).unwrap();
    office.review(more, 1, Verdict::Approve).unwrap();
    let second = office.open(more)[0];
    assert!(office.review(more, 2, Verdict::Deny).unwrap());
    assert_eq!(closed_because(&office, second), ["denied_late"]);

    // And for an emergency: the engine recalls its grants for the command.
    let (emergency, debt) = office.emergency(0).unwrap();
    let first = office.open(emergency)[0];
    let more = office.extend(first, 0, reviewed(), HALF).unwrap();
    office.review(more, 1, Verdict::Approve).unwrap();
    let second = office.open(more)[0];
    let events: Vec<_> = office.log.iter().filter(|e| e.stream == Stream::Grant(first)).cloned().collect();
    office.world.recall(&events).unwrap();
    assert_eq!(office.world.standing_grant(first), second, "recalling what is over changes nothing");
    office.review_debt(debt, 2, Verdict::Deny).unwrap();
    assert_eq!(closed_because(&office, second), ["denied_late"]);
}

#[test]
fn a13_who_owes_a_review_is_not_extended_automatically() {
    let mut office = Office::new();
    let first = open(&mut office);
    office.emergency(0).unwrap();
    assert!(matches!(office.extend(first, 0, plan(vec![]), HALF), Err(WorldError::InDebt(_))));
    assert!(office.extend(first, 0, reviewed(), HALF).is_ok());
}

#[test]
fn i15_what_could_not_be_committed_is_taken_back_whole() {
    let mut office = Office::new();
    let first = open(&mut office);
    let lease = office.intend(first).unwrap();
    office.lease(0, lease).unwrap();
    office.live(first, lease).unwrap();
    let again = office.extend(first, 0, plan(vec![]), HALF).unwrap();
    let second = office.open(again)[0];
    let before = office.world.clone();
    let length = office.log.len();
    office.extend(second, 0, plan(vec![]), HALF).unwrap();
    let streams: std::collections::BTreeSet<_> = office.log[length..].iter().map(|e| e.stream).collect();
    // The same from the point before it.
    let after = std::mem::replace(&mut office.world, before.clone());
    let point = office.world.undo_point(streams);
    for envelope in &office.log[length..] {
        office.world.apply(envelope).unwrap();
    }
    assert_eq!(office.world, after);
    office.world.undo(point);
    assert_eq!(office.world, before);
}
