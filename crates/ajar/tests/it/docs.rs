//! What the documents say is so: what is generated from the code is current, the example applies, every link leads somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn ajar(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_ajar")).args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn what_is_generated_is_what_the_code_says() {
    for (what, file) in [("schema", "docs/schema/policy.json"), ("openapi", "docs/openapi.json")] {
        let committed = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(ajar(&["internal", what]) == committed, "{file} is not current: run `cargo xtask codegen` and commit it");
    }
}

#[test]
fn the_example_of_a_policy_is_valid() {
    let out = ajar(&["policy", "check", root().join("examples/policy").to_str().unwrap()]);
    assert!(!out.to_lowercase().contains("error"), "{out}");
}

/// The targets of `[text](target)` that are files.
fn links(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    let target = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    target.map(|t| t.split('#').next().unwrap()).filter(|t| !t.is_empty() && !t.contains("://")).collect()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut folders = vec![root()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && !["target", ".git", "node_modules"].iter().any(|skipped| name == *skipped) {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                for link in links(&text) {
                    seen += 1;
                    assert!(path.parent().unwrap().join(link).exists(), "{}: {link} does not exist", path.display());
                }
            }
        }
    }
    assert!(seen > 10, "{seen} links");
}

/// Every file below a folder whose name ends so.
fn files(below: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![below.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !["target", "node_modules", "dist", "tests", "benches"].iter().any(|skipped| path.ends_with(skipped)) {
                folders.push(path);
            } else if path.extension().is_some_and(|e| ends.iter().any(|end| e == *end)) {
                found.push(path);
            }
        }
    }
    found
}

/// The commands that a text names in quotes or as code: one or two words after `ajar`.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(text.len());
    let named = text.match_indices("ajar ").filter(|(at, _)| text[..*at].ends_with(['`', '\'', '"', '>'])).map(|(at, ajar)| {
        let rest = &text[at + ajar.len()..];
        let (first, rest) = rest.split_at(word(rest));
        let second = rest.strip_prefix(' ').map(|rest| &rest[..word(rest)]);
        [Some(first), second].into_iter().flatten().filter(|w| w.starts_with(|c: char| c.is_ascii_lowercase())).collect()
    });
    named.filter(|words: &Vec<&str>| !words.is_empty()).collect()
}

#[test]
fn i20_every_command_that_is_named_anywhere_exists() {
    // What is said of Ajar, and of nothing that it does.
    const PROSE: [&str; 4] = ["asks", "gateway", "on", "serves"];
    let mut named = std::collections::BTreeMap::new();
    let places: [(&str, &[&str]); 4] =
        [("crates", &["rs"]), ("web/src", &["svelte", "ts"]), ("docs", &["md"]), ("examples", &["md", "yml"])];
    let below = places.iter().flat_map(|(below, ends)| files(&root().join(below), ends));
    for file in below.chain([root().join("README.md"), root().join("SECURITY.md")]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for words in commands(&text).into_iter().filter(|words| !PROSE.contains(&words[0])) {
            named.insert(words.join(" "), file.clone());
        }
    }
    assert!(named.len() > 50, "{named:?}");
    for (command, file) in named {
        let out = Command::new(env!("CARGO_BIN_EXE_ajar")).args(command.split(' ')).arg("--help").output().unwrap();
        assert!(out.status.success(), "{}: 'ajar {command}': {}", file.display(), String::from_utf8_lossy(&out.stderr));
    }
}

/// Where a description names something else of itself.
fn references<'v>(value: &'v serde_json::Value, found: &mut Vec<&'v str>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(|r| r.as_str()));
            fields.values().for_each(|value| references(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) | serde_json::Value::String(_) => {}
    }
}

#[test]
fn the_description_of_the_api_holds_together() {
    let description: serde_json::Value = serde_json::from_str(&ajar(&["internal", "openapi"])).unwrap();
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for reference in found {
        assert!(description.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let mut names = std::collections::BTreeSet::new();
    for (path, routes) in description["paths"].as_object().unwrap() {
        for (method, route) in routes.as_object().unwrap() {
            let name = route["operationId"].as_str().unwrap_or_default();
            assert!(!name.is_empty() && names.insert(name), "{method} {path}: '{name}' is another's name, too");
        }
    }
}
