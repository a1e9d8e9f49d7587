//! What a resource is, in words, with no secret: a change of each is told.

use ajar_core::resource::{
    HttpCredential, HttpRecord, HttpTarget, Kind, PostgresGrant, PostgresObject, PostgresRole, PostgresTarget, Resource, SecretSource,
    TargetTls, Upstream,
};
use ajar_core::ssh::{HostKey, SshCredential, SshRecord, SshRole, SshTarget};

use super::{Facts, many, one, pairs, some};
use crate::public_key;

pub(super) fn facts(resource: &Resource) -> Facts {
    let Resource { name: _, description, labels, owners, default_role, role_descriptions, kind } = resource;
    let owners = owners.groups.iter().map(|g| format!("group:{g}")).chain(owners.people.iter().map(|p| format!("user:{p}")));
    let mut facts: Facts = some("default_role", default_role.as_ref()).into_iter().collect();
    facts.extend([one("kind", kind.word()), one("description", description), many("labels", pairs(labels)), many("owners", owners)]);
    facts.extend(role_descriptions.iter().map(|(role, text)| one(&format!("description of role {role}"), text)));
    match kind {
        Kind::Postgres(target) => facts.extend(postgres_facts(target)),
        Kind::Http(target) => facts.extend(http_facts(target)),
        Kind::Ssh(target) => facts.extend(ssh_facts(target)),
    }
    facts
}

fn postgres_facts(target: &PostgresTarget) -> Facts {
    let PostgresTarget { host, port, database, tls, admin_user, admin_password, roles } = target;
    let mut facts: Facts = roles.iter().map(|(name, role)| one(&format!("role {name}"), role_text(role))).collect();
    facts.extend([
        one("host", host),
        one("port", port),
        one("database", database),
        one("tls", tls_text(tls)),
        one("admin user", admin_user),
        one("admin password", source_text(admin_password)),
    ]);
    facts
}

fn role_text(role: &PostgresRole) -> String {
    let PostgresRole { member_of, grants, connection_limit, settings } = role;
    let mut parts = Vec::new();
    if !member_of.is_empty() {
        parts.push(format!("member of {}", member_of.join(", ")));
    }
    parts.extend(grants.iter().map(grant_text));
    parts.extend(connection_limit.map(|limit| format!("connection limit {limit}")));
    parts.extend(settings.iter().map(|(key, value)| format!("{key} = {value}")));
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn grant_text(grant: &PostgresGrant) -> String {
    let on = match &grant.on {
        PostgresObject::Table { schema, name } => format!("{schema}.{name}"),
        PostgresObject::AllTables { schema } => format!("all tables in {schema}"),
        PostgresObject::AllSequences { schema } => format!("all sequences in {schema}"),
        PostgresObject::Schema { name } => format!("schema {name}"),
        PostgresObject::Database => "the database".to_owned(),
    };
    format!("{} on {on}", grant.privileges.join(", "))
}

fn http_facts(target: &HttpTarget) -> Facts {
    let HttpTarget { upstream, tls, hosts, credential, record, roles } = target;
    let mut facts: Facts = roles.iter().map(|(name, allow)| many(&format!("role {name}"), allow)).collect();
    let HttpRecord { headers, bodies, redact } = record;
    facts.extend([
        one("upstream", upstream_text(upstream, tls)),
        one("tls", tls_text(tls)),
        many("hosts", hosts),
        one("credential", credential_text(credential)),
        one("record headers", headers),
        one("record bodies", bodies),
        many("record redact", redact),
    ]);
    facts
}

fn upstream_text(upstream: &Upstream, tls: &TargetTls) -> String {
    let Upstream { host, port, base } = upstream;
    let scheme = match tls {
        TargetTls::Verify { .. } | TargetTls::System => "https",
        TargetTls::Off => "http",
    };
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    format!("{scheme}://{open}{host}{close}:{port}{base}")
}

fn credential_text(credential: &HttpCredential) -> String {
    match credential {
        HttpCredential::None => "none".to_owned(),
        HttpCredential::Header { name, prefix, value } if name == "authorization" && prefix == "Bearer " => {
            format!("bearer {}", source_text(value))
        }
        HttpCredential::Header { name, prefix, value } => format!("header {name}: {prefix}{}", source_text(value)),
        HttpCredential::Basic { user, password } => format!("basic {user} with {}", source_text(password)),
        HttpCredential::Certificate { chain_file, key } => format!("certificate {chain_file} with {}", source_text(key)),
        HttpCredential::OAuth2 { token_url, client_id, client_secret, scopes } => {
            let scopes = if scopes.is_empty() { String::new() } else { format!(" for {}", scopes.join(", ")) };
            format!("oauth2 {client_id} at {token_url} with {}{scopes}", source_text(client_secret))
        }
    }
}

fn ssh_facts(target: &SshTarget) -> Facts {
    let SshTarget { host, port, host_keys, credential, record, roles } = target;
    let mut facts: Facts = roles.iter().map(|(name, role)| many(&format!("role {name}"), ssh_role(role))).collect();
    let SshRecord { input, output } = record;
    facts.extend([
        one("host", host),
        one("port", port),
        many("host_keys", host_keys.iter().map(host_key_text)),
        one("credential", ssh_credential_text(credential)),
        one("record input", input),
        one("record output", if *output == u64::MAX { "all".to_owned() } else { output.to_string() }),
    ]);
    facts
}

/// What a role allows, one thing after the other.
fn ssh_role(role: &SshRole) -> Vec<String> {
    let SshRole { logins, commands, subsystems, env, forward, remote_forward, agent, x11, direct } = role;
    // Which login is the first makes a difference.
    let logins = logins.iter().enumerate().map(|(n, login)| format!("{} {login}", if n == 0 { "default login" } else { "login" }));
    let mut all: Vec<String> = logins.collect();
    match commands {
        None => all.push("any command and a shell".to_owned()),
        Some(commands) => all.extend(commands.iter().map(|command| format!("command {command}"))),
    }
    all.extend(subsystems.iter().map(|name| format!("subsystem {name}")));
    all.extend(env.iter().map(|name| format!("env {name}")));
    all.extend(forward.iter().map(|to| format!("forward {to}")));
    all.extend(remote_forward.iter().map(|port| match port {
        0 => "remote forward of any port".to_owned(),
        port => format!("remote forward of {port}"),
    }));
    let flags = [("agent", *agent), ("x11", *x11), ("direct", *direct)];
    all.extend(flags.into_iter().filter(|(_, set)| *set).map(|(word, _)| word.to_owned()));
    all
}

fn host_key_text(key: &HostKey) -> String {
    match key {
        HostKey::Ajar => "ajar".to_owned(),
        HostKey::Authority(key) => format!("cert-authority {}", public_key::short(key)),
        HostKey::Key(key) => public_key::short(key),
    }
}

fn ssh_credential_text(credential: &SshCredential) -> String {
    match credential {
        SshCredential::Certificate => "certificate".to_owned(),
        SshCredential::Key(key) => format!("key {}", source_text(key)),
        SshCredential::Password(password) => format!("password {}", source_text(password)),
    }
}

fn tls_text(tls: &TargetTls) -> String {
    match tls {
        TargetTls::Verify { ca_file } => format!("verify {ca_file}"),
        TargetTls::System => "system".to_owned(),
        TargetTls::Off => "off".to_owned(),
    }
}

fn source_text(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("env {name}"),
        SecretSource::File(path) => format!("file {path}"),
    }
}
