//! The pages: types from our own API's description, checks, and what goes into the binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::{good, output, root, say};

fn folder() -> PathBuf {
    root().join("web")
}

fn npm(args: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder()).args(args);
    command
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|m| m.modified()).ok()
}

/// What `package-lock.json` names is there.
fn installed() -> Result<()> {
    let node = output(Command::new("node").arg("--version")).context("the pages need Node 20.19 or newer, with npm")?;
    let mut version = node.trim().trim_start_matches('v').split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (version.next().unwrap_or(0), version.next().unwrap_or(0));
    if version < (20, 19) {
        bail!("the pages need Node 20.19 or newer; this is {}", node.trim());
    }
    let (lock, made) = (folder().join("package-lock.json"), folder().join("node_modules/.package-lock.json"));
    if changed(&made) < changed(&lock) {
        say("Fetching what the pages are built with …");
        good(&mut npm(&["ci", "--silent", "--no-audit", "--no-fund"]))?;
    }
    Ok(())
}

/// Builds `web/dist`.
pub(crate) fn build() -> Result<()> {
    installed()?;
    say("Building the pages …");
    good(&mut npm(&["run", "--silent", "types"]))?;
    good(&mut npm(&["run", "--silent", "build"]))
}

/// Types, components, and what needs no browser. To be called after [`build`].
pub(crate) fn check() -> Result<()> {
    good(&mut npm(&["run", "--silent", "check"]))?;
    good(&mut npm(&["run", "--silent", "test"]))
}

/// A real browser against the real binary: the tests, or the `shots` or `speed` if it is said; `args` go to Playwright.
pub(crate) fn browse(ajar: &Path, environment: &[(String, PathBuf)], which: &str, args: &[&str]) -> Result<()> {
    let mut command = npm(&["exec", "--", "playwright", "test"]);
    good(command.args(args).env("AJAR_BIN", ajar).env("AJAR_WEB", which).envs(environment.iter().map(|(k, v)| (k, v))))
}
