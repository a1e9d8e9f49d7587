//! What putting a large company's files in force costs, and how long others wait meanwhile: `cargo bench -p ajar-engine --bench apply`.
//!
//! Budget (DESIGN.md section 9): 10,000 resources in 2 s, without holding up requests. The reference in the same run is filing requests
//! while nothing is applied.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures and prints, and stops at what it does not expect"
)]

#[path = "../../policy/benches/crowd/mod.rs"]
mod crowd;
mod outside;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ajar_core::directory::Scope;
use ajar_core::event::{Actor, Proof};
use ajar_core::name::PrincipalName;
use ajar_core::permit::GrantSigner;
use ajar_engine::{Applied, Caller, Config, Engine, Keys, NewRequest, Parts};
use ajar_ledger::note::Signer;
use ajar_policy::Files;
use ajar_store::{OpenOptions, SqliteStore};
use crowd::{Company, ids};
use outside::{Nowhere, Outside};

const RULES: usize = 1_000;
const RESOURCES: usize = 10_000;
const TEAMS: usize = 100;
const PEOPLE: usize = 2_000;
const BUDGET: Duration = Duration::from_secs(2);
/// How long requests are filed while nothing is applied.
const QUIET: Duration = Duration::from_secs(3);

/// People who may ask for each of their team's databases: of every tenth team, rules speak by environment.
const ASKING: usize = PEOPLE / 10 * 9;

/// The request of one of the people for one of their team's databases; each combination once.
async fn ask(engine: &Engine, n: usize) -> Duration {
    let (person, round) = (n % ASKING / 9 * 10 + n % 9 + 1, n / ASKING);
    let name: PrincipalName = format!("p{person}").parse().unwrap();
    let principal = engine.rules().ids()[&name];
    let actor = Actor::Principal { id: principal, proof: Proof::Password };
    let caller = Caller { principal, name, actor, scope: Scope::Full };
    let resource = format!("db-{}", person % TEAMS + TEAMS * (round % (RESOURCES / TEAMS)));
    let new = NewRequest { resource, role: Some("read".into()), reason: "INC-7: a stuck order".into(), ..NewRequest::default() };
    let begun = Instant::now();
    engine.request_file(&caller, new).await.unwrap();
    begun.elapsed()
}

/// Files requests one after the other until told to stop.
async fn asking(engine: Arc<Engine>, from: usize, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        took.push(ask(&engine, from + took.len()).await);
    }
    took.sort_unstable();
    took
}

async fn apply(engine: &Engine, files: Files) -> (Applied, Duration) {
    let begun = Instant::now();
    let applied = engine.policy_apply(Actor::System, files, Some("a commit".into())).await.unwrap();
    (applied, begun.elapsed())
}

/// What cannot be spared: the files are read, bound to ids, compared and written down, on one thread with nothing else.
fn alone(files: &Files) {
    let begun = Instant::now();
    let rules = ajar_policy::parse(files).unwrap();
    let parsed = begun.elapsed();
    let bound = rules.bind(&ids(&rules));
    let tied = begun.elapsed();
    let compared = ajar_policy::diff(bound.set(), &rules).len();
    let whole = begun.elapsed();
    let text = serde_json::to_string(files).unwrap();
    let written = begun.elapsed();
    assert_eq!((compared, text.is_empty()), (0, false));
    println!(
        "alone: read in {parsed:.0?}, bound in {:.0?}, compared in {:.0?}, written down in {:.0?}",
        tied - parsed,
        whole - tied,
        written - whole
    );
}

fn told(what: &str, took: Duration, waits: &[Duration]) {
    let at = |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default();
    let met = if took <= BUDGET { "met" } else { "missed" };
    println!(
        "{what:<42} {took:>8.1?} ({met})   {:>5} requests: p50 {:>7.1?}  p99 {:>7.1?}  most {:>7.1?}",
        waits.len(),
        at(50),
        at(99),
        at(100)
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Not in /tmp, which may be memory: what is durable has to reach a disk.
    let folder = tempfile::tempdir_in(std::env::var_os("AJAR_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into())).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("ajar.db"), OpenOptions::default()).await.unwrap());
    let outside = Arc::new(Outside::new());
    let keys = Keys { grants: GrantSigner::new(&[7; 32]), ledger: Signer::from_seed("ajar/ledger", &[9; 32]).unwrap() };
    let nowhere = Arc::new(Nowhere);
    let (postgres, http, ssh) = (Arc::clone(&nowhere) as _, Arc::clone(&nowhere) as _, nowhere as _);
    let parts = Parts { store, postgres, http, ssh, authority: None, clock: Arc::clone(&outside) as _, entropy: outside, keys };
    let config = Config { public_url: "https://ajar.test".into(), recordings: folder.path().into() };
    let engine = Engine::start(config, parts).await.unwrap();

    let files = Company { rules: RULES, resources: RESOURCES, teams: TEAMS, people: PEOPLE, wide: true, conditions: false }.files();
    println!("{RULES} rules, {RESOURCES} resources, {PEOPLE} people, {} KiB", files.values().map(String::len).sum::<usize>() / 1024);
    alone(&files);
    let (applied, took) = apply(&engine, files.clone()).await;
    assert_eq!((applied.changed, applied.added), (true, PEOPLE));
    told("everything is new", took, &[]);

    // Everybody has something pending, and for a while nothing is applied.
    for n in 0..ASKING {
        ask(&engine, n).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let asked = tokio::spawn(asking(Arc::clone(&engine), ASKING, Arc::clone(&stop)));
    tokio::time::sleep(QUIET).await;
    stop.store(true, Ordering::Relaxed);
    let waits = asked.await.unwrap();
    let mut next = ASKING + waits.len();
    told("nothing is applied", Duration::ZERO, &waits);

    let mut one = files.clone();
    let rules = one.get_mut("rules-0.toml").unwrap();
    *rules = rules.replacen("max = \"1h\"", "max = \"30m\"", 1);
    let mut all = files.clone();
    all.values_mut().for_each(|text| *text = text.replace(".internal\"", ".example.org\"").replace("needed = 1", "needed = 2"));
    for (what, files) in [("one rule is different", one), ("every resource, every third rule", all.clone()), ("nothing is different", all)]
    {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = tokio::spawn(asking(Arc::clone(&engine), next, Arc::clone(&stop)));
        let (_, took) = apply(&engine, files).await;
        stop.store(true, Ordering::Relaxed);
        let waits = asked.await.unwrap();
        next += waits.len();
        told(what, took, &waits);
    }
    engine.stop().await;
    engine.stopped().await;
}
