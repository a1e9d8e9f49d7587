//! The ten workflows of `docs/cookbook.md`, with its rules and its lines, and with what must not work.

mod book;

use ajar_core::port::CutReason;
use serde_json::{Value, json};

use self::book::Chapter;
use crate::play::Play;

/// A Monday morning.
const MONDAY: &str = "2026-03-02T09:00[Europe/Berlin]";

/// A chapter that is played: at its end, every line of it must have been typed.
struct Told {
    chapter: Chapter,
    play: Play,
}

impl Told {
    fn begins(title: &str, at: &str) -> Self {
        let chapter = Chapter::of(title);
        let play = Play::begins(at, &book::house());
        play.files(&chapter.files());
        Self { chapter, play }
    }

    /// Every line of the chapter was typed, as it stands there.
    fn ends(self) {
        let typed = self.play.typed();
        let left: Vec<_> = self.chapter.lines().into_iter().filter(|line| !typed.iter().any(|t| t == line)).collect();
        assert!(left.is_empty(), "of '{}' nobody has typed {left:#?}", self.chapter.title());
    }
}

impl std::ops::Deref for Told {
    type Target = Play;

    fn deref(&self) -> &Play {
        &self.play
    }
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[test]
fn i03_peer_review_lets_everybody_decide_but_who_asked() {
    let told = Told::begins("Peer review", MONDAY);
    told.types("dev$ ajar request orders-db --role read --for 5h").fails(7, "allows 4h at the most");
    told.types("dev$ ajar request orders-db --role fix").fails(7, "you can ask for: read");
    told.types("ada$ ajar request orders-db").fails(7, "there is no such resource");
    let filed = told.types("dev$ ajar request orders-db --role read --for 2h --reason \"INC-7: order 4711 is stuck\"").is("pending");
    assert_eq!(filed["asked"], json!(["peer"]));
    let id = told.last("req_");
    for own in ["dev$ ajar approve req_…", "dev-admin$ ajar approve req_…"] {
        told.types(own).fails(3, "you asked for it");
    }
    told.types("boss$ ajar approve req_…").fails(7, "there is no request");

    assert_eq!(ids(&told.types("peer$ ajar inbox").ok()), [id.as_str()]);
    told.types("peer$ ajar approve req_… --note \"go\"").is("approved");
    let grant = told.last("grant_");
    let session = told.enters("dev$ ajar psql orders-db --role read");
    told.go_to("2026-03-02T10:59:59[Europe/Berlin]");
    assert!(told.is_live(&session));
    told.go_to("2026-03-02T11:00[Europe/Berlin]");
    assert_eq!((told.cut(session), told.closed("dev", &grant).as_str()), (CutReason::Expired, "expired"));

    // Asked again, and given back early.
    told.types("dev$ ajar request orders-db --role read").is("pending");
    told.types("peer$ ajar approve req_…").is("approved");
    let session = told.enters("dev$ ajar psql orders-db --role read");
    told.types("peer$ ajar return grant_…").fails(7, "there is no grant");
    told.types("dev$ ajar return grant_…").ok();
    assert_eq!((told.cut(session), told.closed("dev", &told.last("grant_")).as_str()), (CutReason::Returned, "returned"));

    // A15: nobody decides in time; an approve that comes later opens nothing.
    told.types("dev$ ajar request orders-db --role read").is("pending");
    let late = told.last("req_");
    told.wait("30m");
    assert_eq!(told.types(&format!("dev$ ajar requests {late}")).is("denied")["denied_because"], "stage_timed_out");
    told.types(&format!("peer$ ajar approve {late}")).fails(3, "denied");
    told.types(&format!("dev$ ajar request --again {late}")).is("pending");
    told.ends();
}

#[test]
fn i03_the_manager_decides_before_the_owners_are_asked() {
    let told = Told::begins("Manager, then owner", MONDAY);
    told.types("dev$ ajar request orders-db --role fix --reason \"please\"").fails(7, "a reason of 10 characters");
    let filed = told.types("dev$ ajar request orders-db --role fix --reason \"INC-7: set order 4711 to paid\"").is("pending");
    assert_eq!(filed["asked"], json!(["boss"]));
    told.types("ada$ ajar approve req_…").fails(3, "not among those");
    let passed = told.types("boss$ ajar approve req_…").is("pending");
    assert_eq!(passed["asked"], json!(["ada", "grace"]));
    told.types("boss$ ajar approve req_…").is("pending");
    told.types("ada$ ajar approve req_… --note \"one row only\"").is("approved");
    let session = told.enters("dev$ ajar psql orders-db --role fix");
    told.wait("30m");
    assert_eq!(told.cut(session), CutReason::Expired);

    // The manager doesn't look: after two hours the heads are asked too, and one who owns the database answers for one stage only.
    told.types("dev$ ajar request orders-db --role fix --reason \"INC-7: once more, please\"").is("pending");
    told.wait("1h59m");
    assert_eq!(told.types("dev$ ajar requests req_…").is("pending")["asked"], json!(["boss"]));
    told.wait("1m");
    assert_eq!(told.types("dev$ ajar requests req_…").is("pending")["asked"], json!(["boss", "grace", "ops"]));
    let passed = told.types("grace$ ajar approve req_…").is("pending");
    assert_eq!(passed["asked"], json!(["ada"]));
    told.types("grace$ ajar approve req_…").is("pending");
    // The owners let it lie: denied, and an approve of the last minute's is too late.
    told.wait("2h");
    told.types("dev$ ajar requests req_…").is("denied");
    told.types("ada$ ajar approve req_…").fails(3, "denied");

    // A deny of the manager's is the end: no owner is ever asked.
    told.types("peer$ ajar request orders-db --role fix --reason \"INC-8: clean up the carts\"").is("pending");
    told.types("boss$ ajar deny req_… --note \"not needed\"").is("denied");
    assert_eq!(told.types("ada$ ajar inbox").ok(), json!([]));
    told.ends();
}

#[test]
fn i03_two_of_five_are_two_humans_whatever_accounts_they_have() {
    let told = Told::begins("Two of five", MONDAY);
    let filed = told.types("dev$ ajar request orders-db --role migrate --for 30m --reason \"CHG-12: drop the old index\"").is("pending");
    assert_eq!(filed["asked"], json!(["ada", "grace", "joe", "mia", "mia-admin", "tom"]));
    told.types("mia$ ajar approve req_…").is("pending");
    told.types("mia$ ajar approve req_…").is("pending");
    told.types("mia-admin$ ajar approve req_…").fails(3, "you have already decided");
    told.types("boss$ ajar approve req_…").fails(7, "there is no request");
    told.types("joe$ ajar approve req_…").is("approved");
    told.leaves(told.enters("dev$ ajar psql orders-db --role migrate"));
    // A deny that comes late closes what is open.
    let grant = told.last("grant_");
    told.types("tom$ ajar deny req_… --note \"the report needs it\"").ok();
    assert_eq!(told.closed("dev", &grant), "denied_late");

    // An administrator who asks is decided by two of the others, and by neither of their own accounts.
    let filed = told.types("mia$ ajar request orders-db --role migrate").is("pending");
    assert_eq!(filed["asked"], json!(["ada", "grace", "joe", "tom"]));
    told.types("mia-admin$ ajar approve req_…").fails(3, "you asked for it");
    told.types("ada$ ajar approve req_…").is("pending");
    told.types("tom$ ajar deny req_…").is("denied");
    told.types("grace$ ajar approve req_…").fails(3, "denied");

    // A10: four of them leave: with one left nobody can ever fulfil it, so that it is not left to wait.
    let gone = told
        .chapter
        .files()
        .replace("\"joe\", \"tom\", \"mia\", \"mia-admin\"]", "\"ada\"]")
        .replace("\"ada\", \"grace\", \"ada\"", "\"ada\"");
    told.types("dev$ ajar request orders-db --role migrate").is("pending");
    told.files(&gone);
    told.types("dev$ ajar requests req_…").is("denied");
    told.types("dev$ ajar request orders-db --role migrate").fails(3, "nobody_can_decide");
    told.ends();
}

#[test]
fn a13_break_glass_opens_at_once_and_is_owed_for() {
    let told = Told::begins("Break-glass", "2026-03-29T03:10[Europe/Berlin]");
    told.types("dev$ ajar request orders-db --role read").is("approved");
    told.types("dev$ ajar return grant_…").ok();
    told.types("dev$ ajar request orders-db --role fix").fails(7, "");
    told.types("boss$ ajar request orders-db --role fix --emergency --reason \"orders are lost\"").fails(7, "there is no such resource");
    let opened = told.types("dev$ ajar request orders-db --role fix --emergency --reason \"orders are lost since 03:00\"").is("approved");
    assert_eq!(opened["grants"][0]["ends_at"], "2026-03-29T01:40:00.000Z");
    let session = told.enters("dev$ ajar psql orders-db --role fix");

    let debts = told.types("ada$ ajar debts").ok();
    assert_eq!(debts[0]["alerted"], json!(["ada", "boss", "grace"]));
    told.types("dev$ ajar acknowledge debt_…").fails(3, "not yours");
    told.types("boss$ ajar acknowledge debt_…").fails(3, "not yours");
    for who in ["dev", "dev-admin"] {
        let done = told.types(&format!("{who}$ ajar request orders-db --role read"));
        if who == "dev" { done.fails(3, "you owe a review") } else { done.fails(7, "there is no such resource") }
    }
    told.wait("30m");
    assert_eq!(told.cut(session), CutReason::Expired);
    // Unreviewed for longer than it may be: still owed, still in the way of routine, never of the next emergency.
    told.wait("24h");
    told.types("dev$ ajar request orders-db --role read").fails(3, "you owe a review");
    told.types("dev$ ajar request orders-db --role fix --emergency --reason \"they are lost again\"").is("approved");
    let again = told.last("grant_");
    let debts = told.types("ada$ ajar debts").ok();
    let debt = |overdue: bool| debts.as_array().unwrap().iter().find(|d| d["overdue"] == overdue).unwrap()["id"].as_str().unwrap();
    told.types(&format!("grace$ ajar object {} --note \"there was nothing\"", debt(false))).ok();
    told.types("dev$ ajar request orders-db --role read").fails(3, "you owe a review");
    told.types(&format!("ada$ ajar requests {}", debts[0]["request"].as_str().unwrap())).ok();
    told.types("ada$ ajar debts").ok();
    told.types("ada$ ajar acknowledge debt_… --note \"right, and fixed for good now\"").ok();
    assert_eq!(told.closed("dev", &again), "denied_late");
    told.types("dev$ ajar request orders-db --role read").is("approved");
    told.ends();
}

#[test]
fn i14_a_time_that_does_not_exist_and_one_that_comes_twice_end_access_when_they_should() {
    // The clocks go forward at two: what begins at half past one for an hour ends at half past three.
    let told = Told::begins("Peer review", MONDAY);
    for (asked, begins, ends) in [
        ("2026-03-29T01:15[Europe/Berlin]", "2026-03-29T01:30:00+01:00", "2026-03-29T03:30[Europe/Berlin]"),
        // They go back at three: it ends when half past two comes for the second time.
        ("2026-10-25T02:15+02:00[Europe/Berlin]", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30+01:00[Europe/Berlin]"),
    ] {
        told.go_to(asked);
        told.types(&format!("dev$ ajar request orders-db --for 1h --at {begins}")).is("pending");
        told.types("peer$ ajar approve req_…").is("approved");
        let grant = told.last("grant_");
        assert_eq!(told.grant("dev", &grant)["state"], "scheduled");
        told.go_to(&format!("{begins}[Europe/Berlin]"));
        assert_eq!(told.grant("dev", &grant)["ends_at"], crate::play::instant(ends).to_string());
        let session = told.enters("dev$ ajar psql orders-db --role read");
        told.go_to(ends);
        assert_eq!((told.cut(session), told.closed("dev", &grant).as_str()), (CutReason::Expired, "expired"));
    }
}
