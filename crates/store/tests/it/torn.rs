//! A power cut: what was not synced yet may be there in part. The WAL is cut, and damaged, at many places; what comes back is
//! a prefix of the log, with exactly what belongs to it.

use std::fs;

use ajar_core::port::{Batch, Store};
use ajar_store::conformance::made::{at, effect, every, filed};

use crate::sqlite::Folder;

const BATCHES: u64 = 30;
const EACH: u64 = 5;

/// How many events came back.
async fn recovered(from: &Folder, damage: impl FnOnce(&mut Vec<u8>)) -> u64 {
    let copy = Folder::new();
    copy.take(from);
    let mut wal = fs::read(copy.beside("-wal")).unwrap();
    damage(&mut wal);
    fs::write(copy.beside("-wal"), wal).unwrap();
    let store = copy.store().await;
    let size = store.size().await.unwrap();
    assert!(size.is_multiple_of(EACH), "{size}: a part of a batch came back");
    let leaves = store.leaves(0, 10_000).await.unwrap();
    assert!((0..size).eq(leaves.iter().map(|l| l.seq)));
    assert_eq!(store.rows(&every("request")).await.unwrap().len() as u64, size);
    assert_eq!(store.effects_due(at(0), 10_000).await.unwrap().len() as u64, size / EACH);
    store.append(filed(size, 1)).await.unwrap();
    copy.is_sound().await;
    size
}

#[tokio::test]
async fn l04_a_torn_write_ahead_log_comes_back_as_a_prefix() {
    let folder = Folder::new();
    let store = folder.store().await;
    for batch in 0..BATCHES {
        let effects = vec![effect(&format!("mail:{batch}"))];
        store.append(Batch { effects, ..filed(batch * EACH, EACH) }).await.unwrap();
    }
    let length = fs::read(folder.beside("-wal")).unwrap().len();
    assert_eq!(recovered(&folder, |_| ()).await, BATCHES * EACH);
    let mut last = 0;
    for part in 1..16 {
        let place = length * part / 16 + part;
        let cut = recovered(&folder, |wal| wal.truncate(place)).await;
        assert!(cut >= last, "a longer log has more");
        last = cut;
        assert_eq!(recovered(&folder, |wal| wal[place] ^= 1).await, cut, "damage at {place} ends the log there");
    }
    assert!(last > 0);
}
