//! Native clients: psql, and the settings with which any of them finds the gateway.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ajar_api::model::{Doors, Me, NewToken, Page, PostgresDoor, Resource, Token, TokenScope};
use ajar_core::secret::Secret;
use anyhow::Context;

use super::marks::{Marks, read_or_empty, write_keeping_mode};
use crate::cli::{self, Setup};
use crate::client::{Client, config_dir, make_private_dir, write_private};
use crate::exit::{Code, Failure};
use crate::output::{data, say};

const MARKS: Marks =
    Marks { begin: "# >>> ajar: written by `ajar setup pg`, taken out by `ajar setup pg --undo` >>>", end: "# <<< ajar <<<" };

/// What libpq calls the system's own authorities.
pub(super) const SYSTEM: &str = "system";

async fn door(client: &Client) -> Result<PostgresDoor, Failure> {
    let doors: Doors = client.get(&["doors"], &[]).await?;
    postgres_door(&doors).cloned()
}

pub(super) fn postgres_door(doors: &Doors) -> Result<&PostgresDoor, Failure> {
    doors.postgres.as_ref().ok_or_else(|| Failure::new(Code::Error, "this server has no PostgreSQL gateway"))
}

/// Runs psql with a token of its own for this one call.
pub(super) async fn psql(client: &Client, args: &cli::Psql) -> Result<(), Failure> {
    let door = door(client).await?;
    let me: Me = client.get(&["me"], &[]).await?;
    let new = NewToken { label: format!("ajar psql {}", args.resource), scope: TokenScope::Connect, life: None };
    let token: Token = client.post(&["tokens"], &new).await?;
    let ca = save_authority(door.ca_pem.as_deref())?.unwrap_or_else(|| SYSTEM.into());
    let cli::Wishes { duration, reason, ticket, scope } = &args.wishes;
    let wishes = [("role", &args.role), ("for", duration), ("reason", reason), ("ticket", ticket), ("scope", scope)];
    let options: Vec<_> =
        wishes.iter().filter_map(|(name, value)| Some(format!("-c ajar.{name}={}", escaped(value.as_deref()?)))).collect();
    let mut command = Command::new("psql");
    command
        .env("PGHOST", &door.host)
        .env("PGPORT", door.port.to_string())
        .env("PGUSER", &me.name)
        .env("PGPASSWORD", &token.token)
        .env("PGDATABASE", &args.resource)
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &ca)
        .env("PGGSSENCMODE", "disable")
        .env_remove("PGSERVICE")
        .args(&args.args);
    if !options.is_empty() {
        command.env("PGOPTIONS", options.join(" "));
    }
    drop(Secret::new(token.token));
    let error = command.exec();
    let failure = Failure::new(Code::Error, format!("psql could not be started: {error}"));
    Err(if error.kind() == std::io::ErrorKind::NotFound { failure.hint("on Debian: apt-get install postgresql-client") } else { failure })
}

/// A word of `PGOPTIONS`.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| (c.is_whitespace() || c == '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// Keeps the gateway's authority where a program can read it; nothing when the system's authorities are meant.
pub(super) fn save_authority(pem: Option<&str>) -> Result<Option<PathBuf>, Failure> {
    let Some(pem) = pem else { return Ok(None) };
    let dir = config_dir()?;
    make_private_dir(&dir)?;
    let path = dir.join("gateway-ca.pem");
    if std::fs::read(&path).ok().as_deref() != Some(pem.as_bytes()) {
        write_private(&path, pem.as_bytes())?;
    }
    Ok(Some(path))
}

pub(super) async fn setup(client: &Client, args: &Setup) -> Result<(), Failure> {
    let (print, undo, life) = match args {
        Setup::Pg { print, undo, life } => (print, undo, life),
        Setup::Ssh { print, undo } => return super::ssh::setup(client, *print, *undo).await,
    };
    let services = services_file()?;
    if *undo {
        return undo_pg(&services);
    }
    let door = door(client).await?;
    let me: Me = client.get(&["me"], &[]).await?;
    let resources: Page<Resource> = client.get(&["resources"], &[]).await?;
    let names: Vec<_> = resources.items.iter().filter(|r| r.kind == "postgres").map(|r| r.name.as_str()).collect();
    if names.is_empty() {
        return Err(Failure::new(Code::NotRequestable, "no rule lets you ask for a PostgreSQL resource"));
    }
    let dir = config_dir()?;
    let (ca, passfile) = (dir.join("gateway-ca.pem"), dir.join("pgpass"));
    let ca = if door.ca_pem.is_some() { ca } else { SYSTEM.into() };
    let block = block(&door, &me.name, &names, &ca, &passfile);
    if *print {
        return data(&block);
    }
    save_authority(door.ca_pem.as_deref())?;
    let token: Token =
        client.post(&["tokens"], &NewToken { label: "ajar setup pg".into(), scope: TokenScope::Connect, life: life.clone() }).await?;
    make_private_dir(&dir)?;
    write_private(&passfile, pass_line(&door, &me.name, &token.token).expose().as_bytes())?;
    let before = read_or_empty(&services)?;
    write_keeping_mode(&services, &format!("{}{block}", MARKS.without(&before)?))?;
    say(&format!("wrote {} services into {}; their token is good until {}", names.len(), services.display(), token.expires_at));
    say(&format!("now:  psql service={}", names.first().unwrap_or(&"NAME")));
    Ok(())
}

fn undo_pg(services: &Path) -> Result<(), Failure> {
    let before = read_or_empty(services)?;
    let after = MARKS.without(&before)?;
    if after != before {
        write_keeping_mode(services, &after)?;
    }
    for name in ["pgpass", "gateway-ca.pem"] {
        match std::fs::remove_file(config_dir()?.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    say(&format!("took Ajar's services out of {}", services.display()));
    Ok(())
}

/// libpq's own rule: `PGSERVICEFILE`, else `~/.pg_service.conf`.
fn services_file() -> Result<PathBuf, Failure> {
    if let Some(file) = std::env::var_os("PGSERVICEFILE").filter(|f| !f.is_empty()) {
        return Ok(file.into());
    }
    Ok(std::env::home_dir().context("there is no home folder: set HOME or PGSERVICEFILE")?.join(".pg_service.conf"))
}

/// What goes into a service file: a service for each of `names`, between markers.
pub(crate) fn block(door: &PostgresDoor, user: &str, names: &[&str], ca: &Path, passfile: &Path) -> String {
    let service = |name: &&str| {
        format!(
            "[{name}]\nhost={}\nport={}\ndbname={name}\nuser={user}\npassfile={}\nsslmode=verify-full\nsslrootcert={}\ngssencmode=disable\n",
            door.host,
            door.port,
            passfile.display(),
            ca.display()
        )
    };
    MARKS.around(&names.iter().map(service).collect::<Vec<_>>().join("\n"))
}

/// The line of a password file that goes with it.
pub(crate) fn pass_line(door: &PostgresDoor, user: &str, token: &str) -> Secret {
    Secret::new(format!("{}:{}:*:{user}:{token}\n", door.host, door.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_verifies_the_gateway() {
        let door = PostgresDoor { host: "localhost".into(), port: 1, ca_pem: None };
        let block = block(&door, "dev", &["orders-db", "b"], Path::new("/ca"), Path::new("/p"));
        assert_eq!(block.matches("sslmode=verify-full").count(), 2);
        assert_eq!(MARKS.without(&format!("[mine]\n{block}")).unwrap(), "[mine]\n");
    }

    #[test]
    fn wishes_are_words_of_pgoptions() {
        assert_eq!(escaped("INC-7: fix \\ it"), "INC-7:\\ fix\\ \\\\\\ it");
    }
}
