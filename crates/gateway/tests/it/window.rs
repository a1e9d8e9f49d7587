//! The window of a grant, held by the gateway alone (I07, I09, I14, T-cases).

use std::time::{Duration, Instant, SystemTime};

use ajar_core::port::{Clock, CutReason, Order};
use ajar_core::session::EndReason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::house::{House, Script, message, rest};

#[tokio::test(flavor = "multi_thread")]
async fn t01_i14_a_wall_clock_that_steps_never_extends() {
    // Forward: over the deadline, so it is here.
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_secs(600));
    let mut client = house.enter().await;
    let start = Instant::now();
    house.clock.step(3_600_000);
    let (_, error) = rest(&mut client).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(error.contains("57P01"), "{error}");
    assert_eq!(house.report().await.reason, EndReason::Cut);
    // Back: the monotonic clock goes on.
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_secs(2));
    let start = Instant::now();
    let mut client = house.enter().await;
    house.clock.step(-3_600_000);
    rest(&mut client).await;
    let took = start.elapsed();
    assert!((Duration::from_millis(1_900)..Duration::from_millis(2_100)).contains(&took), "{took:?}");
    assert_eq!(house.report().await.reason, EndReason::Cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn t02_i09_a_gateway_cut_off_from_the_control_plane_cuts_by_itself() {
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_secs(2));
    let start = Instant::now();
    let mut client = house.enter().await;
    // Nobody sends an order here: that is what being cut off looks like.
    let (_, error) = rest(&mut client).await;
    let took = start.elapsed();
    assert!((Duration::from_millis(1_950)..Duration::from_millis(2_060)).contains(&took), "{took:?}");
    assert!(error.contains("has ended"), "{error}");
    assert_eq!(house.report().await.late_ms, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_no_order_moves_the_deadline_beyond_the_signed_end() {
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_secs(2));
    let start = Instant::now();
    let mut client = house.enter().await;
    house.order(Order::Until(ajar_core::time::Timestamp::from_millis(i64::MAX / 2)));
    rest(&mut client).await;
    assert!(start.elapsed() < Duration::from_millis(2_100), "{:?}", start.elapsed());
    assert_eq!(house.report().await.reason, EndReason::Cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_i07_with_both_sides_flooding_no_byte_passes_after_the_deadline() {
    let mut house = House::with(Script::Floods).await;
    house.grants_last(Duration::from_millis(2_500));
    let begun = SystemTime::now();
    let client = house.enter().await;
    let (mut read, mut write) = tokio::io::split(client);
    let writing = tokio::task::JoinSet::from_iter([async move {
        let copy = message(b'd', &[b'y'; 1_000]).repeat(60);
        while write.write_all(&copy).await.is_ok() {}
    }]);
    let (mut last, mut buffer, mut total) = (SystemTime::now(), vec![0; 1 << 16], 0u64);
    let mut tail = Vec::new();
    while let Ok(n) = read.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        total += n as u64;
        tail.extend_from_slice(&buffer[..n]);
        let keep = tail.len().saturating_sub(2_000);
        tail.drain(..keep);
        if !String::from_utf8_lossy(&buffer[..n]).contains("57P01") {
            last = SystemTime::now();
        }
    }
    drop(writing);
    let report = house.report().await;
    assert_eq!((report.reason, report.late_ms), (EndReason::Cut, Some(0)));
    let after = |instant: SystemTime| instant.duration_since(begun).unwrap();
    assert!(total > 1_000_000, "{total}");
    // `late_ms` is the measure. Seen from outside it is coarser: the grant began a little after `begun`, and what left in time waits in
    // the kernel's buffers for readers that share two cores with other floods.
    let outside = Duration::from_millis(3_000);
    assert!(after(last) < outside, "to the client: {:?}", after(last));
    let seen = house.seen.lock().unwrap();
    assert!(seen.bytes > 1_000_000, "{seen:?}");
    assert!(after(seen.last.unwrap()) < outside, "to the target: {:?}", after(seen.last.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_a_client_that_reads_nothing_is_cut_all_the_same() {
    let mut house = House::with(Script::Floods).await;
    house.grants_last(Duration::from_secs(2));
    let start = Instant::now();
    let mut client = house.enter().await;
    let report = house.report().await;
    assert!(start.elapsed() < Duration::from_millis(2_300), "{:?}", start.elapsed());
    assert_eq!(report.reason, EndReason::Cut);
    assert!(report.late_ms.is_some_and(|ms| ms < 10), "{report:?}");
    // What had not left in time is thrown away with the connection.
    let mut buffer = vec![0; 1 << 16];
    while client.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    assert_eq!(house.seen.lock().unwrap().closed, 1, "the target's side is closed too");
}

/// In small, and unoptimised; `cargo bench -p ajar-gateway` is the measure.
#[tokio::test(flavor = "multi_thread")]
async fn t06_hundreds_of_sessions_that_end_together_are_cut_together() {
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_secs(15));
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(house.enter().await);
    }
    let end = house.clock.now().after(ajar_core::time::Span::from_millis(500));
    house.order(Order::Until(end));
    let mut late: Vec<u64> = Vec::new();
    for _ in 0..clients.len() {
        let report = house.report().await;
        assert_eq!(report.reason, EndReason::Cut);
        late.push(report.late_ms.unwrap());
    }
    late.sort_unstable();
    assert!(late[296] <= 10 && late[299] < 50, "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_cuts_at_once_and_says_so() {
    let words = ["was revoked", "ended by somebody who may"];
    for (reason, words, ended) in [(CutReason::Revoked, words[0], EndReason::Cut), (CutReason::Killed, words[1], EndReason::Killed)] {
        all_are_cut(reason, words, ended).await;
    }
}

async fn all_are_cut(reason: CutReason, words: &str, ended: EndReason) {
    let mut house = House::with(Script::Answers).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(house.enter().await);
    }
    let start = Instant::now();
    house.order(Order::Cut(reason));
    for client in &mut clients {
        let (_, error) = rest(client).await;
        assert!(error.contains("57P01") && error.contains(words), "{error}");
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    for _ in 0..20 {
        assert_eq!(house.report().await.reason, ended);
    }
}

/// The instant of the last client's end, by the real clock.
fn since_the_epoch() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Reads to the end: everything that was said, and when it was over.
async fn heard(client: &mut (impl AsyncReadExt + Unpin)) -> (Vec<String>, i64) {
    let mut said = Vec::new();
    while let Some((tag, body)) = crate::house::next(client).await {
        if [b'N', b'E'].contains(&tag) {
            said.push(crate::house::shown(&body));
        }
    }
    (said, since_the_epoch())
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_a_session_moves_on_to_a_signed_grant_and_is_cut_at_its_end_with_its_name() {
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_millis(1_600));
    let mut client = house.enter().await;
    let first = house.door.last.lock().unwrap().clone().unwrap();
    // In the last moment before the first end (T3): not even the warning was the last word.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let second = house.door.extension(1_000, |_| {});
    house.order(Order::GoOn(std::sync::Arc::new(second.clone())));
    let reading = heard(&mut client);
    tokio::pin!(reading);
    let early = tokio::time::timeout(Duration::from_millis(600), &mut reading).await;
    assert!(early.is_err(), "it outlives its first deadline");
    let (said, over) = reading.await;
    let late = over - second.claims.ends_at.as_millis();
    assert!((-10..150).contains(&late), "{late} ms after its new end");
    let end = second.claims.ends_at.to_string();
    let told = |n: usize, what: &[&str]| assert!(what.iter().all(|w| said[n].contains(w)), "{n}: {said:?}");
    told(0, &["ends in 0 s", &first.grant.to_string(), "ajar extend"]);
    told(1, &["this session goes on until", &end, &second.claims.grant.to_string()]);
    told(2, &["will be cut then", &end, &second.claims.grant.to_string()]);
    told(3, &["57P01", "has ended", &end, &second.claims.grant.to_string()]);
    assert_eq!(said.len(), 4, "{said:?}");
    let report = house.report().await;
    assert_eq!((report.reason, report.late_ms), (EndReason::Cut, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_i07_what_does_not_verify_or_is_not_for_this_session_moves_nothing() {
    let other: ajar_core::id::PrincipalId = ajar_core::id::PrincipalId::new(uuid::Uuid::from_u128(77));
    let past = ajar_core::time::Timestamp::from_millis;
    for case in 0..8 {
        let mut house = House::with(Script::Answers).await;
        house.grants_last(Duration::from_millis(1_500));
        let mut client = house.enter().await;
        let first = house.door.last.lock().unwrap().clone().unwrap();
        let more = 60_000;
        let door = &house.door;
        let bad = match case {
            0 => {
                let mut forged = door.extension(1_000, |_| {});
                forged.claims.ends_at = forged.claims.ends_at.after(ajar_core::time::Span::from_millis(more));
                forged
            }
            1 => {
                let true_one = door.extension(more, |_| {});
                ajar_core::permit::GrantSigner::new(&[0x66; 32]).sign(true_one.claims)
            }
            2 => door.extension(more, |c| c.principal = other),
            3 => door.extension(more, |c| c.resource = "other-db".parse().unwrap()),
            4 => door.extension(more, |c| c.role = "write".parse().unwrap()),
            5 => door.extension(more, |c| c.starts_at = c.ends_at),
            6 => door.extension(more, |c| c.ends_at = past(first.starts_at.as_millis() + 1)),
            _ => door.extension(0, |_| {}),
        };
        house.order(Order::GoOn(std::sync::Arc::new(bad)));
        let (said, over) = heard(&mut client).await;
        let late = over - first.ends_at.as_millis();
        assert!((-10..150).contains(&late), "case {case}: {late} ms after its end");
        assert!(said.iter().all(|s| !s.contains("goes on")) && said.last().unwrap().contains(&first.grant.to_string()), "{case}: {said:?}");
        assert_eq!(house.report().await.reason, EndReason::Cut);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_what_is_over_does_not_go_on_and_a_cut_wins_over_an_extension() {
    // The order comes when the deadline has passed, as to a process that slept.
    let mut house = House::with(Script::Floods).await;
    house.grants_last(Duration::from_secs(600));
    let mut client = house.enter().await;
    let extension = house.door.extension(7_200_000, |c| c.starts_at = ajar_core::time::Timestamp::EPOCH);
    house.clock.step(3_600_000);
    house.order(Order::GoOn(std::sync::Arc::new(extension)));
    rest(&mut client).await;
    assert_eq!(house.report().await.reason, EndReason::Cut);

    let house = House::with(Script::Answers).await;
    let mut client = house.enter().await;
    house.order(Order::GoOn(std::sync::Arc::new(house.door.extension(60_000, |_| {}))));
    house.order(Order::Cut(CutReason::Revoked));
    let (_, error) = rest(&mut client).await;
    assert!(error.contains("was revoked"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_i14_a_wall_clock_that_was_set_back_adds_nothing_to_an_extension() {
    let mut house = House::with(Script::Answers).await;
    house.grants_last(Duration::from_millis(1_500));
    let start = Instant::now();
    let mut client = house.enter().await;
    house.clock.step(-3_600_000);
    tokio::time::sleep(Duration::from_millis(400)).await;
    // By the wall clock the first end is an hour away; by the other it is not.
    let extension = house.door.extension(1_000, |_| {});
    house.order(Order::GoOn(std::sync::Arc::new(extension)));
    rest(&mut client).await;
    let took = start.elapsed();
    assert!((Duration::from_millis(2_400)..Duration::from_millis(2_650)).contains(&took), "{took:?}");
    assert_eq!(house.report().await.reason, EndReason::Cut);
}
