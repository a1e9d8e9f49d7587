//! Who may ask for what, and what it takes.

use ajar_core::history::History;
use ajar_core::plan::Candidates;
use ajar_core::time::Span;
use ajar_policy::{Allowed, Decision, Question, Why};

use crate::{BASE, Company, READ, good};

const AUTO: &str = r#"
[[rule]]
name = "auto-read"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read"]
max = "8h"
default = "2h"
approve = "auto"
"#;

const TWO: &str = r#"
[[rule]]
name = "prod-needs-two"
who = ["group:engineers"]
resources = { labels = { env = "prod" } }
roles = ["read", "write"]
max = "30m"
reason = { min_length = 5 }
stages = [{ from = ["manager"] }, { from = ["owners"], needed = 2, within = "10m", otherwise = { escalate = ["user:boss"] } }]
"#;

const FORBID: &str = r#"
[[rule]]
name = "not-dev"
who = ["user:dev"]
resources = ["orders-db"]
roles = ["read"]
deny = true
"#;

/// A Wednesday in November, 12:00 in London.
const NOON: &str = "2026-11-25T12:00:00Z";

fn ask(company: &Company, who: &str, resource: &str, role: &str, duration: Option<&str>, reason: &str) -> Decision {
    asked(company, who, (resource, role), duration, reason, false)
}

fn asked(company: &Company, who: &str, (resource, role): (&str, &str), duration: Option<&str>, reason: &str, emergency: bool) -> Decision {
    let plain = Question::new(company.id(who), resource.parse().unwrap(), role.parse().unwrap(), NOON.parse().unwrap());
    let duration = duration.map(|d| d.parse().unwrap());
    company.bound.decide(&Question { duration, reason: reason.into(), emergency, ..plain })
}

fn allowed(decision: Decision) -> Allowed {
    match decision {
        Decision::Allowed(allowed) => allowed,
        Decision::Refused(why) => panic!("refused: {why:?}"),
        Decision::Denied(denied) => panic!("denied: {denied:?}"),
    }
}

fn refused(decision: Decision) -> Why {
    match decision {
        Decision::Refused(why) => why,
        Decision::Allowed(allowed) => panic!("allowed: {allowed:?}"),
        Decision::Denied(denied) => panic!("denied: {denied:?}"),
    }
}

#[test]
fn i01_no_matching_rule_means_no_access() {
    let company = Company::with(&[READ]);
    for (who, resource, role) in
        [("boss", "orders-db", "read"), ("dev", "orders-db", "write"), ("dev", "users-db", "read"), ("gone", "orders-db", "read")]
    {
        refused(ask(&company, who, resource, role, None, ""));
    }
    assert_eq!(company.bound.visible(company.id("boss")), [], "an operator has no way in of their own");
}

#[test]
fn i20_what_may_not_be_known_looks_as_if_it_did_not_exist() {
    let company = Company::with(&[READ]);
    assert_eq!(refused(ask(&company, "dev", "users-db", "read", None, "")), refused(ask(&company, "dev", "no-such-db", "read", None, "")));
}

#[test]
fn the_commonest_rule_is_one_stage_by_one_owner() {
    let company = Company::with(&[READ]);
    let allowed = allowed(ask(&company, "dev", "orders-db", "read", None, ""));
    assert_eq!((allowed.duration, allowed.max), (Span::from_secs(3600), Span::from_secs(4 * 3600)));
    assert_eq!(allowed.plan.stages.len(), 1);
    assert_eq!(allowed.plan.stages[0].candidates, [Candidates::Owners]);
}

#[test]
fn i04_the_strictest_combination_wins() {
    let company = Company::with(&[READ, AUTO, TWO]);
    let strict = allowed(ask(&company, "dev", "orders-db", "read", None, "INC-7"));
    assert_eq!(strict.max, Span::from_secs(1800));
    assert_eq!(strict.plan.rules.len(), 3);
    let needed: u32 = strict.plan.stages.iter().map(|s| u32::from(s.needed.get())).sum();
    assert!(needed >= 3, "manager, and two owners: {:?}", strict.plan);
    assert!(refused(ask(&company, "dev", "orders-db", "read", None, "x")).message.contains("reason"));
    let too_long = refused(ask(&company, "dev", "orders-db", "read", Some("31m"), "INC-7"));
    assert_eq!((too_long.rule.unwrap().as_str(), too_long.hint.as_deref()), ("prod-needs-two", Some("--for 30m")));
}

#[test]
fn i04_a_deny_beats_everything() {
    let company = Company::with(&[AUTO, FORBID]);
    assert_eq!(refused(ask(&company, "dev", "orders-db", "read", None, "")).rule.unwrap().as_str(), "not-dev");
    assert!(company.bound.visible(company.id("dev")).is_empty());
    allowed(ask(&company, "peer", "orders-db", "read", None, ""));
}

#[test]
fn i04_auto_needs_every_rule_to_be_auto() {
    assert!(allowed(ask(&Company::with(&[AUTO]), "dev", "orders-db", "read", None, "")).plan.stages.is_empty());
    assert_eq!(allowed(ask(&Company::with(&[AUTO, READ]), "dev", "orders-db", "read", None, "")).plan.stages.len(), 1);
}

#[test]
fn i03_linked_accounts_are_one_human_and_a_workload_is_none() {
    let company = Company::with(&[READ]);
    let human = |name| company.bound.human(company.id(name));
    assert_eq!(human("dev"), human("dev-admin"));
    assert_ne!(human("dev"), human("peer"));
    assert_eq!((human("ci"), human("gone")), (None, None));
}

#[test]
fn i06_the_rules_in_force_speak_of_a_filed_request() {
    use ajar_core::request::{Filed, InForce};
    let company = Company::with(&[READ]);
    let filed = |who: &str| crate::filed(&company, who, None, None);
    let in_force = |company: &Company, filed: &Filed| company.bound.at(&History::default(), NOON.parse().unwrap()).in_force(filed);
    assert!(matches!(in_force(&company, &filed("dev")), InForce::Allowed { plan, .. } if plan.stages.len() == 1));
    assert_eq!(in_force(&company, &filed("gone")), InForce::Refused);
    let denied = Company::with(&[READ, FORBID]);
    assert_eq!(in_force(&denied, &filed("dev")), InForce::Refused);
}

#[test]
fn the_order_of_files_and_rules_does_not_matter() {
    let (one, two) = (good(&[BASE, READ, TWO, AUTO]), good(&[&[AUTO, TWO, READ].concat(), BASE]));
    let (a, b) = (one.bind(&crate::ids(&one)), two.bind(&crate::ids(&two)));
    let dev = *crate::ids(&one).get(&"dev".parse().unwrap()).unwrap();
    let plain = || Question::new(dev, "orders-db".parse().unwrap(), "read".parse().unwrap(), NOON.parse().unwrap());
    let question = |reason: &str| Question { reason: reason.into(), ..plain() };
    assert_eq!(a.decide(&question("INC-7")), b.decide(&question("INC-7")));
    assert_ne!(one.hash(), two.hash(), "the hash is of the files as they are");
    assert_eq!(one.hash(), good(&[BASE, READ, TWO, AUTO]).hash());
}

#[test]
fn a_request_carries_what_every_matching_rule_asks_for() {
    let ticketed =
        READ.replace("max = \"4h\"", "max = \"4h\"\nreason = { pattern = \"^INC-[0-9]+: \" }\nticket = { pattern = \"^INC-[0-9]+$\" }");
    let company = Company::with(&[&ticketed, AUTO]);
    let ask = |reason: &str, ticket: Option<&str>| {
        let plain = Question::new(company.id("dev"), "orders-db".parse().unwrap(), "read".parse().unwrap(), NOON.parse().unwrap());
        company.bound.decide(&Question { reason: reason.into(), ticket: ticket.map(str::to_owned), ..plain })
    };
    let why = refused(ask("fix it", Some("INC-7")));
    assert!(why.message.contains("a reason that fits ^INC-[0-9]+: ") && why.rule.unwrap().as_str() == "engineers-read-orders");
    assert!(refused(ask("INC-7: fix it", None)).message.contains("a ticket is needed"));
    assert!(refused(ask("INC-7: fix it", Some("OPS-1"))).message.contains("a ticket that fits ^INC-[0-9]+$"));
    allowed(ask("INC-7: fix it", Some("INC-7")));
    let scoped = Company::with(&[&READ.replace("max = \"4h\"", "max = \"4h\"\nscope = { pattern = \"^order [0-9]+$\" }")]);
    let ask = |scope: Option<&str>| {
        let plain = Question::new(scoped.id("dev"), "orders-db".parse().unwrap(), "read".parse().unwrap(), NOON.parse().unwrap());
        scoped.bound.decide(&Question { scope: scope.map(str::to_owned), ..plain })
    };
    assert!(refused(ask(None)).message.contains("a scope is needed"));
    let why = refused(ask(Some("all orders")));
    assert!(why.message.contains("a scope that fits ^order [0-9]+$") && why.hint.unwrap().contains("--scope"));
    allowed(ask(Some(" order 4711 ")));
}

#[test]
fn the_clock_and_the_single_use_of_a_rule_are_in_its_plan() {
    use ajar_core::plan::Opening;
    let opens = |rules: &[&str]| allowed(ask(&Company::with(rules), "dev", "orders-db", "read", None, "")).plan.opening;
    let first = READ.replace("max = \"4h\"", "max = \"4h\"\nclock = { on_first_use = \"8h\" }\nsingle_use = true");
    assert_eq!(opens(&[READ]), Opening::default());
    assert_eq!(opens(&[&first]), Opening { on_first_use: Some(Span::from_secs(8 * 3600)), single_use: true });
    assert_eq!(opens(&[&first, AUTO]), Opening { on_first_use: None, single_use: true }, "the strictest of both");
}

#[test]
fn i04_what_is_asked_for_is_of_low_risk_only_where_every_rule_that_matches_says_so() {
    let low = |rules: &[&str]| allowed(ask(&Company::with(rules), "dev", "orders-db", "read", None, "a reason")).plan.low_risk;
    let says_so = |rule: &str| rule.replace("roles = [\"read\"", "low_risk = true\nroles = [\"read\"");
    assert!(!low(&[READ]), "a rule that says nothing of it");
    assert!(low(&[&says_so(READ)]));
    assert!(!low(&[&says_so(READ), TWO]) && !low(&[READ, &says_so(TWO)]), "whichever comes first");
    assert!(low(&[&says_so(READ), &says_so(TWO)]));
    assert!(!low(&[&says_so(READ), AUTO]), "one that asks nobody is no exemption");
    assert!(low(&[&says_so(READ), &says_so(AUTO)]));
    // A rule that says nothing of the question has no say in it.
    let at_night = says_so(READ).replace("engineers-read-orders", "never") + "when = \"context.minutes > 100000\"\n";
    assert!(low(&[&says_so(READ), &at_night.replace("low_risk = true\n", "")]));
}

#[test]
fn what_denies_and_what_cannot_wait_is_never_of_low_risk() {
    let deny = FORBID.replace("deny = true", "deny = true\nlow_risk = true");
    let told = |rule: &str| crate::problems(&[BASE, rule]).iter().map(ToString::to_string).collect::<String>();
    assert!(told(&deny).contains("allows nothing that could be of low risk"), "{}", told(&deny));
    let glass = "[[rule]]\nname = \"break-glass\"\nwho = [\"group:engineers\"]\nresources = [\"orders-db\"]\nroles = [\"read\"]\nmax = \"30m\"\n\
                 low_risk = true\nbreak_glass = { alert = [\"owners\"], review = { from = [\"manager\"] } }\n";
    assert!(told(glass).contains("an emergency is not of low risk"), "{}", told(glass));
}

#[test]
fn a13_an_emergency_has_rules_of_its_own() {
    let glass = r#"
[[rule]]
name = "break-glass"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read", "write"]
max = "30m"
break_glass = { alert = ["owners"], review = { from = ["manager"], within = "4h" } }
"#;
    let now = |rules: &[&str], role: &str, reason: &str| asked(&Company::with(rules), "dev", ("orders-db", role), None, reason, true);
    let opened = allowed(now(&[READ, glass], "write", "orders are lost"));
    assert!(opened.plan.stages.is_empty());
    assert_eq!((opened.plan.rules.len(), opened.max), (1, Span::from_secs(1800)), "a routine rule says nothing of it");
    let owed = opened.emergency.unwrap();
    assert_eq!((owed.alert, owed.within), (vec![Candidates::Owners], Span::from_secs(4 * 3600)));
    assert_eq!(owed.reviews[0].candidates, [Candidates::Manager]);
    // It needs a reason; a rule that denies forbids it too; without a rule of its own there is none.
    assert!(refused(now(&[glass], "write", "help")).message.contains("a reason of 10 characters"));
    assert_eq!(refused(now(&[glass, FORBID], "read", "orders are lost")).rule.unwrap().as_str(), "not-dev");
    assert!(refused(now(&[READ], "read", "orders are lost")).hint.unwrap().contains("without --emergency"));
    // Nor does it let anything be asked for in routine.
    let company = Company::with(&[glass]);
    assert!(refused(ask(&company, "dev", "orders-db", "write", None, "orders are lost")).hint.unwrap().contains("--emergency"));
    assert_eq!(company.bound.visible(company.id("dev")).len(), 1);
    // Two rules: the stricter of both, and both their reviews.
    let other = glass.replace("\"break-glass\"", "\"other\"").replace("30m", "10m").replace("[\"manager\"]", "[\"owners\"]");
    let both = allowed(now(&[glass, &other], "write", "orders are lost"));
    assert_eq!((both.max, both.emergency.unwrap().reviews.len()), (Span::from_secs(600), 2));
}
