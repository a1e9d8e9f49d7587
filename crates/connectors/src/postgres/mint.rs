//! Making a login: one transaction that creates it, gives it what its role maps to, and reads back that it came out
//! exactly so before committing. What fails leaves nothing behind.

use std::collections::BTreeSet;

use ajar_core::lease::Intended;
use ajar_core::port::{ConnectorError, LeaseSecret};
use ajar_core::resource::{PostgresGrant, PostgresObject, PostgresRole};
use ajar_wire::pg::scram::ScramKeys;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::login::{KEEPER, Login};
use super::session::{Failure, Session, column};
use super::sql::{Ident, Literal, Sql, Unfit};
use super::{PostgresConnector, Target, login};

/// How PostgreSQL itself stretches passwords; with random ones more buys nothing.
pub(super) const ITERATIONS: u32 = 4_096;
/// How often a transaction is tried that lost a race for a row of the catalogue. Each loss means that another one won.
pub(super) const TRIES: u32 = 30;

/// Predefined roles that reach past the database: into its server's files and processes, other people's sessions, or out to
/// other servers.
const PREDEFINED: [&str; 5] =
    ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_signal_backend", "pg_create_subscription"];

/// Settings that a role may not set: they change who the session is, or load code into the server.
const SETTINGS: [&str; 4] = ["role", "session_authorization", "local_preload_libraries", "session_preload_libraries"];

pub(super) async fn mint(
    connector: &PostgresConnector,
    target: Target<'_>,
    intent: &Intended,
    secret: &LeaseSecret,
) -> Result<(), ConnectorError> {
    let role = target.pg.roles.get(&intent.role).ok_or_else(|| target.misconfigured(format!("it has no role {}", intent.role)))?;
    let wanted = Wanted::of(target, role, intent, secret)?;
    let session = connector.admin(&target, &target.pg.database).await?;
    make(&session, target, &wanted).await
}

/// A login to be made.
pub(super) struct Wanted<'a> {
    login: Login,
    role: &'a PostgresRole,
    /// A SCRAM verifier, never the password: statements end up in logs.
    verifier: Literal,
    valid_until: Literal,
    valid_until_millis: i64,
    /// What the role's comment says: the same for a repeated mint of the same lease.
    comment: String,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(target: Target<'_>, role: &'a PostgresRole, intent: &Intended, secret: &LeaseSecret) -> Result<Self, ConnectorError> {
        let unfit = |what: &'static str| move |why: Unfit| target.misconfigured(format!("{what} {why}"));
        let keys = ScramKeys::derive(secret.password.expose(), &secret.salt, ITERATIONS)
            .map_err(|why| target.misconfigured(format!("the lease's password: {why}")))?;
        Ok(Self {
            login: Login::parse(target.resource, &intent.login)?,
            role,
            verifier: Literal::new(&keys.verifier()).map_err(unfit("the verifier"))?,
            // INVARIANT I12: the server lets it expire by itself.
            valid_until: Literal::new(&intent.valid_until.to_string()).map_err(unfit("the instant"))?,
            valid_until_millis: intent.valid_until.as_millis(),
            comment: comment(intent),
        })
    }

    fn limit(&self) -> i32 {
        self.role.connection_limit.map_or(-1, i32::from)
    }
}

/// What the role's comment says.
pub(super) fn comment(intent: &Intended) -> String {
    format!("Made by Ajar for {} under {}: don't change or use it", intent.id, intent.grant)
}

/// Makes the login in one transaction.
pub(super) async fn make(session: &Session, target: Target<'_>, wanted: &Wanted<'_>) -> Result<(), ConnectorError> {
    let before = Before::ask(session, target, wanted).await?;
    let statements = statements(target, wanted, &before)?;
    for _ in 0..TRIES {
        match attempt(session, target, wanted, &statements).await {
            Err(Stop::Contention) => session.run(&Sql::new("ROLLBACK")).await.map_err(target.at("roll back"))?,
            Err(Stop::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(target.refused("create the login", "too many others changed the same objects at once"))
}

enum Stop {
    Contention,
    Error(ConnectorError),
}

impl From<ConnectorError> for Stop {
    fn from(error: ConnectorError) -> Self {
        Self::Error(error)
    }
}

async fn attempt(session: &Session, target: Target<'_>, wanted: &Wanted<'_>, statements: &Sql) -> Result<(), Stop> {
    if let Err(failure) = session.run(statements).await {
        if failure.is_contention() {
            return Err(Stop::Contention);
        }
        return Err(explain(target, failure).into());
    }
    if !read_back(session, target, wanted).await? {
        let database = Ident::new(&target.pg.database).map_err(|why| target.misconfigured(format!("its database's name {why}")))?;
        let connect = Sql::new("GRANT CONNECT ON DATABASE ").ident(&database).words(" TO ").ident(wanted.login.ident());
        if let Err(failure) = session.run(&connect).await {
            return Err(if failure.is_contention() { Stop::Contention } else { explain(target, failure).into() });
        }
        if !read_back(session, target, wanted).await? {
            let words = "it may not connect to the database, and the admin may not grant that: GRANT CONNECT ON DATABASE … TO the admin WITH GRANT OPTION";
            return Err(target.refused("make the login as the file says", words).into());
        }
    }
    Ok(session.run(&Sql::new("COMMIT")).await.map_err(target.at("commit the login"))?)
}

fn explain(target: Target<'_>, failure: Failure) -> ConnectorError {
    let lacking = [SqlState::UNDEFINED_OBJECT, SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::INVALID_PARAMETER_VALUE];
    if lacking.iter().any(|code| failure.is(code)) {
        return target.misconfigured(format!("its role can't be given as the file says: {failure}"));
    }
    if failure.is(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let admin = &target.pg.admin_user;
        return target.refused("create the login", format!("{failure}; {admin} lacks a right: `ajar doctor` says which"));
    }
    failure.at(target.resource, "create the login")
}

/// What the target shows before the login is made.
struct Before {
    /// As `server_version_num`: 150004 for 15.4.
    version: i32,
    /// The login is there from an earlier try for the same lease.
    again: bool,
}

impl Before {
    async fn ask(session: &Session, target: Target<'_>, wanted: &Wanted<'_>) -> Result<Self, ConnectorError> {
        let at = target.at("look before creating the login");
        let question = "SELECT current_setting('server_version_num')::int4 AS version, pg_is_in_recovery() AS standby, \
                        r.oid IS NOT NULL AS there, coalesce(r.rolcanlogin, false) AS open, \
                        coalesce(shobj_description(r.oid, 'pg_authid'), '') AS comment \
                        FROM (SELECT 1) AS one LEFT JOIN pg_roles r ON r.rolname = $1::text";
        // Both questions are on their way together.
        let login = wanted.login.name();
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&login, Type::TEXT)];
        let (row, allowed) = tokio::join!(session.row(question, parameters), members_allowed(session, target, wanted.role));
        let row = row.map_err(&at)?;
        let comment: String = column(&row, "comment").map_err(&at)?;
        let again: bool = column(&row, "there").map_err(&at)?;
        let open: bool = column(&row, "open").map_err(&at)?;
        if column::<bool>(&row, "standby").map_err(&at)? {
            return Err(target.misconfigured("it is a standby, on which no login can be made: name the primary"));
        }
        if again && comment != wanted.comment {
            return Err(target.refused("create the login", "it is there already, made for something else"));
        }
        if again && !open {
            return Err(target.refused("create the login", "it is being revoked"));
        }
        allowed?;
        Ok(Self { version: column(&row, "version").map_err(&at)?, again })
    }
}

/// Refuses a role whose memberships would give the house away: superuser, making roles, replication, the server's files and
/// programs, or handing memberships on to others.
async fn members_allowed(session: &Session, target: Target<'_>, role: &PostgresRole) -> Result<(), ConnectorError> {
    if role.member_of.is_empty() {
        return Ok(());
    }
    let at = target.at("look at the role's memberships");
    let question = "WITH RECURSIVE reach(oid, handed_on) AS (\
                      SELECT r.oid, false FROM pg_roles r WHERE r.rolname::text = ANY ($1) \
                      UNION SELECT m.roleid, m.admin_option FROM reach JOIN pg_auth_members m ON m.member = reach.oid) \
                    SELECT r.rolname::text AS name, r.rolname ~ $2 AS minted, \
                      r.rolsuper AS super, r.rolcreaterole AS creates, r.rolreplication AS replicates, bool_or(reach.handed_on) AS handed_on \
                    FROM reach JOIN pg_roles r ON r.oid = reach.oid GROUP BY 1, 2, 3, 4, 5";
    let rows = session.rows(question, &[(&role.member_of, Type::TEXT_ARRAY), (&login::PATTERN, Type::TEXT)]).await.map_err(&at)?;
    let mut found = BTreeSet::new();
    for row in &rows {
        let name: String = column(row, "name").map_err(&at)?;
        let is = |what: &'static str| column::<bool>(row, what).map_err(&at);
        let why = if is("super")? {
            Some("is a superuser")
        } else if is("creates")? {
            Some("can make and change roles (CREATEROLE)")
        } else if is("replicates")? {
            Some("can copy the whole cluster (REPLICATION)")
        } else if is("handed_on")? {
            Some("can be handed on to others (WITH ADMIN OPTION)")
        } else if is("minted")? || name == KEEPER {
            Some("is Ajar's own")
        } else if PREDEFINED.contains(&name.as_str()) {
            Some("reaches past the database")
        } else {
            None
        };
        if let Some(why) = why {
            return Err(target.misconfigured(format!("member_of leads to {name}, which {why}: map the role to another one")));
        }
        found.insert(name);
    }
    match role.member_of.iter().find(|name| !found.contains(*name)) {
        Some(missing) => {
            Err(target.misconfigured(format!("member_of names {missing}, which the server doesn't have: CREATE ROLE it, or mend the file")))
        }
        None => Ok(()),
    }
}

fn statements(target: Target<'_>, wanted: &Wanted<'_>, before: &Before) -> Result<Sql, ConnectorError> {
    let unfit = |what: &str, why: Unfit| target.misconfigured(format!("{what} {why}"));
    let login = wanted.login.ident();
    let mut all = Sql::new("BEGIN");
    // A role that exists is altered without naming what only a superuser may name; reading back covers that.
    let create = if before.again {
        Sql::new("ALTER ROLE ").ident(login).words(" LOGIN")
    } else {
        Sql::new("CREATE ROLE ").ident(login).words(" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT")
    };
    let limited = create.words(" CONNECTION LIMIT ").number(wanted.limit());
    all = all.then(limited.words(" PASSWORD ").literal(&wanted.verifier).words(" VALID UNTIL ").literal(&wanted.valid_until));
    let comment = Literal::new(&wanted.comment).map_err(|why| unfit("the comment", why))?;
    all = all.then(Sql::new("COMMENT ON ROLE ").ident(login).words(" IS ").literal(&comment));
    for group in wanted.role.member_of.iter().collect::<BTreeSet<_>>() {
        let group = Ident::new(group).map_err(|why| unfit("a name in member_of", why))?;
        let grant = Sql::new("GRANT ").ident(&group).words(" TO ").ident(login);
        // Without SET it can't become the group, and so can't leave things behind in the group's name.
        all = all.then(if before.version >= 160_000 { grant.words(" WITH ADMIN FALSE, INHERIT TRUE, SET FALSE") } else { grant });
    }
    for grant in &wanted.role.grants {
        all = all.then(give(target, grant, login)?);
    }
    for (name, value) in &wanted.role.settings {
        if SETTINGS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(target.misconfigured(format!("a role may not set {name}")));
        }
        let ident = Ident::new(name).map_err(|why| unfit("a setting's name", why))?;
        let mut set = Sql::new("ALTER ROLE ").ident(login).words(" SET ").ident(&ident).words(" TO ");
        // These take a list of names: one constant would be one name with commas in it.
        let list = ["search_path", "temp_tablespaces"].contains(&name.to_ascii_lowercase().as_str());
        let parts: Vec<&str> = if list { value.split(',').map(|part| part.trim().trim_matches('"')).collect() } else { vec![value] };
        for (index, part) in parts.into_iter().enumerate() {
            let part = Literal::new(part).map_err(|why| unfit("a setting's value", why))?;
            set = if index == 0 { set } else { set.words(", ") }.literal(&part);
        }
        all = all.then(set);
    }
    Ok(all)
}

/// The privileges that a grant may name, and the kinds of object that have them.
const PRIVILEGES: [(&str, &str); 13] = [
    ("SELECT", "ts"),
    ("INSERT", "t"),
    ("UPDATE", "ts"),
    ("DELETE", "t"),
    ("TRUNCATE", "t"),
    ("REFERENCES", "t"),
    ("TRIGGER", "t"),
    ("MAINTAIN", "t"),
    ("USAGE", "sn"),
    ("CREATE", "nd"),
    ("CONNECT", "d"),
    ("TEMPORARY", "d"),
    ("TEMP", "d"),
];

/// A privilege that the target names, as a word of our own.
pub(super) fn word(privilege: &str) -> Option<&'static str> {
    PRIVILEGES.iter().find(|(name, _)| *name == privilege).map(|(name, _)| *name)
}

fn kind(object: &PostgresObject) -> char {
    match object {
        PostgresObject::Table { .. } | PostgresObject::AllTables { .. } => 't',
        PostgresObject::AllSequences { .. } => 's',
        PostgresObject::Schema { .. } => 'n',
        PostgresObject::Database => 'd',
    }
}

/// The grant's privileges as words of our own.
fn privileges(target: Target<'_>, grant: &PostgresGrant) -> Result<Vec<&'static str>, ConnectorError> {
    let known = |word: &String| {
        let known = PRIVILEGES.iter().find(|(name, on)| name.eq_ignore_ascii_case(word) && on.contains(kind(&grant.on)));
        known
            .map(|(name, _)| *name)
            .ok_or_else(|| target.misconfigured(format!("a grant names the privilege {word}, which that kind of object doesn't have")))
    };
    if grant.privileges.is_empty() {
        return Err(target.misconfigured("a grant names no privilege"));
    }
    grant.privileges.iter().map(known).collect()
}

fn give(target: Target<'_>, grant: &PostgresGrant, login: &Ident) -> Result<Sql, ConnectorError> {
    let ident = |name: &str| Ident::new(name).map_err(|why| target.misconfigured(format!("a name in a grant {why}")));
    let mut sql = Sql::new("GRANT ");
    for (index, privilege) in privileges(target, grant)?.into_iter().enumerate() {
        sql = if index == 0 { sql } else { sql.words(", ") }.words(privilege);
    }
    let on = match &grant.on {
        PostgresObject::Table { schema, name } => sql.words(" ON TABLE ").ident(&ident(schema)?).words(".").ident(&ident(name)?),
        PostgresObject::AllTables { schema } => sql.words(" ON ALL TABLES IN SCHEMA ").ident(&ident(schema)?),
        PostgresObject::AllSequences { schema } => sql.words(" ON ALL SEQUENCES IN SCHEMA ").ident(&ident(schema)?),
        PostgresObject::Schema { name } => sql.words(" ON SCHEMA ").ident(&ident(name)?),
        PostgresObject::Database => sql.words(" ON DATABASE ").ident(&ident(&target.pg.database)?),
    };
    Ok(on.words(" TO ").ident(login))
}

/// Reads back, inside the transaction, that the login is exactly what was wanted. Gives whether it may connect to the database.
async fn read_back(session: &Session, target: Target<'_>, wanted: &Wanted<'_>) -> Result<bool, ConnectorError> {
    let at = target.at("read the login back");
    let wrong = |what: String| target.refused("make the login as the file says", what);
    let question = "SELECT r.rolcanlogin AND r.rolinherit AS opens, \
                      r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls AS too_much, \
                      r.rolconnlimit AS connections, \
                      CASE WHEN isfinite(r.rolvaliduntil) THEN round(extract(epoch FROM r.rolvaliduntil) * 1000)::int8 END AS valid_until, \
                      has_database_privilege(r.oid, current_database(), 'CONNECT') AS may_connect, \
                      ARRAY(SELECT DISTINCT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid \
                            WHERE m.member = r.oid ORDER BY 1) AS member_of, \
                      EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.admin_option) AS hands_on, \
                      ARRAY(SELECT DISTINCT m.member::regrole::text FROM pg_auth_members m \
                            WHERE m.roleid = r.oid AND m.member <> current_user::regrole ORDER BY 1) AS members \
                    FROM pg_roles r WHERE r.rolname = $1::text";
    let row = session.row(question, &[(&wanted.login.name(), Type::TEXT)]).await.map_err(&at)?;
    let is = |what: &'static str| column::<bool>(&row, what).map_err(&at);
    if !is("opens")? || is("too_much")? || is("hands_on")? {
        return Err(wrong("its attributes came out different".to_owned()));
    }
    if column::<i32>(&row, "connections").map_err(&at)? != wanted.limit() {
        return Err(wrong("its connection limit came out different".to_owned()));
    }
    if column::<Option<i64>>(&row, "valid_until").map_err(&at)? != Some(wanted.valid_until_millis) {
        return Err(wrong("it would expire at another instant".to_owned()));
    }
    let member_of: BTreeSet<String> = column::<Vec<String>>(&row, "member_of").map_err(&at)?.into_iter().collect();
    if member_of != wanted.role.member_of.iter().cloned().collect() {
        return Err(wrong(format!("it is a member of {member_of:?}")));
    }
    let members: Vec<String> = column(&row, "members").map_err(&at)?;
    if !members.is_empty() {
        return Err(wrong(format!("others are members of it: {members:?}")));
    }
    for grant in &wanted.role.grants {
        granted(session, target, wanted, grant).await?;
    }
    is("may_connect")
}

/// A GRANT that the admin may not give is only a warning to PostgreSQL: asks whether it took.
async fn granted(session: &Session, target: Target<'_>, wanted: &Wanted<'_>, grant: &PostgresGrant) -> Result<(), ConnectorError> {
    let at = target.at("read the login back");
    let login = wanted.login.name();
    for privilege in privileges(target, grant)? {
        let asked = match &grant.on {
            PostgresObject::Table { schema, name } => {
                let question = "SELECT count(*) FILTER (WHERE NOT has_table_privilege($1::text, c.oid, $4)) AS lacking FROM pg_class c \
                                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2::text AND c.relname = $3::text";
                let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
                    &[(&login, Type::TEXT), (schema, Type::TEXT), (name, Type::TEXT), (&privilege, Type::TEXT)];
                session.row(question, parameters).await
            }
            PostgresObject::AllTables { schema } => {
                let question = "SELECT count(*) FILTER (WHERE NOT has_table_privilege($1::text, c.oid, $3)) AS lacking FROM pg_class c \
                                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2::text AND c.relkind IN ('r', 'v', 'm', 'f', 'p')";
                session.row(question, &[(&login, Type::TEXT), (schema, Type::TEXT), (&privilege, Type::TEXT)]).await
            }
            PostgresObject::AllSequences { schema } => {
                let question = "SELECT count(*) FILTER (WHERE NOT has_sequence_privilege($1::text, c.oid, $3)) AS lacking FROM pg_class c \
                                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2::text AND c.relkind = 'S'";
                session.row(question, &[(&login, Type::TEXT), (schema, Type::TEXT), (&privilege, Type::TEXT)]).await
            }
            PostgresObject::Schema { name } => {
                let question = "SELECT (NOT has_schema_privilege($1::text, $2::text, $3))::int4::int8 AS lacking";
                session.row(question, &[(&login, Type::TEXT), (name, Type::TEXT), (&privilege, Type::TEXT)]).await
            }
            PostgresObject::Database => {
                let question = "SELECT (NOT has_database_privilege($1::text, current_database(), $2))::int4::int8 AS lacking";
                session.row(question, &[(&login, Type::TEXT), (&privilege, Type::TEXT)]).await
            }
        };
        if asked.and_then(|row| column::<i64>(&row, "lacking")).map_err(&at)? != 0 {
            let admin = &target.pg.admin_user;
            let words = format!("{privilege} did not take: {admin} needs it WITH GRANT OPTION on everything that the grant names");
            return Err(target.refused("make the login as the file says", words));
        }
    }
    Ok(())
}
