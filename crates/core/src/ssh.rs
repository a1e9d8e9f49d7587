//! SSH hosts: how they are reached and known, and what each role allows there. Pure: the gateway and the authority use it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::LeaseId;
use crate::name::RoleName;
use crate::resource::SecretSource;

/// An SSH host and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshTarget {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What proves that it is the host: at least one.
    pub host_keys: Vec<HostKey>,
    /// What the gateway shows it.
    pub credential: SshCredential,
    /// What is recorded besides commands, results, transfers and forwards.
    pub record: SshRecord,
    /// What each role allows.
    pub roles: BTreeMap<RoleName, SshRole>,
}

/// The number of the certificate that a lease is: the low 64 bits of its id, which are never all 0 (RFC 9562 sets the first of them).
#[must_use]
pub fn serial(lease: LeaseId) -> u64 {
    lease.uuid().as_u64_pair().1
}

/// The number that is revoked for good: in every list of revoked certificates, and of none that anybody gets. A host that refuses it, and no
/// other, has a list. No lease has it.
pub const CANARY: u64 = 1;

/// What a host is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKey {
    /// A certificate for its name by Ajar's authority for hosts.
    Ajar,
    /// A certificate for its name by this authority: a public key as in OpenSSH's files, `ssh-ed25519 AAAA…`.
    Authority(String),
    /// This public key, as in OpenSSH's files.
    Key(String),
}

/// What the gateway shows an SSH host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SshCredential {
    /// A certificate by Ajar's authority for users, made for each session and good for a minute: the host trusts the authority.
    Certificate,
    /// A private key in OpenSSH's format, without passphrase.
    Key(SecretSource),
    /// A password.
    Password(SecretSource),
}

/// What of SSH sessions is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshRecord {
    /// What is typed into terminals. What they show is recorded always.
    pub input: bool,
    /// Bytes of each command's output (without a terminal) at the most.
    pub output: u64,
}

impl SshRecord {
    /// Bytes of a command's output that are recorded unless the files say otherwise.
    pub const OUTPUT: u64 = 1 << 20;
}

impl Default for SshRecord {
    fn default() -> Self {
        Self { input: false, output: Self::OUTPUT }
    }
}

/// What one role allows on an SSH host. What isn't said isn't allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshRole {
    /// Unix users that sessions may be of; the first is the one for clients that name none. At least one.
    pub logins: Vec<String>,
    /// The only commands that may be run, word by word as the client sends them, and no shell; any command and a shell when there is none.
    pub commands: Option<Vec<String>>,
    /// Subsystems, such as `sftp`.
    pub subsystems: Vec<String>,
    /// Environment variables that clients may set: names, or the beginning of names with `*` behind.
    pub env: Vec<String>,
    /// Where clients may open connections to from the host.
    pub forward: Vec<Forward>,
    /// Ports (of the host's own loopback) on which the host may listen for clients; 0 stands for any.
    pub remote_forward: Vec<u16>,
    /// Whether programs on the host may use the client's agent.
    pub agent: bool,
    /// Whether programs on the host may show windows on the client.
    pub x11: bool,
    /// Whether certificates are given with which clients go to the host themselves, past the gateway: unrecorded.
    pub direct: bool,
}

/// Where clients may open connections to from a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forward {
    /// A host, as clients name it, and a port.
    Tcp {
        /// Name or address, in lower case.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket of the file system, by its absolute path.
    Unix(String),
}

impl std::fmt::Display for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

impl SshRole {
    /// With these logins, any command, and nothing else.
    #[must_use]
    pub fn of(logins: Vec<String>) -> Self {
        Self {
            logins,
            commands: None,
            subsystems: Vec::new(),
            env: Vec::new(),
            forward: Vec::new(),
            remote_forward: Vec::new(),
            agent: false,
            x11: false,
            direct: false,
        }
    }

    /// Whether a session may be of this unix user.
    #[must_use]
    pub fn allows_login(&self, login: &str) -> bool {
        self.logins.iter().any(|allowed| allowed == login)
    }

    /// Whether this command may be run.
    #[must_use]
    pub fn allows_command(&self, command: &[u8]) -> bool {
        self.commands.as_ref().is_none_or(|only| only.iter().any(|allowed| allowed.as_bytes() == command))
    }

    /// Whether a shell may be opened.
    #[must_use]
    pub fn allows_shell(&self) -> bool {
        self.commands.is_none()
    }

    /// Whether this subsystem may be used.
    #[must_use]
    pub fn allows_subsystem(&self, name: &str) -> bool {
        self.subsystems.iter().any(|allowed| allowed == name)
    }

    /// Whether this environment variable may be set.
    #[must_use]
    pub fn allows_env(&self, name: &str) -> bool {
        self.env.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => allowed == name,
        })
    }

    /// Whether a connection may be opened from the host to there. Names are compared without case and addresses as such, but nothing is
    /// resolved: what the files don't name isn't allowed (S6).
    #[must_use]
    pub fn allows_forward(&self, host: &str, port: u32) -> bool {
        let same = |to: &str| match (to.parse::<IpAddr>(), host.parse::<IpAddr>()) {
            (Ok(to), Ok(host)) => to == host,
            (Ok(_) | Err(_), _) => to.eq_ignore_ascii_case(host),
        };
        self.forward.iter().any(|allowed| match allowed {
            Forward::Tcp { host: to, port: at } => same(to) && u32::from(*at) == port,
            Forward::Unix(_) => false,
        })
    }

    /// Whether a connection may be opened to this socket of the host.
    #[must_use]
    pub fn allows_socket(&self, path: &str) -> bool {
        self.forward.iter().any(|allowed| matches!(allowed, Forward::Unix(to) if to == path))
    }

    /// Whether the host may listen for the client: on its own loopback, at a port that is allowed.
    #[must_use]
    pub fn allows_remote_forward(&self, address: &str, port: u32) -> bool {
        let loopback = matches!(address, "localhost" | "127.0.0.1" | "::1");
        loopback && self.remote_forward.iter().any(|allowed| *allowed == 0 || u32::from(*allowed) == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_the_number_of_its_lease() {
        let lease: LeaseId = "lease_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        assert_eq!(u128::from(serial(lease)), lease.uuid().as_u128() & u128::from(u64::MAX));
        assert!(serial(lease) > 0);
    }

    #[test]
    fn s05_what_a_role_does_not_say_is_not_allowed() {
        let role = SshRole::of(vec!["deploy".into()]);
        assert!(role.allows_login("deploy") && role.allows_command(b"true") && role.allows_shell());
        assert!(!role.allows_login("root") && !role.allows_login("") && !role.allows_login("deploy,root"));
        assert!(!role.allows_subsystem("sftp") && !role.allows_env("LANG") && !role.agent && !role.x11 && !role.direct);
        assert!(!role.allows_forward("localhost", 22) && !role.allows_socket("/run/docker.sock"));
        assert!(!role.allows_remote_forward("localhost", 0) && !role.allows_remote_forward("localhost", 8080));
    }

    #[test]
    fn s06_forwards_go_where_the_files_say_and_nowhere_that_sounds_alike() {
        let role = SshRole {
            forward: vec![Forward::Tcp { host: "db.internal".into(), port: 5432 }, Forward::Unix("/run/app.sock".into())],
            remote_forward: vec![8080],
            ..SshRole::of(vec!["deploy".into()])
        };
        assert!(role.allows_forward("db.internal", 5432) && role.allows_forward("DB.internal", 5432));
        for (host, port) in [
            ("db.internal", 22),
            ("db.internal.", 5432),
            ("169.254.169.254", 80),
            ("localhost", 5432),
            ("", 5432),
            ("db.internal\0", 5432),
            ("db.internal", 5432 + 65_536),
        ] {
            assert!(!role.allows_forward(host, port), "{host:?}:{port}");
        }
        assert!(role.allows_socket("/run/app.sock") && !role.allows_socket("/run/../run/app.sock"));
        assert!(role.allows_remote_forward("localhost", 8080) && !role.allows_remote_forward("localhost", 8081));
        assert!(!role.allows_remote_forward("", 8080) && !role.allows_remote_forward("0.0.0.0", 8080));
    }

    #[test]
    fn s05_only_the_commands_that_are_named_and_no_shell() {
        let role = SshRole { commands: Some(vec!["systemctl restart orders".into()]), ..SshRole::of(vec!["deploy".into()]) };
        assert!(role.allows_command(b"systemctl restart orders") && !role.allows_shell());
        for other in ["systemctl restart orders; id", " systemctl restart orders", "systemctl restart", ""] {
            assert!(!role.allows_command(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn s05_environment_by_name_or_beginning() {
        let role = SshRole { env: vec!["LANG".into(), "LC_*".into()], ..SshRole::of(vec!["deploy".into()]) };
        assert!(role.allows_env("LANG") && role.allows_env("LC_ALL"));
        assert!(!role.allows_env("LANGUAGE") && !role.allows_env("LD_PRELOAD") && !role.allows_env("LC"));
    }
}
