//! What offline verification and appending cost: `cargo bench -p ajar-ledger`.
//!
//! Budget (DESIGN.md section 9): at least 300,000 events a second verified on one core. The reference in the same run is
//! hashing the same leaves and doing nothing else.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use ajar_core::sealed::Disclosure;
use ajar_ledger::checkpoint::Checkpoint;
use ajar_ledger::export::Exporter;
use ajar_ledger::note::Signer;
use ajar_ledger::tree::{Frontier, leaf_hash};
use ajar_ledger::verify::verify;

const EVENTS: u64 = 200_000;
/// One event in so many has a disclosed value.
const DISCLOSED: u64 = 8;
const BUDGET: f64 = 300_000.0;

/// About 600 bytes, as a filed request has; ten events to a stream.
fn leaf(seq: u64) -> (String, Vec<Disclosure>) {
    let (stream, version) = (seq / 10, seq % 10 + 1);
    let reason = Disclosure::seal([seq as u8; 32], format!("INC-{seq}: fix a stuck order"));
    let leaf = format!(
        concat!(
            r#"{{"seq":{},"stream":"req_{:026}","version":{},"kind":"request.filed","schema":1,"at":"2026-11-23T10:11:12.345Z","#,
            r#""actor":{{"principal":{{"id":"prin_01h455vb4pex5vsknk084sn02q","proof":"password"}}}},"cause":"cmd_01h455vb4pex5vsknk084sn02q","#,
            r#""body":{{"id":"req_01h455vb4pex5vsknk084sn02q","resource":"orders-db","role":"write","reason":"{}","for_ms":600000,"#,
            r#""plan":{{"rules":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","stages":[{{"candidates":["#,
            r#""prin_01h455vb4pex5vsknk084sn02r","prin_01h455vb4pex5vsknk084sn02s"],"needed":1,"within_ms":3600000,"otherwise":"deny"}}]}}}}}}"#
        ),
        seq, stream, version, reason.commitment
    );
    (leaf, if seq.is_multiple_of(DISCLOSED) { vec![reason] } else { Vec::new() })
}

/// The best of five.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn best(mut run: impl FnMut()) -> Duration {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn main() -> io::Result<()> {
    let signer = Signer::from_seed("ledger.example/bench", &[1; 32]).map_err(io::Error::other)?;
    let key = signer.verifier();
    let leaves: Vec<_> = (0..EVENTS).map(leaf).collect();
    let bytes: usize = leaves.iter().map(|(leaf, _)| leaf.len()).sum();

    let mut tree = Frontier::default();
    let hashing = best(|| {
        tree = Frontier::default();
        leaves.iter().for_each(|(leaf, _)| tree.push(leaf_hash(black_box(leaf.as_bytes()))));
    });

    let note = Checkpoint::of(&key, &tree).sign(&signer).map_err(io::Error::other)?;
    let mut export = Vec::new();
    let writing = best(|| {
        export = Vec::with_capacity(bytes * 2);
        let written = Exporter::start(&mut export, &key, EVENTS).and_then(|mut exporter| {
            leaves.iter().try_for_each(|(leaf, disclosures)| exporter.leaf(leaf, disclosures))?;
            exporter.finish(&note).map(drop)
        });
        assert!(written.is_ok(), "{written:?}");
    });

    let verifying = best(|| {
        let report = verify(black_box(export.as_slice()), &key, &[&note]);
        assert!(report.is_ok_and(|r| r.is_sound()));
    });

    let rate = |time: Duration| EVENTS as f64 / time.as_secs_f64();
    let mut out = io::stdout().lock();
    writeln!(out, "{EVENTS} events of {} bytes, one in {DISCLOSED} with a disclosed value", bytes as u64 / EVENTS)?;
    writeln!(out, "hash and append        {:>10.0} events/s   1.00 (reference)", rate(hashing))?;
    writeln!(out, "export                 {:>10.0} events/s   {:.2}", rate(writing), rate(writing) / rate(hashing))?;
    writeln!(out, "verify offline         {:>10.0} events/s   {:.2}", rate(verifying), rate(verifying) / rate(hashing))?;
    writeln!(out, "budget                 {BUDGET:>10.0} events/s   {}", if rate(verifying) >= BUDGET { "met" } else { "MISSED" })?;
    Ok(())
}
