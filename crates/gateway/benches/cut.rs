//! The cut, with many sessions whose grants end in the same millisecond (DESIGN.md: budgets).
//!
//! Everything runs in this one process: gateway, clients under TLS, and a target that answers. The clients share the cores with
//! the gateway, so what they see of the end is an upper bound.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark says what it found and fails loudly")]

#[expect(dead_code, reason = "the tests' house has rooms that are not needed here")]
#[expect(clippy::expect_used, clippy::panic, reason = "the tests' house")]
#[path = "../tests/it/house.rs"]
mod house;
#[path = "../tests/it/keys.rs"]
mod keys;
#[path = "cut/over_ssh.rs"]
mod over_ssh;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ajar_core::port::{Clock, CutReason, Order};
use ajar_core::time::{Span, Timestamp};
use ajar_gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::house::{House, Script, message};

fn main() {
    more_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        deadline("1,000 live sessions, each asking without a pause", 1_000, true, (10, 50)).await;
        deadline("10,000 idle sessions", sessions_that_fit(10_000), false, (50, 250)).await;
        revoke().await;
        let sessions = sessions_that_fit(1_000);
        over_ssh::deadline(sessions, sessions, (10.0, 50.0)).await;
        over_ssh::deadline(sessions, 10, (10.0, 50.0)).await;
    });
}

/// Runs this again with as many open files as 10,000 sessions take, where the system allows it.
fn more_descriptors() {
    use std::os::unix::process::CommandExt;
    if std::env::var_os("AJAR_BENCH_AGAIN").is_none() {
        let this = std::env::current_exe().unwrap();
        let mut again = std::process::Command::new("sh");
        again.args(["-c", "ulimit -n 65536 2>/dev/null; exec \"$0\""]).arg(this).env("AJAR_BENCH_AGAIN", "1");
        println!("(cannot be run again with more open files: {})", again.exec());
    }
}

/// Five descriptors a session, all in this process: both ends of two connections, and the recording.
fn sessions_that_fit(wanted: usize) -> usize {
    let limit = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limit.lines().find(|l| l.starts_with("Max open files")).unwrap().to_owned();
    let most: usize = line.split_whitespace().nth(3).and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let fit = (most.saturating_sub(500) / 5).min(wanted);
    if fit < wanted {
        println!("(the system allows {most} open files: {fit} sessions instead of {wanted})");
    }
    fit
}

fn limits() -> Limits {
    Limits { starting: 5_000, starting_per_address: 5_000, start_up: Duration::from_secs(120), ..Limits::default() }
}

fn millis(instant: SystemTime) -> f64 {
    instant.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1e3
}

fn spread(what: &str, mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |p: f64| values[((values.len() - 1) as f64 * p) as usize];
    println!("  {what}: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms ({} sessions)", at(0.5), at(0.99), at(1.0), values.len());
    (at(0.99), at(1.0))
}

async fn deadline(name: &str, sessions: usize, busy: bool, budget: (u32, u32)) {
    let mut house = House::with_limits(Script::Answers, limits()).await;
    let build = Instant::now();
    let mut clients = Vec::with_capacity(sessions);
    // Far enough for everybody to come in; the target's own sign-in is what takes the time.
    let end = house.clock.now().after(Span::from_millis(5_000 + sessions as u64 * 4));
    *house.door.end.lock().unwrap() = Some(end);
    let house_ref = Arc::new(house);
    let mut entering = JoinSet::new();
    for i in 0..sessions {
        if i >= 64 {
            clients.push(entering.join_next().await.unwrap().unwrap());
        }
        let house = Arc::clone(&house_ref);
        entering.spawn(async move { house.enter().await });
    }
    while let Some(client) = entering.join_next().await {
        clients.push(client.unwrap());
    }
    let left = end.since(house_ref.clock.now());
    println!("{name}: in after {:.1} s, {left} before the end", build.elapsed().as_secs_f64());
    let mut ends = JoinSet::new();
    for mut client in clients {
        ends.spawn(async move {
            let (mut buffer, question) = (vec![0; 4_096], message(b'Q', b"select 1\0"));
            let mut last = None;
            loop {
                if busy && client.write_all(&question).await.is_err() {
                    break;
                }
                match client.read(&mut buffer).await {
                    Ok(n) if n > 0 => {
                        // The reason is no data.
                        if !buffer[..n].windows(5).any(|w| w == b"57P01") {
                            last = Some(SystemTime::now());
                        }
                    }
                    Ok(_) | Err(_) => break,
                }
            }
            (last, SystemTime::now())
        });
    }
    let deadline = |end: Timestamp| end.as_millis() as f64;
    let (mut data, mut closed) = (Vec::new(), Vec::new());
    while let Some(done) = ends.join_next().await {
        let (last, end_seen) = done.unwrap();
        data.extend(last.map(|at| (millis(at) - deadline(end)).max(0.0)));
        closed.push((millis(end_seen) - deadline(end)).max(0.0));
    }
    house = Arc::into_inner(house_ref).unwrap();
    let mut forwarded = Vec::new();
    for _ in 0..sessions {
        forwarded.push(house.report().await.late_ms.unwrap_or(0) as f64);
    }
    let (p99, most) = spread("last byte passed on by the gateway, after the deadline", forwarded);
    if busy {
        spread("last data that a client saw, after the deadline", data);
    }
    spread("connection closed, as a client saw it, after the deadline", closed);
    let met = p99 <= f64::from(budget.0) && most < f64::from(budget.1);
    println!("  budget: p99 ≤ {} ms, none ≥ {} ms: {}", budget.0, budget.1, if met { "met" } else { "MISSED" });
    house.stop().await;
}

async fn revoke() {
    let house = House::with_limits(Script::Answers, limits()).await;
    let mut took = Vec::new();
    for _ in 0..200 {
        let mut client = house.enter().await;
        let start = Instant::now();
        house.order(Order::Cut(CutReason::Revoked));
        let mut buffer = vec![0; 4_096];
        let n = client.read(&mut buffer).await.unwrap_or(0);
        assert!(n > 0 && buffer[..n].windows(5).any(|w| w == b"57P01"));
        took.push(start.elapsed().as_secs_f64() * 1e3);
        house.order(Order::Until(house.clock.now().after(Span::from_secs(600))));
    }
    println!("order to cut → the client hears why");
    let (p99, _) = spread("one session", took);
    println!("  budget: p99 ≤ 50 ms: {}", if p99 <= 50.0 { "met" } else { "MISSED" });
}
