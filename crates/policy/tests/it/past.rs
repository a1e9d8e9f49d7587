//! A draft run over the past, and what the past suggests.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::plan::Verdict;
use ajar_core::sealed::Commitment;
use ajar_core::time::{Span, Timestamp};
use ajar_policy::{ChangeKind, Replay, Report, Suggest, Suggestion, Suggestions};

use crate::made::{Made, Wants};
use crate::{BASE, READ, good};

const BEGIN: &str = "2026-09-01T06:00:00Z";

const MORE: &str = r#"
[[hours]]
name = "office"
zone = "Europe/Berlin"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "09:00"
to = "17:00"

[[rule]]
name = "not-at-night"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
deny = true
when = "!context.hours.office"

[[rule]]
name = "engineers-write-orders"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
max = "2h"
reason = { min_length = 4 }
on_behalf_by = ["group:engineers", "manager"]
auto_when = "context.ticket like \"INC-*\" && context.history.denied < 2"
stages = [{ from = ["owners", "manager"] }, { from = ["user:boss"], when = "context.minutes > 60" }]

[[rule]]
name = "break-glass"
who = ["user:dev"]
resources = ["orders-db"]
roles = ["write"]
max = "30m"
break_glass = { alert = ["owners"], review = { from = ["owners"] } }
"#;

const READS: Wants<'static> = Wants {
    resource: "orders-db",
    role: "read",
    minutes: 60,
    reason: "a look at orders",
    ticket: None,
    emergency: false,
    on_behalf_of: None,
};

fn writes() -> Wants<'static> {
    Wants { role: "write", minutes: 30, ..READS }
}

fn disclosed(made: &Made, commitment: Commitment) -> Option<String> {
    made.disclosures.get(&commitment).map(|d| d.value.clone())
}

/// A draft, made of the rules in force by a replacement.
fn replay(made: &Made, draft: &[&str], since: Option<Timestamp>) -> Report {
    let ids: BTreeMap<_, _> = ["dev", "dev-admin", "peer", "boss", "gone", "ci"].map(|n| (n.parse().unwrap(), made.id(n))).into();
    let mut replay = Replay::new(Arc::new(good(draft).bind_draft(&ids)), since);
    made.events.iter().for_each(|event| replay.learn(event, &|c| disclosed(made, c)).unwrap());
    replay.report()
}

fn changes(report: &Report) -> Vec<(ChangeKind, usize)> {
    report.changes.iter().map(|(kind, count)| (*kind, *count)).collect()
}

/// Three months of everything that people do, decided by a dice.
fn months(seed: u64) -> Made {
    let mut made = Made::new(&good(&[BASE, READ, MORE]), BEGIN);
    let mut dice = seed;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for _ in 0..400 {
        made.wait(60 + roll(6 * 3_600));
        let who = ["dev", "peer", "ci", "boss"][usize::try_from(roll(4)).unwrap()];
        let wants = Wants {
            role: ["read", "write", "write"][usize::try_from(roll(3)).unwrap()],
            minutes: [10, 30, 90, 120, 240][usize::try_from(roll(5)).unwrap()],
            ticket: [None, None, Some("INC-7")][usize::try_from(roll(3)).unwrap()],
            emergency: roll(20) == 0,
            on_behalf_of: (roll(6) == 0).then_some("peer"),
            ..READS
        };
        let Some(id) = made.ask(who, &wants) else { continue };
        made.wait(roll(900));
        match roll(8) {
            0 => made.withdraw(id, who),
            1 => {}
            2 => _ = made.review(id, "peer", Verdict::Deny),
            _ => ["peer", "dev-admin", "boss"].iter().for_each(|by| _ = made.review(id, by, Verdict::Approve)),
        }
    }
    made.wait(48 * 3_600);
    made
}

#[test]
fn replaying_the_rules_in_force_on_their_own_past_changes_nothing() {
    for seed in 1..6 {
        let made = months(seed);
        let report = replay(&made, &[BASE, READ, MORE], None);
        assert_eq!(changes(&report), [], "seed {seed}: {:#?}", report.rows.first());
        assert_eq!((report.requests, report.before), (made.filed(), report.after));
        assert!(report.requests > 150, "{} requests", report.requests);
        assert!(report.headline().starts_with("Nothing would change: all "), "{}", report.headline());
    }
}

#[test]
fn each_kind_of_change_is_told_and_counted() {
    let mut made = Made::new(&good(&[BASE, READ, MORE]), "2026-11-24T09:00:00Z");
    let asked = made.ask("dev", &READS).unwrap();
    made.wait(660);
    assert!(made.review(asked, "peer", Verdict::Approve));
    let automatic = made.ask("dev", &Wants { ticket: Some("INC-7"), ..writes() }).unwrap();
    let long = made.ask("peer", &Wants { minutes: 120, ..writes() }).unwrap();
    made.wait(60);
    for by in ["dev-admin", "boss"] {
        assert!(made.review(long, by, Verdict::Approve));
    }
    made.go_to("2026-11-24T20:00:00Z".parse().unwrap());
    let night = made.ask("dev", &writes()).unwrap();
    let row = |draft: &[&str]| {
        let report = replay(&made, draft, None);
        assert_eq!(report.requests, 4);
        let rows: Vec<_> = report.rows.iter().map(|r| (r.id, r.change, r.before.as_str(), r.became.as_str(), r.after.as_str())).collect();
        let told: Vec<_> =
            rows.iter().map(|(id, change, before, became, after)| (*id, *change, format!("{before} | {became} | {after}"))).collect();
        told
    };
    let auto = READ.replace("{ from = [\"owners\"] }", "\"auto\"");
    let eleven = "needs 1 of owners | approved after 11m | approved automatically";
    assert_eq!(row(&[BASE, &auto, MORE]), [(asked, ChangeKind::Automatic, eleven.to_owned())]);
    let two = READ.replace("from =", "needed = 2, from =");
    assert_eq!(row(&[BASE, &two, MORE]), [(asked, ChangeKind::More, "needs 1 of owners | approved after 11m | needs 2 of owners".into())]);
    let other = READ.replace("owners", "manager");
    assert_eq!(
        row(&[BASE, &other, MORE]),
        [(asked, ChangeKind::Others, "needs 1 of owners | approved after 11m | needs 1 of manager".into())]
    );
    let short = READ.replace("4h", "30m");
    assert_eq!(
        row(&[BASE, &short, MORE]),
        [(asked, ChangeKind::NotRequestable, "needs 1 of owners | approved after 11m | can't be asked for".into())]
    );
    let fewer = MORE.replace(", { from = [\"user:boss\"], when = \"context.minutes > 60\" }", "");
    let was = "needs 1 of manager or owners, then 1 of user:boss | approved after 1m | needs 1 of manager or owners";
    let was = was.replace("manager or owners", "owners or manager");
    assert_eq!(row(&[BASE, READ, &fewer]), [(long, ChangeKind::Fewer, was)]);
    let asks = MORE.replace("INC-*", "CHG-*");
    let was = "approved automatically | approved automatically | needs 1 of owners or manager";
    assert_eq!(row(&[BASE, READ, &asks]), [(automatic, ChangeKind::Asks, was.to_owned())]);
    let open = MORE.replace("17:00", "24:00");
    let was = "denied by rule not-at-night | denied by rule not-at-night | needs 1 of owners or manager";
    assert_eq!(row(&[BASE, READ, &open]), [(night, ChangeKind::NotDenied, was.to_owned())]);
    let deny = READ
        .replace("max = \"4h\"\napprove = { from = [\"owners\"] }", "deny = true\nwhen = 'context.hours.office'")
        .replace("engineers-read-orders", "no");
    assert_eq!(
        row(&[BASE, READ, MORE, &deny]),
        [(asked, ChangeKind::Denied, "needs 1 of owners | approved after 11m | denied by rule no".into())]
    );
    let unlisted = BASE.replace("name = \"peer\"\n", "name = \"peer\"\ndisabled = true\n");
    let was = "needs 1 of owners or manager, then 1 of user:boss | approved after 1m | nobody by that name";
    assert_eq!(row(&[&unlisted, READ, MORE]), [(long, ChangeKind::Unlisted, was.to_owned())]);
    // What is shut before and after makes no difference.
    assert_eq!(row(&[BASE, READ, &MORE.replace("min_length = 4", "min_length = 40")]).len(), 2);
}

#[test]
fn waits_are_what_they_were_or_nothing_or_an_estimate() {
    let mut made = Made::new(&good(&[BASE, READ, MORE]), "2026-11-24T09:00:00Z");
    for minutes in [1, 11, 25] {
        let id = made.ask("dev", &READS).unwrap();
        made.wait(minutes * 60);
        assert!(made.review(id, "peer", Verdict::Approve));
    }
    for _ in 0..2 {
        made.ask("dev", &Wants { ticket: Some("INC-7"), ..writes() }).unwrap();
    }
    let minutes = |n: u64| Some(Span::from_secs(n * 60));
    let same = replay(&made, &[BASE, READ, MORE], None);
    assert_eq!((same.before.count, same.before.median, same.before.p90), (5, minutes(1), minutes(25)));
    let auto = replay(&made, &[BASE, &READ.replace("{ from = [\"owners\"] }", "\"auto\""), MORE], None);
    assert_eq!((auto.after.count, auto.after.median, auto.after.p90), (5, Some(Span::ZERO), Some(Span::ZERO)));
    assert_eq!(auto.headline(), "3 of 5 requests would go otherwise: 3 more approved automatically; median wait 1m → 0s.");
    // Newly asked are the same people as for reading: half of what they decided took eleven minutes or less.
    let asks = MORE.replace("INC-*", "CHG-*").replace("[\"owners\", \"manager\"]", "[\"owners\"]");
    let asks = replay(&made, &[BASE, READ, &asks], None);
    assert_eq!((asks.estimated, asks.after.count, asks.after.median), (2, 5, minutes(11)));
    assert!(asks.notes[0].contains("is an estimate"), "{:?}", asks.notes);
}

#[test]
fn only_what_was_asked_for_since_then_counts_and_history_goes_further_back() {
    let mut made = Made::new(&good(&[BASE, READ, MORE]), "2026-11-20T09:00:00Z");
    for _ in 0..2 {
        let id = made.ask("dev", &writes()).unwrap();
        assert!(made.review(id, "peer", Verdict::Deny));
        made.wait(60);
    }
    made.go_to("2026-11-24T09:00:00Z".parse().unwrap());
    made.ask("dev", &Wants { ticket: Some("INC-7"), ..writes() }).unwrap();
    let since = Some("2026-11-24T00:00:00Z".parse().unwrap());
    let report = replay(&made, &[BASE, READ, MORE], since);
    assert_eq!((report.requests, changes(&report)), (1, vec![]), "two denials keep it from being automatic, then and now");
    let forgiving = replay(&made, &[BASE, READ, &MORE.replace("denied < 2", "denied < 3")], since);
    assert_eq!(changes(&forgiving), [(ChangeKind::Automatic, 1)]);
    assert!(forgiving.headline().contains("1 of 1 request since 2026-11-24 would"), "{}", forgiving.headline());
}

#[test]
fn i18_an_erased_reason_counts_as_given_and_that_is_said() {
    let mut made = Made::new(&good(&[BASE, READ, MORE]), "2026-11-24T09:00:00Z");
    made.ask("dev", &READS).unwrap();
    let strict = READ.replace("max =", "reason = { pattern = \"^INC\" }\nmax =");
    assert_eq!(changes(&replay(&made, &[BASE, &strict, MORE], None)), [(ChangeKind::NotRequestable, 1)]);
    made.disclosures.clear();
    let report = replay(&made, &[BASE, &strict, MORE], None);
    assert_eq!(changes(&report), []);
    assert!(report.notes[0].contains("the reasons or scopes of 1 requests are erased"), "{:?}", report.notes);
}

fn suggest(made: &Made, rules: &[&str], since: Option<Timestamp>) -> Suggestions {
    let ids: BTreeMap<_, _> = ["dev", "dev-admin", "peer", "boss", "gone", "ci"].map(|n| (n.parse().unwrap(), made.id(n))).into();
    let mut suggest = Suggest::new(Arc::new(good(rules).bind_draft(&ids)), since);
    made.events.iter().for_each(|event| suggest.learn(event, &|c| disclosed(made, c)).unwrap());
    suggest.suggestions()
}

fn of<'a>(found: &'a Suggestions, kind: &str) -> Vec<&'a Suggestion> {
    found.items.iter().filter(|s| s.kind == kind).collect()
}

/// So many requests for reading, each decided after so many seconds and used for so many.
fn habits(count: usize, decided_after: u64, used_for: u64) -> Made {
    let mut made = Made::new(&good(&[BASE, READ]), BEGIN);
    for _ in 0..count {
        let id = made.ask("dev", &READS).unwrap();
        made.wait(decided_after);
        assert!(made.review(id, "peer", Verdict::Approve));
        made.use_for(id, used_for);
        made.wait(3_600);
    }
    made
}

#[test]
fn what_is_always_approved_at_once_may_be_decided_automatically() {
    let found = suggest(&habits(10, 30, 3_000), &[BASE, READ], None);
    let [one] = of(&found, "automatic")[..] else { panic!("{found:#?}") };
    assert_eq!(one.evidence, "all 10 requests were approved within a minute by members of group:engineers, none was denied");
    assert_eq!((one.change.as_str(), one.examples.len()), ("auto_when = \"context.minutes <= 60\"", 3));
    assert_eq!(one.spot.as_ref().unwrap().to_string(), "1.toml:3");
    // The change is one that the files take, and under which nobody is asked.
    let changed = READ.replace("max =", &format!("{}\nmax =", one.change));
    assert_eq!(changes(&replay(&habits(10, 30, 3_000), &[BASE, &changed], None)), [(ChangeKind::Automatic, 10)]);
    for made in [habits(9, 30, 3_000), habits(10, 61, 3_000)] {
        assert!(of(&suggest(&made, &[BASE, READ], None), "automatic").is_empty());
    }
    let mut denied = habits(10, 30, 3_000);
    let id = denied.ask("dev", &READS).unwrap();
    assert!(denied.review(id, "peer", Verdict::Deny));
    assert!(of(&suggest(&denied, &[BASE, READ], None), "automatic").is_empty(), "one was denied");
}

#[test]
fn what_is_used_for_a_tenth_may_be_shorter() {
    let found = suggest(&habits(10, 120, 300), &[BASE, READ], None);
    let [one] = of(&found, "shorten")[..] else { panic!("{found:#?}") };
    assert_eq!(one.change, "max = \"5m\"\ndefault = \"5m\"");
    assert!(one.evidence.contains("of 10 grants, nine of ten were used for a tenth of what was asked for or less"), "{}", one.evidence);
    for made in [habits(9, 120, 300), habits(10, 120, 400)] {
        assert!(of(&suggest(&made, &[BASE, READ], None), "shorten").is_empty());
    }
}

#[test]
fn what_nobody_asks_for_may_go_where_the_ledger_goes_back_so_far() {
    let both = READ.replace("[\"read\"]", "[\"read\", \"write\"]");
    let other = READ.replace("engineers-read-orders", "other").replace("group:engineers", "user:boss");
    let made = habits(2, 120, 300);
    let found = suggest(&made, &[BASE, &both, &other], None);
    let told: Vec<_> = of(&found, "unused").iter().map(|s| (s.rule.as_str(), s.change.as_str())).collect();
    assert_eq!(told, [("engineers-read-orders", "roles = [\"read\"]"), ("other", "# remove the whole rule")]);
    let before = Some(BEGIN.parse::<Timestamp>().unwrap().before(Span::from_secs(1)));
    let short = suggest(&made, &[BASE, &both], before);
    assert!(of(&short, "unused").is_empty() && short.notes[0].contains("does not go back so far"), "{short:?}");
    assert_eq!(of(&suggest(&made, &[BASE, &both], Some(BEGIN.parse().unwrap())), "unused").len(), 1);
}

#[test]
fn emergencies_again_and_again_are_a_routine() {
    let mut made = Made::new(&good(&[BASE, MORE]), BEGIN);
    let glass = Wants { emergency: true, ..writes() };
    let office =
        |made: &mut Made, day: u64| made.go_to(BEGIN.parse::<Timestamp>().unwrap().after(Span::from_secs(day * 24 * 3_600 + 4 * 3_600)));
    for day in 0..2 {
        office(&mut made, day);
        made.ask("dev", &glass).unwrap();
    }
    let alone = &MORE[MORE.find("[[rule]]\nname = \"break-glass\"").unwrap()..];
    assert!(of(&suggest(&made, &[BASE, alone], None), "routine").is_empty(), "two are not many");
    office(&mut made, 2);
    made.ask("dev", &glass).unwrap();
    let found = suggest(&made, &[BASE, alone], None);
    let [one] = of(&found, "routine")[..] else { panic!("{found:#?}") };
    assert_eq!((one.evidence.as_str(), one.examples.len()), ("3 emergencies for write on orders-db", 3));
    let there_is_one = suggest(&made, &[BASE, MORE], None);
    assert!(
        of(&there_is_one, "routine")[0].message.starts_with("make the routine way to write on orders-db fast enough"),
        "{there_is_one:#?}"
    );
    // The change is a rule that the files take.
    let _rules = good(&[BASE, alone, &one.change]);
    assert!(
        one.change.contains("name = \"break-glass-routine\"") && one.change.contains("approve = { from = [\"owners\"] }"),
        "{}",
        one.change
    );
}
