//! A draft run over 100,000 requests of the past. The budget is 10 s, from the leaves as they are stored to the report; the reference, taken
//! in the same run, is reading the leaves alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and says what is wrong by failing"
)]

mod crowd;
mod measure;

use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::{Actor, Envelope, Event, Proof, Stream};
use ajar_core::id::{CommandId, GrantId, PrincipalId, RequestId, ReviewId};
use ajar_core::plan::{Limits, Review, Verdict};
use ajar_core::request::{Approved, Ask, Filed, RequestEvent, StageEntered};
use ajar_core::sealed::Commitment;
use ajar_core::time::{Span, Timestamp};
use ajar_policy::{Bound, Decision, Offered, Question, Replay};
use uuid::Uuid;

use crowd::{Company, ids};
use measure::{Dice, timed};

const REQUESTS: usize = 100_000;
const BUDGET: Duration = Duration::from_secs(10);

/// Requests that the rules let be asked for, each filed, asked about, reviewed and approved.
fn past(bound: &Bound, people: &[PrincipalId]) -> Vec<String> {
    let (mut leaves, mut dice) = (Vec::with_capacity(REQUESTS * 4), Dice(1));
    let begin = Timestamp::from_millis(1_780_000_000_000);
    let offered: Vec<Vec<Offered>> = people.iter().map(|id| bound.visible(*id)).collect();
    let (mut filed, mut tried) = (0, 0_u64);
    while filed < REQUESTS {
        tried += 1;
        let who = dice.roll(people.len());
        let (requester, offered) = (people[who], &offered[who]);
        let Some(offered) = offered.get(dice.roll(offered.len().max(1))) else { continue };
        let at = begin.after(Span::from_secs(tried * 75));
        let ask = Ask { resource: offered.resource.name.clone(), role: offered.roles[0].clone() };
        let question =
            Question { duration: Some(Span::from_secs(1_800)), ..Question::new(requester, ask.resource.clone(), ask.role.clone(), at) };
        let Decision::Allowed(allowed) = bound.decide(&question) else { continue };
        let id = RequestId::new(Uuid::from_u128(u128::try_from(filed).unwrap() + 1));
        let reviewer = people[dice.roll(people.len())];
        let until = at.after(Span::from_secs(1_800));
        let stages = allowed.plan.stages.len();
        let request = Filed {
            scope: None,
            extends: None,
            id,
            requester,
            beneficiary: requester,
            asks: vec![ask],
            duration: allowed.duration,
            reason: Commitment::of(&[0; 32], "INC-7: a stuck order"),
            ticket: None,
            plan: allowed.plan,
            emergency: None,
            rules_hash: bound.hash().to_owned(),
            proof: Some(Proof::Password),
            at,
            starts_at: None,
            expires_at: until,
        };
        let review = Review {
            beforehand: None,
            id: ReviewId::new(id.uuid()),
            stage: stages.saturating_sub(1),
            reviewer,
            verdict: Verdict::Approve,
            note: None,
            limits: Limits::default(),
            at,
        };
        let events = [
            RequestEvent::Filed(request),
            RequestEvent::StageEntered(StageEntered { stage: 0, asked: people.iter().take(20).copied().collect(), until, remind_at: None }),
            RequestEvent::Reviewed(review),
            RequestEvent::Approved(Approved {
                grants: vec![GrantId::new(id.uuid())],
                limits: Limits::default(),
                at: at.after(Span::from_secs(300)),
            }),
        ];
        for (version, event) in (1..).zip(events) {
            let actor = Actor::Principal { id: requester, proof: Proof::Password };
            let seq = u64::try_from(leaves.len()).unwrap();
            let envelope = Envelope {
                seq,
                stream: Stream::Request(id),
                version,
                at,
                actor,
                cause: CommandId::new(id.uuid()),
                event: Event::Request(event),
            };
            leaves.push(envelope.to_leaf().unwrap());
        }
        filed += 1;
    }
    leaves
}

fn main() {
    let company = |conditions| Company { rules: 1_000, resources: 10_000, teams: 100, people: 2_000, wide: true, conditions };
    let parse = |company: &Company| ajar_policy::parse(&company.files()).unwrap_or_else(|p| panic!("{}", p.first().unwrap()));
    let rules = parse(&company(false));
    let ids = ids(&rules);
    let people: Vec<PrincipalId> = ids.values().copied().collect();
    let leaves = past(&rules.bind(&ids), &people);
    let bytes: usize = leaves.iter().map(String::len).sum();
    println!("{REQUESTS} requests, {} events, {} MiB", leaves.len(), bytes >> 20);
    let ((), reading) = timed(|| leaves.iter().for_each(|leaf| drop(Envelope::from_leaf(leaf).unwrap())));
    println!("reading alone          {reading:>8.2?}");
    for (name, conditions) in [("the same rules", false), ("with conditions", true)] {
        let draft = Arc::new(parse(&company(conditions)).bind_draft(&ids));
        let (report, took) = timed(|| {
            let mut replay = Replay::new(draft, None);
            for leaf in &leaves {
                replay.learn(&Envelope::from_leaf(leaf).unwrap(), &|_| None).unwrap();
            }
            replay.report()
        });
        println!("replayed, {name:<15} {took:>8.2?}   {:.1} of reading alone", took.as_secs_f64() / reading.as_secs_f64());
        println!("  {}", report.headline());
        println!("  budget: ≤ {BUDGET:?}: {}", if took <= BUDGET { "met" } else { "missed" });
        assert_eq!(report.requests, REQUESTS);
    }
}
