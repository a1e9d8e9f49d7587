//! Background jobs of a login (R5): those of `pg_cron`, which keeps them under the login's name and would run them after it.
//!
//! Only the genuine extension's own table and function are touched: in a schema `cron` that a user made, they would run
//! that user's code as the administrative account.

use ajar_core::port::ConnectorError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::revoke::Work;
use super::session::{Failure, Session, column, inert};
use super::sql::Sql;

/// Finds the login's jobs and takes them off the schedule.
pub(super) async fn unschedule(work: &mut Work<'_>) -> Result<(), ConnectorError> {
    let at = work.target.at("look for jobs that it left");
    let question = "SELECT d.datname::text AS name FROM pg_database d WHERE d.datname = current_setting('cron.database_name', true)";
    let named = match work.session.rows(question, &[]).await {
        // It is loaded, and the setting is not ours to see: it mostly is one of these.
        Err(failure) if failure.is(&SqlState::INSUFFICIENT_PRIVILEGE) => vec![work.target.pg.database.clone(), "postgres".to_owned()],
        rows => rows.map_err(&at)?.iter().map(|row| column(row, "name")).collect::<Result<_, _>>().map_err(&at)?,
    };
    let mut found = Vec::new();
    for (index, database) in named.iter().enumerate() {
        let jobs = match work.connector.admin(&work.target, database).await {
            Ok(session) => in_database(work, &session).await.map_err(&at)?,
            Err(ConnectorError::Misconfigured { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(jobs) = jobs {
            found = jobs;
            break;
        }
        if index + 1 == named.len() {
            let admin = &work.target.pg.admin_user;
            found.push(format!("jobs of pg_cron can't be looked for: GRANT pg_read_all_settings, and CONNECT on its database, to {admin}"));
        }
    }
    for finding in found {
        work.carried.find(inert(&finding));
    }
    Ok(())
}

/// `None` where the extension isn't in this database.
async fn in_database(work: &Work<'_>, session: &Session) -> Result<Option<Vec<String>>, Failure> {
    let genuine = "SELECT e.oid AS oid FROM pg_extension e JOIN pg_roles r ON r.oid = e.extowner AND r.rolsuper \
                   JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' \
                     AND d.classid = 'pg_class'::regclass AND d.objid = to_regclass('cron.job') WHERE e.extname = 'pg_cron'";
    if session.rows(genuine, &[]).await?.is_empty() {
        return Ok(None);
    }
    // Its table shows everybody their own jobs only.
    if !work.superuser {
        session.run(&Sql::new("SET ROLE ").ident(work.login.ident())).await?;
    }
    let question = "SELECT jobid, schedule, command FROM cron.job \
                    WHERE username = $1::text AND has_schema_privilege('cron', 'USAGE') ORDER BY 1 LIMIT 100";
    let jobs = match session.rows(question, &[(&work.login.name(), Type::TEXT)]).await {
        // Whoever may not use the schema has no jobs.
        Err(failure) if failure.is(&SqlState::INSUFFICIENT_PRIVILEGE) => return Ok(Some(Vec::new())),
        jobs => jobs?,
    };
    let mut found = Vec::new();
    for job in jobs {
        let (id, schedule, command): (i64, String, String) = (column(&job, "jobid")?, column(&job, "schedule")?, column(&job, "command")?);
        session.rows("SELECT cron.unschedule($1)", &[(&id, Type::INT8)]).await?;
        found.push(format!("job {id} of pg_cron, to run {schedule}: taken off the schedule. It was: {command}"));
    }
    Ok(Some(found))
}
