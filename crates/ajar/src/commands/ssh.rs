//! SSH clients: the settings with which any of them finds the gateway, the certificate that they come with, `ajar ssh`.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ajar_api::model::{Doors, NewSshCertificate, NewSshDirect, Page, Resource, SshCertificate, SshDirect, SshDoor};
use ajar_core::port::Clock as _;
use ajar_core::time::{Span, Timestamp};
use anyhow::Context;
use russh::keys::ssh_key::{Certificate, LineEnding, PrivateKey};

use super::marks::{Marks, read_or_empty, write_keeping_mode};
use super::run::{open, passed_on, resource};
use crate::cli::{self, Wanted};
use crate::client::{Client, config_dir, make_private_dir, token_id, write_private};
use crate::clock::{SystemClock, SystemEntropy};
use crate::exit::{Code, Failure};
use crate::output::{data, say};
use crate::server::ssh_authority::{line, new_key};

const MARKS: Marks =
    Marks { begin: "# >>> ajar: written by `ajar setup ssh`, taken out by `ajar setup ssh --undo` >>>", end: "# <<< ajar <<<" };
/// Stands in our part of a file that was not there before.
const MADE: &str = "# This file was made for it.\n";
/// The gateway by itself, for `ssh -J`.
const GATEWAY: &str = "ajar-gateway";
/// A certificate that is good for less is renewed.
const RENEW: Span = Span::from_secs(600);
/// What is said of a request travels as these variables.
const SAID: [&str; 5] = ["AJAR_REASON", "AJAR_FOR", "AJAR_TICKET", "AJAR_ROLE", "AJAR_SCOPE"];

/// Where SSH's files are: keys, certificates, what the gateway is known by.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        Ok(Self(std::path::absolute(config_dir()?.join("ssh"))?))
    }

    fn make(&self) -> Result<(), Failure> {
        Ok(make_private_dir(&self.0.join("certificates"))?)
    }

    fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    /// The certificate for a resource; for another role than its first, beside it.
    fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("certificates/{name}-cert.pub"))
    }

    fn known_hosts(&self) -> PathBuf {
        self.0.join("known_hosts")
    }

    /// The user's own key for this. Made when it isn't there; of several processes that make one, one wins.
    fn own_key(&self) -> Result<PrivateKey, Failure> {
        let path = self.key();
        if !path.exists() {
            self.make()?;
            let made = new_key("ajar", &SystemEntropy::new()?)?;
            let new = path.with_file_name(format!("key.{}.made", std::process::id()));
            write_private(&new, made.to_openssh(LineEnding::LF).context("the key can't be written")?.as_bytes())?;
            let linked = std::fs::hard_link(&new, &path);
            std::fs::remove_file(&new)?;
            match linked {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        let text = crate::server::keys::read_private(&path)?;
        // What a parser says of a private key stays out of messages.
        PrivateKey::from_openssh(text.expose()).map_err(|_| {
            Failure::new(Code::Error, format!("{} is damaged", path.display())).hint("remove it: the next call makes another one")
        })
    }

    fn know(&self, door: &SshDoor) -> Result<(), Failure> {
        self.make()?;
        let text = format!("@cert-authority * {}\n", door.hosts_authority);
        let path = self.known_hosts();
        if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            write_private(&path, text.as_bytes())?;
        }
        Ok(())
    }

    /// Whether the certificate that is there is the one that is wanted: for this key, token, resource and role, and good for a while.
    fn fits(&self, path: &Path, key: &PrivateKey, token: &str, want: &Want<'_>, now: Timestamp) -> bool {
        let Some(kept) = std::fs::read_to_string(path).ok().and_then(|text| Certificate::from_openssh(&text).ok()) else { return false };
        let enough = u64::try_from(now.after(RENEW).as_millis().div_euclid(1_000)).is_ok_and(|then| then < kept.valid_before());
        let said = |name: &str| kept.extensions().get(name).map(String::as_str);
        enough
            && kept.public_key() == key.public_key().key_data()
            && token == kept.key_id()
            && said("ajar-resource") == want.resource()
            && said("ajar-role") == want.role()
    }
}

/// What a certificate is wanted for.
struct Want<'a> {
    name: &'a str,
    role: Option<&'a str>,
}

impl Want<'_> {
    fn resource(&self) -> Option<&str> {
        (self.name != GATEWAY).then_some(self.name)
    }

    fn role(&self) -> Option<&str> {
        self.role.filter(|_| self.resource().is_some())
    }
}

/// What ssh calls before it connects: has a certificate ready. Nothing on standard output, and no connection to the server where it has
/// one that is good for a while.
pub(super) async fn helper(url: Option<&str>, name: &str) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let role = std::env::var("AJAR_ROLE").ok().filter(|role| !role.is_empty());
    let want = Want { name, role: role.as_deref() };
    let path = folder.certificate(name);
    let token = token_id(url)?.ok_or_else(|| Failure::new(Code::SignIn, "sign in first").hint("ajar login"))?;
    let key = folder.own_key()?;
    if folder.fits(&path, &key, &token, &want, SystemClock::new().now()) {
        return Ok(());
    }
    renew(&Client::new(url)?, &folder, &path, &key, &want).await
}

async fn renew(client: &Client, folder: &Folder, path: &Path, key: &PrivateKey, want: &Want<'_>) -> Result<(), Failure> {
    let new = NewSshCertificate {
        public_key: line(key.public_key())?,
        resource: want.resource().map(str::to_owned),
        role: want.role().map(str::to_owned),
    };
    let made: SshCertificate = client.post(&["ssh", "certificates"], &new).await?;
    folder.make()?;
    keep(path, &made.certificate)
}

/// Writes a certificate down.
fn keep(path: &Path, certificate: &str) -> Result<(), Failure> {
    Ok(write_private(path, format!("{}\n", certificate.trim_end()).as_bytes())?)
}

async fn door(client: &Client) -> Result<SshDoor, Failure> {
    let doors: Doors = client.get(&["doors"], &[]).await?;
    doors.ssh.ok_or_else(|| Failure::new(Code::Error, "this server has no door for SSH").hint("its ajar.toml needs [ssh]"))
}

/// The unix user for clients that name none.
fn login<'a>(resource: &'a Resource, role: Option<&str>) -> Option<&'a str> {
    let role = role.or(resource.default_role.as_deref())?;
    resource.logins.get(role)?.first().map(String::as_str)
}

/// ssh, with everything it needs to get in.
pub(super) async fn ssh(client: &Client, args: cli::Ssh) -> Result<(), Failure> {
    let cli::Ssh { resource: name, role, login: as_login, wishes, direct, wait, source_address, args } = args;
    let found = resource(client, &name).await?;
    if found.kind != "ssh" {
        return Err(Failure::new(Code::Usage, format!("{name} is of kind {}", found.kind)).hint("'ajar ls' shows what is of kind ssh"));
    }
    let folder = Folder::new()?;
    let key = folder.own_key()?;
    if direct {
        let opened = open(client, &name, role.as_deref(), &Wanted { wishes, wait }).await?;
        let new = NewSshDirect {
            resource: name,
            role: Some(opened.role),
            login: as_login,
            public_key: line(key.public_key())?,
            source_address: source_address.map(|address| address.to_string()),
        };
        return past_the_gateway(client, &folder, &new, &args).await;
    }
    let door = door(client).await?;
    folder.know(&door)?;
    let want = Want { name: &name, role: role.as_deref() };
    // Beside the one for clients that ask for no role: they may be under way at the same time. No resource has this in its name.
    let path = folder.certificate(&role.as_ref().map_or_else(|| name.clone(), |role| format!("{name}@{role}")));
    let token = token_id(Some(client.server()))?;
    if !token.is_some_and(|token| folder.fits(&path, &key, &token, &want, SystemClock::new().now())) {
        renew(client, &folder, &path, &key, &want).await?;
    }
    let user = as_login.as_deref().or_else(|| login(&found, role.as_deref()));
    let mut command = std::process::Command::new("ssh");
    options(&mut command, &to_gateway(&door, &folder, &path.display().to_string(), user)?);
    let cli::Wishes { duration, reason, ticket, scope } = wishes;
    for (variable, value) in SAID.iter().zip([reason, duration, ticket, role, scope]) {
        if let Some(value) = value {
            command.env(variable, value);
        }
    }
    let error = command.arg(&name).args(&args).exec();
    Err(not_started(&error))
}

fn not_started(error: &std::io::Error) -> Failure {
    let failure = Failure::new(Code::Error, format!("ssh could not be started: {error}"));
    if error.kind() == std::io::ErrorKind::NotFound { failure.hint("on Debian: apt-get install openssh-client") } else { failure }
}

fn options(command: &mut std::process::Command, options: &[(&str, String)]) {
    for (name, value) in options {
        command.arg("-o").arg(format!("{name}={value}"));
    }
}

/// The settings with which ssh goes to the gateway.
fn to_gateway(door: &SshDoor, folder: &Folder, certificate: &str, user: Option<&str>) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut settings = towards((&door.host, door.port), folder, quoted(certificate)?, &folder.known_hosts())?;
    settings.push(("SendEnv", SAID.join(" ")));
    settings.extend(user.map(|user| quoted(user).map(|user| ("User", user))).transpose()?);
    Ok(settings)
}

/// The settings with which ssh goes anywhere of ours: with our key and a certificate alone, to what is known there and nothing else.
fn towards(
    (host, port): (&str, u16),
    folder: &Folder,
    certificate: String,
    known_hosts: &Path,
) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![
        ("HostName", quoted(host)?),
        ("Port", port.to_string()),
        ("IdentityFile", quoted_path(&folder.key())?),
        ("CertificateFile", certificate),
        ("IdentitiesOnly", "yes".into()),
        ("UserKnownHostsFile", quoted_path(known_hosts)?),
        ("StrictHostKeyChecking", "yes".into()),
    ])
}

/// A path in ssh_config: what it reads as a token, or as the end of a word, it must not.
fn quoted_path(path: &Path) -> Result<String, Failure> {
    quoted(&path.display().to_string().replace('%', "%%"))
}

fn quoted(text: &str) -> Result<String, Failure> {
    // It would put a variable there, and no sign keeps it from that.
    if text.chars().any(char::is_control) || text.contains("${") {
        return Err(Failure::new(Code::Error, "a path with a line break or ${ can't stand in ssh_config")
            .hint("set XDG_CONFIG_HOME to another folder"));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A word for a shell, inside of a quoted word of ssh_config. How the latter reads a backslash or a quote depends on its version.
fn shell_word(text: &str) -> Result<String, Failure> {
    if text.contains(['\'', '"', '\\']) || text.chars().any(char::is_control) {
        let why = format!("{} can't stand in ssh_config: it has a quote or a backslash", text.escape_debug());
        return Err(Failure::new(Code::Error, why).hint("'ajar ssh NAME' works without it"));
    }
    Ok(format!("'{text}'"))
}

/// To the host itself, with a certificate that ends with the grant; and so does the client.
async fn past_the_gateway(client: &Client, folder: &Folder, new: &NewSshDirect, args: &[String]) -> Result<(), Failure> {
    let name = &new.resource;
    let made: SshDirect = client.post(&["ssh", "direct"], new).await?;
    folder.make()?;
    let (certificate, known_hosts) =
        (folder.certificate(&format!("{name}@direct")), folder.0.join(format!("certificates/{name}@known_hosts")));
    keep(&certificate, &made.certificate)?;
    write_private(&known_hosts, format!("{}\n", made.known_hosts.join("\n")).as_bytes())?;
    let mut command = std::process::Command::new("ssh");
    let mut settings = towards((&made.host, made.port), folder, quoted_path(&certificate)?, &known_hosts)?;
    settings.push(("User", quoted(&made.login)?));
    options(&mut command, &settings);
    command.arg(&made.host).args(args);
    say(&format!(
        "past the gateway: what you do on {name} as {} is not recorded. It ends at {} ({})",
        made.login, made.expires_at, made.grant
    ));
    let end: Timestamp = made.expires_at.parse().map_err(|_| Failure::new(Code::Error, "the server's answer has no end"))?;
    until(command, end).await
}

/// Runs a command, but not beyond `end`: by whichever clock says first that it has come (I14).
async fn until(command: std::process::Command, end: Timestamp) -> Result<(), Failure> {
    let clock = SystemClock::new();
    let (started, whole) = (clock.mono(), Duration::from(end.since(clock.now())));
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().map_err(|error| not_started(&error))?;
    // A terminal's Ctrl-C goes to the child as well, which decides what it means.
    let mut interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    loop {
        let passed = Duration::from_nanos(clock.mono().0.saturating_sub(started.0));
        let left = whole.saturating_sub(passed).min(end.since(clock.now()).into());
        if left.is_zero() {
            break;
        }
        tokio::select! {
            ended = child.wait() => return passed_on(ended?),
            _ = interrupts.recv() => {}
            () = tokio::time::sleep(left.min(Duration::from_secs(1))) => {}
        }
    }
    // Asked to end, it gives the terminal back as it was.
    if let Some(id) = child.id() {
        drop(tokio::process::Command::new("kill").args(["-TERM", &id.to_string()]).status().await);
    }
    if tokio::time::timeout(Duration::from_secs(2), child.wait()).await.is_err() {
        child.kill().await?;
    }
    Err(Failure::new(Code::Over, "the grant is over").hint("ask again: ajar request --help"))
}

/// Writes the part of `~/.ssh/config`, or takes it out.
pub(super) async fn setup(client: &Client, print: bool, undo: bool) -> Result<(), Failure> {
    let config = std::env::home_dir().context("there is no home folder: set HOME")?.join(".ssh/config");
    if undo {
        return undo_ssh(&config);
    }
    let door = door(client).await?;
    let resources: Page<Resource> = client.get(&["resources"], &[]).await?;
    let hosts: Vec<&Resource> = resources.items.iter().filter(|r| r.kind == "ssh").collect();
    if hosts.is_empty() {
        return Err(Failure::new(Code::NotRequestable, "no rule lets you ask for an SSH host"));
    }
    let (folder, ajar) = (Folder::new()?, std::env::current_exe().context("where this program is can't be found out")?);
    let logins: BTreeMap<&str, Option<&str>> = hosts.iter().map(|host| (host.name.as_str(), login(host, None))).collect();
    let part = part(&door, &folder, &ajar, client.server(), &logins)?;
    if print {
        return data(&MARKS.around(&part));
    }
    folder.own_key()?;
    folder.know(&door)?;
    let before = read_or_empty(&config)?;
    let was_there = config.exists() && MARKS.find(&before).is_none_or(|part| !part.contains(MADE));
    let part = if was_there { part } else { format!("{MADE}{part}") };
    if let Some(dir) = config.parent() {
        make_private_dir(dir)?;
    }
    // OpenSSH takes the first value that it finds.
    write_keeping_mode(&config, &format!("{}{}", MARKS.around(&part), MARKS.without(&before)?))?;
    say(&format!("wrote {} hosts into {}", logins.len(), config.display()));
    say(&format!("now:  ssh {}", logins.keys().next().unwrap_or(&"NAME")));
    Ok(())
}

fn undo_ssh(config: &Path) -> Result<(), Failure> {
    let before = read_or_empty(config)?;
    let after = MARKS.without(&before)?;
    let made = MARKS.find(&before).is_some_and(|part| part.contains(MADE));
    if made && after.is_empty() {
        std::fs::remove_file(config)?;
    } else if after != before {
        write_keeping_mode(config, &after)?;
    }
    match std::fs::remove_dir_all(Folder::new()?.0) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    say(&format!("took Ajar's hosts out of {}", config.display()));
    Ok(())
}

/// A whole configuration for somebody whose folder for configuration is `own`, and beside it what the gateway is known by.
pub(crate) fn ssh_config(door: &SshDoor, own: &Path, url: &str, logins: &BTreeMap<&str, Option<&str>>) -> Result<String, Failure> {
    let (folder, ajar) = (Folder(own.join("ajar/ssh")), std::env::current_exe().context("where this program is can't be found out")?);
    folder.know(door)?;
    part(door, &folder, &ajar, url, logins)
}

/// Our part of ssh_config. Where the helper fails, it has said why, and nothing is connected to.
fn part(door: &SshDoor, folder: &Folder, ajar: &Path, url: &str, logins: &BTreeMap<&str, Option<&str>>) -> Result<String, Failure> {
    let names: Vec<&str> = logins.keys().copied().chain([GATEWAY]).collect();
    let helper = format!("{} --url {} helper ssh", shell_word(&ajar.display().to_string())?, shell_word(url)?).replace('%', "%%");
    let mut text = format!("Match originalhost {} !exec \"{helper} %n\"\n    ProxyCommand false\n", names.join(","));
    for (name, user) in logins.iter().filter_map(|(name, user)| Some((name, (*user)?))) {
        text.push_str(&format!("Host {name}\n    User {}\n", quoted(user)?));
    }
    text.push_str(&format!("Host {}\n", names.join(" ")));
    let certificates = folder.certificate("").with_file_name("");
    let certificates = format!("{}%n-cert.pub", certificates.display().to_string().replace('%', "%%"));
    for (name, value) in to_gateway(door, folder, &certificates, None)? {
        text.push_str(&format!("    {name} {value}\n"));
    }
    text.push_str("Match all\n");
    Ok(text)
}

#[cfg(test)]
#[path = "ssh_tests.rs"]
mod tests;
