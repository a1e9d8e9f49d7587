//! SQLite in one file: one connection that writes, a few that read beside it.
//!
//! Owns the connections and their settings. A connection that failed in the middle of a write is never used again.

mod fault;
mod files;
mod read;
mod schema;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ajar_core::event::Stream;
use ajar_core::port::{Batch, Leaf, PendingEffect, RowQuery, Store, StoreError, StoredRow, Tally};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::time::Timestamp;
use ajar_core::world::Row;
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use fault::store_error;
pub use schema::is_safe;

/// How long a statement waits for another process (a backup tool, a shell) to let go.
const BUSY: Duration = Duration::from_secs(5);
/// What is left of the WAL file after it was copied back.
const WAL_KEPT: &str = "67108864";
/// Pages in the WAL that make the writer copy them back: 16 MiB.
const WAL_PAGES: &str = "4096";
/// KiB of pages (minus: not a count of pages), so that a large batch isn't written twice: 8 MiB.
const WRITER_CACHE: &str = "-8192";
/// Connections keep their statements prepared: each table's INSERT comes in a few lengths.
const STATEMENTS: usize = 128;

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Most connections that read at the same time.
    pub readers: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { readers: 4 }
    }
}

/// A store in one SQLite file. Clones are not needed: share it behind an `Arc`.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: Mutex<Writer>,
    readers: SqlitePool,
    /// Last, so that it is let go last.
    _lock: File,
}

/// The connection that writes: absent while it is in use, and after a failure until the next write opens another.
#[derive(Debug)]
struct Writer {
    connection: Option<SqliteConnection>,
    most_pages: Option<u32>,
}

impl SqliteStore {
    /// Opens the store at `path`, makes it if it isn't there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::UnsafeSqlite`] (O4) and [`StoreError::NewerSchema`] (O5) before the database is touched;
    /// [`StoreError::Failed`] when another process has it open; whatever the disk says.
    pub async fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|e| fault::io_error("find the database file", &e))?;
        let mut memory = SqliteConnection::connect("sqlite::memory:").await.map_err(store_error)?;
        schema::check_sqlite(&mut memory).await?;
        files::make_folder(&path)?;
        let lock = files::lock(&path)?;
        if path.exists() {
            files::keep_private(&path)?;
            let mut look = reading(&path).connect().await.map_err(store_error)?;
            let checked = schema::check(&mut look).await;
            look.close().await.map_err(store_error)?;
            checked?;
        } else {
            files::make_private(&path)?;
        }
        let mut connection = connect_to_write(&path, None).await?;
        schema::migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(reading(&path));
        let writer = Mutex::new(Writer { connection: Some(connection), most_pages: None });
        Ok(Self { path, writer, readers, _lock: lock })
    }

    /// Closes all connections; what is in the WAL is copied back into the file. Dropping the store is safe as well.
    ///
    /// # Errors
    /// When SQLite can't close the file.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        match self.writer.lock().await.connection.take() {
            Some(connection) => connection.close().await.map_err(store_error),
            None => Ok(()),
        }
    }

    /// Writes a consistent copy of the whole store at `from` to `to`, where nothing may be yet. Whoever has it open goes on writing.
    ///
    /// # Errors
    /// When there is no store, it is one of a newer version, something is there already, or it can't be written; what was begun is removed.
    pub async fn backup(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|e| fault::io_error("find a file of the copy", &e));
        let (from, to) = (absolute(from.as_ref())?, absolute(to.as_ref())?);
        let Some(text) = to.to_str() else {
            return Err(StoreError::Failed("the copy's path is not valid UTF-8".into()));
        };
        let mut source = reading(&from).connect().await.map_err(store_error)?;
        schema::check_sqlite(&mut source).await?;
        schema::check(&mut source).await?;
        files::make_private(&to)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(text).execute(&mut source).await;
        if let Err(error) = copied {
            // The error that counts is the first.
            let _ = std::fs::remove_file(&to);
            return Err(store_error(error));
        }
        files::sync(&to)
    }

    /// Lets the file grow to so many pages and no more (not below what it has now): what a quota or a full disk does.
    /// `None` lifts the limit. It holds until the store is closed.
    pub async fn limit_pages(&self, most: Option<u32>) {
        let mut writer = self.writer.lock().await;
        writer.most_pages = most;
        if let Some(connection) = writer.connection.take() {
            // Nothing is in flight on it: what closing can't do now, the next one does.
            let _ = connection.close().await;
        }
    }

    /// Begins a write; others wait until it is finished or dropped.
    async fn begin(&self) -> Result<Writing<'_>, StoreError> {
        let mut writer = self.writer.lock().await;
        let mut connection = match writer.connection.take() {
            Some(connection) => connection,
            None => connect_to_write(&self.path, writer.most_pages).await?,
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(store_error)?;
        Ok(Writing { writer, connection })
    }
}

/// A write in progress. Dropped before it is finished (an error, a caller that went away), its connection goes with
/// it, and SQLite rolls back: half of a transaction can't leak into the next.
struct Writing<'a> {
    writer: MutexGuard<'a, Writer>,
    connection: SqliteConnection,
}

impl Writing<'_> {
    /// Commits when the work succeeded, else rolls back.
    async fn finish(mut self, worked: Result<(), StoreError>) -> Result<(), StoreError> {
        let finished = match worked {
            Ok(()) => sqlx::query("COMMIT").execute(&mut self.connection).await.map(|_| ()).map_err(store_error),
            Err(error) => Err(error),
        };
        match finished {
            Ok(()) => self.writer.connection = Some(self.connection),
            // SQLite may have rolled back by itself, or not: closing is right in both. Waited for, so that the next write
            // doesn't find the file locked.
            Err(_) => drop(self.connection.close().await),
        }
        finished
    }
}

/// What all connections share.
fn connecting(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(512)
        .disable_statement_logging()
}

fn reading(path: &Path) -> SqliteConnectOptions {
    connecting(path).read_only(true)
}

async fn connect_to_write(path: &Path, most_pages: Option<u32>) -> Result<SqliteConnection, StoreError> {
    let mut options = connecting(path)
        .journal_mode(SqliteJournalMode::Wal)
        // INVARIANT L4: with WAL, FULL syncs at each commit; EXTRA adds nothing, it is about rollback journals.
        .synchronous(SqliteSynchronous::Full)
        // INVARIANT I18: what is erased is overwritten, not only unlinked.
        .pragma("secure_delete", "ON")
        .pragma("cache_size", WRITER_CACHE)
        .pragma("journal_size_limit", WAL_KEPT)
        .pragma("wal_autocheckpoint", WAL_PAGES);
    if let Some(most) = most_pages {
        options = options.pragma("max_page_count", most.to_string());
    }
    let mut connection = options.connect().await.map_err(store_error)?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.map_err(store_error)?;
    if mode == "wal" {
        Ok(connection)
    } else {
        Err(StoreError::Failed("this file system can't hold a write-ahead log (shared memory): use a local disk".into()))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        let prepared = write::Prepared::of(batch)?;
        let mut writing = self.begin().await?;
        let worked = prepared.write(&mut writing.connection).await;
        writing.finish(worked).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        read::size(&self.readers).await
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>, StoreError> {
        read::leaves(&self.readers, from, limit).await
    }

    async fn stream(&self, stream: Stream) -> Result<Vec<Leaf>, StoreError> {
        read::stream(&self.readers, stream).await
    }

    async fn search(&self, kind: Option<&str>, text: Option<&str>, before: Option<u64>, limit: u32) -> Result<Vec<Leaf>, StoreError> {
        read::search(&self.readers, read::Search { kind, text, before, limit }).await
    }

    async fn leaf_hashes(&self, from: u64, limit: u32) -> Result<Vec<[u8; 32]>, StoreError> {
        read::leaf_hashes(&self.readers, from, limit).await
    }

    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        read::rows(&self.readers, query).await
    }

    async fn tally(&self, query: &RowQuery) -> Result<Vec<Tally>, StoreError> {
        read::tally(&self.readers, query).await
    }

    async fn row(&self, stream: Stream) -> Result<Option<StoredRow>, StoreError> {
        read::row(&self.readers, stream).await
    }

    async fn by_suffix(&self, word: &'static str, suffix: &str, limit: u32) -> Result<Vec<Stream>, StoreError> {
        read::by_suffix(&self.readers, word, suffix, limit).await
    }

    async fn replace_rows(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        let worked = write::replace_rows(&mut writing.connection, rows).await;
        writing.finish(worked).await
    }

    async fn disclosures(&self, commitments: &[Commitment]) -> Result<Vec<Disclosure>, StoreError> {
        read::disclosures(&self.readers, commitments).await
    }

    async fn erase(&self, commitments: &[Commitment]) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        let worked = write::erase(&mut writing.connection, commitments).await;
        writing.finish(worked).await?;
        // The WAL still has pages as they were. A reader in the middle of something keeps them until the next time.
        let mut writer = self.writer.lock().await;
        if let Some(connection) = &mut writer.connection {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map_err(store_error)?;
        }
        Ok(())
    }

    async fn effects_due(&self, now: Timestamp, limit: u32) -> Result<Vec<PendingEffect>, StoreError> {
        read::effects_due(&self.readers, now, limit).await
    }

    async fn effect_retry(&self, key: &str, next: Timestamp, error: &str) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        let worked = write::effect_retry(&mut writing.connection, key, next, error).await;
        writing.finish(worked).await
    }

    async fn effect_done(&self, key: &str) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        let worked = write::effects_done(&mut writing.connection, &[key.to_owned()]).await;
        writing.finish(worked).await
    }

    async fn blob(&self, hash: &str) -> Result<Option<String>, StoreError> {
        read::blob(&self.readers, hash).await
    }

    async fn checkpoint_put(&self, size: u64, note: &str) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        let worked = write::checkpoint_put(&mut writing.connection, size, note).await;
        writing.finish(worked).await
    }

    async fn checkpoint_latest(&self) -> Result<Option<String>, StoreError> {
        read::checkpoint_latest(&self.readers).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn l04_the_settings_that_durability_rests_on_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("ajar.db"), OpenOptions::default()).await.unwrap();
        let mut writer = store.writer.lock().await;
        let writer = writer.connection.as_mut().unwrap();
        for (ask, expected) in
            [("PRAGMA synchronous", 2), ("PRAGMA secure_delete", 1), ("PRAGMA foreign_keys", 1), ("PRAGMA trusted_schema", 0)]
        {
            let found: i64 = sqlx::query_scalar(ask).fetch_one(&mut *writer).await.unwrap();
            assert_eq!(found, expected, "{ask}");
        }
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *writer).await.unwrap();
        assert_eq!(mode, "wal");
        let refused = sqlx::query("DELETE FROM rows").execute(&store.readers).await;
        assert!(refused.is_err(), "readers can't write");
    }
}
