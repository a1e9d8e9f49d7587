//! Mistakes in files: each tells file, line, column and the fix.

use std::collections::BTreeSet;

use ajar_policy::{FILE_MAX, Problem, parse, schema};
use serde_json::Value;

use crate::{BASE, READ, files, problems};

fn told(rule: &str) -> String {
    problems(&[BASE, rule]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn mistakes_name_file_line_and_a_near_match() {
    let cases = [
        (READ.replace("orders-db", "ordres-db"), "1.toml:5:14: there is no resource 'ordres-db' (did you mean 'orders-db'?)"),
        (READ.replace("group:engineers", "group:enginers"), "1.toml:4:8: there is no group 'enginers' (did you mean 'engineers'?)"),
        (READ.replace("group:engineers", "engineers"), "1.toml:4:8: 'engineers' names nobody (did you mean 'group:engineers'?)"),
        (READ.replace("\"read\"", "\"raed\""), "1.toml:6:10: there is no role on these resources 'raed' (did you mean 'read'?)"),
        (
            READ.replace("4h", "4 hours"),
            "1.toml:7:7: not a length of time: write it like 30s, 10m, 1h30m or 2d; longer than nothing, at most 366d",
        ),
        (READ.replace("4h", "0s"), "1.toml:7:7: not a length of time"),
        (READ.replace("{ from = [\"owners\"] }", "\"atuo\""), "1.toml:8:11: there is no approval 'atuo' (did you mean 'auto'?)"),
        (READ.replace("[\"owners\"]", "[]"), "1.toml:3:8: a stage says from whom: 'from' is empty"),
        (READ.replace("from = [\"owners\"]", "from = [\"owners\"], needed = 0"), "1.toml:3:8: a stage needs one approval at least"),
        (READ.replace("approve = { from = [\"owners\"] }", ""), "1.toml:3:8: the rule doesn't say who approves"),
        (READ.replace("roles =", "rolse ="), "1.toml:6:1: unknown field `rolse`"),
        (READ.replace("[[rule]]", "[[rules]]"), "1.toml:2:3: unknown field `rules`"),
        (READ.replace("[\"group:engineers\"]", "[]"), "1.toml:3:8: 'who' is empty: the rule can never match"),
        (READ.replace("[\"orders-db\"]", "{ labels = { env = \"porn\" } }"), "1.toml:5:13: no resource fits: the rule can never match"),
        (READ.replace("max = \"4h\"", "max = \"4h"), "1.toml:7:"),
        (
            READ.replace("from = [\"owners\"]", "from = [\"owners\"], otherwise = { escalate = [\"manager\", [\"group:orders\"]] }"),
            "1.toml:8:44: an escalation is a list of people, or a list of such lists",
        ),
        (
            READ.replace("from = [\"owners\"]", "from = [\"owners\"], otherwise = { escalate = [[\"group:ordres\"]] }"),
            "there is no group 'ordres' (did you mean 'orders'?)",
        ),
        (
            READ.replace("max = \"4h\"", "max = \"4h\"\nticket = { pattern = \"INC-(\" }"),
            "1.toml:8:22: not a usable pattern: error: unclosed group",
        ),
        (READ.replace("max = \"4h\"", "max = \"4h\"\nreason = { pattern = \"(a{1000}){1000}\" }"), "1.toml:8:22: not a usable pattern: "),
        (
            READ.replace("max = \"4h\"", "max = \"4h\"\nclock = \"on_first_use\""),
            "1.toml:8:9: a clock is \"on_approval\", or { on_first_use = \"8h\" }",
        ),
        (READ.replace("max = \"4h\"", "max = \"4h\"\nclock = { on_first_use = \"0s\" }"), "1.toml:8:26: not a length of time"),
        (
            READ.replace("approve = {", "break_glass = { alert = [\"owners\"], review = { from = [\"owners\"] } }\napprove = {"),
            "1.toml:8:15: an emergency opens at once, for who asks: it has no approval, clock, single use, extension or bundle",
        ),
        (
            READ.replace("approve = { from = [\"owners\"] }", "break_glass = { alert = [], review = { from = [\"ownres\"] } }")
                .replace("4h", "5h"),
            "1.toml:7:7: an emergency is short: 4h at the most",
        ),
        (
            READ.replace("approve = { from = [\"owners\"] }", "break_glass = { alert = [], review = { from = [\"owners\"] } }"),
            "1.toml:8:15: an emergency alerts somebody",
        ),
        (format!("{READ}{READ}"), "there is another rule 'engineers-read-orders'"),
    ];
    for (rule, expected) in cases {
        let told = told(&rule);
        assert!(told.contains(expected), "expected {expected:?} in:\n{told}\nof:\n{rule}");
    }
}

#[test]
fn many_mistakes_are_told_at_once() {
    let both = READ.replace("orders-db", "x-db").replace("engineers\"]", "nobody\"]");
    assert!(problems(&[BASE, &both, &READ.replace("4h", "soon")]).len() >= 3);
}

#[test]
fn o02_huge_and_deep_files_are_capped() {
    assert!(problems(&[&format!("# {}", "x".repeat(FILE_MAX))])[0].message.contains("larger than"));
    let many = (0..10_001).map(|i| (format!("{i}.toml"), String::new())).collect();
    assert!(parse(&many).unwrap_err()[0].message.contains("too much"));
    let deep = format!("[[resource]]\nlabels = {}{}", "{ a = ".repeat(5_000), "}".repeat(5_000));
    assert_eq!(problems(&[&deep]).len(), 1);
    assert!(!problems(&[&"[".repeat(100_000)]).is_empty());
}

#[test]
fn only_toml_files_count() {
    let mut with_readme = files(&[BASE, READ]);
    let before = parse(&with_readme).unwrap();
    with_readme.insert("README.md".into(), "not TOML".into());
    assert_eq!(parse(&with_readme).unwrap(), before);
}

#[test]
fn a_database_has_what_databases_have() {
    let base = |from: &str, to: &str| {
        assert!(BASE.contains(from), "{from}");
        BASE.replacen(from, to, 1)
    };
    let cases = [
        (base("host =", "# "), "0.toml:4:8: a resource of kind postgres has 'host' (host = \"db1.internal\")"),
        (base("database =", "# "), "0.toml:4:8: a resource of kind postgres has 'database' (database = \"orders\")"),
        (base("tls =", "# "), "0.toml:4:8: a resource of kind postgres has 'tls' (tls = \"system\")"),
        (base("admin =", "# "), "0.toml:4:8: a resource of kind postgres has 'admin' (admin = { user = "),
        (base("\"postgres\"", "\"postgre\""), "0.toml:4:8: there is no kind 'postgre' (did you mean 'postgres'?)"),
        (base("tls =", "hosts = []\ntls ="), "0.toml:10:9: 'hosts' is not for resources of kind postgres (did you mean 'host'?)"),
        (
            base("tls =", "upstream = \"https://x\"\ntls ="),
            "0.toml:10:12: 'upstream' is not for resources of kind postgres (those have 'host', ",
        ),
        (
            base("member_of = [\"orders_read\"]", "allow = [\"GET /\"]"),
            "0.toml:13:9: 'allow' is not for roles of kind postgres (those have 'member_of', 'grants', 'connection_limit', 'settings')",
        ),
        (base("roles.read", "roles.READ"), "0.toml:12:17: 'READ' is not a role name"),
        (base("SELECT, INSERT", "SELECT INSERT"), "0.toml:15:11: "),
        (base("host = \"127.0.0.1\"", "host = \"\""), "0.toml:8:8: that is not a host"),
    ];
    for (base, expected) in cases {
        let told = problems(&[&base]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "expected {expected:?} in:\n{told}\nof:\n{base}");
    }
}

#[test]
fn the_schema_knows_every_key_that_the_parser_takes() {
    let schema = schema();
    let keys = |table: &str| -> BTreeSet<String> {
        let items = &schema["properties"][table]["items"];
        kinds(items).iter().flat_map(properties).collect()
    };
    for table in ["resource", "rule", "group", "user", "workload", "test"] {
        let told = problems(&[&format!("[[{table}]]\nname = \"x\"\nno_such_key = 1\n")]);
        assert_eq!(keys(table), expected_keys(&told), "{table}");
    }
    let resources = &schema["properties"]["resource"]["items"];
    let roles: BTreeSet<String> =
        kinds(resources).iter().flat_map(|kind| properties(&kind["properties"]["roles"]["additionalProperties"])).collect();
    let told = problems(&["[[resource]]\nname = \"x\"\nkind = \"http\"\n[resource.roles.read]\nno_such_key = 1\n"]);
    assert_eq!(roles, expected_keys(&told));
}

#[test]
fn the_schema_knows_what_the_parser_takes_of_each_kind() {
    let schema = schema();
    let all = kinds(&schema["properties"]["resource"]["items"]);
    let every: BTreeSet<String> = all.iter().flat_map(properties).collect();
    let examples = [
        ("host", "\"h\""),
        ("port", "1"),
        ("database", "\"d\""),
        ("tls", "\"system\""),
        ("admin", "{ user = \"u\", password = { env = \"P\" } }"),
        ("upstream", "\"https://x\""),
        ("hosts", "[]"),
        ("host_keys", "[\"ajar\"]"),
        ("credential", "{ bearer = { env = \"A\" } }"),
        ("record", "{}"),
    ];
    for kind in &all {
        let word = kind["properties"]["kind"]["enum"][0].as_str().unwrap();
        let told = |keys: &str| {
            let file = format!("[[resource]]\nname = \"x\"\nkind = \"{word}\"\n{keys}\n[resource.roles.read]\n");
            problems(&[&file]).into_iter().map(|p| p.message).collect::<Vec<_>>()
        };
        // What is required is what is missed, and what is not known is refused.
        let missed = told("");
        let required: BTreeSet<&str> = kind["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        for key in required.iter().filter(|key| !["name", "kind", "roles"].contains(*key)) {
            assert!(missed.contains(&format!("a resource of kind {word} has '{key}'")), "{word} {key}: {missed:?}");
        }
        let known = properties(kind);
        for key in
            every.iter().filter(|key| !["name", "kind", "description", "labels", "owners", "default_role", "roles"].contains(&key.as_str()))
        {
            let (_, example) = examples.iter().find(|(name, _)| name == key).unwrap_or_else(|| panic!("no example of {key}"));
            let refused = told(&format!("{key} = {example}")).contains(&format!("'{key}' is not for resources of kind {word}"));
            assert_eq!(refused, !known.contains(key), "{word} {key}");
            let missing = told(&format!("{key} = {example}")).contains(&format!("a resource of kind {word} has '{key}'"));
            assert!(!missing, "{word} {key}");
        }
        assert_eq!(missed.iter().filter(|message| message.starts_with("a resource of kind")).count(), required.len() - 3, "{word}");
    }
}

/// What a table can be: of one kind, or of several.
fn kinds(items: &Value) -> Vec<Value> {
    items["oneOf"].as_array().cloned().unwrap_or_else(|| vec![items.clone()])
}

fn properties(object: &Value) -> BTreeSet<String> {
    object["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The parser lists the keys that it takes, in its message for an unknown one.
fn expected_keys(told: &[Problem]) -> BTreeSet<String> {
    let text = told.iter().map(|p| p.message.clone()).collect::<String>();
    text.split_once("expected").unwrap().1.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
