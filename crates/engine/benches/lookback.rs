//! What looking back costs when there is much to look at: `cargo bench -p ajar-engine --bench lookback`.
//!
//! 100,000 requests over 90 days, each with its grant and session, in SQLite. Budgets: a page in 50 ms, a search that finds nothing in what it
//! may take (300 ms), the numbers of everything in a second. The reference in the same run is a page of the plain list of requests.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures and prints, and stops at what it does not expect"
)]

mod outside;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ajar_core::directory::{PrincipalEvent, Scope};
use ajar_core::event::{Actor, Envelope, Event, Proof, Stream};
use ajar_core::grant::{CloseReason, Closed, Closing, GrantEvent, Opened};
use ajar_core::id::{CommandId, GrantId, LeaseId, PrincipalId, RequestId, ReviewId, SessionId};
use ajar_core::lease::{self, LeaseEvent, RevocationProof};
use ajar_core::permit::{Claims, GrantSigner};
use ajar_core::plan::{Plan, Review, Verdict};
use ajar_core::port::{Batch, Leaf, Store};
use ajar_core::request::{Approved, Ask, AutoReview, Denied, DeniedBecause, Filed, RequestEvent};
use ajar_core::sealed::Disclosure;
use ajar_core::session::{Arrived, EndReason, Ended, Live, Recording, SessionEvent};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::World;
use ajar_engine::{AccessQuery, Caller, Config, Engine, InsightQuery, Keys, ListQuery, Parts, SearchQuery, Within};
use ajar_ledger::note::Signer;
use ajar_store::{OpenOptions, SqliteStore};
use outside::{Nowhere, Outside};
use uuid::Uuid;

const REQUESTS: u64 = 100_000;
const DAYS: u64 = 90;
const PEOPLE: u64 = 200;
const RESOURCES: u64 = 100;
const A_PAGE: Duration = Duration::from_millis(50);
const A_LOOK: Duration = Duration::from_millis(400);
const NUMBERS: Duration = Duration::from_secs(1);

fn files() -> ajar_policy::Files {
    use std::fmt::Write;
    let mut text = String::from("[[user]]\nname = \"auditor\"\nmay = [\"audit\"]\n[[user]]\nname = \"owner\"\n");
    let members: Vec<String> = (0..PEOPLE).map(|n| format!("\"p{n}\"")).collect();
    for n in 0..PEOPLE {
        write!(text, "[[user]]\nname = \"p{n}\"\n").unwrap();
    }
    write!(text, "[[group]]\nname = \"all\"\nmembers = [{}]\n", members.join(", ")).unwrap();
    for n in 0..RESOURCES {
        write!(
            text,
            "[[resource]]\nname = \"db-{n}\"\nkind = \"postgres\"\nowners = [\"user:owner\"]\nhost = \"127.0.0.1\"\ndatabase = \"d\"\ntls = \"off\"\n\
             admin = {{ user = \"a\", password = {{ env = \"NONE\" }} }}\n[resource.roles.read]\nmember_of = [\"r\"]\n[resource.roles.write]\nmember_of = [\"w\"]\n\
             [[rule]]\nname = \"rule-{n}\"\nwho = [\"group:all\"]\nresources = [\"db-{n}\"]\nroles = [\"read\", \"write\"]\nmax = \"1h\"\n\
             approve = {{ from = [\"owners\"], within = \"30m\" }}\n"
        )
        .unwrap();
    }
    [("all.toml".to_owned(), text)].into()
}

/// An id of an instant.
fn id(at: Timestamp, n: u64) -> Uuid {
    let millis = u128::from(at.as_millis().unsigned_abs());
    Uuid::from_u128((millis << 80) | (7 << 76) | (0b10 << 62) | u128::from(n))
}

/// What happened before.
struct Past {
    world: World,
    people: Vec<PrincipalId>,
    owner: PrincipalId,
    plan: Plan,
    signer: GrantSigner,
}

impl Past {
    /// The events of one request, to its end, with its reason.
    fn one(&self, n: u64, at: Timestamp) -> (Vec<(Timestamp, Stream, Event)>, Disclosure) {
        let person = self.people[usize::try_from(n % PEOPLE).unwrap()];
        let ask = Ask {
            resource: format!("db-{}", n * 7 % RESOURCES).parse().unwrap(),
            role: if n.is_multiple_of(3) { "write" } else { "read" }.parse().unwrap(),
        };
        let mut salt = [0; 32];
        salt.iter_mut().zip(n.to_le_bytes().iter().cycle()).for_each(|(s, b)| *s = b.wrapping_mul(167));
        let reason = Disclosure::seal(salt, format!("INC-{n}: the stuck order of a customer who has waited for a while"));
        let (request, grant, session, lease) =
            (RequestId::new(id(at, n)), GrantId::new(id(at, n)), SessionId::new(id(at, n)), LeaseId::new(id(at, n)));
        let filed = Filed {
            id: request,
            requester: person,
            beneficiary: person,
            asks: vec![ask.clone()],
            duration: Span::from_secs(1_800),
            reason: reason.commitment,
            ticket: Some(format!("INC-{n}")),
            scope: None,
            plan: self.plan.clone(),
            emergency: None,
            extends: None,
            rules_hash: "0".repeat(64),
            proof: Some(Proof::Password),
            at,
            starts_at: None,
            expires_at: at.after(Span::from_secs(86_400)),
        };
        let (decided, ends) = (at.after(Span::from_secs(60 + n % 600)), at.after(Span::from_secs(2_400)));
        let mut events = vec![(at, Stream::Request(request), Event::Request(RequestEvent::Filed(filed)))];
        let mut then = |at, event| events.push((at, Stream::Request(request), Event::Request(event)));
        if n.is_multiple_of(10) {
            then(decided, RequestEvent::Denied(Denied { because: DeniedBecause::Rules, at: decided }));
            return (events, reason);
        }
        if n.is_multiple_of(4) {
            let rules = self.plan.rules.clone();
            then(
                decided,
                RequestEvent::AutoReviewed(AutoReview {
                    verdict: Verdict::Approve,
                    rules,
                    rules_hash: "0".repeat(64),
                    values: None,
                    at: decided,
                }),
            );
        } else {
            let review = Review {
                id: ReviewId::new(id(at, n)),
                stage: 0,
                reviewer: self.owner,
                verdict: Verdict::Approve,
                note: None,
                limits: ajar_core::plan::Limits::default(),
                beforehand: None,
                at: decided,
            };
            then(decided, RequestEvent::Reviewed(review));
        }
        then(decided, RequestEvent::Approved(Approved { grants: vec![grant], limits: ajar_core::plan::Limits::default(), at: decided }));
        let claims = Claims {
            grant,
            request,
            principal: person,
            resource: ask.resource.clone(),
            role: ask.role.clone(),
            starts_at: decided,
            ends_at: ends,
        };
        let opened = Opened { signed: self.signer.sign(claims), single_use: false, after: Vec::new() };
        events.push((decided, Stream::Grant(grant), Event::Grant(GrantEvent::Opened(opened))));
        let intended = lease::Intended {
            id: lease,
            grant,
            resource: ask.resource.clone(),
            role: ask.role.clone(),
            login: format!("ajar_{n:026}"),
            valid_until: ends,
            files: None,
            serial: None,
            at: decided,
        };
        let of_lease = |at, event| (at, Stream::Lease(lease), Event::Lease(event));
        events.push(of_lease(decided, LeaseEvent::Intended(intended)));
        events.push(of_lease(decided, LeaseEvent::Minted(lease::Minted { at: decided })));
        let arrived = Arrived {
            id: session,
            principal: person,
            resource: ask.resource,
            protocol: "postgres".into(),
            client: reason.commitment,
            at: decided,
        };
        let live = Live { arrived, grant, lease: Some(lease), role: ask.role, at: decided };
        let recording = Some(Recording { sha256: "0".repeat(64), size: 1_000, entries: 12 });
        let ended = Ended { reason: EndReason::Cut, recording, bytes_in: 1, bytes_out: 2, late_ms: Some(n % 7), at: ends };
        events.push((decided, Stream::Session(session), Event::Session(SessionEvent::Live(live))));
        events.push((ends, Stream::Session(session), Event::Session(SessionEvent::Ended(ended))));
        let closing = Closing { reason: CloseReason::Expired, at: ends };
        events.push((ends, Stream::Grant(grant), Event::Grant(GrantEvent::Closing(closing))));
        let proof =
            RevocationProof { terminated: 0, owned: 0, findings: Vec::new(), asked: "who is there?".into(), answer: "nobody".into() };
        events.push(of_lease(ends, LeaseEvent::Revoking(lease::Revoking { at: ends })));
        events.push(of_lease(ends, LeaseEvent::Revoked(lease::Revoked { proof, at: ends })));
        events.push((ends, Stream::Grant(grant), Event::Grant(GrantEvent::Closed(Closed { at: ends }))));
        (events, reason)
    }

    fn batch(&mut self, numbers: std::ops::Range<u64>, begun: Timestamp) -> Batch {
        let mut batch = Batch::default();
        for n in numbers {
            let at = begun.after(Span::from_millis(n * (DAYS * 86_400_000 / REQUESTS)));
            let (events, reason) = self.one(n, at);
            batch.disclosures.push(reason);
            for (at, stream, event) in events {
                let cause = CommandId::new(id(at, n));
                for envelope in self.world.envelopes(vec![(stream, event)], at, Actor::System, cause) {
                    batch.rows.push(self.world.apply(&envelope).unwrap());
                    batch.leaves.push(Leaf {
                        seq: envelope.seq,
                        stream,
                        version: envelope.version,
                        kind: envelope.event.kind().to_owned(),
                        at,
                        bytes: envelope.to_leaf().unwrap(),
                    });
                }
            }
        }
        batch
    }
}

async fn start(folder: &std::path::Path, store: Arc<SqliteStore>) -> Arc<Engine> {
    let outside = Arc::new(Outside::new());
    let keys = Keys { grants: GrantSigner::new(&[7; 32]), ledger: Signer::from_seed("ajar/ledger", &[9; 32]).unwrap() };
    let nowhere = Arc::new(Nowhere);
    let (postgres, http, ssh) = (Arc::clone(&nowhere) as _, Arc::clone(&nowhere) as _, nowhere as _);
    let parts = Parts { store, postgres, http, ssh, authority: None, clock: Arc::clone(&outside) as _, entropy: outside, keys };
    Engine::start(Config { public_url: "https://ajar.test".into(), recordings: folder.into() }, parts).await.unwrap()
}

fn caller(engine: &Engine, name: &str) -> Caller {
    let name = name.parse().unwrap();
    let principal = engine.rules().ids()[&name];
    Caller { principal, name, actor: Actor::Principal { id: principal, proof: Proof::Password }, scope: Scope::Full }
}

/// The median and the worst of a few times, against a budget; 0 for the reference.
async fn told(what: &str, budget: Duration, mut each: impl AsyncFnMut() -> usize) {
    let (mut took, mut count) = (Vec::new(), 0);
    for _ in 0..7 {
        let begun = Instant::now();
        count = each().await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let met = match took[3] {
        _ if budget.is_zero() => "",
        median if median <= budget => "(met)",
        _ => "(missed)",
    };
    println!("{what:<58} p50 {:>9.1?}  most {:>9.1?}  {count:>6} items {met}", took[3], took[6]);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Not in /tmp, which may be memory.
    let folder = tempfile::tempdir_in(std::env::var_os("AJAR_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into())).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("ajar.db"), OpenOptions::default()).await.unwrap());
    let engine = start(folder.path(), Arc::clone(&store)).await;
    engine.policy_apply(Actor::System, files(), None).await.unwrap();
    let ids = engine.rules().ids().clone();
    engine.stop().await;
    engine.stopped().await;
    drop(engine);

    let mut world = World::default();
    for leaf in store.leaves(0, u32::MAX).await.unwrap() {
        let envelope = Envelope::from_leaf(&leaf.bytes).unwrap();
        assert!(!matches!(envelope.event, Event::Principal(PrincipalEvent::Disabled(_))));
        world.replay(&envelope).unwrap();
    }
    let people = (0..PEOPLE).map(|n| ids[&format!("p{n}").parse().unwrap()]).collect();
    let plan: Plan = serde_json::from_str(
        r#"{"rules":["rule-0"],"stages":[{"candidates":["owners"],"needed":1,"within":"30m","otherwise":"deny"}],"opening":{}}"#,
    )
    .unwrap();
    let mut past = Past { world, people, owner: ids[&"owner".parse().unwrap()], plan, signer: GrantSigner::new(&[7; 32]) };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap());
    let begun = now.before(Span::from_secs(DAYS * 86_400 + 3_600));
    let wrote = Instant::now();
    for from in (0..REQUESTS).step_by(500) {
        store.append(past.batch(from..from + 500, begun)).await.unwrap();
    }
    println!("{} events of {REQUESTS} requests written in {:.1?}", store.size().await.unwrap(), wrote.elapsed());
    let begin = Instant::now();
    let engine = start(folder.path(), store).await;
    println!("started in {:.1?}", begin.elapsed());

    let (auditor, person, owner) = (caller(&engine, "auditor"), caller(&engine, "p7"), caller(&engine, "owner"));
    let list = ListQuery { limit: Some(50), ..ListQuery::default() };
    told("the reference: a page of the list of requests", Duration::ZERO, async || {
        engine.requests(&auditor, list.clone()).await.unwrap().len()
    })
    .await;
    told("the same, of one's own", Duration::ZERO, async || engine.requests(&person, list.clone()).await.unwrap().len()).await;
    let everything = AccessQuery { from: Some(begun), ..AccessQuery::default() };
    let accesses =
        async |query: &AccessQuery| engine.accesses(&engine.accesses_of(&auditor, query.clone()).unwrap()).await.unwrap().0.len();
    told("accesses: a page", A_PAGE, async || accesses(&everything).await).await;
    let early = AccessQuery { from: Some(begun), to: Some(begun.after(Span::from_secs(3_600))), ..AccessQuery::default() };
    told("accesses: of the first hour", A_PAGE, async || accesses(&early).await).await;
    let none = AccessQuery { person: Some("owner".into()), ..everything.clone() };
    told("accesses: of somebody who had none", A_PAGE, async || accesses(&none).await).await;
    let looking = |within, text: Option<&str>| SearchQuery {
        within,
        text: text.map(str::to_owned),
        person: None,
        resource: None,
        role: None,
        state: None,
        kind: None,
        from: None,
        to: None,
        before: None,
        limit: None,
        counts: false,
    };
    let search = async |who: &Caller, query: SearchQuery| engine.search(who, query).await.unwrap().found.len();
    let requests = looking(Within::Requests, None);
    told("search: a page of requests", A_PAGE, async || search(&auditor, requests.clone()).await).await;
    told("search: a page of one's own", A_PAGE, async || search(&person, requests.clone()).await).await;
    let counted = SearchQuery { counts: true, ..requests.clone() };
    told("search: a page of requests, counted", A_LOOK, async || search(&auditor, counted.clone()).await).await;
    told("search: the same, of who owns everything", A_LOOK, async || search(&owner, counted.clone()).await).await;
    let narrowed = SearchQuery { person: Some("p7".into()), state: Some("denied".into()), role: Some("write".into()), ..requests.clone() };
    told("search: requests, narrowed", A_PAGE, async || search(&auditor, narrowed.clone()).await).await;
    told("search: requests, by a text that is in one in ten thousand", A_LOOK, async || {
        search(&auditor, looking(Within::Requests, Some("inc-9999"))).await
    })
    .await;
    told("search: requests, by a text that is in none", A_LOOK, async || search(&auditor, looking(Within::Requests, Some("needle"))).await)
        .await;
    told("search: events, by a text that is in none", A_LOOK, async || search(&auditor, looking(Within::Events, Some("needle"))).await)
        .await;
    told("search: statements, without any recording", A_LOOK, async || search(&auditor, looking(Within::Statements, Some("needle"))).await)
        .await;
    told("the catalogue", A_LOOK, async || engine.catalogue(&auditor).await.unwrap().len()).await;
    let all = InsightQuery { from: Some(begun), ..InsightQuery::default() };
    told("insight: everything", NUMBERS, async || {
        usize::try_from(engine.insight(&auditor, all.clone()).await.unwrap().cuts.count).unwrap()
    })
    .await;
    let month = InsightQuery::default();
    told("insight: 30 days", NUMBERS, async || usize::try_from(engine.insight(&auditor, month.clone()).await.unwrap().cuts.count).unwrap())
        .await;
    engine.stop().await;
    engine.stopped().await;
}
