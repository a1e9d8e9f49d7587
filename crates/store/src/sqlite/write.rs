//! What happens inside a write's transaction.

use std::collections::HashSet;

use ajar_core::event::Stream;
use ajar_core::id::PrincipalId;
use ajar_core::port::{Batch, Effect, Leaf, StoreError};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::time::Timestamp;
use ajar_core::world::{Part, Row};
use ajar_ledger::tree::leaf_hash;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::fault::store_error;
use crate::sql::{self, Insert};

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Commitments or keys in one statement.
const MOST_NAMED: usize = 256;

/// A batch with its hashes, made before the writer is taken.
pub(super) struct Prepared {
    first: Option<i64>,
    events: Vec<Event>,
    rows: Vec<Row>,
    disclosures: Vec<Disclosure>,
    effects: Vec<Effect>,
    effects_done: Vec<String>,
    blobs: Vec<(String, String)>,
}

struct Event {
    seq: i64,
    version: i64,
    hash: [u8; 32],
    leaf: Leaf,
}

impl Prepared {
    pub(super) fn of(batch: Batch) -> Result<Self, StoreError> {
        let Batch { leaves, rows, disclosures, effects, effects_done, blobs } = batch;
        let mut events: Vec<Event> = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let seq = number(leaf.seq)?;
            if events.last().is_some_and(|last| last.seq + 1 != seq) {
                return Err(StoreError::Failed("the events of a batch are not consecutive".into()));
            }
            events.push(Event { seq, version: number(leaf.version)?, hash: leaf_hash(leaf.bytes.as_bytes()), leaf });
        }
        Ok(Self { first: events.first().map(|e| e.seq), events, rows: last_of_each(rows), disclosures, effects, effects_done, blobs })
    }

    /// INVARIANT I15: the events, what they made and what they ask for, in the transaction that the caller commits.
    pub(super) async fn write(self, to: &mut SqliteConnection) -> Result<(), StoreError> {
        if let Some(first) = self.first {
            let next: i64 = sqlx::query_scalar(sql::NEXT_SEQ).fetch_one(&mut *to).await.map_err(store_error)?;
            if first != next {
                return Err(StoreError::Conflict);
            }
        }
        insert(to, &sql::EVENTS, self.events, |query, Event { seq, version, hash, leaf }| {
            let Leaf { stream, kind, at, bytes, .. } = leaf;
            query.bind(seq).bind(stream.to_string()).bind(version).bind(kind).bind(at.as_millis()).bind(bytes).bind(hash.to_vec())
        })
        .await?;
        insert_rows(to, self.rows).await?;
        insert(to, &sql::DISCLOSURES, self.disclosures, |query, Disclosure { commitment, salt, value }| {
            query.bind(commitment.as_bytes().to_vec()).bind(salt.to_vec()).bind(value)
        })
        .await?;
        insert(to, &sql::EFFECTS, self.effects, |query, Effect { key, payload, due }| {
            query.bind(key).bind(payload).bind(due.as_millis()).bind(0i64)
        })
        .await?;
        // After the insert: an effect that one command asks for may be done by a later one in the same batch.
        effects_done(to, &self.effects_done).await?;
        insert(to, &sql::BLOBS, self.blobs, |query, (hash, body)| query.bind(hash).bind(body)).await
    }
}

pub(super) async fn replace_rows(to: &mut SqliteConnection, rows: Vec<Row>) -> Result<(), StoreError> {
    for clear in [sql::PARTS_CLEAR, sql::ROWS_CLEAR] {
        sqlx::query(clear).execute(&mut *to).await.map_err(store_error)?;
    }
    insert_rows(to, last_of_each(rows)).await
}

pub(super) async fn erase(to: &mut SqliteConnection, commitments: &[Commitment]) -> Result<(), StoreError> {
    for some in commitments.chunks(MOST_NAMED) {
        let query = sqlx::query(AssertSqlSafe(sql::one_of(sql::ERASE, some.len(), ""))).persistent(false);
        let query = some.iter().fold(query, |query, commitment| query.bind(commitment.as_bytes().to_vec()));
        query.execute(&mut *to).await.map_err(store_error)?;
    }
    Ok(())
}

pub(super) async fn effects_done(to: &mut SqliteConnection, keys: &[String]) -> Result<(), StoreError> {
    for some in keys.chunks(MOST_NAMED) {
        let query = sqlx::query(AssertSqlSafe(sql::one_of(sql::EFFECTS_DONE, some.len(), ""))).persistent(some.len() == 1);
        let query = some.iter().fold(query, |query, key| query.bind(key.clone()));
        query.execute(&mut *to).await.map_err(store_error)?;
    }
    Ok(())
}

pub(super) async fn effect_retry(to: &mut SqliteConnection, key: &str, next: Timestamp, error: &str) -> Result<(), StoreError> {
    let query = sqlx::query(sql::EFFECT_RETRY).bind(key).bind(next.as_millis()).bind(error);
    query.execute(to).await.map(|_| ()).map_err(store_error)
}

pub(super) async fn checkpoint_put(to: &mut SqliteConnection, size: u64, note: &str) -> Result<(), StoreError> {
    let query = sqlx::query(sql::CHECKPOINT_PUT).bind(number(size)?).bind(note);
    query.execute(to).await.map(|_| ()).map_err(store_error)
}

async fn insert_rows(to: &mut SqliteConnection, rows: Vec<Row>) -> Result<(), StoreError> {
    let parts = rows.iter().flat_map(|row| row.parts.iter().map(|(part, principal)| (*principal, row.stream, *part)));
    insert(to, &sql::PARTS, parts.collect(), |query, (principal, stream, part): (PrincipalId, Stream, Part)| {
        query.bind(principal.to_string()).bind(stream.word()).bind(stream.to_string()).bind(part.word())
    })
    .await?;
    insert(to, &sql::ROWS, rows, |query, row| {
        let Row { stream, state, settled: _, principal, parts: _, resource, role, parent, due, since, until, doc } = row;
        query
            .bind(stream.word())
            .bind(stream.to_string())
            .bind(state)
            .bind(principal.map(|p| p.to_string()))
            .bind(resource.map(|r| r.to_string()))
            .bind(role.map(|r| r.to_string()))
            .bind(parent.map(|p| p.to_string()))
            .bind(due.map(Timestamp::as_millis))
            .bind(since.map(Timestamp::as_millis))
            .bind(until.map(Timestamp::as_millis))
            .bind(doc)
    })
    .await
}

/// Inserts many rows with few statements: each statement is a hop to the connection's thread and back.
async fn insert<T>(
    to: &mut SqliteConnection,
    into: &Insert,
    items: Vec<T>,
    bind: impl for<'q> Fn(Query<'q>, T) -> Query<'q>,
) -> Result<(), StoreError> {
    let mut items = items.into_iter();
    while items.len() > 0 {
        let count = Insert::rows_of(items.len());
        let query = sqlx::query(AssertSqlSafe(into.text(count)));
        let query = items.by_ref().take(count).fold(query, &bind);
        query.execute(&mut *to).await.map_err(store_error)?;
    }
    Ok(())
}

/// The last row of each stream: PostgreSQL refuses to upsert one row twice in a statement.
fn last_of_each(mut rows: Vec<Row>) -> Vec<Row> {
    let mut seen: HashSet<Stream> = HashSet::with_capacity(rows.len());
    rows.reverse();
    rows.retain(|row| seen.insert(row.stream));
    rows.reverse();
    rows
}

fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Failed("a sequence number or version is too large".into()))
}
