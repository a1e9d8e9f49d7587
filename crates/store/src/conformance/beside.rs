//! What is kept beside the log: effects, disclosed values, texts by hash, checkpoints.

use ajar_core::port::{Batch, Effect, Store};
use ajar_core::sealed::Commitment;

use super::Place;
use super::made::{at, disclosure, effect, filed};

async fn due(store: &dyn Store, seconds: i64) -> Vec<String> {
    store.effects_due(at(seconds), 100).await.unwrap().into_iter().map(|e| e.effect.key).collect()
}

async fn ask(store: &dyn Store, effects: Vec<Effect>) {
    store.append(Batch { effects, ..Batch::default() }).await.unwrap();
}

pub async fn an_effect_is_kept_once_by_its_key(place: &impl Place) {
    let store = place.open().await;
    ask(&*store, vec![effect("a"), effect("b"), Effect { payload: "other".into(), ..effect("a") }]).await;
    ask(&*store, vec![Effect { payload: "third".into(), due: at(-50), ..effect("a") }]).await;
    let kept = store.effects_due(at(0), 100).await.unwrap();
    assert_eq!(kept.iter().map(|e| &e.effect).collect::<Vec<_>>(), [&effect("a"), &effect("b")]);
    assert!(kept.iter().all(|e| e.attempts == 0 && e.error.is_none()));
}

pub async fn effects_come_due_oldest_first_and_are_tried_again_later(place: &impl Place) {
    let store = place.open().await;
    let later = |key: &str, seconds| Effect { due: at(seconds), ..effect(key) };
    ask(&*store, vec![later("c", 30), later("a", 10), later("b", 20), later("b2", 20)]).await;
    assert!(due(&*store, 9).await.is_empty());
    assert_eq!(due(&*store, 20).await, ["a", "b", "b2"]);
    assert_eq!(store.effects_due(at(100), 2).await.unwrap().len(), 2);
    store.effect_retry("a", at(40), "the target did not answer").await.unwrap();
    store.effect_retry("a", at(50), "it's still down; \"yes\"").await.unwrap();
    store.effect_retry("no such", at(50), "nothing").await.unwrap();
    assert_eq!(due(&*store, 49).await, ["b", "b2", "c"]);
    let tried = store.effects_due(at(50), 100).await.unwrap().into_iter().find(|e| e.effect.key == "a").unwrap();
    assert_eq!((tried.attempts, tried.error.as_deref()), (2, Some("it's still down; \"yes\"")));
    assert_eq!((tried.effect.due, tried.effect.payload), (at(50), effect("a").payload));
    ask(&*store, vec![later("a", 0)]).await;
    assert_eq!(due(&*store, 49).await, ["b", "b2", "c"], "asking again does not reset what is tried later");
}

pub async fn an_effect_that_is_done_is_gone(place: &impl Place) {
    let store = place.open().await;
    ask(&*store, vec![effect("a"), effect("b"), effect("c")]).await;
    store.append(Batch { effects_done: vec!["a".into(), "no such".into()], ..filed(0, 1) }).await.unwrap();
    assert_eq!(due(&*store, 0).await, ["b", "c"]);
    store.effect_done("b").await.unwrap();
    store.effect_done("b").await.unwrap();
    assert_eq!(due(&*store, 0).await, ["c"]);
    store.append(Batch { effects: vec![effect("d")], effects_done: vec!["d".into()], ..Batch::default() }).await.unwrap();
    assert_eq!(due(&*store, 0).await, ["c"], "asked for and done in one batch");
    let refused = store.append(Batch { effects_done: vec!["c".into()], ..filed(7, 1) }).await;
    assert!(refused.is_err());
    assert_eq!(due(&*store, 0).await, ["c"], "a batch that conflicts finishes nothing");
}

pub async fn i18_erasing_takes_the_value_and_leaves_the_event(place: &impl Place) {
    let store = place.open().await;
    let sealed: Vec<_> = (1..=200).map(disclosure).collect();
    let disclosures = sealed.iter().cloned().chain([disclosure(1)]).collect();
    store.append(Batch { disclosures, ..filed(0, 3) }).await.unwrap();
    let before = store.leaves(0, 10).await.unwrap();
    let all: Vec<Commitment> = sealed.iter().map(|d| d.commitment).chain([Commitment::from_bytes([0; 32])]).collect();
    let mut read = store.disclosures(&all).await.unwrap();
    read.sort_by_key(|d| d.salt);
    assert!(read == sealed && read.iter().all(ajar_core::sealed::Disclosure::holds));
    store.erase(&all[..150]).await.unwrap();
    store.erase(&all[..1]).await.unwrap();
    store.erase(&[]).await.unwrap();
    assert!(store.disclosures(&all[..150]).await.unwrap().is_empty());
    assert_eq!(store.disclosures(&all).await.unwrap().len(), 50);
    assert!(store.disclosures(&[]).await.unwrap().is_empty());
    assert_eq!(store.leaves(0, 10).await.unwrap(), before);
}

pub async fn blobs_are_kept_by_their_hash(place: &impl Place) {
    let store = place.open().await;
    let [one, two] = ["1", "2"].map(|d| d.repeat(64));
    let blobs = vec![(one.clone(), "[rules]\n# '%$1'".to_owned()), (two.clone(), String::new())];
    store.append(Batch { blobs: blobs.clone(), ..Batch::default() }).await.unwrap();
    store.append(Batch { blobs, ..Batch::default() }).await.unwrap();
    assert_eq!(store.blob(&one).await.unwrap().as_deref(), Some("[rules]\n# '%$1'"));
    assert_eq!(store.blob(&two).await.unwrap().as_deref(), Some(""));
    assert!(store.blob("3").await.unwrap().is_none());
}

pub async fn the_latest_checkpoint_is_that_of_the_largest_log(place: &impl Place) {
    let store = place.open().await;
    assert!(store.checkpoint_latest().await.unwrap().is_none());
    store.checkpoint_put(9, "nine").await.unwrap();
    store.checkpoint_put(10, "ten\n\n— ajar\n").await.unwrap();
    store.checkpoint_put(2, "two").await.unwrap();
    assert_eq!(store.checkpoint_latest().await.unwrap().as_deref(), Some("ten\n\n— ajar\n"));
    store.checkpoint_put(10, "ten, signed again").await.unwrap();
    assert_eq!(store.checkpoint_latest().await.unwrap().as_deref(), Some("ten, signed again"));
}
