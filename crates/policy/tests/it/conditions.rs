//! Rules that look at the time, the ticket, who asks, what lately was: what holds, and what is wrong with a condition.

use ajar_core::event::Proof;
use ajar_core::history::{History, Recent};
use ajar_core::plan::{Candidates, Facts};
use ajar_core::request::{Extends, Filed, InForce};
use ajar_core::time::Span;
use ajar_policy::{Allowed, Decision, Denied, Question, Why};

use crate::{BASE, Company, READ, problems};

const CALENDAR: &str = r#"
[[hours]]
name = "office"
zone = "Europe/Berlin"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "09:00"
to = "17:00"

[[schedule]]
name = "dba"
[[schedule.shift]]
zone = "UTC"
people = ["peer", "boss"]
since = "2026-11-23"
every = "7d"
[[schedule.cover]]
person = "dev"
from = "2026-12-24T08:00[Europe/Berlin]"
until = "2026-12-24T18:00[Europe/Berlin]"

[[user]]
name = "vendor"
manager = "boss"
attributes = { employer = "acme", "home office" = "yes" }
[[group]]
name = "vendors"
members = ["vendor"]
"#;

/// Wednesday, 10:00 in Berlin, and 20:00 on the same day.
const MORNING: &str = "2026-11-25T09:00:00Z";
const EVENING: &str = "2026-11-25T19:00:00Z";

fn company(rules: &str) -> Company {
    Company::with(&[CALENDAR, rules])
}

fn question(company: &Company, who: &str, at: &str) -> Question {
    Question::new(company.id(who), "orders-db".parse().unwrap(), "read".parse().unwrap(), at.parse().unwrap())
}

fn allowed(company: &Company, question: &Question) -> Allowed {
    match company.bound.decide(question) {
        Decision::Allowed(allowed) => allowed,
        other @ (Decision::Denied(_) | Decision::Refused(_)) => panic!("{other:?}"),
    }
}

fn refused(company: &Company, question: &Question) -> Why {
    match company.bound.decide(question) {
        Decision::Refused(why) => why,
        other @ (Decision::Denied(_) | Decision::Allowed(_)) => panic!("{other:?}"),
    }
}

fn denied(company: &Company, question: &Question) -> Denied {
    match company.bound.decide(question) {
        Decision::Denied(denied) => denied,
        other @ (Decision::Refused(_) | Decision::Allowed(_)) => panic!("{other:?}"),
    }
}

/// [`READ`] with more keys.
fn read(keys: &str) -> String {
    READ.replace("max = \"4h\"", &format!("max = \"4h\"\n{keys}"))
}

#[test]
fn i01_a_rule_speaks_only_of_what_its_condition_fits_and_says_so() {
    let company = company(&read("when = 'context.hours.office'"));
    assert_eq!(allowed(&company, &question(&company, "dev", MORNING)).plan.stages.len(), 1);
    let why = refused(&company, &question(&company, "dev", EVENING));
    assert_eq!(why.rule.unwrap().as_str(), "engineers-read-orders");
    assert_eq!(why.detail.unwrap(), "rule engineers-read-orders does when context.hours.office; context.hours.office is false");
    // Whom the rule is not for, hears nothing of it.
    assert_eq!(refused(&company, &question(&company, "boss", EVENING)).rule, None);
    assert_eq!(company.bound.visible(company.id("dev")).len(), 1, "it can be asked for at some time");
}

#[test]
fn what_conditions_can_look_at_is_what_it_is() {
    let cases = [
        ("principal.name == \"dev\"", true),
        ("principal == Principal::\"dev\"", true),
        ("principal == Principal::\"peer\"", false),
        ("principal.kind == \"user\" && principal.groups.contains(\"engineers\")", true),
        ("principal.groups.containsAny([\"vendors\", \"orders\"])", false),
        ("principal.attributes.employer == \"\"", true),
        ("principal.attributes[\"home office\"] == \"\"", true),
        ("resource.name == \"orders-db\" && resource.kind == \"postgres\" && resource.labels.env == \"prod\"", true),
        ("context.role == \"read\" && context.minutes == 20", true),
        ("context.ticket like \"INC-*\"", true),
        ("context.emergency || context.on_behalf", false),
        ("context.proof == \"token\"", true),
        ("context.now < datetime(\"2026-11-25T09:00:00.001Z\") && context.now >= datetime(\"2026-11-25T09:00:00.000Z\")", true),
        ("context.hours.office && !context.on_call.dba", true),
        ("context.history.approved == 3 && context.history.denied == 1 && context.history.emergencies == 0", true),
        ("if context.hours.office then context.history.denied < 2 else false", true),
        ("context.history.approved + 9223372036854775807 > 0", false),
    ];
    for (condition, holds) in cases {
        let company = company(&read(&format!("when = '''\n{condition}\n'''")));
        let question = Question {
            duration: Some(Span::from_secs(1_141)),
            ticket: Some(" INC-7 ".into()),
            proof: Some(Proof::Token("tok_01h455vb4pex5vsknk084sn02q".parse().unwrap())),
            recent: Recent { approved: 3, denied: 1, emergencies: 0 },
            ..question(&company, "dev", MORNING)
        };
        assert_eq!(matches!(company.bound.decide(&question), Decision::Allowed(_)), holds, "{condition}");
    }
}

#[test]
fn nobody_is_asked_where_auto_when_holds_and_the_values_are_kept() {
    let company = company(&read("auto_when = 'context.hours.office && context.minutes <= 60 && resource.labels.env == \"prod\"'"));
    let quick = allowed(&company, &question(&company, "dev", MORNING));
    assert!(quick.plan.stages.is_empty());
    let values = serde_json::to_string(&quick.values).unwrap();
    assert_eq!(values, r#"{"context.hours.office":true,"context.minutes":60,"resource.labels.env":"prod"}"#);
    let long = Question { duration: Some(Span::from_secs(3_601)), ..question(&company, "dev", MORNING) };
    assert_eq!(allowed(&company, &long).plan.stages.len(), 1);
    assert_eq!(allowed(&company, &question(&company, "dev", EVENING)).plan.stages.len(), 1);
}

#[test]
fn a_stage_is_needed_where_its_condition_holds_or_cannot_be_said() {
    let stages = |when: &str| {
        let keys = format!("stages = [{{ from = [\"owners\"] }}, {{ from = [\"manager\"], when = '{when}' }}]");
        let company = company(&READ.replace("approve = { from = [\"owners\"] }", &keys));
        allowed(&company, &question(&company, "dev", MORNING)).plan.stages.len()
    };
    assert_eq!((stages("context.minutes > 60"), stages("context.minutes <= 60")), (1, 2));
    assert_eq!(stages("context.minutes + 9223372036854775807 < 0"), 2, "what overflows fails closed");
}

#[test]
fn i04_what_cannot_be_said_fails_closed() {
    let overflow = "context.minutes + 9223372036854775807 < 0";
    let deny = format!(
        "[[rule]]\nname = \"no\"\nwho = [\"user:dev\"]\nresources = [\"orders-db\"]\nroles = [\"read\"]\ndeny = true\nwhen = '{overflow}'"
    );
    let denies = company(&format!("{READ}{deny}"));
    assert_eq!(denied(&denies, &question(&denies, "dev", MORNING)).rule.as_str(), "no");
    let allows = company(&read(&format!("when = '{overflow}'")));
    refused(&allows, &question(&allows, "dev", MORNING));
    let auto = company(&read(&format!("auto_when = '{overflow}'")));
    assert_eq!(allowed(&auto, &question(&auto, "dev", MORNING)).plan.stages.len(), 1);
}

#[test]
fn a_denial_with_a_condition_is_on_record_for_whom_others_let_ask() {
    let night = r#"
[[rule]]
name = "not-at-night"
who = ["group:engineers", "group:vendors"]
resources = ["orders-db"]
roles = ["read"]
deny = true
when = "!context.hours.office"
"#;
    let company = company(&format!("{READ}{night}"));
    allowed(&company, &question(&company, "dev", MORNING));
    let no = denied(&company, &question(&company, "dev", EVENING));
    assert_eq!(
        (no.rule.as_str(), serde_json::to_string(&no.values).unwrap().as_str()),
        ("not-at-night", r#"{"context.hours.office":false}"#)
    );
    // The vendor is in the rule that denies, and in none that allows: there is nothing to ask for.
    assert!(refused(&company, &question(&company, "vendor", EVENING)).message.contains("is denied"));
    assert!(company.bound.visible(company.id("vendor")).is_empty());
}

#[test]
fn i06_conditions_are_looked_at_again_at_each_decision() {
    let company = company(&read("when = 'context.hours.office'\nauto_when = 'context.ticket == \"INC-7\"'"));
    let filed = |ticket: Option<&str>, starts_at: Option<&str>| crate::filed(&company, "dev", ticket, starts_at);
    let (history, plain) = (History::default(), filed(None, None));
    let at = |when: &str| company.bound.at(&history, when.parse().unwrap());
    assert!(matches!(at(MORNING).in_force(&plain), InForce::Allowed { plan, .. } if plan.stages.len() == 1));
    assert_eq!(at(EVENING).in_force(&plain), InForce::Refused);
    assert!(matches!(at(MORNING).in_force(&filed(Some("INC-7"), None)), InForce::Allowed { plan, .. } if plan.stages.is_empty()));
    // What is for later is looked at as it will be then.
    assert!(matches!(at(EVENING).in_force(&filed(None, Some("2026-11-26T09:00:00Z"))), InForce::Allowed { .. }));
    assert_eq!(at(MORNING).in_force(&filed(None, Some(EVENING))), InForce::Refused);
}

#[test]
fn whoever_is_on_call_is_asked() {
    let company = company(&READ.replace("\"owners\"", "\"on-call:dba\""));
    let plan = allowed(&company, &question(&company, "dev", MORNING)).plan;
    assert_eq!(plan.stages[0].candidates, [Candidates::OnCall("dba".parse().unwrap())]);
    let history = History::default();
    let asked = |when: &str| {
        let at = company.bound.at(&history, when.parse().unwrap());
        at.candidates(&plan.stages[0].candidates, company.id("dev"), &["orders-db".parse().unwrap()])
    };
    assert_eq!(asked(MORNING), [company.id("peer")].into());
    assert_eq!(asked("2026-11-29T23:59:59Z"), [company.id("peer")].into());
    assert_eq!(asked("2026-11-30T00:00:00Z"), [company.id("boss")].into(), "the hand-over");
    assert_eq!(asked("2026-12-24T12:00:00Z"), [company.id("dev")].into(), "cover");
    assert_eq!(asked("2026-11-01T00:00:00Z"), [].into(), "before it began");
}

#[test]
fn who_owns_one_of_several_things_decides_on_none_of_the_others() {
    let company = company(READ);
    let history = History::default();
    let owners = |resources: &[&str]| {
        let resources: Vec<_> = resources.iter().map(|r| r.parse().unwrap()).collect();
        company.bound.at(&history, MORNING.parse().unwrap()).candidates(&[Candidates::Owners], company.id("dev"), &resources)
    };
    assert_eq!(owners(&["orders-db"]), [company.id("peer"), company.id("dev-admin")].into());
    assert_eq!(owners(&["users-db"]), [company.id("peer")].into());
    assert_eq!(owners(&["orders-db", "users-db"]), [company.id("peer")].into());
}

#[test]
fn only_whom_a_rule_names_asks_for_somebody_else() {
    let company =
        company(&READ.replace("\"group:engineers\"", "\"group:vendors\"").replace("max =", "on_behalf_by = [\"manager\"]\nmax ="));
    let asks = |who: &str| Question { principal: company.id(who), ..question(&company, "vendor", MORNING) };
    allowed(&company, &asks("vendor"));
    allowed(&company, &asks("boss"));
    for who in ["dev", "peer", "gone"] {
        assert_eq!(refused(&company, &asks(who)).rule, None, "{who}");
    }
    let orders = "orders-db".parse().unwrap();
    let could = |who: &str| company.bound.could_ask_for(company.id(who), company.id("vendor"), &orders, MORNING.parse().unwrap());
    assert!(could("boss") && could("vendor") && !could("dev"));
    // Several rules: every one has to name them.
    let stricter = r#"
[[rule]]
name = "vendors-too"
who = ["group:vendors"]
resources = ["orders-db"]
roles = ["read"]
approve = { from = ["owners"] }
"#;
    let company = self::company(&format!(
        "{}{stricter}",
        READ.replace("\"group:engineers\"", "\"group:vendors\"").replace("max =", "on_behalf_by = [\"manager\"]\nmax =")
    ));
    let asks = Question { principal: company.id("boss"), ..question(&company, "vendor", MORNING) };
    refused(&company, &asks);
}

#[test]
fn going_on_has_terms_of_its_own() {
    let company = company(&read("extend = { times = 2, max = \"30m\", approve = \"auto\" }"));
    let nth = |n: Option<u8>, time: Option<u64>| Question {
        extension: n,
        duration: time.map(Span::from_secs),
        ..question(&company, "dev", MORNING)
    };
    assert_eq!(allowed(&company, &nth(None, None)).plan.stages.len(), 1);
    let on = allowed(&company, &nth(Some(0), None));
    assert_eq!((on.plan.stages.len(), on.duration), (0, Span::from_secs(1_800)));
    assert!(refused(&company, &nth(Some(0), Some(1_801))).message.contains("too long"));
    allowed(&company, &nth(Some(1), None));
    assert!(refused(&company, &nth(Some(2), None)).detail.unwrap().contains("allows 2"));
    // What is pending is assessed by the same terms, as they are by then.
    let grant = "grant_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let pending = |nth| Filed { extends: Some(Extends { grant, nth }), ..crate::filed(&company, "dev", None, None) };
    let history = History::default();
    let at = company.bound.at(&history, MORNING.parse().unwrap());
    assert!(
        matches!(at.in_force(&pending(1)), InForce::Allowed { plan, max, .. } if plan.stages.is_empty() && max == Span::from_secs(1_800))
    );
    assert_eq!(at.in_force(&pending(2)), InForce::Refused);
    // Unless said: once, with the rule's own plan.
    let plain = self::company(READ);
    let nth = |n| Question { extension: Some(n), ..question(&plain, "dev", MORNING) };
    assert_eq!(allowed(&plain, &nth(0)).plan.stages.len(), 1);
    assert!(refused(&plain, &nth(1)).message.contains("1 times already"));
}

#[test]
fn a_wrong_condition_names_file_line_and_a_near_match() {
    let rule = |condition: &str| read(&format!("when = '''\n{condition}'''"));
    let told = |rule: &str| problems(&[BASE, CALENDAR, rule]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let cases = [
        ("context.hours.ofice", "2.toml:9:1: attribute `hours.ofice`"),
        ("context.hours.ofice", "did you mean `office`"),
        ("true &&\n  context.tikcet == \"x\"", "2.toml:10:3: attribute `tikcet`"),
        ("resource.labels.evn == \"prod\"", "2.toml:9:1: attribute `labels.evn`"),
        ("principal.attributes.salary == \"x\"", "attribute `attributes.salary`"),
        ("context.minutes > \"x\"", "2.toml:9:19: "),
        ("context.minutes", "2.toml:9:1: "),
        ("context.hours.office &&", "2.toml:"),
        ("true }; permit(principal, action, resource", "not a Cedar expression"),
        ("true\n}; permit(principal, action, resource) when { true", "not a Cedar expression"),
        ("principal.groups.contains(\"enginers\")", "2.toml:9:28: there is no group 'enginers' (did you mean 'engineers'?)"),
        ("principal in Group::\"engineers\"", "Group"),
        ("principal is Robot", "Robot"),
        ("\"", "not a Cedar expression"),
        ("false", "2.toml:9:1: this can never be true"),
        ("context.hours.office && !context.hours.office && false", "this can never be true"),
        ("", "not a Cedar expression"),
    ];
    for (condition, expected) in cases {
        let found = told(&rule(condition));
        assert!(found.contains(expected), "{condition}\nexpected: {expected}\nfound: {found}");
    }
    let hyphen = CALENDAR.replace("\"office\"", "\"night-shift\"");
    let found = problems(&[BASE, &hyphen, &rule("context.hours.night-shift")]).iter().map(ToString::to_string).collect::<String>();
    assert!(found.contains("write context.hours[\"night-shift\"]"), "{found}");
}

#[test]
fn o02_what_is_deep_or_long_is_refused_before_it_is_read() {
    for (condition, expected) in [
        (format!("{}true{}", "(".repeat(2_000), ")".repeat(2_000)), "nested 64 deep at the most"),
        (format!("{}true", "!".repeat(2_000)), "nested 64 deep at the most"),
        (format!("{}1 == 1", "-".repeat(3_000)), "nested 64 deep at the most"),
        (format!("true{}", " && true".repeat(1_000)), "4096 bytes at the most"),
        ("[".repeat(4_000), "nested 64 deep at the most"),
        (format!("{}true{}", "if true then ".repeat(200), " else false".repeat(200)), ""),
    ] {
        let found = problems(&[BASE, &read(&format!("when = '{condition}'"))]).iter().map(ToString::to_string).collect::<String>();
        assert!(found.contains(expected), "{expected}: {}", found.get(..200).unwrap_or(&found));
    }
}

#[test]
fn mistakes_in_hours_and_schedules_name_file_line_and_the_fix() {
    let cases = [
        (
            CALENDAR.replace("Europe/Berlin\"\ndays", "Europe/Berln\"\ndays"),
            "1.toml:4:8: there is no time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)",
        ),
        (CALENDAR.replace("\"wed\"", "\"wend\""), "1.toml:5:23: there is no day 'wend' (did you mean 'wed'?)"),
        (CALENDAR.replace("\"09:00\"", "\"9:00\""), "1.toml:6:8: not a time of day (for example \"09:00\", at most \"24:00\")"),
        (CALENDAR.replace("\"peer\", \"boss\"", "\"pear\""), "1.toml:13:11: there is no user 'pear' (did you mean 'peer'?)"),
        (CALENDAR.replace("\"2026-11-23\"", "\"2026-23-11\""), "1.toml:14:9: not a day (for example \"2026-12-24\")"),
        (CALENDAR.replace("\"7d\"", "\"36h\""), "1.toml:15:9: a turn lasts whole days"),
        (CALENDAR.replace("08:00[Europe/Berlin]", "08:00"), "1.toml:18:8: not an instant: it needs a day, a time and a zone"),
        (CALENDAR.replace("18:00[Europe/Berlin]", "07:00[Europe/Berlin]"), "1.toml:19:9: it would be over before it begins"),
    ];
    for (calendar, expected) in cases {
        let found = problems(&[BASE, &calendar]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(found.contains(expected), "expected: {expected}\nfound: {found}");
    }
    let rule = READ.replace("\"owners\"", "\"on-call:dbas\"");
    let found = problems(&[BASE, CALENDAR, &rule]).iter().map(ToString::to_string).collect::<String>();
    assert!(found.contains("there is no schedule 'dbas' (did you mean 'dba'?)"), "{found}");
}
