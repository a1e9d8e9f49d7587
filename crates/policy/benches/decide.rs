//! A decision with 1,000 rules and 10,000 resources, with and without conditions, and how it grows with the number of rules. The budget is
//! 100 µs at the 99th percentile; the reference, taken in the same run, is what the same lookups cost without any rule to combine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and says what is wrong by failing"
)]

mod crowd;
mod measure;

use std::hint::black_box;
use std::time::Duration;

use ajar_core::id::PrincipalId;
use ajar_core::time::{Span, Timestamp};
use ajar_policy::{Decision, Question};

use crowd::{Company, ids};
use measure::{Dice, timed};

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

/// Decides many questions, and looks as many things up. Sorted times.
fn measure(company: &Company) -> (Vec<Duration>, Vec<Duration>) {
    let files = company.files();
    let bytes: usize = files.values().map(String::len).sum();
    let (rules, parsing) = timed(|| ajar_policy::parse(&files).unwrap_or_else(|p| panic!("{}", p.first().unwrap())));
    let ids = ids(&rules);
    let (bound, binding) = timed(|| rules.bind(&ids));
    let people: Vec<PrincipalId> = ids.values().copied().collect();
    let (mut times, mut lookups, mut allowed) = (Vec::with_capacity(DECISIONS), Vec::with_capacity(DECISIONS), 0);
    let mut dice = Dice(1);
    for _ in 0..DECISIONS {
        let principal = people[dice.roll(people.len())];
        // Mostly people ask for what is their team's.
        let resource = format!("db-{}", dice.roll(company.resources)).parse().unwrap();
        let plain = Question::new(principal, resource, "read".parse().unwrap(), Timestamp::from_millis(1_790_000_000_000));
        let question = Question {
            reason: "INC-7: a stuck order".into(),
            ticket: (dice.roll(2) == 0).then(|| "INC-7".into()),
            duration: Some(Span::from_secs(1_800)),
            ..plain
        };
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
        "{} rules{}, {} resources, {} people ({} KiB): parsed in {parsing:.0?}, bound in {binding:.0?}; {DECISIONS} decisions, {} % of them allowed",
        company.rules,
        if company.conditions { ", a third of them with conditions" } else { "" },
        company.resources,
        company.people,
        bytes / 1024,
        allowed * 100 / DECISIONS
    );
    for (name, sorted) in [("decision", &times), ("lookup alone", &lookups)] {
        println!("  {name:<14} p50 {:>8.1?}   p99 {:>8.1?}   max {:>8.1?}", at(sorted, 0.5), at(sorted, 0.99), sorted.last().unwrap());
    }
    (times, lookups)
}

/// How long lint takes for the largest company.
fn lint(company: &Company) {
    let rules = ajar_policy::parse(&company.files()).unwrap_or_else(|p| panic!("{}", p.first().unwrap()));
    let (found, took) = timed(|| rules.lint(Timestamp::from_millis(1_790_000_000_000)));
    println!("lint of it in {took:.0?}: {} findings{}", found.findings.len(), if found.cut_short { ", cut short" } else { "" });
}

fn main() {
    let company = |conditions| Company { rules: 1_000, resources: 10_000, teams: 100, people: 2_000, wide: true, conditions };
    for conditions in [false, true] {
        let (times, _) = measure(&company(conditions));
        let p99 = at(&times, 0.99);
        println!("  budget: p99 ≤ {BUDGET:?}: {}", if p99 <= BUDGET { "met" } else { "missed" });
    }
    lint(&company(true));
    println!("growth: as many rules could match one resource each time, ten");
    let grown = [10, 100, 1_000].map(|teams| {
        let company = Company { rules: teams * 10, resources: teams * 10, teams, people: 2_000, wide: false, conditions: true };
        at(&measure(&company).0, 0.99)
    });
    let ratio = grown[2].as_secs_f64() / grown[0].as_secs_f64();
    println!("  p99 with 10,000 rules is {ratio:.1} times that with 100");
}
