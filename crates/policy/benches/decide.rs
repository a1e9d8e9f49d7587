//! What a decision costs: `cargo bench -p ajar-policy`.
//!
//! Budget (DESIGN.md section 9): with 1,000 rules and 10,000 resources, p99 at most 100 µs. The reference in the same run is looking up the
//! resource and the principal by name, and doing nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at what it does not expect"
)]

mod company;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ajar_core::id::PrincipalId;
use ajar_core::time::Timestamp;
use ajar_policy::{Decision, Question};
use uuid::Uuid;

use company::{PEOPLE, RESOURCES, RULES, files};

const DECISIONS: usize = 200_000;
const BUDGET: Duration = Duration::from_micros(100);

fn at(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into what was measured"
    )]
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = run();
    (value, start.elapsed())
}

fn main() {
    let files = files();
    let bytes: usize = files.values().map(String::len).sum();
    let (rules, parsing) = timed(|| ajar_policy::parse(&files).unwrap_or_else(|p| panic!("{}", p.first().unwrap())));
    let ids: BTreeMap<_, _> = rules.principals().zip(1..).map(|(p, n)| (p.name, PrincipalId::new(Uuid::from_u128(n)))).collect();
    let (bound, binding) = timed(|| rules.bind(&ids));
    let people: Vec<PrincipalId> = ids.values().copied().collect();
    let (mut times, mut lookups, mut allowed) = (Vec::with_capacity(DECISIONS), Vec::with_capacity(DECISIONS), 0);
    let mut dice = 1u64;
    for _ in 0..DECISIONS {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (a, b) = (usize::try_from(dice >> 33).unwrap(), usize::try_from(dice >> 40).unwrap());
        let principal = people[a % people.len()];
        let resource = format!("db-{}", b % RESOURCES).parse().unwrap();
        let plain = Question::new(principal, resource, "read".parse().unwrap(), Timestamp::from_millis(1_790_000_000_000));
        let question = Question { reason: "INC-7: a stuck order".into(), ..plain };
        let (decision, took) = timed(|| bound.decide(black_box(&question)));
        allowed += usize::from(matches!(decision, Decision::Allowed(_)));
        times.push(took);
        let (found, took) = timed(|| (bound.resource(black_box(&question.resource)).is_some(), bound.enabled(principal)));
        assert_eq!(found, (true, true));
        lookups.push(took);
    }
    times.sort_unstable();
    lookups.sort_unstable();
    println!(
        "{RULES} rules, {RESOURCES} resources, {PEOPLE} people ({} KiB): parsed in {parsing:.0?}, bound in {binding:.0?}",
        bytes / 1024
    );
    println!("{DECISIONS} decisions, {} % of them allowed", allowed * 100 / DECISIONS);
    for (name, sorted) in [("decision", &times), ("lookup alone", &lookups)] {
        println!("{name:<14} p50 {:>8.1?}   p99 {:>8.1?}   max {:>8.1?}", at(sorted, 0.5), at(sorted, 0.99), sorted.last().unwrap());
    }
    let p99 = at(&times, 0.99);
    println!("budget: p99 ≤ {BUDGET:?}: {}", if p99 <= BUDGET { "met" } else { "missed" });
}
