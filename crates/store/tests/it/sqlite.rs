//! SQLite passes the suite.

use std::path::PathBuf;
use std::sync::Arc;

use ajar_core::port::Store;
use ajar_store::conformance::Place;
use ajar_store::{OpenOptions, SqliteStore};
use async_trait::async_trait;
use sqlx::{Connection, Executor, SqliteConnection};

/// A store's folder, removed in the end.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("store").join("ajar.db")
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open(self.database(), OpenOptions::default()).await.unwrap()
    }

    /// The file beside the database with this ending.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.database().into_os_string();
        name.push(ending);
        name.into()
    }

    /// Takes over what another folder has on the disk at this moment: what a power cut would leave.
    pub(crate) fn take(&self, from: &Self) {
        std::fs::create_dir(self.database().parent().unwrap()).unwrap();
        std::fs::copy(from.database(), self.database()).unwrap();
        std::fs::copy(from.beside("-wal"), self.beside("-wal")).unwrap();
    }

    /// SQLite finds nothing wrong with the file.
    pub(crate) async fn is_sound(&self) {
        let mut shell = self.shell().await;
        let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut shell).await.unwrap();
        shell.close().await.unwrap();
        assert_eq!(found, "ok");
    }

    /// A connection that the store knows nothing of.
    pub(crate) async fn shell(&self) -> SqliteConnection {
        SqliteConnection::connect(self.database().to_str().unwrap()).await.unwrap()
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }

    async fn statement(&self, text: &'static str) -> Result<(), String> {
        let mut shell = self.shell().await;
        let done = shell.execute(text).await.map(|_| ()).map_err(|e| e.to_string());
        shell.close().await.unwrap();
        done
    }
}

ajar_store::conformance!(Folder::new());
