//! What looking into a large ledger costs, on SQLite: `cargo bench -p ajar-engine --bench ledger`. `AJAR_BENCH_EVENTS` says how large (1,000,000).
//!
//! Budgets: the proof of any event in 50 ms; the whole ledger verified in place at 100,000 events a second.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures and prints, and stops at what it does not expect"
)]

mod outside;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ajar_core::directory::Scope;
use ajar_core::event::{Actor, Envelope, Proof, Stream};
use ajar_core::permit::GrantSigner;
use ajar_core::port::{Batch, Leaf, Store};
use ajar_engine::{Caller, Config, Engine, Keys, Parts};
use ajar_ledger::note::Signer;
use ajar_store::{OpenOptions, SqliteStore};
use outside::{Nowhere, Outside};

const EVENTS: u64 = 1_000_000;
const PROOFS: usize = 500;
const PROOF_BUDGET: Duration = Duration::from_millis(50);
const VERIFY_BUDGET: u64 = 100_000;

fn key() -> Signer {
    Signer::from_seed("ajar/ledger", &[9; 32]).unwrap()
}

async fn open(folder: &Path) -> (Arc<Engine>, Arc<SqliteStore>) {
    let store = Arc::new(SqliteStore::open(folder.join("ajar.db"), OpenOptions::default()).await.unwrap());
    let outside = Arc::new(Outside::new());
    let keys = Keys { grants: GrantSigner::new(&[7; 32]), ledger: key() };
    let nowhere = Arc::new(Nowhere);
    let (postgres, http, ssh) = (Arc::clone(&nowhere) as _, Arc::clone(&nowhere) as _, nowhere as _);
    let (clock, kept) = (Arc::clone(&outside) as _, Arc::clone(&store) as _);
    let parts = Parts { store: kept, postgres, http, ssh, authority: None, clock, entropy: outside, keys };
    let config = Config { public_url: "https://ajar.test".into(), recordings: folder.into() };
    (Engine::start(config, parts).await.unwrap(), store)
}

/// The same files put in force again and again, as if by hand.
async fn fill(store: &SqliteStore, events: u64) {
    let last = store.stream(Stream::Policy).await.unwrap().pop().unwrap();
    let mut envelope = Envelope::from_leaf(&last.bytes).unwrap();
    envelope.seq = store.size().await.unwrap();
    while envelope.seq < events {
        let mut leaves = Vec::with_capacity(10_000);
        while envelope.seq < events && leaves.len() < 10_000 {
            envelope.version += 1;
            let (seq, version, bytes) = (envelope.seq, envelope.version, envelope.to_leaf().unwrap());
            leaves.push(Leaf { seq, stream: envelope.stream, version, kind: envelope.event.kind().to_owned(), at: envelope.at, bytes });
            envelope.seq += 1;
        }
        store.append(Batch { leaves, ..Batch::default() }).await.unwrap();
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let events = std::env::var("AJAR_BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(EVENTS);
    let folder = tempfile::tempdir_in(std::env::var_os("AJAR_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into())).unwrap();
    let (engine, store) = open(folder.path()).await;
    let files = "[[user]]\nname = \"ada\"\nmay = [\"audit\"]\n".to_owned();
    engine.policy_apply(Actor::System, [("all.toml".to_owned(), files)].into(), None).await.unwrap();
    engine.stop().await;
    engine.stopped().await;
    drop(engine);
    fill(&store, events).await;
    drop(store);
    let begun = Instant::now();
    let (engine, _store) = open(folder.path()).await;
    println!("{events} events: started in {:.2?}", begun.elapsed());
    let principal = engine.rules().ids()[&"ada".parse().unwrap()];
    let actor = Actor::Principal { id: principal, proof: Proof::Password };
    let ada = Caller { principal, name: "ada".parse().unwrap(), actor, scope: Scope::Full };

    let mut took: Vec<Duration> = Vec::with_capacity(PROOFS);
    for n in 0..PROOFS as u64 {
        let seq = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % events;
        let begun = Instant::now();
        let proof = engine.ledger_proof(&ada, seq).await.unwrap();
        took.push(begun.elapsed());
        assert_eq!(proof.check(&key().verifier()).unwrap().seq, seq);
    }
    took.sort_unstable();
    let (p50, p99) = (took[PROOFS / 2], took[PROOFS * 99 / 100]);
    println!("a proof: p50 {p50:.1?}  p99 {p99:.1?} ({})", if p99 <= PROOF_BUDGET { "met" } else { "missed" });
    let verified = engine.ledger_verify(&ada).await.unwrap();
    assert!(verified.ok, "{}", verified.words);
    let rate = verified.size * 1_000 / verified.took.as_millis().max(1);
    println!(
        "verified in place: {} ms, {rate} events a second ({})",
        verified.took.as_millis(),
        if rate >= VERIFY_BUDGET { "met" } else { "missed" }
    );
    engine.stop().await;
    engine.stopped().await;
}
