//! What a login leaves: what it owns is handed to a keeper without rights of its own, in every database; what it made
//! against the rules (R5) is found by comparison, undone where that can't harm others, and told.
//!
//! Nothing that the login could have written is run: no function, view or table of a user's schema is touched.

use ajar_core::port::ConnectorError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::login::{self, KEEPER};
use super::mint;
use super::revoke::{Work, cut};
use super::session::{Failure, Session, column, inert};
use super::sql::{Ident, Sql};

/// How often a transaction is tried that lost a race for a row of the catalogue.
const TRIES: u32 = 30;

/// Looks for logins that it made or let in, in the whole cluster.
pub(super) async fn compare(work: &mut Work<'_>) -> Result<(), ConnectorError> {
    let at = work.target.at("look for what it left");
    let Some(oid) = work.oid else { return Ok(()) };
    // Those younger than the login. From 16 on the server itself makes whoever makes a role its admin; before, nothing says who made it.
    let made = "SELECT r.oid AS oid, r.rolname::text AS name, r.rolcanlogin AS opens, m.member IS NOT NULL AS certain FROM pg_roles r \
                LEFT JOIN pg_auth_members m ON m.roleid = r.oid AND m.member = $1 AND m.admin_option AND m.grantor = 10 \
                WHERE r.oid > $1 AND r.rolname !~ $2 AND r.rolname <> $3::text \
                  AND (m.member IS NOT NULL OR current_setting('server_version_num')::int4 < 160000) ORDER BY 2 LIMIT 100";
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&oid, Type::OID), (&login::PATTERN, Type::TEXT), (&KEEPER, Type::TEXT)];
    for row in work.session.rows(made, parameters).await.map_err(&at)? {
        let (other, name): (u32, String) = (column(&row, "oid").map_err(&at)?, column(&row, "name").map_err(&at)?);
        if !column::<bool>(&row, "certain").map_err(&at)? {
            work.carried.find(inert(&format!("role {name} appeared while the login was there: see who made it")));
            continue;
        }
        let outcome = match shut_out(work, other, &name).await {
            Ok(()) => "it can't sign in any more; drop it".to_owned(),
            Err(why) => format!("it could not be disabled ({why}): do so at once"),
        };
        work.carried.find(inert(&format!("it made role {name}: {outcome}")));
    }
    let shared = "SELECT g.rolname::text AS role, r.rolname::text AS member, m.roleid = $1 AS own FROM pg_auth_members m \
                  JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member WHERE (m.roleid = $1 OR m.grantor = $1) \
                  AND r.oid <> $1 AND r.rolname <> session_user AND r.rolname <> $2::text ORDER BY 1, 2 LIMIT 100";
    for row in work.session.rows(shared, &[(&oid, Type::OID), (&KEEPER, Type::TEXT)]).await.map_err(&at)? {
        let (role, member): (String, String) = (column(&row, "role").map_err(&at)?, column(&row, "member").map_err(&at)?);
        let words = if column(&row, "own").map_err(&at)? {
            format!("{member} had been made a member of it: ends with it")
        } else {
            // DROP OWNED takes it back from 16 on only.
            format!("it made {member} a member of {role}: {}", take_back(work, &role, &member).await)
        };
        work.carried.find(inert(&words));
    }
    Ok(())
}

async fn take_back(work: &Work<'_>, role: &str, member: &str) -> String {
    let (Ok(role), Ok(member)) = (Ident::new(role), Ident::new(member)) else {
        return "take it back".to_owned();
    };
    let mut revoke = Sql::new("REVOKE ").ident(&role).words(" FROM ").ident(&member);
    if work.version >= 160_000 {
        revoke = revoke.words(" GRANTED BY ").ident(work.login.ident());
    }
    match work.session.run(&revoke).await {
        Ok(()) => "taken back".to_owned(),
        Err(failure) => format!("could not be taken back ({failure}): do so at once"),
    }
}

/// Keeps a role that the login made from being used.
async fn shut_out(work: &Work<'_>, role: u32, name: &str) -> Result<(), String> {
    let ident = Ident::new(name).map_err(|why| why.to_string())?;
    let disable = Sql::new("ALTER ROLE ").ident(&ident).words(" NOLOGIN");
    work.session.run(&disable).await.map_err(|failure| failure.to_string())?;
    if !work.superuser
        && let Ok(admin) = Ident::new(&work.target.pg.admin_user)
    {
        let reach = Sql::new("GRANT ").ident(&ident).words(" TO ").ident(&admin).words(" WITH INHERIT TRUE");
        work.session.run(&reach).await.map_err(|failure| failure.to_string())?;
    }
    let patience = work.connector.setup.timeouts.terminate;
    match cut(&work.session, role, patience, &mut std::collections::BTreeSet::new()).await {
        Ok(0) => Ok(()),
        Ok(left) => Err(format!("{left} connections of it live on")),
        Err(failure) => Err(failure.to_string()),
    }
}

/// Hands over what it owns and takes back what it was given, database by database.
pub(super) async fn hand_over(work: &mut Work<'_>) -> Result<(), ConnectorError> {
    let at = work.target.at("find what it owns");
    let Some(oid) = work.oid else { return Ok(()) };
    let question = "SELECT d.datname::text AS name, d.datallowconn AND has_database_privilege(session_user, d.oid, 'CONNECT') AS may FROM pg_database d \
                    WHERE EXISTS (SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1 \
                      AND (s.dbid = d.oid OR (s.dbid = 0 AND d.datname = current_database()))) ORDER BY 1";
    for row in work.session.rows(question, &[(&oid, Type::OID)]).await.map_err(&at)? {
        let database: String = column(&row, "name").map_err(&at)?;
        if !column::<bool>(&row, "may").map_err(&at)? {
            let admin = &work.target.pg.admin_user;
            let why = inert(&format!(
                "it left something in database {database}, which {admin} can't connect to: GRANT CONNECT ON DATABASE to it"
            ));
            return Err(work.target.refused("hand over what it owns", why));
        }
        if database == work.target.pg.database {
            // No borrowing of the work's own session across its change.
            let found = in_database(work, &work.session, oid).await.map_err(work.target.at("hand over what it owns"))?;
            tell(work, &database, found);
        } else {
            let session = work.connector.admin(&work.target, &database).await?;
            let found = in_database(work, &session, oid).await.map_err(work.target.at("hand over what it owns"))?;
            tell(work, &database, found);
        }
    }
    Ok(())
}

/// What was found in a database.
struct Left {
    owned: u32,
    findings: Vec<String>,
}

fn tell(work: &mut Work<'_>, database: &str, left: Left) {
    work.carried.owned = work.carried.owned.saturating_add(left.owned);
    for finding in left.findings {
        let words = if database == work.target.pg.database { finding } else { format!("in database {database}: {finding}") };
        work.carried.find(inert(&words));
    }
}

async fn in_database(work: &Work<'_>, session: &Session, oid: u32) -> Result<Left, Failure> {
    let left = survey(session, oid).await?;
    let keeper = Ident::new(KEEPER).map_err(|why| Failure::Broken(why.to_string()))?;
    let login = work.login.ident();
    let options = |sql: Sql, from_16: &'static str| if work.version >= 160_000 { sql.words(from_16) } else { sql };
    let mut all = Sql::new("BEGIN").then(given(session, oid, login).await?);
    if left.owned > 0 {
        keep(work, session, &keeper).await?;
        // For this transaction the keeper has what the login has: PostgreSQL asks whether a new owner could have made the thing.
        all = all.then(options(Sql::new("GRANT ").ident(login).words(" TO ").ident(&keeper), " WITH INHERIT TRUE, SET FALSE"));
        all = all.then(Sql::new("REASSIGN OWNED BY ").ident(login).words(" TO ").ident(&keeper));
        all = all.then(Sql::new("REVOKE ").ident(login).words(" FROM ").ident(&keeper));
    }
    all = all.then(Sql::new("DROP OWNED BY ").ident(login)).then(Sql::new("COMMIT"));
    for _ in 0..TRIES {
        match session.run(&all).await {
            Ok(()) => return Ok(left),
            Err(failure) => {
                session.run(&Sql::new("ROLLBACK")).await?;
                if !failure.is_contention() {
                    return Err(failure);
                }
            }
        }
    }
    Err(Failure::Broken("too many others changed the same objects at once".to_owned()))
}

/// Takes back, word by word, what we gave on tables and sequences: `DROP OWNED` takes back everything there is to have, which
/// is refused to an administrative account that itself has only some of it.
async fn given(session: &Session, oid: u32, login: &Ident) -> Result<Sql, Failure> {
    let question = "SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'S' AS sequence, x.privilege_type AS privilege \
                    FROM pg_shdepend s JOIN pg_class c ON c.oid = s.objid JOIN pg_namespace n ON n.oid = c.relnamespace \
                      CROSS JOIN LATERAL aclexplode(c.relacl) x \
                    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1 AND s.deptype = 'a' AND s.classid = 'pg_class'::regclass \
                      AND s.objsubid = 0 AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                      AND x.grantee = $1 AND pg_has_role(session_user, x.grantor, 'USAGE') ORDER BY 1, 2, 4";
    let mut all = Sql::default();
    for row in session.rows(question, &[(&oid, Type::OID)]).await? {
        let (schema, name, privilege): (String, String, String) =
            (column(&row, "schema")?, column(&row, "name")?, column(&row, "privilege")?);
        let (Ok(schema), Ok(name), Some(privilege)) = (Ident::new(&schema), Ident::new(&name), mint::word(&privilege)) else { continue };
        let on = if column(&row, "sequence")? { " ON SEQUENCE " } else { " ON TABLE " };
        let revoke = Sql::new("REVOKE ").words(privilege).words(on).ident(&schema).words(".").ident(&name);
        all = all.then(revoke.words(" FROM ").ident(login));
    }
    Ok(all)
}

/// Makes sure that the keeper is there, is nobody, and is in the administrative account's hands.
async fn keep(work: &Work<'_>, session: &Session, keeper: &Ident) -> Result<(), Failure> {
    let question = "SELECT r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls \
                      OR NOT r.rolinherit OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) AS somebody \
                    FROM pg_roles r WHERE r.rolname = $1::text";
    match session.rows(question, &[(&KEEPER, Type::TEXT)]).await?.first() {
        Some(row) if column(row, "somebody")? => {
            return Err(Failure::Answer {
                code: SqlState::INVALID_ROLE_SPECIFICATION,
                words: format!("role {KEEPER} has rights or memberships: take them away, it must be nobody"),
            });
        }
        Some(_) => {}
        None => {
            let make = Sql::new("CREATE ROLE ").ident(keeper).words(" NOLOGIN INHERIT").then(
                Sql::new("COMMENT ON ROLE ")
                    .ident(keeper)
                    .words(" IS 'Owns what logins made by Ajar left behind. It must have no rights.'"),
            );
            match session.run(&make).await {
                Ok(()) => {}
                // Another one of us was faster.
                Err(failure) if failure.is(&SqlState::DUPLICATE_OBJECT) || failure.is(&SqlState::UNIQUE_VIOLATION) => {}
                Err(failure) => return Err(failure),
            }
        }
    }
    if work.superuser {
        return Ok(());
    }
    let row = session
        .row("SELECT session_user::text AS admin, pg_has_role(session_user, $1::text, 'USAGE') AS has", &[(&KEEPER, Type::TEXT)])
        .await?;
    if column(&row, "has")? {
        return Ok(());
    }
    let admin: String = column(&row, "admin")?;
    let admin = Ident::new(&admin).map_err(|why| Failure::Broken(why.to_string()))?;
    let reach = Sql::new("GRANT ").ident(keeper).words(" TO ").ident(&admin);
    session.run(&if work.version >= 160_000 { reach.words(" WITH INHERIT TRUE, SET TRUE") } else { reach }).await
}

/// Looks at what the login has in this database, without touching any of it.
async fn survey(session: &Session, oid: u32) -> Result<Left, Failure> {
    let mut left = Left { owned: 0, findings: Vec::new() };
    let owned = "SELECT pg_describe_object(s.classid, s.objid, s.objsubid) AS what, count(*) OVER () AS of, \
                   s.classid IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass) AS private FROM pg_shdepend s \
                 WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1 AND s.deptype = 'o' \
                   AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1 LIMIT 100";
    let rows = session.rows(owned, &[(&oid, Type::OID)]).await?;
    for row in &rows {
        // An object may vanish between the two looks at it.
        let what: String = column::<Option<String>>(row, "what")?.unwrap_or_else(|| "something".to_owned());
        let how = if column(row, "private")? { "dropped".to_owned() } else { format!("handed to {KEEPER}") };
        left.findings.push(format!("owned {what}: {how}"));
        left.owned = u32::try_from(column::<i64>(row, "of")?).unwrap_or(u32::MAX);
    }
    if left.owned as usize > rows.len() {
        left.findings.push(format!("owned {} more", left.owned as usize - rows.len()));
    }
    let triggers = "SELECT format('%I on %s', t.tgname, c.oid::regclass) AS what FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
                    JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal AND p.proowner = $1 AND c.relowner <> $1 ORDER BY 1 LIMIT 50";
    for row in session.rows(triggers, &[(&oid, Type::OID)]).await? {
        let what: String = column(&row, "what")?;
        left.findings.push(format!("its trigger {what}, somebody else's table, runs its code as whoever writes there: look at it now"));
    }
    let definers = "SELECT p.oid::regprocedure::text AS what FROM pg_proc p WHERE p.proowner = $1 AND p.prosecdef ORDER BY 1 LIMIT 50";
    for row in session.rows(definers, &[(&oid, Type::OID)]).await? {
        let what: String = column(&row, "what")?;
        left.findings.push(format!("its SECURITY DEFINER function {what} now runs with the rights of {KEEPER}, which are none"));
    }
    Ok(left)
}
