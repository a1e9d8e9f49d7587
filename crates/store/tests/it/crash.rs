//! SIGKILL at random moments of appending, again and again on the same store.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use ajar_core::port::{Batch, Store};
use ajar_ledger::tree::leaf_hash;
use ajar_store::conformance::made::{at, disclosure, effect, every, filed};
use ajar_store::{OpenOptions, SqliteStore};

use crate::sqlite::Folder;

const STORE: &str = "AJAR_TEST_CRASH_STORE";
const ROUNDS: u64 = 30;

/// Appends for ever, and says how many events were acknowledged.
#[tokio::test]
#[ignore = "the child of l04_no_acknowledged_event_is_lost_by_a_kill"]
async fn l04_child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let store = SqliteStore::open(path, OpenOptions::default()).await.unwrap();
    loop {
        let size = store.size().await.unwrap();
        let count = 1 + size % 17;
        let effects = (size..size + count).map(|n| effect(&format!("mail:{n}"))).collect();
        let disclosures = vec![disclosure(u8::try_from(size % 256).unwrap())];
        store.append(Batch { effects, disclosures, ..filed(size, count) }).await.unwrap();
        // Straight to the descriptor: the test harness captures `println!`.
        std::io::stdout().write_all(format!("acknowledged {}\n", size + count).as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn l04_no_acknowledged_event_is_lost_by_a_kill() {
    let folder = Folder::new();
    let (mut acknowledged, mut seed) = (0, 0x9e37_79b9_u64);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::l04_child", "--ignored", "--quiet"])
            .env(STORE, folder.database())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut heard = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(count) = line.strip_prefix("acknowledged ") else { continue };
            acknowledged = count.parse().unwrap();
            heard += 1;
            if heard == 1 + seed % 12 {
                // Somewhere in the next append, not always at its start.
                (0..(seed >> 32) % 200_000).for_each(|n| _ = std::hint::black_box(n));
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(heard > 0, "round {round}: the child never got to append");

        let store = folder.store().await;
        let size = store.size().await.unwrap();
        assert!(size >= acknowledged, "round {round}: {acknowledged} were acknowledged, {size} are there");
        let leaves = store.leaves(0, 100_000).await.unwrap();
        assert!((0..size).eq(leaves.iter().map(|l| l.seq)));
        let hashes: Vec<_> = leaves.iter().map(|l| leaf_hash(l.bytes.as_bytes())).collect();
        assert!(store.leaf_hashes(0, 100_000).await.unwrap() == hashes);
        let mut rows = every("request");
        rows.limit = 100_000;
        assert_eq!(store.rows(&rows).await.unwrap().len() as u64, size);
        assert_eq!(store.effects_due(at(0), 100_000).await.unwrap().len() as u64, size);
        store.close().await.unwrap();
        drop(store);
        folder.is_sound().await;
    }
}
