//! What lint finds, each with a near miss that it leaves alone.

use ajar_policy::{Lint, Severity};

use crate::{BASE, READ, good};

const NOW: &str = "2026-11-25T09:00:00Z";

fn lint(rules: &[&str]) -> Lint {
    good(&[&[BASE], rules].concat()).lint(NOW.parse().unwrap())
}

fn told(rules: &[&str]) -> Vec<String> {
    let told = lint(rules).findings.into_iter();
    told.map(|f| format!("{} {}: {}", f.severity.word(), f.rule.map(|r| r.to_string()).unwrap_or_default(), f.message)).collect()
}

/// Asserts that something is found with the first rules and not with the second.
fn only(expected: &str, with: &[&str], without: &[&str]) {
    let (with, without) = (told(with), told(without));
    assert!(with.iter().any(|f| f.contains(expected)), "expected {expected:?} in {with:#?}");
    assert!(!without.iter().any(|f| f.contains(expected)), "{expected:?} is not so: {without:#?}");
}

fn read(keys: &str) -> String {
    READ.replace("max = \"4h\"", &format!("max = \"4h\"\n{keys}"))
}

const HOURS: &str = r#"
[[hours]]
name = "holidays"
zone = "Europe/Berlin"
days = ["sat"]
from = "09:00"
to = "09:10"
[[hours]]
name = "working"
zone = "Europe/Berlin"
days = ["mon", "tue"]
[[schedule]]
name = "dba"
[[schedule.shift]]
zone = "UTC"
people = ["peer"]
since = "2026-11-23"
"#;

#[test]
fn findings_have_a_place() {
    let found = lint(&[&READ.replace("group:engineers", "user:gone")]);
    let finding = &found.findings[0];
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.spot.as_ref().unwrap().to_string(), "1.toml:3");
    assert!(!found.cut_short);
}

#[test]
fn rules_that_can_never_match() {
    only("nobody can match it: there is nobody in user:gone", &[&READ.replace("group:engineers", "user:gone")], &[READ]);
    let nobody = "[[group]]\nname = \"empty\"\nmembers = [\"gone\"]\n";
    only(
        "nobody can match it: there is nobody in group:empty",
        &[nobody, &READ.replace("group:engineers", "group:empty")],
        &[nobody, READ],
    );
    let never = "error engineers-read-orders: the rule never matches: when can't hold";
    for (impossible, possible) in [
        ("context.hours.holidays && context.hours.working", "context.hours.holidays || context.hours.working"),
        ("context.now < datetime(\"2026-11-01T00:00:00Z\")", "context.now < datetime(\"2026-12-01T00:00:00Z\")"),
        ("resource.labels.env == \"test\"", "resource.labels.env == \"prod\""),
        ("principal.groups.contains(\"orders\") && principal.kind == \"workload\"", "principal.groups.contains(\"orders\")"),
        ("context.role == \"write\"", "context.role == \"read\""),
        ("context.on_call.dba && principal.name == \"dev\"", "context.on_call.dba && principal.name == \"peer\""),
        // What can't be known beforehand is left alone.
        ("resource.labels.env == \"test\"", "resource.labels.env == \"test\" && context.minutes > 5"),
        // Ten minutes a week are found.
        ("context.hours.holidays && context.hours.working", "context.hours.holidays"),
    ] {
        only(never, &[HOURS, &read(&format!("when = '{impossible}'"))], &[HOURS, &read(&format!("when = '{possible}'"))]);
    }
    let auto = |when: &str| read(&format!("auto_when = '{when}'"));
    only(
        "nothing is ever approved automatically: auto_when",
        &[&auto("resource.labels.env == \"test\"")],
        &[&auto("resource.labels.env == \"prod\"")],
    );
    let stage = |when: &str| {
        READ.replace(
            "approve = { from = [\"owners\"] }",
            &format!("stages = [{{ from = [\"owners\"] }}, {{ from = [\"manager\"], when = '{when}' }}]"),
        )
    };
    only("the stage is never needed: stage 2", &[&stage("context.role == \"write\"")], &[&stage("context.role == \"read\"")]);
}

#[test]
fn i04_what_is_denied_to_everybody() {
    let deny = |who: &str, when: &str| {
        format!("[[rule]]\nname = \"no\"\nwho = [{who}]\nresources = [\"orders-db\"]\nroles = [\"read\"]\ndeny = true\n{when}")
    };
    let expected = "error engineers-read-orders: it never lets anybody in: whatever it allows is denied by no";
    only(expected, &[READ, &deny("\"group:engineers\"", "")], &[READ, &deny("\"user:dev\", \"user:peer\"", "")]);
    only(
        expected,
        &[READ, &deny("\"user:dev\", \"user:peer\", \"user:ci\"", "")],
        &[READ, &deny("\"group:engineers\"", "when = 'context.emergency'")],
    );
}

#[test]
fn a10_stages_that_nobody_can_fulfil() {
    let stage = |stage: &str| READ.replace("{ from = [\"owners\"] }", stage);
    let expected =
        "error engineers-read-orders: stage 1 needs 3 people, and for requests of anybody whom the rule is for there are 2 people";
    only(expected, &[&stage("{ from = [\"owners\"], needed = 3 }")], &[&stage("{ from = [\"owners\", \"user:boss\"], needed = 3 }")]);
    // Owners are peer and dev-admin, who is dev: whichever of them asks, one is left.
    only(
        "warning engineers-read-orders: stage 1 needs 2 people, and for requests of dev, peer on orders-db there are 1 person",
        &[&stage("{ from = [\"owners\"], needed = 2 }")],
        &[&stage("{ from = [\"owners\"], needed = 2, otherwise = { escalate = [\"user:boss\"] } }")],
    );
    // peer and ci have no manager.
    only("for requests of ci, peer on orders-db", &[&stage("{ from = [\"manager\"] }")], &[&stage("{ from = [\"manager\", \"owners\"] }")]);
    only(
        "for requests of peer on orders-db",
        &[HOURS, &stage("{ from = [\"on-call:dba\"] }")],
        &[HOURS, &stage("{ from = [\"on-call:dba\", \"user:boss\"] }")],
    );
    let both = |second: &str| READ.replace("approve = { from = [\"owners\"] }", &format!("stages = [{{ from = [\"owners\"] }}, {second}]"));
    only(
        "its stages together need up to 2 different people, and for requests of dev, peer on orders-db there are 1 person",
        &[&both("{ from = [\"owners\"] }")],
        &[&both("{ from = [\"owners\", \"user:boss\"] }")],
    );
    only(
        "it is skipped at once",
        &[&both("{ from = [\"owners\"] }").replacen("[\"owners\"]", "[\"user:gone\"], otherwise = \"next\"", 1)],
        &[READ],
    );
    let glass = |from: &str| {
        let review = format!("break_glass = {{ alert = [\"owners\"], review = {{ from = [\"{from}\"] }} }}");
        READ.replace("approve = { from = [\"owners\"] }", &review)
    };
    only("review 1 needs 1 person, and for requests of anybody", &[&glass("user:ci")], &[&glass("user:boss")]);
    only("what is owed can never be paid", &[&glass("user:ci")], &[&glass("user:boss")]);
}

#[test]
fn rules_that_change_nothing() {
    let other = |text: &str| text.replace("engineers-read-orders", "zz-other");
    let expected = "warning engineers-read-orders: it changes nothing: zz-other ask at least as much";
    only(expected, &[READ, &other(READ)], &[READ, &other(&READ.replace("4h", "8h"))]);
    only(
        expected,
        &[READ, &other(&READ.replace("group:engineers\"]", "group:engineers\", \"user:boss\"]"))],
        &[READ, &other(&READ.replace("group:engineers", "user:dev"))],
    );
    only(expected, &[READ, &other(&READ.replace("4h", "2h"))], &[READ, &other(&read("when = 'context.minutes > 5'"))]);
    only(expected, &[READ, &other(&read("reason = { min_length = 5 }"))], &[&read("reason = { min_length = 5 }"), &other(READ)]);
    only(expected, &[READ, &other(&read("extend = { times = 0 }"))], &[&read("extend = { times = 0 }"), &other(READ)]);
    // Of two that are the same, one is left.
    assert_eq!(told(&[READ, &other(READ)]).iter().filter(|f| f.contains("it changes nothing")).count(), 1);
}

#[test]
fn teams_that_approve_their_own() {
    let team = |from: &str| READ.replace("group:engineers", "group:orders").replace("\"owners\"", from);
    only(
        "members of group:both approve each other's everything",
        &[BOTH, &team("\"owners\"").replace("group:orders", "group:both")],
        &[BOTH, &team("\"owners\", \"user:boss\"").replace("group:orders", "group:both")],
    );
    let alone = "could alone approve what group:both may ask for (engineers-read-orders) for the rest of it";
    let both = |from: &str| team(from).replace("group:orders", "group:both");
    only(alone, &[BOTH, &both("\"owners\", \"user:boss\"")], &[BOTH, &both("\"user:boss\"")]);
    only(
        alone,
        &[BOTH, &both("\"owners\", \"user:boss\"")],
        &[BOTH, &both("\"owners\", \"user:boss\"").replace("from =", "needed = 2, from =")],
    );
    let write =
        READ.replace("engineers-read-orders", "write").replace("[\"read\"]", "[\"write\"]").replace("group:engineers", "group:both");
    only(
        "info : boss could alone approve what group:both may ask for",
        &[BOTH, &both("\"user:boss\""), &write.replace("\"owners\"", "\"user:boss\"")],
        &[BOTH, &both("\"user:boss\""), &write],
    );
}

const BOTH: &str = "[[user]]\nname = \"third\"\n[[group]]\nname = \"both\"\nmembers = [\"dev\", \"peer\", \"third\"]\n";

#[test]
fn what_nobody_approves_is_told_of() {
    let auto = READ.replace("{ from = [\"owners\"] }", "\"auto\"");
    only("info engineers-read-orders: it approves automatically on orders-db", &[&auto], &[&auto.replace("orders-db", "users-db")]);
    only("it approves automatically on orders-db", &[&auto], &[&auto.replace("max =", "when = 'context.minutes < 5'\nmax =")]);
    let stages = |stages: &str| READ.replace("approve = { from = [\"owners\"] }", &format!("stages = [{stages}]"));
    let one = "{ from = [\"owners\"], when = 'context.minutes > 5' }";
    only("each of its stages has a condition", &[&stages(one)], &[&stages(&format!("{one}, {{ from = [\"user:boss\"] }}"))]);
}

#[test]
fn what_goes_past_the_gateway_is_told_of() {
    let host = "[[resource]]\nname = \"web\"\nkind = \"ssh\"\nhost = \"web\"\n[resource.roles.ops]\nlogins = [\"ops\"]\n\
                [resource.roles.read]\nlogins = [\"read\"]\ndirect = true\n";
    let rule = READ.replace("orders", "web").replace("web-db", "web").replace("{ from = [\"owners\"] }", "\"auto\"");
    let expected = "info engineers-read-web: sessions of web/read may go past the gateway: not recorded, not cut";
    only(expected, &[host, &rule], &[host, &rule.replace("\"read\"", "\"ops\"")]);
    only(expected, &[host, &rule], &[&host.replace("direct = true", ""), &rule]);
    let deny = rule.replace("max = \"4h\"\napprove = \"auto\"", "deny = true");
    only("past the gateway", &[host, &rule], &[host, &deny]);
}
