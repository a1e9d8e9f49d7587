//! Which SQLite and which schema we accept, and the way from an older schema to ours. Forward only.

use ajar_core::port::StoreError;
use sqlx::{Connection, Executor, Row, SqliteConnection};

use super::fault::store_error;
use crate::sql;

/// Scripts in order; the first makes version 1. A script that has been released is never edited.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001_log.sql"), include_str!("migrations/0002_look.sql"), include_str!("migrations/0003_parts.sql")];

/// First release of SQLite without the WAL-reset bug, which is in 3.7.0 to 3.51.2 (<https://www.sqlite.org/wal.html>);
/// older ones have no WAL.
const FIRST_SAFE: [u32; 3] = [3, 51, 3];

/// Whether a SQLite of this version may keep our log (O4). What is not a version is not safe.
#[must_use]
pub fn is_safe(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    let (Some(major), Some(minor), Some(patch)) = (next(), next(), next()) else { return false };
    [major, minor, patch] >= FIRST_SAFE
}

/// The version that this build writes.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Refuses a SQLite that can lose data.
pub(super) async fn check_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await.map_err(store_error)?;
    if is_safe(&version) { Ok(()) } else { Err(StoreError::UnsafeSqlite(version)) }
}

/// The schema's version: 0 in an empty database. Refuses a newer one (O5), and files that others made.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let ours = "SELECT COUNT(*), COALESCE(SUM(name = 'schema_version'), 0) FROM sqlite_schema WHERE type = 'table'";
    let counts = sqlx::query(ours).fetch_one(&mut *connection).await.map_err(store_error)?;
    let [tables, marks]: [i64; 2] = [counts.try_get(0).map_err(store_error)?, counts.try_get(1).map_err(store_error)?];
    match (tables, marks) {
        (0, _) => Ok(0),
        (_, 0) => Err(StoreError::Damaged("this is a database, but not one of ours".into())),
        _ => {
            let found: i64 = sqlx::query_scalar(sql::SCHEMA_VERSION).fetch_one(connection).await.map_err(store_error)?;
            if found > known() { Err(StoreError::NewerSchema { found, known: known() }) } else { Ok(found) }
        }
    }
}

/// Brings the schema up to date: each step whole or not at all.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = check(&mut *connection).await?;
    for (version, script) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let mut step = connection.begin().await.map_err(store_error)?;
        step.execute(*script).await.map_err(store_error)?;
        sqlx::query(sql::SCHEMA_REACHED).bind(version).execute(&mut *step).await.map_err(store_error)?;
        step.commit().await.map_err(store_error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o04_a_sqlite_with_the_wal_reset_bug_is_not_safe() {
        for bad in ["3.7.0", "3.44.0", "3.50.4", "3.51.0", "3.51.2", "3.6.23", "2.8.17", "", "3", "3.52", "3.x.1", "3.51.-3"] {
            assert!(!is_safe(bad), "{bad}");
        }
        for good in ["3.51.3", "3.51.10", "3.52.0", "3.100.0", "4.0.0", "3.53.0.1"] {
            assert!(is_safe(good), "{good}");
        }
    }

    #[tokio::test]
    async fn o04_the_bundled_sqlite_is_safe() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        check_sqlite(&mut connection).await.unwrap();
    }

    /// Rows as version 1 wrote them: what looking back needs is read from their documents.
    #[tokio::test]
    async fn rows_of_the_first_version_get_their_roles_and_times() {
        const AT: &str = "2023-11-14T22:13:20.125Z";
        const LATER: &str = "2023-11-14T22:13:21.999Z";
        let rows = [
            ("request", "pending", r#"{"filed":{"asks":[{"role":"read"},{"role":"write"}],"at":"AT"}}"#, Some("read"), true, false),
            ("request", "denied", r#"{"filed":{"asks":[{"role":"read"}],"at":"AT"},"outcome":{"at":"LATER"}}"#, Some("read"), true, true),
            ("grant", "scheduled", r#"{"role":"read","opens_at":"AT"}"#, Some("read"), false, false),
            ("grant", "failed", r#"{"scheduled":{"role":"read"},"failed":{"at":"LATER"}}"#, Some("read"), false, false),
            ("grant", "open", r#"{"signed":{"claims":{"role":"read","starts_at":"AT"}}}"#, Some("read"), true, false),
            (
                "grant",
                "closed",
                r#"{"signed":{"claims":{"role":"read","starts_at":"AT"}},"closing":{"at":"LATER"},"closed":{"at":"AT"}}"#,
                Some("read"),
                true,
                true,
            ),
            ("lease", "intended", r#"{"role":"read","at":"AT"}"#, Some("read"), true, false),
            ("lease", "minted", r#"{"intended":{"role":"read","at":"AT"},"now":{"at":"LATER"}}"#, Some("read"), true, false),
            ("lease", "revoked", r#"{"intended":{"role":"read","at":"AT"},"now":{"at":"LATER"}}"#, Some("read"), true, true),
            ("session", "held", r#"{"arrived":{"at":"AT"}}"#, None, true, false),
            ("session", "ended", r#"{"arrived":{"at":"AT"},"role":"read","ended":{"at":"LATER"}}"#, Some("read"), true, true),
            ("token", "issued", r#"{"issued":{"at":"AT"}}"#, None, false, false),
        ];
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute(MIGRATIONS[0]).await.unwrap();
        connection.execute("INSERT INTO schema_version (version) VALUES (1)").await.unwrap();
        for (number, (word, state, doc, ..)) in rows.iter().enumerate() {
            let insert = sqlx::query("INSERT INTO rows (word, stream, state, doc) VALUES ($1, $2, $3, $4)");
            let doc = doc.replace("LATER", LATER).replace("AT", AT);
            insert.bind(*word).bind(format!("{number:02}")).bind(*state).bind(doc).execute(&mut connection).await.unwrap();
        }
        migrate(&mut connection).await.unwrap();
        let found = sqlx::query_as::<_, (Option<String>, Option<i64>, Option<i64>)>("SELECT role, since, until FROM rows ORDER BY stream");
        let found = found.fetch_all(&mut connection).await.unwrap();
        for ((word, state, _, role, begun, over), found) in rows.iter().zip(found) {
            let expected = (role.map(str::to_owned), begun.then_some(1_700_000_000_125), over.then_some(1_700_000_001_999));
            assert_eq!(found, expected, "{word} {state}");
        }
    }

    /// Requests as version 2 wrote them: who has a part in them is read from their documents.
    #[tokio::test]
    async fn requests_of_the_second_version_get_their_parts() {
        let rows = [
            ("request", r#"{"filed":{"requester":"a","beneficiary":"a"},"reviews":[]}"#),
            ("request", r#"{"filed":{"requester":"b","beneficiary":"a"},"reviews":[{"reviewer":"c"},{"reviewer":"d"},{"reviewer":"c"}]}"#),
            ("grant", r#"{"filed":{"requester":"b","beneficiary":"a"},"reviews":[{"reviewer":"c"}]}"#),
        ];
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for script in &MIGRATIONS[..2] {
            connection.execute(*script).await.unwrap();
        }
        connection.execute("INSERT INTO schema_version (version) VALUES (2)").await.unwrap();
        for (number, (word, doc)) in rows.iter().enumerate() {
            let insert = sqlx::query("INSERT INTO rows (word, stream, state, doc) VALUES ($1, $2, 'pending', $3)");
            insert.bind(*word).bind(number.to_string()).bind(*doc).execute(&mut connection).await.unwrap();
        }
        migrate(&mut connection).await.unwrap();
        let found =
            sqlx::query_as::<_, (String, String, String, String)>("SELECT principal, word, stream, part FROM parts ORDER BY principal");
        let found = found.fetch_all(&mut connection).await.unwrap();
        let part = |principal: &str, part: &str| (principal.to_owned(), "request".to_owned(), "1".to_owned(), part.to_owned());
        assert_eq!(found, [part("b", "filed"), part("c", "reviewed"), part("d", "reviewed")]);
    }

    #[tokio::test]
    async fn a_failing_step_leaves_the_schema_where_it_was() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY) STRICT").await.unwrap();
        // Version 0 with a table of that name: the first step can't run.
        assert!(migrate(&mut connection).await.is_err());
        let left: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'events'").fetch_one(&mut connection).await.unwrap();
        assert_eq!((left, check(&mut connection).await.unwrap()), (0, 0));
    }
}
