//! The rules: files of a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ajar_api::model::{PolicyApplied, PolicyFiles};
use ajar_policy::{FILE_MAX, FILES_MAX};
use anyhow::{Context, bail};

use crate::cli::Policy;
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::{Output, say};

pub(super) async fn run(client: impl Fn() -> Result<Client, Failure>, out: Output, args: Policy) -> Result<(), Failure> {
    match args {
        Policy::Explain(args) => super::explain::explain(&client()?, out, args).await,
        Policy::Schema => out.data(&ajar_policy::schema()),
        Policy::Check { dir } => {
            let files = read_dir(&dir)?;
            let rules = check(&files)?;
            say(&format!("{} files are right; their hash is {}", files.len(), rules.hash()));
            Ok(())
        }
        Policy::Apply { dir, commit } => {
            let files = read_dir(&dir)?;
            check(&files)?;
            let commit = commit.or_else(|| git_commit(&dir));
            let applied: PolicyApplied = client()?.post(&["policy"], &PolicyFiles { files, commit }).await?;
            if applied.changed {
                say(&format!("in force: {} ({} people added, {} disabled)", applied.hash, applied.added, applied.disabled));
            } else {
                say(&format!("nothing to do: {} is in force already", applied.hash));
            }
            super::access::findings(out, &applied.findings)
        }
    }
}

fn check(files: &BTreeMap<String, String>) -> Result<ajar_policy::RuleSet, Failure> {
    ajar_policy::parse(files).map_err(|problems| {
        let mut failure = Failure::new(Code::Error, "the files are wrong; nothing was changed");
        failure.more = problems.iter().map(ToString::to_string).collect();
        failure
    })
}

/// Every `.toml` file of a directory, however deep, by its path inside.
pub(crate) fn read_dir(dir: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if kind.is_dir() && !hidden {
                folders.push(path);
            } else if !kind.is_dir() && !hidden && path.extension().is_some_and(|e| e == "toml") {
                if files.len() >= FILES_MAX || folders.len() > FILES_MAX {
                    bail!("{} holds more than {FILES_MAX} files", dir.display());
                }
                files.insert(inside(dir, &path), text(&path)?);
            }
        }
    }
    if files.is_empty() {
        bail!("{} holds no .toml file", dir.display());
    }
    Ok(files)
}

fn text(path: &PathBuf) -> anyhow::Result<String> {
    let failed = || format!("cannot read {}", path.display());
    if std::fs::metadata(path).with_context(failed)?.len() > FILE_MAX as u64 {
        bail!("{} is larger than {FILE_MAX} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(failed)
}

fn inside(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned()
}

/// The commit of the working copy, with a mark when the files differ from it.
fn git_commit(dir: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(dir).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--", "."])?.is_empty();
    Some(if clean { commit } else { format!("{commit}-dirty") })
}
