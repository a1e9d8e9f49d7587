//! What the tests need from the machine: installed as root, named otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, good, output, postgres, say};

/// What has to be there, and the Debian package that brings it.
const NEEDED: [(&str, &str); 18] = [
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql-15"),
    ("/usr/share/postgresql/15/extension/pg_cron.control", "postgresql-15-cron"),
    ("psql", "postgresql-client"),
    ("pgbench", "postgresql-contrib"),
    ("/usr/share/java/postgresql.jar", "libpostgresql-jdbc-java"),
    ("javac", "default-jdk-headless"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("git", "git"),
    ("jq", "jq"),
    ("/usr/sbin/pgbouncer", "pgbouncer"),
    ("/usr/sbin/sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("rsync", "rsync"),
    ("chromium", "chromium"),
];

/// Makes everything ready; gives the environment that tells the tests where it is.
pub(crate) fn all() -> Result<Vec<(String, PathBuf)>> {
    debian()?;
    let fifteen = match postgres::of_debian(15) {
        Some(bin) => bin,
        None => postgres::fetched(15)?,
    };
    let mut environment = vec![("AJAR_POSTGRES_15".to_owned(), fifteen), ("AJAR_POSTGRES_18".to_owned(), postgres::fetched(18)?)];
    environment.push(("AJAR_TEST_PYTHON".to_owned(), python()?));
    environment.push(("AJAR_TEST_NODE_PATH".to_owned(), node()?));
    environment.push(("AJAR_TEST_JDBC".to_owned(), PathBuf::from("/usr/share/java/postgresql.jar")));
    Ok(environment)
}

fn is_there(what: &str) -> bool {
    if what.starts_with('/') {
        return Path::new(what).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(what).is_file())
}

fn debian() -> Result<()> {
    let mut missing: Vec<&str> = NEEDED.iter().filter(|(what, _)| !is_there(what)).map(|(_, package)| *package).collect();
    if python_without_venv() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if output(Command::new("id").arg("-u"))?.trim() != "0" || !is_there("apt-get") {
        bail!("the tests need more of this machine; on Debian, as root: apt-get update && apt-get install --no-install-recommends {list}");
    }
    say(&format!("Installing what the tests need: {list}"));
    // Debian would make and start a cluster of its own, which nobody needs.
    let conf = Path::new("/etc/postgresql-common/createcluster.conf");
    if !conf.exists() {
        std::fs::create_dir_all("/etc/postgresql-common")?;
        std::fs::write(conf, "create_main_cluster = false\n")?;
    }
    good(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args([
        "install",
        "--yes",
        "--no-install-recommends",
        "-o",
        "Dpkg::Options::=--force-confold",
    ]);
    good(install.args(&missing))
}

fn python_without_venv() -> bool {
    is_there("python3") && !Command::new("python3").args(["-c", "import ensurepip, venv"]).status().is_ok_and(|status| status.success())
}

/// A Python with the drivers that tests use.
fn python() -> Result<PathBuf> {
    let folder = cache()?.join("python");
    let python = folder.join("bin/python");
    let works =
        |python: &Path| Command::new(python).args(["-c", "import psycopg, asyncpg, ansible"]).output().is_ok_and(|o| o.status.success());
    if !works(&python) {
        say("Making a Python environment with psycopg, asyncpg and Ansible …");
        good(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        good(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "psycopg[binary]",
            "asyncpg",
            "ansible-core",
        ]))?;
    }
    if works(&python) { Ok(python) } else { bail!("psycopg, asyncpg and Ansible can't be had in {}", folder.display()) }
}

/// A folder with the Node driver that tests use.
fn node() -> Result<PathBuf> {
    let folder = cache()?.join("node");
    let modules = folder.join("node_modules");
    if !modules.join("pg/package.json").exists() {
        say("Fetching node-postgres …");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("package.json"), "{\"private\":true}\n")?;
        good(Command::new("npm").current_dir(&folder).args(["install", "--silent", "--no-audit", "--no-fund", "pg@8"]))
            .context("npm is needed")?;
    }
    Ok(modules)
}
