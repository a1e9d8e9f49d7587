//! Durable appends: `cargo bench -p ajar-store --bench append`. Each event is a leaf of about 600 bytes with a row, and a disclosure.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures and prints")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ajar_core::event::Stream;
use ajar_core::port::{Batch, Leaf, Store};
use ajar_core::sealed::Disclosure;
use ajar_core::time::Timestamp;
use ajar_core::world::Row;
use ajar_store::{OpenOptions, SqliteStore};

/// Budget: DESIGN.md section 9.
const BUDGET: u64 = 10_000;
const LONG_ENOUGH: Duration = Duration::from_secs(3);

fn batch(from: u64, count: u64) -> Batch {
    let mut batch = Batch::default();
    for seq in from..from + count {
        let stream = Stream::Request(format!("req_{seq:026}").parse().unwrap());
        let mut salt = [0; 32];
        salt.iter_mut().zip(seq.to_le_bytes().iter().cycle()).for_each(|(s, b)| *s = b.wrapping_mul(167));
        let disclosure = Disclosure::seal(salt, format!("INC-{seq}: fix the stuck order of a customer"));
        let head = format!(r#"{{"seq":{seq},"stream":"{stream}","reason":"{}","#, disclosure.commitment);
        let bytes = format!(r#"{head}"pad":"{}"}}"#, "x".repeat(600usize.saturating_sub(head.len())));
        batch.rows.push(Row {
            stream,
            state: "pending",
            settled: false,
            parts: BTreeSet::new(),
            principal: Some("prin_01h455vb4pex5vsknk084sn02q".parse().unwrap()),
            resource: Some("orders-db".parse().unwrap()),
            role: Some("read".parse().unwrap()),
            parent: None,
            due: Some(Timestamp::from_millis(1_800_000_000_000)),
            since: Some(Timestamp::from_millis(1_700_000_000_000)),
            until: None,
            doc: bytes.clone(),
        });
        let at = Timestamp::from_millis(1_700_000_000_000);
        batch.leaves.push(Leaf { seq, stream, version: 1, kind: "request.filed".into(), at, bytes });
        batch.disclosures.push(disclosure);
    }
    batch
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Not in /tmp, which may be memory: a durable append has to reach a disk.
    let folder = tempfile::tempdir_in(std::env::var_os("AJAR_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into())).unwrap();
    println!("{:>6} {:>10} {:>9} {:>10} {:>10} {:>10}", "batch", "events/s", "/budget", "p50", "p99", "longest");
    for size in [1, 10, 100, 1000] {
        let store = SqliteStore::open(folder.path().join(format!("{size}.db")), OpenOptions::default()).await.unwrap();
        let (mut events, mut took) = (0, Vec::new());
        while took.iter().sum::<Duration>() < LONG_ENOUGH {
            let next = batch(events, size);
            let start = Instant::now();
            store.append(next).await.unwrap();
            took.push(start.elapsed());
            events += size;
        }
        let total = took.iter().sum::<Duration>().as_micros();
        let rate = u64::try_from(u128::from(events) * 1_000_000 / total).unwrap();
        took.sort();
        let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len() - 1)).copied().unwrap_or_default();
        let ratio = format!("{}.{:02} x", rate / BUDGET, rate % BUDGET * 100 / BUDGET);
        println!("{size:>6} {rate:>10} {ratio:>9} {:>10.2?} {:>10.2?} {:>10.2?}", at(50), at(99), at(100));
        if size == 1000 {
            let start = Instant::now();
            let (mut read, mut bytes) = (0, 0);
            while read < events {
                let page = store.leaves(read, 5000).await.unwrap();
                read += page.len() as u64;
                bytes += page.iter().map(|l| l.bytes.len()).sum::<usize>();
            }
            println!("reading {read} events back ({bytes} bytes): {:.2?}", start.elapsed());
        }
        store.close().await.unwrap();
    }
}
