//! What a role on a resource is, in one sentence: what its holder may do there.

use ajar_core::name::RoleName;
use ajar_core::resource::{Kind, PostgresGrant, PostgresObject, PostgresRole, Resource};
use ajar_core::ssh::SshRole;

/// Parts of a list that are told; the rest is counted.
const TOLD: usize = 8;

/// What a role is. Empty when the resource doesn't have it any more.
pub(crate) fn role_words(resource: &Resource, role: &RoleName) -> String {
    let words = match &resource.kind {
        Kind::Postgres(target) => target.roles.get(role).map(postgres),
        Kind::Http(target) => target.roles.get(role).map(|allowed| some(allowed.iter().map(ToString::to_string).collect())),
        Kind::Ssh(target) => target.roles.get(role).map(ssh),
    };
    let words = words.unwrap_or_default();
    match resource.role_descriptions.get(role) {
        Some(description) if words.is_empty() => description.clone(),
        Some(description) => format!("{description} ({words})"),
        None => words,
    }
}

fn some(mut parts: Vec<String>) -> String {
    let more = parts.len().saturating_sub(TOLD);
    parts.truncate(TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", parts.join(", "))
}

fn postgres(role: &PostgresRole) -> String {
    let members = (!role.member_of.is_empty()).then(|| format!("member of {}", some(role.member_of.clone())));
    let grants = (!role.grants.is_empty()).then(|| some(role.grants.iter().map(granted).collect()));
    let limit = role.connection_limit.map(|most| format!("at most {most} connections"));
    let settings: Vec<String> = role.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let settings = (!settings.is_empty()).then(|| some(settings));
    members.into_iter().chain(grants).chain(limit).chain(settings).collect::<Vec<_>>().join("; ")
}

fn granted(grant: &PostgresGrant) -> String {
    let on = match &grant.on {
        PostgresObject::Table { schema, name } => format!("{schema}.{name}"),
        PostgresObject::AllTables { schema } => format!("all tables in {schema}"),
        PostgresObject::AllSequences { schema } => format!("all sequences in {schema}"),
        PostgresObject::Schema { name } => format!("schema {name}"),
        PostgresObject::Database => "the database".to_owned(),
    };
    format!("{} on {on}", grant.privileges.join("/"))
}

fn ssh(role: &SshRole) -> String {
    let list = |what: &str, parts: Vec<String>| (!parts.is_empty()).then(|| format!("{what} {}", some(parts)));
    let commands = match &role.commands {
        Some(commands) => list("only the commands", commands.clone()),
        None => Some("a shell and any command".to_owned()),
    };
    let yes = |is: bool, what: &str| is.then(|| what.to_owned());
    let parts = [
        list("as", role.logins.clone()),
        commands,
        list("subsystems", role.subsystems.clone()),
        list("connections to", role.forward.iter().map(ToString::to_string).collect()),
        list("listening on ports", role.remote_forward.iter().map(ToString::to_string).collect()),
        yes(role.agent, "the agent"),
        yes(role.x11, "X11"),
        yes(role.direct, "directly, past the gateway, unrecorded"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_told_in_words_and_a_long_list_is_counted() {
        let role = PostgresRole {
            member_of: vec!["orders_read".into()],
            grants: vec![PostgresGrant {
                privileges: vec!["SELECT".into(), "INSERT".into()],
                on: PostgresObject::AllTables { schema: "public".into() },
            }],
            connection_limit: Some(3),
            settings: [("statement_timeout".to_owned(), "5s".to_owned())].into(),
        };
        let expected = "member of orders_read; SELECT/INSERT on all tables in public; at most 3 connections; statement_timeout = 5s";
        assert_eq!(postgres(&role), expected);
        let role = SshRole {
            commands: Some((0..10).map(|n| format!("c{n}")).collect()),
            agent: true,
            direct: true,
            ..SshRole::of(vec!["deploy".into()])
        };
        let expected =
            "as deploy; only the commands c0, c1, c2, c3, c4, c5, c6, c7 and 2 more; the agent; directly, past the gateway, unrecorded";
        assert_eq!(ssh(&role), expected);
    }
}
