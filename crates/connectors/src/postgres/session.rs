//! One connection to a target, with every wait bounded and every setting pinned that the target's files or users could
//! turn against us. It runs [`Sql`] and fixed queries, nothing else.

use std::fmt;
use std::time::Duration;

use ajar_core::port::ConnectorError;
use ajar_core::resource::PostgresTarget;
use ajar_core::secret::Secret;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use super::sql::Sql;
use super::tls::Tls;

/// The most that is kept of a text from the target, in characters.
const MAX_WORDS: usize = 300;

/// How long the connector waits.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection, TLS and signing in together.
    pub connect: Duration,
    /// For one statement on the target.
    pub statement: Duration,
    /// For a lock on the target.
    pub lock: Duration,
    /// For terminated connections to be gone.
    pub terminate: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            statement: Duration::from_secs(10),
            lock: Duration::from_secs(3),
            terminate: Duration::from_secs(5),
        }
    }
}

/// Why something failed, before it is told which step it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer: the connection couldn't be made, broke or hung.
    Broken(String),
    /// The target's answer.
    Answer {
        code: SqlState,
        /// Without secrets, inert, short.
        words: String,
    },
}

impl Failure {
    pub(super) fn is(&self, wanted: &SqlState) -> bool {
        match self {
            Self::Answer { code, .. } => code == wanted,
            Self::Broken(_) => false,
        }
    }

    /// Whether the target is there but can't serve now: shutting down, starting up, out of room, connection lost.
    fn is_passing(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Answer { code, .. } => ["08", "53", "57P"].iter().any(|class| code.code().starts_with(class)),
        }
    }

    /// Two of us changed the same row of the catalogue: nothing was done, and doing it again works.
    pub(super) fn is_contention(&self) -> bool {
        match self {
            Self::Answer { code, words } => {
                [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code)
                    || (*code == SqlState::INTERNAL_ERROR && words.contains("concurrently"))
            }
            Self::Broken(_) => false,
        }
    }

    pub(super) fn at(self, resource: &str, step: &'static str) -> ConnectorError {
        let resource = resource.to_owned();
        if self.is_passing() {
            return ConnectorError::Unreachable { resource, why: self.to_string() };
        }
        ConnectorError::Refused { resource, step, why: self.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) => f.write_str(why),
            Self::Answer { code, words } => write!(f, "{words} ({})", code.code()),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(answer) => {
                let mut words = answer.message().to_owned();
                for more in [answer.detail(), answer.hint()].into_iter().flatten() {
                    words.push_str(": ");
                    words.push_str(more);
                }
                Self::Answer { code: answer.code().clone(), words: inert(&words) }
            }
            None => {
                let mut words = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(deeper) = source {
                    words.push_str(": ");
                    words.push_str(&deeper.to_string());
                    source = deeper.source();
                }
                Self::Broken(inert(&words))
            }
        }
    }
}

/// A text from the target for people's eyes: one line, short, without control or direction characters (I19).
pub(super) fn inert(text: &str) -> String {
    let hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let mut words: String = text.chars().take(MAX_WORDS).map(|c| if hidden(c) { ' ' } else { c }).collect();
    if text.chars().nth(MAX_WORDS).is_some() {
        words.push('…');
    }
    words
}

/// A column of a row; a target that answers in another shape than asked is an error, never a panic.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &'static str) -> Result<T, Failure> {
    row.try_get(name).map_err(|_| Failure::Broken(format!("the answer has no {name} as asked")))
}

/// Who signs in, and where.
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
    pub(super) database: &'a str,
}

/// An open connection. Dropped, it is closed, and what wasn't committed is rolled back by the target.
pub(super) struct Session {
    client: Client,
    /// Drives the connection; dropped with it.
    _driver: JoinSet<()>,
    patience: Duration,
}

impl Session {
    /// Connects and signs in.
    pub(super) async fn open(
        target: &PostgresTarget,
        account: &Account<'_>,
        tls: Option<Tls>,
        timeouts: &Timeouts,
    ) -> Result<Self, Failure> {
        let mut config = Config::new();
        config
            .host(&target.host)
            .port(target.port)
            .user(account.user)
            .password(account.password.expose())
            .dbname(account.database)
            .application_name("ajar")
            .tcp_user_timeout(timeouts.connect + timeouts.statement)
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable })
            // In the start-up packet these outrank ALTER DATABASE … SET, by which an owner could lead our names astray
            // (CVE-2018-1058) or make every statement of ours fail.
            .options(format!(
                "-c search_path=pg_catalog,pg_temp -c standard_conforming_strings=on -c default_transaction_read_only=off \
                 -c default_transaction_isolation=read\\ committed -c client_min_messages=error -c row_security=on -c role=none \
                 -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout=60000",
                timeouts.statement.as_millis(),
                timeouts.lock.as_millis(),
            ));
        let mut driver = JoinSet::new();
        let connected = timeout(timeouts.connect, async {
            Ok::<_, tokio_postgres::Error>(match tls {
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    driver.spawn(async move { drive(connection.await) });
                    client
                }
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    driver.spawn(async move { drive(connection.await) });
                    client
                }
            })
        });
        let client = connected.await.map_err(|_| Failure::Broken(format!("no answer within {} s", timeouts.connect.as_secs_f32())))??;
        // The target ends a statement by itself; a second more, and the target or the way to it hangs.
        Ok(Self { client, _driver: driver, patience: timeouts.statement + Duration::from_secs(1) })
    }

    /// Runs statements. Several of them are one transaction unless they say otherwise.
    pub(super) async fn run(&self, sql: &Sql) -> Result<(), Failure> {
        self.patiently(self.client.batch_execute(sql.text())).await
    }

    /// Asks one fixed question.
    pub(super) async fn rows(&self, question: &'static str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Failure> {
        self.patiently(self.client.query_typed(question, parameters)).await
    }

    /// Asks one fixed question that has one row for an answer.
    pub(super) async fn row(&self, question: &'static str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row, Failure> {
        let row = self.rows(question, parameters).await?.into_iter().next();
        row.ok_or_else(|| Failure::Broken("the answer is empty".to_owned()))
    }

    async fn patiently<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        match timeout(self.patience, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Failure::Broken(format!("no answer within {} s", self.patience.as_secs_f32()))),
        }
    }
}

/// The driver's end. Whoever waits for an answer is told of a break by that answer.
fn drive(ended: Result<(), tokio_postgres::Error>) {
    if let Err(error) = ended {
        tracing::debug!(error = %Failure::from(error), "a connection to a target broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l05_a_targets_words_are_one_short_inert_line() {
        assert_eq!(inert("a\r\nb\u{1b}[31m\u{202e}c"), "a  b [31m c");
        assert_eq!(inert(&"x".repeat(1_000)).chars().count(), MAX_WORDS + 1);
    }

    #[test]
    fn r02_what_passes_is_told_from_what_is_refused() {
        let answer = |code: &str| Failure::Answer { code: SqlState::from_code(code), words: String::new() };
        for passing in ["08006", "53300", "57P01", "57P03"] {
            assert!(matches!(answer(passing).at("r", "x"), ConnectorError::Unreachable { .. }), "{passing}");
        }
        for refused in ["42501", "57014", "55P03", "2BP01"] {
            assert!(matches!(answer(refused).at("r", "x"), ConnectorError::Refused { .. }), "{refused}");
        }
    }
}
