//! Moving the instant at which a login expires by itself, when its grant was extended. It gives back nothing that was taken
//! away: a login that is disabled stays so.

use ajar_core::lease::Intended;
use ajar_core::port::ConnectorError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::login::Login;
use super::session::{Session, column};
use super::sql::{Literal, Sql, Unfit};
use super::{PostgresConnector, Target, mint};

const STEP: &str = "move the login's expiry";

/// INVARIANT I12: the server lets it expire by itself, at the new instant, which is read back.
pub(super) async fn prolong(connector: &PostgresConnector, target: Target<'_>, intent: &Intended) -> Result<(), ConnectorError> {
    let unfit = |what: &'static str| move |why: Unfit| target.misconfigured(format!("{what} {why}"));
    let login = Login::parse(target.resource, &intent.login)?;
    let until = Literal::new(&intent.valid_until.to_string()).map_err(unfit("the instant"))?;
    let comment = Literal::new(&mint::comment(intent)).map_err(unfit("the comment"))?;
    let session = connector.admin(&target, &target.pg.database).await?;
    if expiry(&session, target, &login).await?.is_none() {
        return Ok(());
    }
    // Several statements are one transaction.
    let alter = Sql::new("ALTER ROLE ").ident(login.ident()).words(" VALID UNTIL ").literal(&until);
    let alter = alter.then(Sql::new("COMMENT ON ROLE ").ident(login.ident()).words(" IS ").literal(&comment));
    for _ in 0..mint::TRIES {
        match session.run(&alter).await {
            Err(failure) if failure.is_contention() => continue,
            // Whoever removes it was faster.
            Err(failure) if failure.is(&SqlState::UNDEFINED_OBJECT) => return Ok(()),
            Err(failure) => return Err(failure.at(target.resource, STEP)),
            Ok(()) => {}
        }
        return match expiry(&session, target, &login).await? {
            Some(Some(millis)) if millis != intent.valid_until.as_millis() => {
                Err(target.refused(STEP, "it would expire at another instant"))
            }
            Some(None) => Err(target.refused(STEP, "it would never expire")),
            Some(Some(_)) | None => Ok(()),
        };
    }
    Err(target.refused(STEP, "too many others changed it at once"))
}

/// When a login that can sign in expires, in milliseconds since 1970; `None` when there is none or it is disabled.
async fn expiry(session: &Session, target: Target<'_>, login: &Login) -> Result<Option<Option<i64>>, ConnectorError> {
    let question = "SELECT CASE WHEN isfinite(r.rolvaliduntil) THEN round(extract(epoch FROM r.rolvaliduntil) * 1000)::int8 END AS valid_until \
                    FROM pg_roles r WHERE r.rolname = $1::text AND r.rolcanlogin";
    let rows = session.rows(question, &[(&login.name(), Type::TEXT)]).await.map_err(target.at(STEP))?;
    rows.first().map(|row| column(row, "valid_until")).transpose().map_err(target.at(STEP))
}
