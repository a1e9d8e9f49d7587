//! Reading: each function one statement, on any connection that reads.

use std::str::FromStr;

use ajar_core::event::Stream;
use ajar_core::port::{Effect, Leaf, PendingEffect, RowQuery, SeenBy, StoreError, StoredRow, Tally};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::time::Timestamp;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite, SqlitePool};

use super::fault::store_error;
use crate::sql;

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Who asks for so many rows wants about all that there are: picking them in an index first costs more than it spares.
const MANY: u32 = 1_000;
/// Commitments in one statement.
const MOST_NAMED: usize = 256;

pub(super) async fn size(on: &SqlitePool) -> Result<u64, StoreError> {
    let next: i64 = sqlx::query_scalar(sql::NEXT_SEQ).fetch_one(on).await.map_err(store_error)?;
    count(next)
}

pub(super) async fn leaves(on: &SqlitePool, from: u64, limit: u32) -> Result<Vec<Leaf>, StoreError> {
    let query = sqlx::query(sql::LEAVES).bind(bound(from)).bind(i64::from(limit));
    all(on, query, leaf).await
}

pub(super) async fn stream(on: &SqlitePool, stream: Stream) -> Result<Vec<Leaf>, StoreError> {
    all(on, sqlx::query(sql::STREAM).bind(stream.to_string()), leaf).await
}

/// What to search for.
pub(super) struct Search<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) text: Option<&'a str>,
    pub(super) before: Option<u64>,
    pub(super) limit: u32,
}

pub(super) async fn search(on: &SqlitePool, search: Search<'_>) -> Result<Vec<Leaf>, StoreError> {
    let mut query = Building::default();
    query.text(sql::SEARCH).value(bound(search.before.unwrap_or(u64::MAX)));
    if let Some(kind) = search.kind {
        query.text(sql::KIND_FROM).value(kind).text(sql::KIND_BELOW).value(format!("{kind}{}", char::MAX));
    }
    if let Some(text) = search.text {
        query.text(sql::LEAF_HOLDS).value(text).text(sql::LEAF_HOLDS_END);
    }
    query.text(sql::NEWEST).value(i64::from(search.limit));
    all(on, query.query(), leaf).await
}

pub(super) async fn leaf_hashes(on: &SqlitePool, from: u64, limit: u32) -> Result<Vec<[u8; 32]>, StoreError> {
    let query = sqlx::query(sql::HASHES).bind(bound(from)).bind(i64::from(limit));
    all(on, query, |row| bytes_32(row, 1, "a leaf's hash")).await
}

pub(super) async fn rows(on: &SqlitePool, asked: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
    let mut query = Building::default();
    query.text(sql::LIST).value(asked.word);
    let picks = asked.limit < MANY;
    if picks {
        query.text(sql::LIST_THESE).value(asked.word);
    }
    narrow(&mut query, asked);
    if let Some(before) = asked.before {
        query.text(sql::OLDER_THAN).value(before.to_string());
    }
    query.text(sql::LIST_END).value(i64::from(asked.limit));
    if picks {
        query.text(sql::LIST_NEWEST);
    }
    all(on, query.query(), stored_row).await
}

pub(super) async fn tally(on: &SqlitePool, asked: &RowQuery) -> Result<Vec<Tally>, StoreError> {
    let mut query = Building::default();
    query.text(sql::TALLY).value(asked.word);
    narrow(&mut query, asked);
    query.text(sql::TALLY_END);
    all(on, query.query(), tallied).await
}

/// What rows have to fit, cursor and limit apart.
fn narrow(query: &mut Building, asked: &RowQuery) {
    query.one_of(sql::STATE_IN, asked.states.iter().cloned());
    // Only requests are filed for others: of other rows an index alone tells whose they are.
    let others = asked.word == "request";
    if let Some(principal) = asked.principal {
        query.text(sql::ANY_OF).value(principal.to_string());
        if others {
            query.text(sql::OR_FILED).value(asked.word).text(sql::PRINCIPAL_IS).value(principal.to_string()).text(")");
        }
        query.text(")");
    }
    let texts = [
        (sql::RESOURCE_IS, asked.resource.as_ref().map(ToString::to_string)),
        (sql::ROLE_IS, asked.role.as_ref().map(ToString::to_string)),
        (sql::PARENT_IS, asked.parent.map(|p| p.to_string())),
    ];
    for (text, value) in texts {
        if let Some(value) = value {
            query.text(text).value(value);
        }
    }
    if let Some(SeenBy { principal, owns }) = &asked.seen_by {
        query.text(sql::ANY_OF).value(principal.to_string());
        if others {
            query.text(sql::OR_HAS_A_PART).value(asked.word).text(sql::PRINCIPAL_IS).value(principal.to_string()).text(")");
        }
        query.one_of(sql::OR_OWNED, owns.iter().map(ToString::to_string)).text(")");
    }
    let instants = [(sql::SINCE, asked.since), (sql::BEGUN_BEFORE, asked.begun_before)];
    for (text, value) in instants {
        if let Some(value) = value {
            query.text(text).value(value.as_millis());
        }
    }
    if let Some(value) = asked.not_over_at {
        query.text(sql::NOT_OVER_AT).value(value.as_millis()).text(")");
    }
}

pub(super) async fn row(on: &SqlitePool, stream: Stream) -> Result<Option<StoredRow>, StoreError> {
    one(on, sqlx::query(sql::ROW).bind(stream.word()).bind(stream.to_string()), stored_row).await
}

pub(super) async fn by_suffix(on: &SqlitePool, word: &'static str, suffix: &str, limit: u32) -> Result<Vec<Stream>, StoreError> {
    // Letters and digits: nothing that LIKE takes for a pattern, and no underscore, so never the prefix.
    if suffix.is_empty() || !suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Ok(Vec::new());
    }
    let query = sqlx::query(sql::BY_SUFFIX).bind(word).bind(suffix).bind(i64::from(limit));
    all(on, query, |row| text_as(row, 0, "a row's stream")).await
}

pub(super) async fn disclosures(on: &SqlitePool, commitments: &[Commitment]) -> Result<Vec<Disclosure>, StoreError> {
    let mut found = Vec::with_capacity(commitments.len());
    for some in commitments.chunks(MOST_NAMED) {
        let query = sqlx::query(AssertSqlSafe(sql::one_of(sql::DISCLOSED, some.len(), ""))).persistent(false);
        let query = some.iter().fold(query, |query, commitment| query.bind(commitment.as_bytes().to_vec()));
        found.extend(all(on, query, disclosure).await?);
    }
    Ok(found)
}

pub(super) async fn effects_due(on: &SqlitePool, now: Timestamp, limit: u32) -> Result<Vec<PendingEffect>, StoreError> {
    let query = sqlx::query(sql::EFFECTS_DUE).bind(now.as_millis()).bind(i64::from(limit));
    all(on, query, pending_effect).await
}

pub(super) async fn blob(on: &SqlitePool, hash: &str) -> Result<Option<String>, StoreError> {
    one(on, sqlx::query(sql::BLOB).bind(hash), |row| get(row, 0)).await
}

pub(super) async fn checkpoint_latest(on: &SqlitePool) -> Result<Option<String>, StoreError> {
    one(on, sqlx::query(sql::CHECKPOINT_LATEST), |row| get(row, 0)).await
}

/// A statement put together from our own texts; values only ever become parameters.
#[derive(Default)]
struct Building {
    text: String,
    values: Vec<Value>,
}

enum Value {
    Number(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl Building {
    fn text(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// `head` with the values and a closing bracket; nothing when there are none.
    fn one_of(&mut self, head: &'static str, values: impl Iterator<Item = String>) -> &mut Self {
        let mut any = false;
        for value in values {
            self.text(if any { ", " } else { head }).value(value);
            any = true;
        }
        if any { self.text(")") } else { self }
    }

    fn query(self) -> Query<'static> {
        self.values.into_iter().fold(sqlx::query(AssertSqlSafe(self.text)), |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        })
    }
}

async fn all<T>(on: &SqlitePool, query: Query<'_>, read: impl Fn(&SqliteRow) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
    query.fetch_all(on).await.map_err(store_error)?.iter().map(read).collect()
}

async fn one<T>(on: &SqlitePool, query: Query<'_>, read: impl Fn(&SqliteRow) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    query.fetch_optional(on).await.map_err(store_error)?.as_ref().map(read).transpose()
}

fn leaf(row: &SqliteRow) -> Result<Leaf, StoreError> {
    Ok(Leaf {
        seq: count(get(row, 0)?)?,
        stream: text_as(row, 1, "an event's stream")?,
        version: count(get(row, 2)?)?,
        kind: get(row, 3)?,
        at: Timestamp::from_millis(get(row, 4)?),
        bytes: get(row, 5)?,
    })
}

fn stored_row(row: &SqliteRow) -> Result<StoredRow, StoreError> {
    Ok(StoredRow { stream: text_as(row, 0, "a row's stream")?, state: get(row, 1)?, doc: get(row, 2)? })
}

fn tallied(row: &SqliteRow) -> Result<Tally, StoreError> {
    Ok(Tally {
        principal: text_or_null(row, 0, "a row's principal")?,
        resource: text_or_null(row, 1, "a row's resource")?,
        role: text_or_null(row, 2, "a row's role")?,
        state: get(row, 3)?,
        count: count(get(row, 4)?)?,
        latest: get::<Option<i64>>(row, 5)?.map(Timestamp::from_millis),
    })
}

fn disclosure(row: &SqliteRow) -> Result<Disclosure, StoreError> {
    let commitment = Commitment::from_bytes(bytes_32(row, 0, "a commitment")?);
    Ok(Disclosure { commitment, salt: bytes_32(row, 1, "a salt")?, value: get(row, 2)? })
}

fn pending_effect(row: &SqliteRow) -> Result<PendingEffect, StoreError> {
    let effect = Effect { key: get(row, 0)?, payload: get(row, 1)?, due: Timestamp::from_millis(get(row, 2)?) };
    let attempts = u32::try_from(get::<i64>(row, 3)?).map_err(|_| damaged("an effect's attempts"))?;
    Ok(PendingEffect { effect, attempts, error: get(row, 4)? })
}

fn get<T>(row: &SqliteRow, column: usize) -> Result<T, StoreError>
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(column).map_err(store_error)
}

fn text_as<T: FromStr>(row: &SqliteRow, column: usize, what: &str) -> Result<T, StoreError> {
    get::<String>(row, column)?.parse().map_err(|_| damaged(what))
}

fn text_or_null<T: FromStr>(row: &SqliteRow, column: usize, what: &str) -> Result<Option<T>, StoreError> {
    get::<Option<String>>(row, column)?.map(|text| text.parse().map_err(|_| damaged(what))).transpose()
}

fn bytes_32(row: &SqliteRow, column: usize, what: &str) -> Result<[u8; 32], StoreError> {
    get::<Vec<u8>>(row, column)?.try_into().map_err(|_| damaged(what))
}

fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| damaged("a sequence number or version"))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} is not what was written"))
}

/// Databases count to `i64::MAX`: nothing is behind that.
fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
