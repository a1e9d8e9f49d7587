//! Where events, projections and effects are kept. One contract for every database; `ajar-store` has the suite.

use async_trait::async_trait;

use crate::event::Stream;
use crate::id::PrincipalId;
use crate::name::{ResourceName, RoleName};
use crate::sealed::{Commitment, Disclosure};
use crate::time::Timestamp;
use crate::world::Row;

/// One event as it is stored: the exact bytes that are hashed, with the columns that find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its index, from 0.
    pub seq: u64,
    /// Its stream.
    pub stream: Stream,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its kind, such as `grant.opened`.
    pub kind: String,
    /// When it was decided.
    pub at: Timestamp,
    /// The bytes of the leaf: one line of JSON.
    pub bytes: String,
}

/// Something to be done outside, at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Makes it idempotent: an effect with a key that is there already is dropped.
    pub key: String,
    /// What, as JSON.
    pub payload: String,
    /// Not before.
    pub due: Timestamp,
}

/// An effect that is still to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEffect {
    /// What.
    pub effect: Effect,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: Option<String>,
}

/// What is committed in one transaction (I15): all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Events, consecutive from the log's end.
    pub leaves: Vec<Leaf>,
    /// Rows that they made or changed, in order: the last for a stream counts.
    pub rows: Vec<Row>,
    /// Values behind the commitments in them.
    pub disclosures: Vec<Disclosure>,
    /// Effects to be done.
    pub effects: Vec<Effect>,
    /// Keys of effects that are done.
    pub effects_done: Vec<String>,
    /// Texts kept by their SHA-256 in hexadecimal: rule sets.
    pub blobs: Vec<(String, String)>,
}

/// Which rows to list; newest first. Every `Some` narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowQuery {
    /// Of which kind of stream: `request`, `grant`, `lease`, `session`, `principal`, `token` (see [`Stream::word`]).
    pub word: &'static str,
    /// In one of these states; empty for any.
    pub states: Vec<String>,
    /// Whose: theirs, or asked for by them.
    pub principal: Option<PrincipalId>,
    /// On which resource.
    pub resource: Option<ResourceName>,
    /// As what.
    pub role: Option<RoleName>,
    /// Belonging to what.
    pub parent: Option<Stream>,
    /// Somebody's, with a part of theirs in it, or on one of these resources.
    pub seen_by: Option<SeenBy>,
    /// Begun at this instant or later.
    pub since: Option<Timestamp>,
    /// Begun before this instant.
    pub begun_before: Option<Timestamp>,
    /// Begun, and not over at this instant: with `begun_before`, what there was in a range of time.
    pub not_over_at: Option<Timestamp>,
    /// Only older than this one (a cursor).
    pub before: Option<Stream>,
    /// At most so many.
    pub limit: u32,
}

/// Whose rows somebody may see: their own, those that they have a part in, and those on what they own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenBy {
    /// They.
    pub principal: PrincipalId,
    /// What they own.
    pub owns: Vec<ResourceName>,
}

/// How many rows there are of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Whose.
    pub principal: Option<PrincipalId>,
    /// On which resource.
    pub resource: Option<ResourceName>,
    /// As what.
    pub role: Option<RoleName>,
    /// In which state.
    pub state: String,
    /// How many.
    pub count: u64,
    /// When the last of them began.
    pub latest: Option<Timestamp>,
}

/// A row as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The lifecycle.
    pub stream: Stream,
    /// Its state.
    pub state: String,
    /// The whole state as JSON.
    pub doc: String,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The log's end is elsewhere, or a stream has another version: somebody else wrote. Reload and decide again.
    #[error("the log has moved on: somebody else has written to it")]
    Conflict,
    /// No space left.
    #[error("the disk is full: free some space, then access opens again")]
    Full,
    /// Written by a newer version (O5).
    #[error("the store has schema {found}, this version knows {known}: start a version at least as new as the one that wrote it")]
    NewerSchema {
        /// What is there.
        found: i64,
        /// What this build knows.
        known: i64,
    },
    /// A build with a damaging bug (O4).
    #[error("SQLite {0} can lose data (WAL-reset bug, 3.7.0 to 3.51.2): start a build that bundles 3.51.3 or newer")]
    UnsafeSqlite(String),
    /// What is stored can't be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits a batch durably.
    ///
    /// [`StoreError::Conflict`] when its first leaf is not the log's next, or a (stream, version) is there already: nothing is written then.
    async fn append(&self, batch: Batch) -> Result<(), StoreError>;

    /// How many events there are.
    async fn size(&self) -> Result<u64, StoreError>;

    /// Events from `from` on, at most `limit`.
    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>, StoreError>;

    /// All events of a stream, in order.
    async fn stream(&self, stream: Stream) -> Result<Vec<Leaf>, StoreError>;

    /// Events whose kind starts with `kind` and whose leaf holds `text`, newest first, older than `before`.
    async fn search(&self, kind: Option<&str>, text: Option<&str>, before: Option<u64>, limit: u32) -> Result<Vec<Leaf>, StoreError>;

    /// Leaf hashes from `from` on (RFC 6962 leaf hashes, as `ajar-ledger` makes them), at most `limit`.
    async fn leaf_hashes(&self, from: u64, limit: u32) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Lists rows.
    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError>;

    /// Counts rows by whose, on what, as what and in which state they are. In no order; the cursor and the limit of `query` don't count.
    async fn tally(&self, query: &RowQuery) -> Result<Vec<Tally>, StoreError>;

    /// One row.
    async fn row(&self, stream: Stream) -> Result<Option<StoredRow>, StoreError>;

    /// Streams of a kind whose id ends with `suffix` (letters and digits of an id), at most `limit`: what a short id means.
    async fn by_suffix(&self, word: &'static str, suffix: &str, limit: u32) -> Result<Vec<Stream>, StoreError>;

    /// Drops all rows and writes these instead, in one transaction.
    async fn replace_rows(&self, rows: Vec<Row>) -> Result<(), StoreError>;

    /// The values behind commitments, as far as they are there.
    async fn disclosures(&self, commitments: &[Commitment]) -> Result<Vec<Disclosure>, StoreError>;

    /// Erases the values behind commitments (I18).
    async fn erase(&self, commitments: &[Commitment]) -> Result<(), StoreError>;

    /// Effects that are due, oldest first.
    async fn effects_due(&self, now: Timestamp, limit: u32) -> Result<Vec<PendingEffect>, StoreError>;

    /// An effect failed: try again at `next`.
    async fn effect_retry(&self, key: &str, next: Timestamp, error: &str) -> Result<(), StoreError>;

    /// An effect is done (when no event says so).
    async fn effect_done(&self, key: &str) -> Result<(), StoreError>;

    /// A text by its hash.
    async fn blob(&self, hash: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a signed checkpoint of the first `size` events.
    async fn checkpoint_put(&self, size: u64, note: &str) -> Result<(), StoreError>;

    /// The latest checkpoint.
    async fn checkpoint_latest(&self) -> Result<Option<String>, StoreError>;
}
