//! What resources of kind `ssh` have: where a host is and what it is known by, what it is shown, what is recorded, what each role allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ajar_core::resource::Kind;
use ajar_core::ssh::{Forward, HostKey, SshCredential, SshRecord, SshRole, SshTarget};
use toml::Spanned;

use super::resource::{Roles, credential_keys, is, keys, record_keys, role_keys, source};
use super::{Check, Place};
use crate::problem::near;
use crate::public_key;
use crate::raw::{self, Text};
use crate::url::{authority_parts, host_name};

/// The port of an SSH host unless its resource says.
const SSH_PORT: u16 = 22;
/// The longest path of a socket, without the zero behind it (unix(7)).
const SOCKET_MAX: usize = 107;
/// Variables that change which programs are run, or what they load: by name, or by how they begin.
const ENV_REFUSED: [&str; 33] = [
    "BASHOPTS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "CDPATH",
    "DYLD_*",
    "ENV",
    "GCONV_PATH",
    "GIT_CONFIG*",
    "GIT_EXEC_PATH",
    "GIT_SSH*",
    "GLIBC_*",
    "HOME",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LD_*",
    "LOCPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHONHOME",
    "PYTHONPATH",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "SHELLOPTS",
    "SSH_*",
    "_JAVA_OPTIONS",
];
/// Where clouds keep the credentials of machines, besides link-local addresses.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];
/// Names of the same.
const METADATA_NAMES: [&str; 3] = ["instance-data.ec2.internal", "metadata.goog", "metadata.google.internal"];

/// What is wrong with a text, and how to mend it.
type Wrong = (String, String);

/// What clients' own configuration calls the gateway, for jumps.
const GATEWAY: &str = "ajar-gateway";

impl Check {
    pub(super) fn ssh(&mut self, at: Place<'_>, raw: &raw::Resource, roles: &Roles<'_>) -> Kind {
        self.only(at, ("resources", "ssh"), keys(raw), &["host", "port", "host_keys", "credential", "record"]);
        if raw.name.get_ref() == GATEWAY {
            self.problem(at, &raw.name, format!("{GATEWAY} is what clients call the gateway itself"), Some("another name".into()));
        }
        let host = self.needed(at, raw, ("host", "\"web-1.internal\""), raw.host.as_ref());
        if let Some(port) = raw.port.as_ref().filter(|port| *port.get_ref() == 0) {
            self.problem(at, port, "a port is a number from 1 to 65535", None);
        }
        Kind::Ssh(SshTarget {
            host: host.and_then(|text| self.read(at, text, ssh_host)).unwrap_or_default(),
            port: raw.port.as_ref().map_or(SSH_PORT, |port| *port.get_ref()),
            host_keys: self.host_keys(at, raw),
            credential: raw.credential.as_ref().map_or(SshCredential::Certificate, |shown| self.ssh_credential(at, shown)),
            record: raw.record.as_ref().map_or_else(SshRecord::default, |record| self.ssh_record(at, record.get_ref())),
            roles: roles.iter().map(|(name, (text, role))| (name.clone(), self.ssh_role(at, text, role))).collect(),
        })
    }

    /// What a text means.
    fn read<T>(&mut self, at: Place<'_>, text: &Text, read: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        read(text.get_ref()).map_err(|(message, help)| self.problem(at, text, message, Some(help))).ok()
    }

    /// What each text of a list means.
    fn each<T>(&mut self, at: Place<'_>, list: Option<&Spanned<Vec<Text>>>, read: impl Fn(&str) -> Result<T, Wrong>) -> Vec<T> {
        list.into_iter().flat_map(Spanned::get_ref).filter_map(|text| self.read(at, text, &read)).collect()
    }

    fn host_keys(&mut self, at: Place<'_>, raw: &raw::Resource) -> Vec<HostKey> {
        let Some(keys) = &raw.host_keys else { return vec![HostKey::Ajar] };
        if keys.get_ref().is_empty() {
            let help = "leave it out for a certificate by Ajar's authority, or name the host's key";
            self.problem(at, keys, "a host is known by something: no key would mean any host", Some(help.into()));
        }
        self.each(at, Some(keys), host_key)
    }

    fn ssh_credential(&mut self, at: Place<'_>, whole: &Spanned<raw::Credential>) -> SshCredential {
        let shown = match whole.get_ref() {
            raw::Credential::Certificate(()) => return SshCredential::Certificate,
            raw::Credential::Shown(shown) => shown,
        };
        let own = self.only(at, ("credentials", "ssh"), credential_keys(shown), &["key", "password"]);
        match (&shown.key, &shown.password) {
            (Some(key), None) => SshCredential::Key(source(key.get_ref())),
            (None, Some(password)) => SshCredential::Password(source(password.get_ref())),
            (Some(_), Some(_)) | (None, None) => {
                if own {
                    let message = "a credential is \"certificate\", or one of 'key' and 'password'";
                    self.problem(at, whole, message, Some("leave it out for a certificate by Ajar's authority".into()));
                }
                SshCredential::Certificate
            }
        }
    }

    fn ssh_record(&mut self, at: Place<'_>, raw: &raw::Record) -> SshRecord {
        self.only(at, ("records", "ssh"), record_keys(raw), &["input", "output"]);
        let bytes = raw.output.as_ref().map_or(Some(SshRecord::OUTPUT), |output| match output.get_ref() {
            raw::Output::Bytes(bytes) => u64::try_from(*bytes).ok(),
            raw::Output::Word(word) => (word == "all").then_some(u64::MAX),
        });
        if let Some(output) = raw.output.as_ref().filter(|_| bytes.is_none()) {
            let help = "output = 65536, or 0 for nothing";
            self.problem(at, output, "of each command's output so many bytes are recorded, or \"all\"", Some(help.into()));
        }
        SshRecord { input: is(raw.input.as_ref()), output: bytes.unwrap_or_default() }
    }

    fn ssh_role(&mut self, at: Place<'_>, name: &Text, raw: &raw::Role) -> SshRole {
        let own = ["logins", "commands", "subsystems", "env", "forward", "remote_forward", "agent", "x11", "direct"];
        self.only(at, ("roles", "ssh"), role_keys(raw), &own);
        let example = || Some("logins = [\"deploy\"]".into());
        match &raw.logins {
            None => self.problem(at, name, "a role of kind ssh has 'logins'", example()),
            Some(logins) if logins.get_ref().is_empty() => self.problem(at, logins, "the role is for no login", example()),
            Some(_) => {}
        }
        if let Some(commands) = raw.commands.as_ref().filter(|commands| commands.get_ref().is_empty()) {
            let help = "leave it out for any command and a shell; for subsystems and forwards alone: commands = [\"true\"]";
            self.problem(at, commands, "the role allows no command", Some(help.into()));
        }
        SshRole {
            logins: self.each(at, raw.logins.as_ref(), login),
            commands: raw.commands.as_ref().map(|commands| self.each(at, Some(commands), command)),
            subsystems: self.each(at, raw.subsystems.as_ref(), subsystem),
            env: self.each(at, raw.env.as_ref(), variable),
            forward: self.each(at, raw.forward.as_ref(), forward),
            remote_forward: self.remote_forward(at, raw),
            agent: is(raw.agent.as_ref()),
            x11: is(raw.x11.as_ref()),
            direct: is(raw.direct.as_ref()),
        }
    }

    fn remote_forward(&mut self, at: Place<'_>, raw: &raw::Role) -> Vec<u16> {
        let mut ports = Vec::new();
        for port in raw.remote_forward.iter().flat_map(Spanned::get_ref) {
            match u16::try_from(*port.get_ref()) {
                Ok(port) => ports.push(port),
                Err(_) => self.problem(at, port, "a port is a number from 1 to 65535, or 0 for any", None),
            }
        }
        ports
    }
}

fn wrong<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
    Err((message.into(), help.into()))
}

/// A name in lower case, or an address.
fn ssh_host(text: &str) -> Result<String, Wrong> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<Ipv6Addr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => {
            host_name(text).or_else(|why| wrong(format!("that is not a host: {why}"), "like \"web-1.internal\"; the port is for 'port'"))
        }
    }
}

fn host_key(text: &str) -> Result<HostKey, Wrong> {
    const AUTHORITY: &str = "cert-authority";
    if text == "ajar" {
        return Ok(HostKey::Ajar);
    }
    let (first, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    let key = if first == AUTHORITY { rest } else { text };
    public_key::parse(key).map(|key| if first == AUTHORITY { HostKey::Authority(key) } else { HostKey::Key(key) }).or_else(|why| {
        let meant = near(first, ["ajar"]).filter(|_| rest.is_empty()).or_else(|| near(first, [AUTHORITY]).filter(|_| first != AUTHORITY));
        let help = || "\"ssh-ed25519 AAAA…\", \"cert-authority ssh-ed25519 AAAA…\", or \"ajar\"".into();
        wrong(format!("that is not a public key: {why}"), meant.unwrap_or_else(help))
    })
}

/// A unix user. One list of names in one text would be taken for one name here, and for several by what compares certificates (S4).
fn login(text: &str) -> Result<String, Wrong> {
    let good = |name: &str| {
        let name = name.strip_suffix('$').unwrap_or(name);
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        plain && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && name.len() <= 32
    };
    if good(text) {
        return Ok(text.to_owned());
    }
    let shown = text.escape_debug();
    if text.contains(',') {
        return wrong(format!("'{shown}' is not one login"), "each stands for itself: \"deploy\", \"www-data\"");
    }
    let lower = text.to_lowercase();
    let help = if good(&lower) { format!("did you mean '{lower}'?") } else { "a unix user, like \"deploy\"".into() };
    wrong(format!("'{shown}' is not a login: lower-case letters, digits, '-' and '_', 32 at the most"), help)
}

fn command(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text != text.trim() || text.contains(char::is_control) {
        return wrong(
            "that is not a command: it is one line without spaces around it, as clients send it",
            "for example \"systemctl restart orders\"",
        );
    }
    Ok(text.to_owned())
}

/// RFC 4250, 4.6.1.
fn subsystem(text: &str) -> Result<String, Wrong> {
    if !(1..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return wrong("that is not a subsystem: a name of printable ASCII without spaces and commas", "for example \"sftp\"");
    }
    Ok(text.to_owned())
}

/// The name of a variable, or how names begin.
fn variable(text: &str) -> Result<String, Wrong> {
    let example = "for example \"LANG\", or \"LC_*\"";
    let (name, open) = beginning(text);
    if open && name.is_empty() {
        return wrong("that would let every variable in", example);
    }
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return wrong("that is not a variable: a name of letters, digits and '_', perhaps with '*' at the end", example);
    }
    let covers = |refused: &&&str| {
        let (taken, any) = beginning(refused);
        name == taken || (open && taken.starts_with(name)) || (any && name.starts_with(taken))
    };
    match ENV_REFUSED.iter().find(covers) {
        None => Ok(text.to_owned()),
        Some(refused) => {
            let covered = if open && name.len() < beginning(refused).0.len() {
                format!("covers '{refused}', which")
            } else {
                "is one that".to_owned()
            };
            wrong(format!("'{text}' {covered} changes which programs are run, or what they load"), example)
        }
    }
}

/// What names begin with, and whether anything may follow.
fn beginning(text: &str) -> (&str, bool) {
    text.strip_suffix('*').map_or((text, false), |begins| (begins, true))
}

fn forward(text: &str) -> Result<Forward, Wrong> {
    const EXAMPLE: &str = "like \"db.internal:5432\", \"[::1]:9000\", or \"/run/app.sock\"";
    if text.contains('*') {
        return wrong("a forward has no wildcard: each host and port is named", EXAMPLE);
    }
    if text.starts_with('/') {
        let dotted = text.split('/').skip(1).any(|segment| matches!(segment, "" | "." | ".."));
        if dotted || text.len() > SOCKET_MAX || text.contains(char::is_control) {
            let message = format!("that is not a socket: an absolute path without '.', '..' and '//', {SOCKET_MAX} bytes at the most");
            return wrong(message, EXAMPLE);
        }
        return Ok(Forward::Unix(text.to_owned()));
    }
    let (host, port) = match authority_parts(text) {
        Ok((host, Some(port))) => (host, port),
        Ok((_, None)) => return wrong("that is not a forward: it has no port", EXAMPLE),
        Err(why) => return wrong(format!("that is not a forward: {why}"), EXAMPLE),
    };
    // S6: what is named here is all that there is to go to, and these are not to be named. What names lead to is for the host to say.
    if host.parse().is_ok_and(nowhere) || METADATA_NAMES.contains(&host.as_str()) {
        let message = format!("nothing is forwarded to '{host}': it is link-local, no host's own, or where a cloud keeps credentials");
        return wrong(message, EXAMPLE);
    }
    Ok(Forward::Tcp { host, port })
}

/// Whether an address is one that no forward goes to, however it is written.
fn nowhere(address: IpAddr) -> bool {
    let of_v4 = |v4: Ipv4Addr| v4.is_link_local() || v4.octets().first() == Some(&0) || METADATA.contains(&IpAddr::V4(v4));
    match address {
        IpAddr::V4(v4) => of_v4(v4),
        IpAddr::V6(v6) if v6.is_loopback() => false,
        IpAddr::V6(v6) => {
            // IPv4 inside: mapped, compatible (RFC 4291, 2.5.5), behind NAT64 (RFC 6052, 2.1).
            let inside = match v6.segments() {
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
                _ => v6.to_ipv4(),
            };
            v6.is_unicast_link_local() || METADATA.contains(&address) || inside.is_some_and(of_v4)
        }
    }
}
