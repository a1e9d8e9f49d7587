//! Tests in the files: what they may expect, when they fail, what they cover, and what is wrong with them.

use ajar_policy::{Suite, TestResult};

use crate::{BASE, READ, good, problems};

const OFFICE: &str = r#"
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
auto_when = "context.ticket like \"INC-*\" && context.history.denied == 0"
stages = [{ from = ["owners", "manager"] }, { from = ["user:boss"], when = "context.minutes > 60" }]

[[rule]]
name = "break-glass"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
max = "30m"
break_glass = { alert = ["owners"], review = { from = ["owners"] } }

[[rule]]
name = "not-ci"
who = ["user:ci"]
resources = ["orders-db"]
roles = ["read"]
deny = true
"#;

/// Questions of dev's for orders-db, each with the answer that it has.
const RIGHT: [(&str, &str); 13] = [
    ("role = 'read'", "{ needs = ['1 of owners'], max = '4h', can_approve = ['peer'], cannot_approve = ['dev', 'dev-admin', 'boss'] }"),
    ("", "{ needs = ['1 of owners'] }"),
    ("", "{ low_risk = false }"),
    ("role = 'write'\nfor = '30m'\nreason = 'a test'", "{ needs = ['1 of manager or owners'], can_approve = ['boss', 'peer'] }"),
    ("role = 'write'\nfor = '90m'\nreason = 'a test'", "{ needs = ['1 of owners or manager', '1 of user:boss'], max = '2h' }"),
    ("role = 'write'\nfor = '90m'\nreason = 'a test'\nticket = 'INC-7'", "'auto'"),
    (
        "role = 'write'\nreason = 'a test'\nticket = 'INC-7'\nhistory = { denied = 1, approved = 3 }",
        "{ needs = ['1 of owners or manager'] }",
    ),
    ("role = 'write'\nreason = 'a test'\nticket = 'INC-7'", "{ needs = [], max = '2h' }"),
    ("role = 'write'", "'refused'"),
    ("role = 'write'\nfor = '3h'\nreason = 'a test'", "'refused'"),
    ("role = 'write'\nemergency = true\nreason = 'orders are lost'", "'emergency'"),
    ("role = 'write'\nby = 'boss'\nreason = 'a test'", "'refused'"),
    ("role = 'write'\nreason = 'a test'\nproof = 'token'\nextension = 0", "{ needs = ['1 of owners or manager'] }"),
];

fn test(name: usize, asks: &str, expect: &str) -> String {
    let at = if asks.contains("write") { "at = '2026-11-25T10:00[Europe/Berlin]'\n" } else { "" };
    format!("[[test]]\nname = 'test {name}'\nwho = 'dev'\nresource = 'orders-db'\n{at}{asks}\nexpect = {expect}\n")
}

fn run(tests: &str) -> Suite {
    good(&[BASE, READ, OFFICE, tests]).run_tests()
}

fn one(asks: &str, expect: &str) -> TestResult {
    run(&test(1, asks, expect)).results.remove(0)
}

#[test]
fn what_is_expected_and_so_passes() {
    for (n, (asks, expect)) in RIGHT.iter().enumerate() {
        let result = one(asks, expect);
        assert!(result.passed(), "test {n}: {asks}\nexpected {expect}\nfound {}: {:?}", result.found, result.wrong);
        assert_eq!((result.spot.file.as_str(), result.spot.line), ("3.toml", 2));
    }
    let night = test(1, "role = 'write'", "'denied by not-at-night'").replace("10:00", "20:00");
    assert!(run(&night).results[0].passed(), "{:?}", run(&night));
    let ci = test(1, "", "'denied by not-ci'").replace("'dev'", "'ci'");
    assert!(run(&ci).results[0].passed(), "a rule that denies without a condition: {:?}", run(&ci));
}

#[test]
fn what_is_expected_and_not_so_fails_and_says_what_is() {
    let cases = [
        ("", "'auto'", "approved automatically", "needs 1 of owners, 4h at the most"),
        ("", "'refused'", "refused", "needs 1 of owners"),
        ("", "'emergency'", "an emergency that opens at once", "needs 1 of owners"),
        ("", "'denied by not-ci'", "denied by rule not-ci", "needs 1 of owners"),
        ("", "{ needs = ['2 of owners'] }", "needs 2 of owners", "needs 1 of owners"),
        ("", "{ needs = ['1 of manager'] }", "needs 1 of manager", "needs 1 of owners"),
        ("", "{ needs = [] }", "needs nobody", "needs 1 of owners"),
        ("", "{ needs = ['1 of owners', '1 of owners'] }", "needs 1 of owners, then 1 of owners", "needs 1 of owners"),
        ("", "{ max = '2h' }", "2h at the most", "4h at the most"),
        ("", "{ low_risk = true }", "of low risk", "needs 1 of owners, 4h at the most"),
        ("", "{ can_approve = ['peer', 'boss'] }", "boss can approve", ""),
        ("", "{ cannot_approve = ['peer', 'dev'] }", "peer can't approve", ""),
        ("for = '5h'", "'auto'", "approved automatically", "refused: 5h is too long (rule engineers-read-orders allows 4h at the most)"),
        ("role = 'write'", "'denied by engineers-write-orders'", "denied by rule engineers-write-orders", "refused: a reason of 4"),
        ("role = 'write'\nreason = 'a test'", "'denied by not-at-night'", "denied by rule not-at-night", "needs 1 of"),
        ("for = '5h'", "{ max = '5h' }", "something that may be asked for", "refused"),
    ];
    for (asks, expect, wrong, found) in cases {
        let result = one(asks, expect);
        assert_eq!(result.wrong, [wrong], "{asks} {expect}");
        assert!(result.found.contains(found), "{asks} {expect}: {}", result.found);
    }
}

#[test]
fn a_test_may_expect_that_something_is_of_low_risk() {
    let low = READ.replace("max = \"4h\"", "max = \"4h\"\nlow_risk = true");
    let run = |expect: &str| good(&[BASE, &low, OFFICE, &test(1, "", expect)]).run_tests().results.remove(0);
    let right = run("{ low_risk = true }");
    assert!(right.passed(), "{right:?}");
    let wrong = run("{ low_risk = false }");
    assert_eq!((wrong.wrong, wrong.found.as_str()), (vec!["not of low risk".to_owned()], "needs 1 of owners, 4h at the most, of low risk"));
}

#[test]
fn coverage_names_rules_and_sides_of_conditions_that_no_test_touches() {
    let none = run("").coverage;
    assert_eq!((none.reached, none.points, none.percent()), (0, 11, 0));
    assert_eq!(none.untouched.len(), 5);
    let some = run(&test(1, "role = 'write'\nreason = 'a test'", "{ max = '2h' }")).coverage;
    let untouched: Vec<_> = some.untouched.iter().map(|r| r.as_str()).collect();
    assert_eq!(untouched, ["break-glass", "engineers-read-orders", "not-at-night", "not-ci"]);
    let seen: Vec<_> = some.conditions.iter().map(|c| (c.rule.as_str(), c.part.as_str(), c.seen_true, c.seen_false)).collect();
    assert_eq!(
        seen,
        [
            ("engineers-write-orders", "auto_when", false, true),
            ("engineers-write-orders", "stage 2", false, true),
            ("not-at-night", "when", false, true)
        ]
    );
    assert_eq!((some.reached, some.percent()), (4, 36));
    let mut all: String = RIGHT.iter().enumerate().map(|(n, (asks, expect))| test(n, asks, expect)).collect();
    all.push_str(&test(20, "role = 'write'", "'denied by not-at-night'").replace("10:00", "20:00"));
    all.push_str(&test(21, "", "'denied by not-ci'").replace("'dev'", "'ci'"));
    let all = run(&all).coverage;
    assert_eq!((all.percent(), all.conditions.len(), all.untouched.len()), (100, 0, 0), "{all:?}");
}

#[test]
fn nobody_who_is_disabled_covers_anything() {
    let coverage = run(&test(1, "", "'refused'").replace("'dev'", "'gone'")).coverage;
    assert_eq!(coverage.reached, 0);
}

#[test]
fn mistakes_in_tests_name_file_line_and_a_near_match() {
    let right = test(1, "", "{ needs = ['1 of owners'] }");
    let cases = [
        (right.replace("'dev'", "'dve'"), "3.toml:3:7: there is no user or workload 'dve' (did you mean 'dev'?)"),
        (right.replace("orders-db", "order-db"), "3.toml:4:12: there is no resource 'order-db' (did you mean 'orders-db'?)"),
        (test(1, "role = 'raed'", "'auto'"), "3.toml:5:8: there is no role on this resource 'raed' (did you mean 'read'?)"),
        (test(1, "", "'atuo'"), "3.toml:6:10: nothing is expected by 'atuo' (did you mean 'auto'?)"),
        (test(1, "", "'denied by not-at-nihgt'"), "3.toml:6:10: there is no rule 'not-at-nihgt' (did you mean 'not-at-night'?)"),
        (test(1, "", "{}"), "3.toml:6:10: nothing is expected (needs = [\"2 of group:dbas\"])"),
        (test(1, "", "{ needs = ['two owners'] }"), "3.toml:6:21: that is not how many of whom (for example"),
        (test(1, "", "{ needs = ['0 of owners'] }"), "3.toml:6:21: that is not how many of whom"),
        (test(1, "", "{ needs = ['1 of group:ordres'] }"), "3.toml:6:21: there is no group 'ordres' (did you mean 'orders'?)"),
        (test(1, "", "{ can_approve = ['pear'] }"), "3.toml:6:27: there is no user or workload 'pear' (did you mean 'peer'?)"),
        (test(1, "proof = 'passwd'", "'auto'"), "3.toml:5:9: nobody signs in by 'passwd' (did you mean 'password'?)"),
        (test(1, "for = '0s'", "'auto'"), "3.toml:5:7: not a length of time"),
        (test(1, "role = 'write'", "'auto'").replace("10:00[Europe/Berlin]", "10:00"), "3.toml:5:6: not an instant"),
        (
            test(1, "role = 'write'", "'auto'").replace("at =", "# at ="),
            "3.toml:2:8: what the rules say of write on orders-db depends on the time: say when",
        ),
        (format!("{right}{right}"), "there is another test 'test 1'"),
        (right.replace("test 1", " "), "3.toml:2:8: a test has a name, of one line"),
    ];
    for (text, expected) in cases {
        let told = problems(&[BASE, READ, OFFICE, &text]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "expected {expected:?} in:\n{told}\nof:\n{text}");
    }
}
