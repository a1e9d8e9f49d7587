//! Licences and sources of what we depend on: `deny.toml`, checked by cargo-deny where it is installed, else here; the pages' always here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, good, output};

/// What tools of the pages may have besides: they build and check, and nothing of them is handed on.
const TOOLS: [&str; 1] = ["Python-2.0"];
/// Packages that name their licence in a file alone.
const IN_A_FILE: [(&str, &str); 1] = [("node_modules/svelte-toolbelt", "MIT")];

pub(crate) fn check(root: &Path) -> Result<()> {
    let rules = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let lock = std::fs::read_to_string(root.join("web/package-lock.json")).context("cannot read web/package-lock.json")?;
    let wrong = pages(&serde_json::from_str(&lock)?, &list(&rules, "allow = ["));
    if !wrong.is_empty() {
        bail!("the pages' dependencies break deny.toml:\n  {}", wrong.join("\n  "));
    }
    crates(root, &rules)
}

/// The texts of a list in `deny.toml`.
fn list(rules: &str, after: &str) -> Vec<String> {
    let text = rules.split_once(after).map(|(_, rest)| rest.split(']').next().unwrap_or_default()).unwrap_or_default();
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What is wrong with the packages of a lock file of npm's.
fn pages(lock: &serde_json::Value, allowed: &[String]) -> Vec<String> {
    let tools: Vec<String> = allowed.iter().cloned().chain(TOOLS.map(str::to_owned)).collect();
    let packages = lock.get("packages").and_then(|p| p.as_object()).into_iter().flatten().filter(|(name, _)| !name.is_empty());
    let wrong = packages.filter_map(|(name, package)| {
        let in_a_file = IN_A_FILE.iter().find(|(named, _)| named == name).map(|(_, licence)| *licence);
        let licence = package.get("license").and_then(|l| l.as_str()).or(in_a_file).unwrap_or_default();
        let is_tool = package.get("dev").and_then(serde_json::Value::as_bool).unwrap_or_default();
        (!fits(licence, if is_tool { &tools } else { allowed })).then(|| format!("{name} has the licence '{licence}'"))
    });
    wrong.collect()
}

fn crates(root: &Path, rules: &str) -> Result<()> {
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return good(Command::new("cargo-deny").current_dir(root).args(["check", "licenses", "bans", "sources"]));
    }
    let (allowed, banned) = (list(rules, "allow = ["), list(rules, "deny = ["));
    let metadata: serde_json::Value = serde_json::from_str(&output(cargo().args(["metadata", "--format-version=1"]))?)?;
    let packages = metadata.get("packages").and_then(|p| p.as_array()).context("cargo metadata lists no packages")?;
    let mut wrong = Vec::new();
    for package in packages {
        let text = |name: &str| package.get(name).and_then(|v| v.as_str()).unwrap_or_default();
        let (name, source, licence) = (text("name"), text("source"), text("license"));
        if source.is_empty() {
            continue;
        }
        if !source.starts_with("registry+") {
            wrong.push(format!("{name} comes from {source}, not from the registry"));
        }
        if banned.iter().any(|b| b == name) {
            wrong.push(format!("{name} is banned"));
        }
        if !fits(licence, &allowed) {
            wrong.push(format!("{name} has the licence '{licence}'"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("dependencies break deny.toml:\n  {}", wrong.join("\n  ")) }
}

/// Whether an SPDX expression can be met: one alternative, of which every part is allowed.
fn fits(licence: &str, allowed: &[String]) -> bool {
    let plain = licence.replace(['(', ')'], " ").replace('/', " OR ");
    // Good enough for what registries hold: `A AND B` binds closer than `OR`.
    plain.split(" OR ").any(|alternative| {
        alternative.split(" AND ").all(|part| {
            let part = part.trim();
            allowed.iter().any(|a| a == part || part.strip_prefix(a.as_str()).is_some_and(|rest| rest.starts_with(" WITH ")))
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{fits, pages};

    #[test]
    fn licences_are_met_by_one_alternative() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned(), "Unicode-3.0".to_owned()];
        for good in ["MIT", "MIT OR GPL-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception", "MIT/GPL-2.0"] {
            assert!(fits(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0"] {
            assert!(!fits(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn what_the_pages_hand_on_is_held_to_more_than_their_tools() {
        let lock = json!({ "packages": {
            "": { "license": "whatever ours is" },
            "node_modules/good": { "license": "MIT" },
            "node_modules/tool": { "license": "Python-2.0", "dev": true },
            "node_modules/shipped": { "license": "Python-2.0" },
            "node_modules/silent": {},
        } });
        let wrong = pages(&lock, &["MIT".to_owned()]);
        assert_eq!(wrong, ["node_modules/shipped has the licence 'Python-2.0'", "node_modules/silent has the licence ''"]);
    }
}
