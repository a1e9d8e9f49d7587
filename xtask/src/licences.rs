//! Licences and sources of what we depend on: `deny.toml`, checked by cargo-deny where it is installed, else here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, good, output};

pub(crate) fn check(root: &Path) -> Result<()> {
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return good(Command::new("cargo-deny").current_dir(root).args(["check", "licenses", "bans", "sources"]));
    }
    let rules = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let list = |after: &str| -> Vec<String> {
        let text = rules.split_once(after).map(|(_, rest)| rest.split(']').next().unwrap_or_default()).unwrap_or_default();
        text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (allowed, banned) = (list("allow = ["), list("deny = ["));
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
    use super::fits;

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
}
