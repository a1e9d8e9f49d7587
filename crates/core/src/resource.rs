//! What people get into: a resource, its address, its roles and what each role means on the target.
//! Built from files by `ajar-policy`; used by connectors and gateways.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::http::Allow;
use crate::name::{GroupName, PrincipalName, ResourceName, RoleName};
use crate::ssh::SshTarget;

/// A resource with everything that its connector and gateway need, but no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name: what people ask for.
    pub name: ResourceName,
    /// One sentence for people.
    pub description: String,
    /// Free labels, for rules.
    pub labels: BTreeMap<String, String>,
    /// Who owns it: they may be asked to approve.
    pub owners: Owners,
    /// The role that a connection which names none asks for.
    pub default_role: Option<RoleName>,
    /// What roles are for, one sentence each, of those that say it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub role_descriptions: BTreeMap<RoleName, String>,
    /// What kind of thing it is, with the kind's own settings.
    pub kind: Kind,
}

/// Who owns a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// Groups whose members own it.
    pub groups: Vec<GroupName>,
    /// People who own it by name.
    pub people: Vec<PrincipalName>,
}

/// The kinds of resource, each with its own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A PostgreSQL database.
    Postgres(PostgresTarget),
    /// An HTTP API.
    Http(HttpTarget),
    /// An SSH host.
    Ssh(SshTarget),
}

impl Kind {
    /// The word that files and listings use.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Http(_) => "http",
            Self::Ssh(_) => "ssh",
        }
    }
}

impl Resource {
    /// The names of its roles, in order.
    #[must_use]
    pub fn roles(&self) -> Vec<&RoleName> {
        match &self.kind {
            Kind::Postgres(target) => target.roles.keys().collect(),
            Kind::Http(target) => target.roles.keys().collect(),
            Kind::Ssh(target) => target.roles.keys().collect(),
        }
    }

    /// Host names of its own that callers may use.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        match &self.kind {
            Kind::Postgres(_) | Kind::Ssh(_) => &[],
            Kind::Http(target) => &target.hosts,
        }
    }

    /// Whether both are the same thing in the same place, whatever else is said of them.
    #[must_use]
    pub fn is_where(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Postgres(one), Kind::Postgres(another)) => {
                (&one.host, one.port, &one.database) == (&another.host, another.port, &another.database)
            }
            (Kind::Http(one), Kind::Http(another)) => one.upstream == another.upstream,
            (Kind::Ssh(one), Kind::Ssh(another)) => (&one.host, one.port) == (&another.host, another.port),
            (Kind::Postgres(_) | Kind::Http(_) | Kind::Ssh(_), _) => false,
        }
    }

    /// Host and port of what it is on.
    #[must_use]
    pub fn address(&self) -> (&str, u16) {
        match &self.kind {
            Kind::Postgres(target) => (&target.host, target.port),
            Kind::Http(target) => (&target.upstream.host, target.upstream.port),
            Kind::Ssh(target) => (&target.host, target.port),
        }
    }
}

/// A PostgreSQL database and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresTarget {
    /// Host name or address of the server.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database on that server.
    pub database: String,
    /// How the connection to the target is protected.
    pub tls: TargetTls,
    /// The administrative login that mints and revokes.
    pub admin_user: String,
    /// Where the administrative password is: resolved by the shell when it is used, never stored.
    pub admin_password: SecretSource,
    /// What each role maps to.
    pub roles: BTreeMap<RoleName, PostgresRole>,
}

/// Where a secret that a file refers to is to be read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable of the server.
    Env(String),
    /// A file that the server can read (trailing newline dropped).
    File(String),
}

/// How a connection to a target is protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetTls {
    /// TLS, certificate verified against these PEM authorities, name checked against `host`.
    Verify {
        /// A path to PEM certificates, absolute or relative to the policy directory.
        ca_file: String,
    },
    /// TLS, certificate verified against the system's authorities.
    System,
    /// Plain TCP: only for a target on the same host or an already protected network.
    Off,
}

/// What one role means in PostgreSQL: all of it is what the minted login gets, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresRole {
    /// Existing roles that the minted login becomes a member of.
    pub member_of: Vec<String>,
    /// Privileges granted to the minted login directly.
    pub grants: Vec<PostgresGrant>,
    /// At most so many connections at once (`CONNECTION LIMIT`).
    pub connection_limit: Option<u16>,
    /// Settings of the minted login (`ALTER ROLE … SET`), such as `statement_timeout`.
    pub settings: BTreeMap<String, String>,
}

/// One `GRANT privileges ON kind name TO the minted login`, as data: names are quoted by construction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresGrant {
    /// Privileges, each one of PostgreSQL's keywords (`SELECT`, `INSERT`, `USAGE`, …), checked when parsed.
    pub privileges: Vec<String>,
    /// On what.
    pub on: PostgresObject,
}

/// What privileges can be granted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostgresObject {
    /// One table or view.
    Table {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// Every table of a schema, as it is when minted.
    AllTables {
        /// The schema.
        schema: String,
    },
    /// Every sequence of a schema, as it is when minted.
    AllSequences {
        /// The schema.
        schema: String,
    },
    /// A schema.
    Schema {
        /// Its name.
        name: String,
    },
    /// The database itself.
    Database,
}

/// An HTTP API and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTarget {
    /// Where requests go.
    pub upstream: Upstream,
    /// How the connection to it is protected.
    pub tls: TargetTls,
    /// Host names that callers may use for it, besides a path that begins with its name.
    pub hosts: Vec<String>,
    /// What the gateway shows the target; callers never see it.
    pub credential: HttpCredential,
    /// What of requests and answers is recorded besides method, path, status, sizes and times.
    pub record: HttpRecord,
    /// What each role allows: methods on paths, as the caller sees them.
    pub roles: BTreeMap<RoleName, Vec<Allow>>,
}

/// Where an API's requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What every path begins with on the target: empty, or like `/v2`.
    pub base: String,
}

/// What an API's target asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpCredential {
    /// Nothing: whoever reaches it may.
    None,
    /// A header. The secret is the whole value, `Bearer …` included.
    Header {
        /// Its name, in lower case.
        name: String,
        /// What stands before the secret: `Bearer `, or nothing.
        prefix: String,
        /// Its value.
        value: SecretSource,
    },
    /// Basic authentication.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: SecretSource,
    },
    /// A client certificate, over TLS.
    Certificate {
        /// A path to its chain, PEM, absolute or relative to the policy directory.
        chain_file: String,
        /// Its private key, PEM.
        key: SecretSource,
    },
    /// A token from an authorisation server, for client credentials (RFC 6749, 4.4).
    OAuth2 {
        /// Its token endpoint: an `https` URL, or `http` on this machine.
        token_url: String,
        /// Who the gateway is there.
        client_id: String,
        /// Its secret.
        client_secret: SecretSource,
        /// What is asked for.
        scopes: Vec<String>,
    },
}

/// What of an API's requests and answers is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRecord {
    /// Headers, less those that carry secrets.
    pub headers: bool,
    /// Bytes of each body at the most; none when 0.
    pub bodies: u64,
    /// Headers and fields of JSON bodies whose values are left out, in lower case.
    pub redact: Vec<String>,
}
