//! The deadline, on live sessions (I07, I09, T-cases). Everything is measured against the instant in the signed grant.

use std::time::{Duration, SystemTime};

use crate::stage::{Kept, Stage};
use crate::wire::Wire;

/// Milliseconds since 1970, of a text such as `2026-01-01T00:00:00.000Z`.
fn millis(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// When a grant ends.
fn end_of(stage: &Stage, grant: &str) -> i64 {
    millis(stage.grant(grant)["ends_at"].as_str().unwrap())
}

/// How late the last byte was, as the ledger says, of every session.
fn lateness(stage: &Stage) -> Vec<u64> {
    let (_, leaves, _) = stage.ajar("auditor", &["ledger", "search", "--kind", "session.ended", "-o", "json"]);
    let leaf = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    leaves.lines().filter_map(|line| leaf(line)["body"]["late_ms"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_t08_idle_busy_and_copying_sessions_end_with_the_grant_and_are_told_before_and_why() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "8s");
    let end = end_of(&stage, &grant);
    let mut idle = Wire::open(&stage, "dev", "orders-db");
    let mut busy = Wire::open(&stage, "dev", "orders-db");
    let mut copying = Wire::open(&stage, "dev", "orders-db");
    busy.query("select pg_sleep(600)");
    copying.query("copy (select repeat('x', 80) from generate_series(1, 2000000000)) to stdout");
    let watch = |mut wire: Wire| {
        std::thread::spawn(move || {
            let (mut types, mut last_data, mut error, mut warned) = (String::new(), 0, String::new(), false);
            while let Ok((tag, body)) = wire.next() {
                match tag {
                    b'E' => error = crate::wire::shown(&body),
                    b'N' => warned |= crate::wire::shown(&body).contains("this session will be cut then"),
                    _ => last_data = now(),
                }
                if types.len() < 10 {
                    types.push(char::from(tag));
                }
            }
            (last_data, now(), error, warned)
        })
    };
    idle.query("select 1");
    assert_eq!(idle.types(), "TDCZ");
    // One that comes late gets no more time than the rest (T8).
    std::thread::sleep(Duration::from_millis(u64::try_from(end - 3_000 - now()).unwrap()));
    let late = Wire::open(&stage, "dev", "orders-db");
    let all = [("idle", watch(idle)), ("busy", watch(busy)), ("copying", watch(copying)), ("late", watch(late))];
    for (name, thread) in all {
        let (last_data, closed, error, warned) = thread.join().unwrap();
        assert!(last_data <= end, "{name}: data {} ms after the end", last_data - end);
        assert!((-50..250).contains(&(closed - end)), "{name}: closed {} ms after the end", closed - end);
        assert!(warned, "{name} was not warned");
        // A reader that keeps up hears why, in whatever it was.
        assert!(error.contains("57P01") && error.contains(&grant) && error.contains("has ended"), "{name}: {error}");
        assert!(error.contains("ajar request orders-db --role read --for 8s"), "{name}: {error}");
    }
    stage.proven_gone(&grant);
    assert_eq!(stage.logins().await, Vec::<String>::new());
    let late = lateness(&stage);
    assert_eq!(late.len(), 4);
    assert!(late.iter().all(|ms| *ms < 10), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_a_process_that_slept_over_the_deadline_forwards_nothing_on_waking() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "5s");
    let end = end_of(&stage, &grant);
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select i, clock_timestamp() from generate_series(1, 2000000000) i");
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..50 {
        wire.read(&mut buffer).unwrap();
    }
    stage.signal("-STOP");
    // What had left the process before it stopped may still come out of the kernel.
    wire.socket().set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    while wire.read(&mut buffer).is_ok_and(|n| n > 0) {}
    std::thread::sleep(Duration::from_millis(u64::try_from(end - now()).unwrap_or(0) + 300));
    stage.signal("-CONT");
    wire.socket().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut after = Vec::new();
    while let Ok(n) = wire.read(&mut buffer) {
        if n == 0 {
            break;
        }
        after.extend_from_slice(&buffer[..n]);
    }
    // The reader was stalled in mid stream, so not even a reason can be put in: the connection is just gone.
    assert!(after.is_empty(), "{} bytes came after the end", after.len());
    stage.proven_gone(&grant);
}

#[tokio::test(flavor = "multi_thread")]
async fn t07_what_ended_while_the_server_was_down_is_revoked_before_it_listens() {
    let mut stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "4s");
    let end = end_of(&stage, &grant);
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    stage.end("-KILL");
    assert_eq!(wire.rest().0, "");
    assert_eq!(stage.logins().await.len(), 1);
    std::thread::sleep(Duration::from_millis(u64::try_from(end - now()).unwrap_or(0) + 500));
    stage.run();
    // Ready means revoked: nothing is waited for here.
    assert_eq!(stage.logins().await, Vec::<String>::new());
    let after = stage.proven_gone(&grant);
    assert_eq!(after["closed_because"], "expired");
    let sessions = stage.json("dev", &["sessions"]);
    assert_eq!((&sessions[0]["state"], &sessions[0]["ended_because"]), (&"ended".into(), &"server_stopped".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t03_lengths_of_time_that_make_no_sense_are_refused() {
    let stage = Stage::new().await;
    for time in ["0s", "-5m", "5h", "99999999999999999999h", "soon", "1.5h", ""] {
        let (code, _, err) = stage.ajar("dev", &["request", "orders-db", &format!("--for={time}"), "--reason", "a test"]);
        assert!([2, 3, 7].contains(&code), "--for {time:?}: {code} {err}");
    }
    assert_eq!(stage.json("dev", &["requests"]), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_cuts_in_words_and_records_the_end() {
    let mut stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 42");
    assert_eq!(wire.types(), "TDCZ");
    let mut held = Kept(stage.psql("second", "orders-db", &["select 1"]).spawn().unwrap());
    stage.wait_until("second is held", || stage.json("second", &["status"])["held"] == 1);
    stage.end("-TERM");
    let (_, error) = wire.rest();
    assert!(error.contains("57P01") && error.contains("Ajar is stopping"), "{error}");
    assert!(held.0.wait().unwrap().code() == Some(2));
    stage.run();
    let sessions = stage.json("dev", &["sessions"]);
    assert_eq!(sessions[0]["ended_because"], "server_stopped");
    assert_eq!(sessions[0]["entries"], 1);
    let (_, replay, _) = stage.ajar("dev", &["replay", sessions[0]["id"].as_str().unwrap()]);
    assert!(replay.contains("select 42"), "{replay}");
    // The grant goes on: its time is not over.
    assert_eq!(stage.grant(&grant)["state"], "open");
    let mut again = Wire::open(&stage, "dev", "orders-db");
    again.query("select 1");
    assert_eq!(again.types(), "TDCZ");
}
