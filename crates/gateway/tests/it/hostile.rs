//! Targets and clients that break the protocol (P-cases). Each ends its own session, in words, and nobody else's.

use std::time::Duration;

use ajar_core::session::EndReason;
use ajar_gateway::Limits;
use tokio::io::AsyncWriteExt;

use crate::house::{House, Script, message, rest};

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_hostile_target_ends_its_session_with_an_error() {
    let impatient = Limits { dial: Duration::from_secs(2), ..Limits::default() };
    let error = |text: &str| message(b'E', format!("SFATAL\0C28000\0M{text}\x1b[31m\0\0").as_bytes());
    for script in [
        Script::Silent,
        Script::Iterations(u32::MAX),
        Script::Says(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        Script::Says([&b"R"[..], &[0xff; 8]].concat()),
        Script::Says(message(b'R', &0u32.to_be_bytes())),
        Script::Says(message(b'R', &3u32.to_be_bytes())),
        Script::Says(message(b'R', &[&5u32.to_be_bytes()[..], b"salt"].concat())),
        Script::Says(message(b'R', &[&10u32.to_be_bytes()[..], b"SCRAM-SHA-1\0\0"].concat())),
        Script::Says(error("no").repeat(3)),
    ] {
        let mut house = House::with_limits(script.clone(), impatient.clone()).await;
        let (types, error) = rest(&mut house.knock().await).await;
        assert!(types.ends_with('E') && !types.contains('Z'), "{script:?}: {types}");
        assert!(error.contains("orders-db") && !error.contains('\x1b') && !error.contains("the lease's password"), "{script:?}: {error}");
        assert_eq!(house.report().await.reason, EndReason::FailedToOpen, "{script:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_target_that_breaks_the_protocol_later_is_cut_off() {
    for bytes in [
        vec![b'D', 0xff, 0xff, 0xff, 0xff],
        vec![b'D', 0, 0, 0, 3],
        message(b'R', &0u32.to_be_bytes()),
        message(b'K', &[0; 8]),
        vec![0; 64],
    ] {
        let mut house = House::with(Script::Then(bytes.clone())).await;
        let mut client = house.knock().await;
        client.write_all(&message(b'Q', b"select 1\0")).await.unwrap();
        let (types, error) = rest(&mut client).await;
        let report = house.report().await;
        assert_eq!(report.reason, EndReason::Violation, "{bytes:?}: {types}");
        assert!(error.contains("08P01") && error.contains("orders-db broke the protocol"), "{bytes:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_a_client_that_breaks_the_protocol_is_cut_off_and_others_go_on() {
    let mut house = House::with(Script::Answers).await;
    let mut other = house.enter().await;
    for bytes in [vec![b'Q', 0xff, 0xff, 0xff, 0xff], vec![b'Q', 0, 0, 0, 0], message(b'p', b"again\0"), vec![0; 9], message(b'!', b"")] {
        let mut client = house.enter().await;
        client.write_all(&bytes).await.unwrap();
        let (_, error) = rest(&mut client).await;
        assert!(error.contains("08P01"), "{bytes:?}: {error}");
        assert_eq!(house.report().await.reason, EndReason::Violation);
    }
    other.write_all(&message(b'Q', b"select 1\0")).await.unwrap();
    assert_eq!(crate::house::next(&mut other).await.unwrap().0, b'T');
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_every_way_to_end_is_reported_exactly_once_with_its_recording() {
    let mut house = House::with(Script::Answers).await;
    let mut client = house.enter().await;
    client.write_all(&message(b'Q', b"select 'a\nb'\0")).await.unwrap();
    for _ in 0..4 {
        crate::house::next(&mut client).await.unwrap();
    }
    client.write_all(&message(b'X', b"")).await.unwrap();
    drop(client);
    let left = house.report().await;
    assert_eq!(left.reason, EndReason::ClientLeft);
    let recording = left.recording.unwrap();
    assert_eq!(recording.entries, 1);
    let text = std::fs::read_to_string(house.recordings.path().join(format!("{}.ndjson", left.session))).unwrap();
    assert_eq!(text.len() as u64, recording.size);
    assert_eq!(text.lines().count(), 2, "a newline in a statement is no new line (L5): {text}");
    assert!(text.contains(r"select 'a\nb'") && !text.contains("password") && !text.contains("good"), "{text}");
    // One vanishes, one is cut by the gateway's stop.
    let gone = house.enter().await;
    let _stays = house.enter().await;
    drop(gone);
    assert_eq!(house.report().await.reason, EndReason::ClientLeft);
    house.stop().await;
    assert_eq!(house.report().await.reason, EndReason::ServerStopped);
    assert!(house.reports.try_recv().is_err(), "nothing is reported twice");
}
