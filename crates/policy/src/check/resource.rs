//! Resources: what all have, which keys belong to which kind, and what those of kind `postgres` have.
//!
//! What is wrong leaves something in its place, so that nothing is said of what refers to it: no set with a problem gets out of here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ajar_core::name::{ResourceName, RoleName};
use ajar_core::resource::{Kind, Owners, PostgresRole, PostgresTarget, Resource, SecretSource, TargetTls};
use toml::Spanned;

use super::{Check, Known, Place};
use crate::grants;
use crate::problem::near;
use crate::raw::{self, Text};
use crate::rules::Candidate;

/// The port of a PostgreSQL server unless its resource says.
const POSTGRES_PORT: u16 = 5432;

/// A kind that there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum KindWord {
    Http,
    Postgres,
    Ssh,
}

const KINDS: [(&str, KindWord); 3] = [("http", KindWord::Http), ("postgres", KindWord::Postgres), ("ssh", KindWord::Ssh)];

/// Roles by their names, each with the place of its name.
pub(super) type Roles<'a> = BTreeMap<RoleName, (&'a Text, &'a raw::Role)>;

/// A key that is there, and where.
type KeyAt = (&'static str, Range<usize>);

impl Check {
    pub(super) fn resource(&mut self, at: Place<'_>, raw: &raw::Resource, known: &Known) {
        let owners = self.owners(at, raw, known);
        let named = raw.roles.iter().filter_map(|(name, role)| Some((self.parsed::<RoleName>(at, name)?, (name, role))));
        let roles: Roles<'_> = named.collect();
        if raw.roles.is_empty() {
            self.problem(at, &raw.name, "the resource has no roles", Some("add [resource.roles.read]".into()));
        }
        let default_role = raw.default_role.as_ref().and_then(|role| self.known(at, role, "role", &roles.keys().cloned().collect()));
        let role_descriptions = roles.iter().filter_map(|(name, (_, role))| Some((name.clone(), role.description.clone()?))).collect();
        let kind = match self.kind(at, &raw.kind) {
            Some(KindWord::Http) => self.http(at, raw, &roles),
            Some(KindWord::Postgres) => self.postgres(at, raw, &roles),
            Some(KindWord::Ssh) => self.ssh(at, raw, &roles),
            None => Kind::Http(super::http::nothing(roles.into_keys())),
        };
        let Some(name) = self.parsed::<ResourceName>(at, &raw.name) else { return };
        let (description, labels) = (raw.description.clone(), raw.labels.clone());
        let resource = Resource { name: name.clone(), description, labels, owners, default_role, role_descriptions, kind };
        if self.rules.resources.insert(name.clone(), Arc::new(resource)).is_some() {
            self.problem(at, &raw.name, format!("there is another resource '{name}'"), None);
        }
    }

    fn owners(&mut self, at: Place<'_>, raw: &raw::Resource, known: &Known) -> Owners {
        let mut owners = Owners::default();
        for owner in &raw.owners {
            match self.who(at, owner, known) {
                Some(Candidate::Group(group)) => owners.groups.push(group),
                Some(Candidate::Person(person)) => owners.people.push(person),
                Some(Candidate::Owners | Candidate::Manager | Candidate::OnCall(_)) => {
                    self.problem(at, owner, "an owner is a group or a user", Some("\"group:orders\"".into()));
                }
                None => {}
            }
        }
        owners
    }

    pub(super) fn kind(&mut self, at: Place<'_>, text: &Text) -> Option<KindWord> {
        let found = KINDS.into_iter().find(|(word, _)| word == text.get_ref()).map(|(_, kind)| kind);
        if found.is_none() {
            let words = KINDS.map(|(word, _)| word);
            let [others @ .., last] = words.map(|word| format!("\"{word}\""));
            let help = near(text.get_ref(), words).unwrap_or_else(|| format!("{} or {last}", others.join(", ")));
            self.problem(at, text, format!("there is no kind '{}'", text.get_ref().escape_debug()), Some(help));
        }
        found
    }

    /// Tells of keys that belong to other kinds; whether there were none.
    pub(super) fn only(&mut self, at: Place<'_>, (what, kind): (&str, &str), there: Vec<KeyAt>, own: &[&str]) -> bool {
        let mut none = true;
        for (key, place) in there.into_iter().filter(|(key, _)| !own.contains(key)) {
            none = false;
            let help = near(key, own.iter().copied()).unwrap_or_else(|| {
                let keys: Vec<String> = own.iter().map(|key| format!("'{key}'")).collect();
                format!("those have {}", keys.join(", "))
            });
            self.problem(at, &Spanned::new(place, ()), format!("'{key}' is not for {what} of kind {kind}"), Some(help));
        }
        none
    }

    /// A key that every resource of the kind has.
    pub(super) fn needed<'r, T>(
        &mut self,
        at: Place<'_>,
        raw: &raw::Resource,
        (key, example): (&str, &str),
        value: Option<&'r T>,
    ) -> Option<&'r T> {
        if value.is_none() {
            let message = format!("a resource of kind {} has '{key}'", raw.kind.get_ref());
            self.problem(at, &raw.kind, message, Some(format!("{key} = {example}")));
        }
        value
    }

    /// A text that must be so; what it is is not told.
    pub(super) fn fits(&mut self, at: Place<'_>, text: &Text, what: &str, is: impl Fn(&str) -> bool) -> String {
        if !is(text.get_ref()) {
            self.problem(at, text, format!("that is not a {what}"), None);
        }
        text.get_ref().clone()
    }

    pub(super) fn tls(&mut self, at: Place<'_>, raw: &Spanned<raw::Tls>) -> TargetTls {
        match raw.get_ref() {
            raw::Tls::Verify(v) => TargetTls::Verify { ca_file: v.verify.clone() },
            raw::Tls::Word(word) if word == "system" => TargetTls::System,
            raw::Tls::Word(word) if word == "off" => TargetTls::Off,
            raw::Tls::Word(_) => {
                self.problem(at, raw, "tls is \"system\", \"off\", or { verify = \"ca.pem\" }", None);
                TargetTls::System
            }
        }
    }

    fn postgres(&mut self, at: Place<'_>, raw: &raw::Resource, roles: &Roles<'_>) -> Kind {
        self.only(at, ("resources", "postgres"), keys(raw), &["host", "port", "database", "tls", "admin"]);
        let host = self.needed(at, raw, ("host", "\"db1.internal\""), raw.host.as_ref());
        let database = self.needed(at, raw, ("database", "\"orders\""), raw.database.as_ref());
        let tls = self.needed(at, raw, ("tls", "\"system\""), raw.tls.as_ref());
        let admin = self.needed(at, raw, ("admin", "{ user = \"ajar_admin\", password = { env = \"NAME\" } }"), raw.admin.as_ref());
        for (what, text) in [("host", host), ("database", database)] {
            if let Some(text) =
                text.filter(|t| t.get_ref().is_empty() || t.get_ref().len() > 255 || t.get_ref().chars().any(char::is_control))
            {
                self.problem(at, text, format!("that is not a {what}"), None);
            }
        }
        let admin = admin.map(Spanned::get_ref);
        Kind::Postgres(PostgresTarget {
            host: host.map(|host| host.get_ref().clone()).unwrap_or_default(),
            port: raw.port.as_ref().map_or(POSTGRES_PORT, |port| *port.get_ref()),
            database: database.map(|database| database.get_ref().clone()).unwrap_or_default(),
            tls: tls.map_or(TargetTls::System, |tls| self.tls(at, tls)),
            admin_user: admin.map(|admin| admin.user.clone()).unwrap_or_default(),
            admin_password: admin.map_or(SecretSource::Env(String::new()), |admin| source(&admin.password)),
            roles: roles.iter().map(|(name, (_, role))| (name.clone(), self.postgres_role(at, role))).collect(),
        })
    }

    fn postgres_role(&mut self, at: Place<'_>, raw: &raw::Role) -> PostgresRole {
        self.only(at, ("roles", "postgres"), role_keys(raw), &["member_of", "grants", "connection_limit", "settings"]);
        let mut role = PostgresRole {
            connection_limit: raw.connection_limit.as_ref().map(|limit| *limit.get_ref()),
            settings: raw.settings.as_ref().map(|settings| settings.get_ref().clone()).unwrap_or_default(),
            ..PostgresRole::default()
        };
        for member in raw.member_of.iter().flat_map(Spanned::get_ref) {
            let name = member.get_ref();
            if name.is_empty() || name.len() > 63 || name.contains('\0') {
                self.problem(at, member, "that is not a PostgreSQL role", None);
            }
            role.member_of.push(name.clone());
        }
        for grant in raw.grants.iter().flat_map(Spanned::get_ref) {
            match grants::parse(grant.get_ref()) {
                Ok(parsed) => role.grants.push(parsed),
                Err(why) => self.problem(at, grant, why, Some("for example \"SELECT, INSERT ON TABLE public.orders\"".into())),
            }
        }
        role
    }
}

pub(super) fn source(raw: &raw::Secret) -> SecretSource {
    match raw {
        raw::Secret::Env(name) => SecretSource::Env(name.clone()),
        raw::Secret::File(path) => SecretSource::File(path.clone()),
    }
}

/// The keys of a resource that only some kinds have. Every key of the shape stands here, so that a new one is not forgotten.
pub(super) fn keys(raw: &raw::Resource) -> Vec<KeyAt> {
    let raw::Resource {
        name: _,
        kind: _,
        description: _,
        labels: _,
        owners: _,
        default_role: _,
        roles: _,
        host,
        port,
        database,
        tls,
        admin,
        upstream,
        hosts,
        host_keys,
        credential,
        record,
    } = raw;
    let keys = [
        key("host", host.as_ref()),
        key("port", port.as_ref()),
        key("database", database.as_ref()),
        key("tls", tls.as_ref()),
        key("admin", admin.as_ref()),
        key("upstream", upstream.as_ref()),
        key("hosts", hosts.as_ref()),
        key("host_keys", host_keys.as_ref()),
        key("credential", credential.as_ref()),
        key("record", record.as_ref()),
    ];
    keys.into_iter().flatten().collect()
}

/// Those of a role.
pub(super) fn role_keys(raw: &raw::Role) -> Vec<KeyAt> {
    let raw::Role {
        description: _,
        member_of,
        grants,
        connection_limit,
        settings,
        allow,
        logins,
        commands,
        subsystems,
        env,
        forward,
        remote_forward,
        agent,
        x11,
        direct,
    } = raw;
    let keys = [
        key("member_of", member_of.as_ref()),
        key("grants", grants.as_ref()),
        key("connection_limit", connection_limit.as_ref()),
        key("settings", settings.as_ref()),
        key("allow", allow.as_ref()),
        key("logins", logins.as_ref()),
        key("commands", commands.as_ref()),
        key("subsystems", subsystems.as_ref()),
        key("env", env.as_ref()),
        key("forward", forward.as_ref()),
        key("remote_forward", remote_forward.as_ref()),
        key("agent", agent.as_ref()),
        key("x11", x11.as_ref()),
        key("direct", direct.as_ref()),
    ];
    keys.into_iter().flatten().collect()
}

/// Those of a credential.
pub(super) fn credential_keys(raw: &raw::Shown) -> Vec<KeyAt> {
    let raw::Shown { bearer, header, basic, certificate, oauth2, key: private, password } = raw;
    let keys = [
        key("bearer", bearer.as_ref()),
        key("header", header.as_ref()),
        key("basic", basic.as_ref()),
        key("certificate", certificate.as_ref()),
        key("oauth2", oauth2.as_ref()),
        key("key", private.as_ref()),
        key("password", password.as_ref()),
    ];
    keys.into_iter().flatten().collect()
}

/// Those of what is recorded.
pub(super) fn record_keys(raw: &raw::Record) -> Vec<KeyAt> {
    let raw::Record { headers, bodies, redact, input, output } = raw;
    let keys = [
        key("headers", headers.as_ref()),
        key("bodies", bodies.as_ref()),
        key("redact", redact.as_ref()),
        key("input", input.as_ref()),
        key("output", output.as_ref()),
    ];
    keys.into_iter().flatten().collect()
}

fn key<T>(name: &'static str, value: Option<&Spanned<T>>) -> Option<KeyAt> {
    value.map(|value| (name, value.span()))
}

pub(super) fn is(flag: Option<&Spanned<bool>>) -> bool {
    flag.is_some_and(|flag| *flag.get_ref())
}
