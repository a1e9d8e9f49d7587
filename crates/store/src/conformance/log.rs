//! The log: appending, conflicts, atomicity, reading and searching.

use std::sync::Arc;

use ajar_core::port::{Batch, Leaf, Store, StoreError};
use ajar_ledger::tree::leaf_hash;
use tokio::task::JoinSet;

use super::Place;
use super::made::{at, disclosure, effect, every, filed, grant, leaf, request, row};

/// Everything that a batch can leave behind.
fn full_batch(seq: u64, number: u8) -> Batch {
    let stream = request(u64::from(number));
    Batch {
        leaves: vec![leaf(seq, stream, 1, "filed")],
        rows: vec![row(stream, "pending")],
        disclosures: vec![disclosure(number)],
        effects: vec![effect(&format!("mail:{number}"))],
        effects_done: Vec::new(),
        blobs: vec![(format!("{number:064}"), "rules".into())],
    }
}

/// Whether anything of [`full_batch`] beside the event is there.
async fn traces(store: &dyn Store, number: u8) -> Vec<&'static str> {
    let stream = request(u64::from(number));
    let key = format!("mail:{number}");
    let effects = store.effects_due(at(0), 1000).await.unwrap();
    let found = [
        ("stream", !store.stream(stream).await.unwrap().is_empty()),
        ("row", store.row(stream).await.unwrap().is_some()),
        ("disclosure", !store.disclosures(&[disclosure(number).commitment]).await.unwrap().is_empty()),
        ("effect", effects.iter().any(|e| e.effect.key == key)),
        ("blob", store.blob(&format!("{number:064}")).await.unwrap().is_some()),
    ];
    found.into_iter().filter_map(|(what, there)| there.then_some(what)).collect()
}

const ALL: [&str; 5] = ["stream", "row", "disclosure", "effect", "blob"];

pub async fn i15_what_is_appended_is_read_back_to_the_byte(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(store.size().await.unwrap(), 0);
    assert!(store.leaves(0, 10).await.unwrap().is_empty());
    let texts = ["", "plain", "äöü ß 漢字 🦀 \u{202e}", "'; DROP TABLE events; --", "$1 ?1 :a @b %_\\", "\\n\\u0000", "a\u{7f}\u{85}"];
    let leaves: Vec<Leaf> = (0..).zip(texts).map(|(seq, text)| leaf(seq, request(seq), 1, text)).collect();
    let big = leaf(7, grant(1), 1, &"x".repeat(1 << 20));
    store.append(Batch { leaves: leaves.clone(), ..Batch::default() }).await.unwrap();
    store.append(Batch { leaves: vec![big.clone()], ..Batch::default() }).await.unwrap();
    let mut all = leaves;
    all.push(big);
    assert_eq!(store.leaves(0, 100).await.unwrap(), all);
    assert_eq!(store.size().await.unwrap(), 8);
    store.append(full_batch(8, 9)).await.unwrap();
    assert_eq!(traces(&*store, 9).await, ALL);
    store.append(Batch::default()).await.unwrap();
    assert_eq!(store.size().await.unwrap(), 9);
}

pub async fn i15_a_batch_that_conflicts_leaves_nothing(place: &impl Place) {
    let store = place.open().await;
    store.append(full_batch(0, 1)).await.unwrap();
    for wrong in [0, 2] {
        let refused = store.append(full_batch(wrong, 2)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
        assert!(traces(&*store, 2).await.is_empty());
    }
    store.append(full_batch(1, 2)).await.unwrap();
    assert_eq!(traces(&*store, 2).await, ALL);
}

pub async fn i15_a_batch_that_breaks_in_the_middle_leaves_nothing(place: &impl Place) {
    let store = place.open().await;
    store.append(full_batch(0, 1)).await.unwrap();
    // Far enough behind that events were written before the one that can't be.
    let mut batch = full_batch(1, 2);
    batch.leaves.extend((2..200).map(|n| leaf(n, request(n + 1000), 1, "filed")));
    batch.leaves.push(leaf(200, request(1), 1, "a second first event"));
    let refused = store.append(batch).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert!(traces(&*store, 2).await.is_empty());
    assert_eq!(store.size().await.unwrap(), 1);
    let mut gap = filed(1, 2);
    gap.leaves[1].seq = 5;
    assert!(store.append(gap).await.is_err());
    assert_eq!(store.size().await.unwrap(), 1);
    store.append(full_batch(1, 2)).await.unwrap();
    assert_eq!(store.size().await.unwrap(), 2);
}

pub async fn o03_an_append_that_is_not_next_is_a_conflict(place: &impl Place) {
    let store = place.open().await;
    store.append(filed(0, 3)).await.unwrap();
    for wrong in [0, 2, 4, 1 << 40] {
        let mut batch = filed(wrong, 1);
        batch.leaves[0].stream = grant(wrong);
        let refused = store.append(batch).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "at {wrong}: {refused:?}");
    }
    let again = Batch { leaves: vec![leaf(3, request(1), 1, "a version that is there")], ..Batch::default() };
    let refused = store.append(again).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(store.size().await.unwrap(), 3);
}

pub async fn of_writers_at_the_same_place_one_wins(place: &impl Place) {
    let store = place.open().await;
    let mut writers = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        writers.spawn(async move { store.append(Batch { leaves: vec![leaf(0, request(number), 1, "first")], ..Batch::default() }).await });
    }
    let ended = writers.join_all().await;
    assert_eq!(ended.iter().filter(|e| e.is_ok()).count(), 1);
    assert!(ended.iter().all(|e| matches!(e, Ok(()) | Err(StoreError::Conflict))), "{ended:?}");
    assert_eq!(store.size().await.unwrap(), 1);
}

pub async fn a_stream_reads_in_order_of_its_versions(place: &impl Place) {
    let store = place.open().await;
    let leaves: Vec<Leaf> = (0..30).map(|seq| leaf(seq, request(seq % 3), seq / 3 + 1, "next")).collect();
    store.append(Batch { leaves, ..Batch::default() }).await.unwrap();
    for number in 0..3 {
        let read = store.stream(request(number)).await.unwrap();
        assert_eq!(read.iter().map(|l| l.version).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
        assert!(read.iter().all(|l| l.stream == request(number) && l.seq % 3 == number));
    }
    assert!(store.stream(grant(1)).await.unwrap().is_empty());
}

pub async fn leaf_hashes_are_those_of_the_ledger(place: &impl Place) {
    let store = place.open().await;
    store.append(filed(0, 300)).await.unwrap();
    let leaves = store.leaves(0, 1000).await.unwrap();
    let hashes: Vec<[u8; 32]> = leaves.iter().map(|l| leaf_hash(l.bytes.as_bytes())).collect();
    assert_eq!(store.leaf_hashes(0, 1000).await.unwrap(), hashes);
    assert_eq!(store.leaf_hashes(100, 7).await.unwrap(), hashes[100..107]);
    assert!(store.leaf_hashes(300, 7).await.unwrap().is_empty());
}

pub async fn pages_cover_the_log_without_gap_or_overlap(place: &impl Place) {
    let store = place.open().await;
    store.append(filed(0, 100)).await.unwrap();
    let mut read: Vec<u64> = Vec::new();
    loop {
        let page = store.leaves(read.len() as u64, 33).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 33);
        read.extend(page.iter().map(|l| l.seq));
    }
    assert_eq!(read, (0..100).collect::<Vec<_>>());
    assert!(store.leaves(u64::MAX, 10).await.unwrap().is_empty());
    assert!(store.leaves(0, 0).await.unwrap().is_empty());
}

pub async fn search_takes_a_text_literally(place: &impl Place) {
    let store = place.open().await;
    let texts = ["100%", "1000", "a_b", "axb", "it's", r"back\\slash", "Grün", "grün", "漢字", "[a-z]*", "?", "say \\\"no\\\""];
    let leaves = (0..).zip(texts).map(|(seq, text)| leaf(seq, request(seq), 1, text)).collect();
    store.append(Batch { leaves, ..Batch::default() }).await.unwrap();
    let found =
        async |text: &str| -> Vec<u64> { store.search(None, Some(text), None, 100).await.unwrap().into_iter().map(|l| l.seq).collect() };
    for (text, expected) in [
        ("100%", vec![0]),
        ("100", vec![1, 0]),
        ("a_b", vec![2]),
        ("%", vec![0]),
        ("it's", vec![4]),
        (r"k\\s", vec![5]),
        ("Grün", vec![6]),
        ("grün", vec![7]),
        ("漢", vec![8]),
        ("[a-z]*", vec![9]),
        ("?", vec![10]),
        (r#"say \"no\""#, vec![11]),
        ("nowhere", vec![]),
        ("' OR '1'='1", vec![]),
    ] {
        assert_eq!(found(text).await, expected, "{text}");
    }
    assert_eq!(found("").await.len(), texts.len());
}

pub async fn search_by_kind_is_by_prefix_and_case(place: &impl Place) {
    let store = place.open().await;
    let kinds = ["request.filed", "request.approved", "grant.opened", "grant.closed", "Grant.opened", "grantor.made", "grant", "grant_x"];
    let leaves = (0..).zip(kinds).map(|(seq, kind)| Leaf { kind: kind.into(), ..leaf(seq, request(seq), 1, "same") }).collect();
    store.append(Batch { leaves, ..Batch::default() }).await.unwrap();
    let found = async |kind: &str, text: Option<&str>, before: Option<u64>, limit: u32| -> Vec<u64> {
        store.search(Some(kind), text, before, limit).await.unwrap().into_iter().map(|l| l.seq).collect()
    };
    assert_eq!(found("grant.", None, None, 100).await, [3, 2]);
    assert_eq!(found("grant", None, None, 100).await, [7, 6, 5, 3, 2]);
    assert_eq!(found("", None, None, 3).await, [7, 6, 5]);
    assert_eq!(found("", None, Some(5), 3).await, [4, 3, 2]);
    assert_eq!(found("grant_", None, None, 100).await, [7]);
    assert_eq!(found("gr%", None, None, 100).await, [0u64; 0]);
    assert_eq!(found("request.", Some("same"), None, 1).await, [1]);
    assert_eq!(found("request.", Some("other"), None, 100).await, [0u64; 0]);
    assert_eq!(found("request.", Some("same"), Some(0), 100).await, [0u64; 0]);
}

pub async fn a_batch_of_thousands_is_one_commit(place: &impl Place) {
    let store = place.open().await;
    let mut batch = filed(0, 5000);
    batch.effects = (0..1000).map(|n| effect(&format!("mail:{n}"))).collect();
    batch.effects_done = (0..1000).step_by(2).map(|n| format!("mail:{n}")).collect();
    store.append(batch).await.unwrap();
    assert_eq!(store.size().await.unwrap(), 5000);
    assert_eq!(store.rows(&every("request")).await.unwrap().len(), 5000);
    assert_eq!(store.effects_due(at(0), 5000).await.unwrap().len(), 500);
    let mut broken = filed(5000, 5000);
    broken.leaves.push(leaf(10_000, request(1), 1, "there already"));
    assert!(store.append(broken).await.is_err());
    assert_eq!(store.size().await.unwrap(), 5000);
    assert_eq!(store.rows(&every("request")).await.unwrap().len(), 5000);
}

pub async fn readers_see_whole_batches_while_a_writer_writes(place: &impl Place) {
    const BATCHES: u64 = 60;
    const EACH: u64 = 7;
    let store = place.open().await;
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut last = 0;
            while last < BATCHES * EACH {
                let size = store.size().await.unwrap();
                assert!(size >= last && size.is_multiple_of(EACH), "a reader saw {size} events after {last}");
                let leaves = store.leaves(0, 10_000).await.unwrap();
                let count = leaves.len() as u64;
                assert!(count >= size && count.is_multiple_of(EACH));
                assert!((0..).zip(&leaves).all(|(seq, leaf)| leaf.seq == seq));
                last = size;
            }
        });
    }
    for batch in 0..BATCHES {
        store.append(filed(batch * EACH, EACH)).await.unwrap();
        // One's own writes are there at once.
        assert_eq!(store.size().await.unwrap(), (batch + 1) * EACH);
    }
    tasks.join_all().await;
}

pub async fn l04_everything_is_there_after_opening_again(place: &impl Place) {
    let store = place.open().await;
    store.append(full_batch(0, 0)).await.unwrap();
    store.append(filed(1, 500)).await.unwrap();
    store.checkpoint_put(501, "a note").await.unwrap();
    let before = (store.leaves(0, 1000).await.unwrap(), store.rows(&every("request")).await.unwrap());
    drop(store);
    let store = place.open().await;
    assert_eq!((store.leaves(0, 1000).await.unwrap(), store.rows(&every("request")).await.unwrap()), before);
    assert_eq!(traces(&*store, 0).await, ALL);
    assert_eq!(store.checkpoint_latest().await.unwrap().as_deref(), Some("a note"));
    store.append(filed(501, 1)).await.unwrap();
}

pub async fn i16_events_can_be_neither_changed_nor_deleted_nor_put_between(place: &impl Place) {
    let store = place.open().await;
    store.append(filed(0, 3)).await.unwrap();
    let before = store.leaves(0, 10).await.unwrap();
    for forbidden in [
        "UPDATE events SET leaf = 'forged' WHERE seq = 1",
        "UPDATE events SET seq = 7 WHERE seq = 2",
        "DELETE FROM events WHERE seq = 2",
        "DELETE FROM events",
        "INSERT INTO events (seq, stream, version, kind, at, leaf, hash) SELECT 9, 'policy', 1, kind, at, leaf, hash FROM events WHERE seq = 0",
        "INSERT INTO events (seq, stream, version, kind, at, leaf, hash) SELECT -1, 'policy', 1, kind, at, leaf, hash FROM events WHERE seq = 0",
    ] {
        assert!(place.statement(forbidden).await.is_err(), "{forbidden}");
        assert_eq!(store.leaves(0, 10).await.unwrap(), before, "{forbidden}");
    }
    // The statements above fail for what they do, not for how they are written.
    place.statement("UPDATE rows SET state = 'denied' WHERE word = 'request'").await.unwrap();
}
