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
