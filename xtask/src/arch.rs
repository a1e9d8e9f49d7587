//! Which crate may use which: ARCHITECTURE.md's table, enforced.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{cargo, output};

/// Of ours, what each crate may use.
const ARROWS: [(&str, &[&str]); 12] = [
    ("ajar-core", &[]),
    ("ajar-policy", &["ajar-core"]),
    ("ajar-ledger", &["ajar-core"]),
    ("ajar-wire", &[]),
    ("ajar-engine", &["ajar-core", "ajar-policy", "ajar-ledger"]),
    ("ajar-store", &["ajar-core", "ajar-ledger"]),
    ("ajar-connectors", &["ajar-core", "ajar-wire"]),
    ("ajar-gateway", &["ajar-core", "ajar-wire"]),
    ("ajar-api", &["ajar-core", "ajar-policy", "ajar-ledger", "ajar-engine"]),
    ("ajar-sample", &[]),
    (
        "ajar",
        &[
            "ajar-core",
            "ajar-policy",
            "ajar-ledger",
            "ajar-engine",
            "ajar-store",
            "ajar-connectors",
            "ajar-gateway",
            "ajar-api",
            "ajar-sample",
        ],
    ),
    ("xtask", &[]),
];
/// Crates that know neither clock, nor files, nor sockets.
const PURE: [&str; 4] = ["ajar-core", "ajar-policy", "ajar-ledger", "ajar-wire"];
/// What they must not reach, however indirectly.
const IMPURE: [&str; 12] =
    ["tokio", "mio", "socket2", "async-std", "hyper", "reqwest", "axum", "sqlx", "rustls", "rand", "getrandom", "tracing-subscriber"];
/// What they must not name.
const AMBIENT: [&str; 11] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "ToSocketAddrs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tokio::",
    "std::os::",
];
/// Libraries that belong to some crates only.
const OWNED: [(&str, &[&str]); 4] = [
    ("sqlx", &["ajar-store"]),
    ("axum", &["ajar-api", "ajar", "ajar-sample"]),
    ("reqwest", &["ajar"]),
    ("russh", &["ajar", "ajar-gateway"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

pub(crate) fn check(root: &Path) -> Result<()> {
    let metadata: Metadata = serde_json::from_str(&output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?)?;
    let mut wrong = Vec::new();
    for package in metadata.packages.iter().filter(|p| metadata.workspace_members.contains(&p.id)) {
        let name = package.name.as_str();
        let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
            wrong.push(format!("{name} is not in the table of crates: xtask/src/arch.rs and ARCHITECTURE.md"));
            continue;
        };
        let normal = package.dependencies.iter().filter(|d| d.kind.is_none());
        for dependency in normal {
            let used = dependency.name.as_str();
            if used.starts_with("ajar-") && !allowed.contains(&used) {
                wrong.push(format!("{name} must not use {used}"));
            }
            if OWNED.iter().any(|(library, owners)| *library == used && !owners.contains(&name)) {
                wrong.push(format!("{name} must not use {used}"));
            }
        }
        if PURE.contains(&name) {
            wrong.extend(reached(name)?.into_iter().map(|what| format!("{name} reaches {what}, and must be pure")));
            wrong.extend(ambient(&root.join("crates").join(name.trim_start_matches("ajar-")).join("src"))?);
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("the crates' arrows are not as they should be:\n  {}", wrong.join("\n  ")) }
}

/// What of [`IMPURE`] a package uses, however indirectly, outside tests and build scripts. It is resolved by itself: what others ask of a
/// library that they have in common is none of its doing.
fn reached(name: &str) -> Result<BTreeSet<&'static str>> {
    let tree = output(cargo().args(["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"]))?;
    let used: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    Ok(IMPURE.into_iter().filter(|impure| used.contains(impure)).collect())
}

/// Where a pure crate's sources name the ambient world, outside comments.
fn ambient(src: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let test = path.file_name().is_some_and(|n| n == "tests.rs" || n == "model.rs");
            if test || path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                found.extend(
                    AMBIENT.iter().filter(|word| line.contains(**word)).map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
                );
            }
        }
    }
    Ok(found)
}
