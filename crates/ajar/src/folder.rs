//! A folder of files as it is on disk: read whole, never out of itself; and the commit that it is at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ajar_policy::{FILE_MAX, FILES_MAX};
use anyhow::{Context, bail};

/// Folders in folders at the most.
const DEPTH: usize = 16;

/// Every `.toml` file of a directory, however deep, by its path inside. What is hidden is left out; a link may lead to what is hidden,
/// as in a mounted ConfigMap, but not out of the directory.
pub(crate) fn read_dir(dir: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let root = dir.canonicalize().with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files = BTreeMap::new();
    let mut folders = vec![(dir.to_owned(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let path = entry.path();
            let named = path.extension().is_some_and(|e| e == "toml");
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let (is_dir, linked) = match entry.file_type()? {
                kind if kind.is_symlink() => (path.is_dir(), true),
                kind => (kind.is_dir(), false),
            };
            if !is_dir && !named {
                continue;
            }
            if linked && !path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?.starts_with(&root) {
                bail!("{} leads out of {}: put what it means there", path.display(), dir.display());
            }
            seen += 1;
            if seen > FILES_MAX {
                bail!("{} holds more than {FILES_MAX} files", dir.display());
            }
            if is_dir {
                if depth >= DEPTH {
                    bail!("{} is more than {DEPTH} folders deep, or leads to itself", path.display());
                }
                folders.push((path, depth + 1));
            } else {
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
    let found = std::fs::metadata(path).with_context(failed)?;
    if !found.is_file() {
        bail!("{} is not a file", path.display());
    }
    if found.len() > FILE_MAX as u64 {
        bail!("{} is larger than {FILE_MAX} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(failed)
}

fn inside(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned()
}

/// The commit of the working copy, with a mark when the files differ from it. It takes no lock that somebody else's git could want, and
/// runs nothing that the copy's own configuration names.
pub(crate) fn git_commit(dir: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let quiet = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
        let output = Command::new("git").arg("-C").arg(dir).args(quiet).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--", "."])?.is_empty();
    Some(if clean { commit } else { format!("{commit}-dirty") })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.toml"), "a").unwrap();
        dir
    }

    #[test]
    fn a_mounted_config_map_is_read_through_its_links() {
        let dir = tempfile::tempdir().unwrap();
        let version = dir.path().join("..2026_01_01/teams");
        std::fs::create_dir_all(&version).unwrap();
        std::fs::write(version.join("b.toml"), "b").unwrap();
        std::fs::write(dir.path().join("..2026_01_01/a.toml"), "a").unwrap();
        symlink("..2026_01_01", dir.path().join("..data")).unwrap();
        symlink("..data/a.toml", dir.path().join("a.toml")).unwrap();
        symlink("..data/teams", dir.path().join("teams")).unwrap();
        let expected = BTreeMap::from([("a.toml".to_owned(), "a".to_owned()), ("teams/b.toml".to_owned(), "b".to_owned())]);
        assert_eq!(read_dir(dir.path()).unwrap(), expected);
        // The directory itself may be a link that is moved on, as by git-sync.
        let outside = tempfile::tempdir().unwrap();
        symlink(dir.path(), outside.path().join("current")).unwrap();
        assert_eq!(read_dir(&outside.path().join("current")).unwrap(), expected);
    }

    #[test]
    fn a_link_that_leads_out_or_round_is_refused() {
        let (dir, outside) = (folder(), folder());
        symlink(outside.path().join("a.toml"), dir.path().join("secret.toml")).unwrap();
        let told = read_dir(dir.path()).unwrap_err().to_string();
        assert!(told.contains("secret.toml leads out of"), "{told}");
        std::fs::remove_file(dir.path().join("secret.toml")).unwrap();
        symlink(outside.path(), dir.path().join("more")).unwrap();
        assert!(read_dir(dir.path()).unwrap_err().to_string().contains("more leads out of"));
        std::fs::remove_file(dir.path().join("more")).unwrap();
        symlink(".", dir.path().join("round")).unwrap();
        assert!(read_dir(dir.path()).unwrap_err().to_string().contains("leads to itself"));
    }

    #[test]
    fn what_is_hidden_or_no_toml_is_left_out() {
        let dir = folder();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        for name in [".git/x.toml", ".y.toml", "notes.md"] {
            std::fs::write(dir.path().join(name), "?").unwrap();
        }
        assert_eq!(read_dir(dir.path()).unwrap().into_keys().collect::<Vec<_>>(), ["a.toml"]);
        std::fs::create_dir(dir.path().join("pipe.toml.d")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(dir.path().join("pipe.toml")).status().unwrap().success());
        assert!(read_dir(dir.path()).unwrap_err().to_string().contains("is not a file"));
    }
}
