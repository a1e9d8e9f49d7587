//! Opening, copying, erasing: what is on the disk, and who may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ajar_core::port::{Batch, Store, StoreError};
use ajar_core::sealed::Disclosure;
use ajar_store::conformance::made::filed;
use ajar_store::{OpenOptions, SqliteStore};
use sqlx::{Connection, Executor};

use crate::sqlite::Folder;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn open_again(folder: &Folder) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder.database(), OpenOptions::default()).await
}

#[tokio::test]
async fn o05_a_newer_schema_is_refused_and_not_touched() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.append(filed(0, 3)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let mut shell = folder.shell().await;
    shell.execute("INSERT INTO schema_version (version) VALUES (99)").await.unwrap();
    shell.close().await.unwrap();
    let before = fs::read(folder.database()).unwrap();
    for _ in 0..2 {
        let refused = open_again(&folder).await.unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { found: 99, known: 3 }), "{refused:?}");
        assert!(fs::read(folder.database()).unwrap() == before, "the database was changed");
    }
}

#[tokio::test]
async fn o05_a_newer_schema_is_seen_in_the_wal_as_well() {
    let folder = Folder::new();
    let store = folder.store().await;
    // Both connections stay open: nobody copies the WAL back.
    let mut shell = folder.shell().await;
    shell.execute("INSERT INTO schema_version (version) VALUES (7)").await.unwrap();
    let copy = Folder::new();
    copy.take(&folder);
    let refused = open_again(&copy).await.unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 7, .. }), "{refused:?}");
    drop(store);
}

#[tokio::test]
async fn somebody_elses_files_are_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.database().parent().unwrap()).unwrap();
    fs::write(folder.database(), "not a database at all, but long enough to have a header of one ".repeat(20)).unwrap();
    let refused = open_again(&folder).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused:?}");

    fs::remove_file(folder.database()).unwrap();
    fs::write(folder.database(), "").unwrap();
    let mut shell = folder.shell().await;
    shell.execute("CREATE TABLE holidays (day TEXT)").await.unwrap();
    shell.close().await.unwrap();
    let refused = open_again(&folder).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused:?}");
}

#[tokio::test]
async fn o03_a_store_is_open_in_one_place_at_a_time() {
    let folder = Folder::new();
    let store = folder.store().await;
    let refused = open_again(&folder).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Failed(why) if why.contains("another server")), "{refused:?}");
    store.append(filed(0, 1)).await.unwrap();
    drop(store);
    assert_eq!(open_again(&folder).await.unwrap().size().await.unwrap(), 1);
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.append(filed(0, 1)).await.unwrap();
    let place = folder.database().parent().unwrap().to_owned();
    assert_eq!(mode(&place), 0o700);
    let files: Vec<_> = fs::read_dir(&place).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "database, WAL, its index, lock: {files:?}");
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{file:?}"));
    store.close().await.unwrap();
    drop(store);
    fs::set_permissions(folder.database(), fs::Permissions::from_mode(0o644)).unwrap();
    let store = folder.store().await;
    store.append(filed(1, 1)).await.unwrap();
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{file:?}"));
}

#[tokio::test]
async fn l04_a_write_ahead_log_that_cannot_be_opened_is_an_error_and_no_harm() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.append(filed(0, 3)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let wal = folder.beside("-wal");
    let _ = fs::remove_file(&wal);
    fs::create_dir(&wal).unwrap();
    let refused = open_again(&folder).await.unwrap_err();
    assert!(matches!(refused, StoreError::Failed(_)), "{refused:?}");
    fs::remove_dir(&wal).unwrap();
    let store = folder.store().await;
    store.append(filed(3, 1)).await.unwrap();
    assert_eq!(store.size().await.unwrap(), 4);
}

#[tokio::test]
async fn r08_a_copy_made_while_writing_is_a_whole_store() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.append(filed(0, 500)).await.unwrap();
    let copy = Folder::new();
    fs::create_dir(copy.database().parent().unwrap()).unwrap();
    let (copied, appended) = tokio::join!(SqliteStore::backup(folder.database(), copy.database()), store.append(filed(500, 500)));
    copied.unwrap();
    appended.unwrap();
    assert_eq!(mode(&copy.database()), 0o600);
    let again = SqliteStore::backup(folder.database(), copy.database()).await;
    assert!(again.is_err(), "a copy never overwrites");
    let restored = copy.store().await;
    let size = restored.size().await.unwrap();
    assert!(size == 500 || size == 1000, "{size}");
    assert_eq!(restored.leaves(0, 500).await.unwrap(), store.leaves(0, 500).await.unwrap());
    restored.append(filed(size, 1)).await.unwrap();
    copy.is_sound().await;
}

#[tokio::test]
async fn i18_what_is_erased_is_in_none_of_the_files() {
    const CANARY: &str = "canary-5f1c the customer's name is nobody's business";
    let folder = Folder::new();
    let store = folder.store().await;
    let found = || {
        let files = fs::read_dir(folder.database().parent().unwrap()).unwrap();
        files.map(|f| f.unwrap().path()).filter(|f| fs::read(f).unwrap().windows(CANARY.len()).any(|w| w == CANARY.as_bytes())).count()
    };
    let sealed: Vec<Disclosure> = (0..50).map(|n| Disclosure::seal([n; 32], CANARY.into())).collect();
    store.append(Batch { disclosures: sealed.clone(), ..filed(0, 1) }).await.unwrap();
    assert!(found() > 0, "the canary is where it is looked for");
    store.erase(&sealed.iter().map(|d| d.commitment).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(found(), 0);
}
