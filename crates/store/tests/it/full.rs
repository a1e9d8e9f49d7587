//! A full disk, and callers that go away.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ajar_core::port::{Batch, Store, StoreError};
use ajar_store::conformance::made::{at, effect, every, filed};

use crate::sqlite::Folder;

#[tokio::test]
async fn l02_a_full_disk_refuses_whole_batches_and_is_over_when_there_is_space() {
    let folder = Folder::new();
    let store = folder.store().await;
    let batch = |from| Batch { effects: vec![effect(&format!("mail:{from}"))], ..filed(from, 10) };
    store.append(batch(0)).await.unwrap();
    store.limit_pages(Some(1)).await;

    let mut size = 10;
    let refused = loop {
        match store.append(batch(size)).await {
            Ok(()) => size += 10,
            Err(error) => break error,
        }
        assert!(size < 10_000, "the limit does not hold");
    };
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    for _ in 0..3 {
        let refused = store.append(batch(size)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Full), "{refused:?}");
    }
    // Reading goes on, nothing of the refused batches is there, and what needs no new space is still done.
    assert_eq!(store.size().await.unwrap(), size);
    assert_eq!(store.rows(&every("request")).await.unwrap().len() as u64, size);
    assert_eq!(store.effects_due(at(0), 10_000).await.unwrap().len() as u64, size / 10);
    store.effect_retry("mail:0", at(0), "still full").await.unwrap();
    store.effect_done("mail:0").await.unwrap();
    assert_eq!(store.effects_due(at(0), 10_000).await.unwrap().len() as u64, size / 10 - 1);

    store.limit_pages(None).await;
    store.append(batch(size)).await.unwrap();
    assert_eq!(store.leaves(0, 10_000).await.unwrap().len() as u64, size + 10);
    folder.is_sound().await;
}

#[tokio::test]
async fn l04_a_caller_that_goes_away_leaves_a_whole_batch_or_nothing() {
    let folder = Folder::new();
    let store = folder.store().await;
    for polls in 0..40 {
        let from = store.size().await.unwrap();
        {
            let mut append = pin!(store.append(filed(from, 100)));
            for _ in 0..polls {
                if let Poll::Ready(done) = append.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    done.unwrap();
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Dropped here at some await. Whether it was committed shows when the next one has its turn.
        loop {
            let size = store.size().await.unwrap();
            match store.append(filed(size, 100)).await {
                Ok(()) => break,
                Err(StoreError::Conflict) => assert!(store.size().await.unwrap() > size),
                Err(other) => unreachable!("{other}"),
            }
        }
        let size = store.size().await.unwrap();
        assert!(size == from + 100 || size == from + 200, "{from} became {size} after {polls} polls");
        assert_eq!(store.rows(&every("request")).await.unwrap().len() as u64, size.min(10_000));
    }
    folder.is_sound().await;
}
