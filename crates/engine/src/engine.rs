//! The façade: what the binary starts, the API calls and gateways knock on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use ajar_core::directory::{PrincipalEvent, TokenEvent};
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::grant::{CloseReason, Closing, Grant, GrantEvent, Opened};
use ajar_core::id::{GrantId, PrincipalId};
use ajar_core::lease::LeaseEvent;
use ajar_core::permit::{GrantSigner, GrantVerifier};
use ajar_core::port::{Clock, Connector, CutReason, Entropy, Probe, SshAuthority, Store, StoreError};
use ajar_core::sealed::Disclosure;
use ajar_core::secret::Secret;
use ajar_core::session::SessionEvent;
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::{DamagedLog, World};
use ajar_ledger::note::Signer;
use ajar_ledger::tree::{Frontier, Tiles};
use ajar_policy::Bound;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::task::JoinSet;

use crate::applied::Drift;
use crate::audience::Audiences;
use crate::brake::Brake;
use crate::cli_logins::CliLogins;
use crate::entries::Entries;
use crate::freshness::Freshness;
use crate::health::Healths;
use crate::leases::Leases;
use crate::ledger::Kept;
use crate::log::Log;
use crate::notices::Notices;
use crate::orders::Orders;
use crate::passkeys::Party;
use crate::people::{People, hash_password};
use crate::policies;
use crate::presence::Presence;
use crate::sequencer::{Committed, Seat, Sequencer, Shut};
use crate::spans::Spans;
use crate::ssh::Certificates;
use crate::turns::Turns;

/// Requests with which one principal may ask others at once, and how many more each minute (A12).
const ASKING_BURST: u32 = 30;
const ASKING_A_MINUTE: u32 = 1;

/// What the engine needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// How people reach the API and the UI, for links in messages: `https://ajar.example.org`.
    pub public_url: String,
    /// Where gateways put recordings.
    pub recordings: PathBuf,
}

/// The control plane's keys.
pub struct Keys {
    /// Signs grants.
    pub grants: GrantSigner,
    /// Signs checkpoints of the ledger.
    pub ledger: Signer,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

/// Everything from outside that the engine works with.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Mints and revokes on PostgreSQL.
    pub postgres: Arc<dyn Connector>,
    /// HTTP APIs.
    pub http: Arc<dyn Probe>,
    /// SSH hosts: revokes certificates that were given for them.
    pub ssh: Arc<dyn Connector>,
    /// Signs SSH certificates, where there are any.
    pub authority: Option<Arc<dyn SshAuthority>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness and ids.
    pub entropy: Arc<dyn Entropy>,
    /// The keys.
    pub keys: Keys,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store can't be read.
    #[error("the store can't be read")]
    Store(#[from] StoreError),
    /// An event can't be read.
    #[error("event {seq} can't be read")]
    Event {
        /// Which.
        seq: u64,
        /// Why.
        #[source]
        source: ajar_core::event::EventError,
    },
    /// The log doesn't fold.
    #[error(transparent)]
    Damaged(#[from] DamagedLog),
    /// The log is not the one that was signed (L1).
    #[error(
        "the ledger is not the one that its last checkpoint signed: {0}. Restore it from a backup, or run 'ajar ledger verify' to see where it differs"
    )]
    NotAsSigned(String),
    /// The rules that were in force can't be read any more.
    #[error("the rules that were in force can't be read any more: apply them again with 'ajar policy apply'. {0}")]
    Rules(String),
    /// It was stopped while starting.
    #[error("the engine stopped while starting")]
    Stopped,
}

/// The control plane. Cheap to share behind an `Arc`.
pub struct Engine {
    /// Itself, for tasks that outlive a call.
    pub(crate) me: Weak<Self>,
    pub(crate) config: Config,
    pub(crate) sequencer: Sequencer,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) postgres: Arc<dyn Connector>,
    pub(crate) http: Arc<dyn Probe>,
    pub(crate) ssh: Arc<dyn Connector>,
    pub(crate) authority: Option<Arc<dyn SshAuthority>>,
    /// Files that were in force before and are looked into again.
    pub(crate) files_before: tokio::sync::Mutex<Option<ajar_policy::RuleSet>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) signer: Arc<GrantSigner>,
    pub(crate) ledger_key: Signer,
    pub(crate) people: Arc<People>,
    pub(crate) notices: Arc<Notices>,
    /// How targets are.
    pub(crate) healths: Arc<Healths>,
    /// What is kept of the ledger's tree, and what came of looking into it.
    pub(crate) ledger: Kept,
    /// Who is there.
    pub(crate) presence: Arc<Presence>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) spans: Arc<Spans>,
    pub(crate) leases: Arc<Leases>,
    /// SSH certificates that are leases.
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) feed: broadcast::Sender<Committed>,
    pub(crate) next_due: watch::Receiver<Option<Timestamp>>,
    pub(crate) effects: Arc<Notify>,
    /// Browsers that come in to HTTP APIs.
    pub(crate) entries: Entries,
    /// Passwords that may be tried from one address.
    pub(crate) sign_ins: Brake<IpAddr>,
    /// Sign-ins with a passkey that may be begun from one address.
    pub(crate) ceremonies_begun: Brake<IpAddr>,
    /// Sign-ins of command lines that may be begun from one address, and codes that one principal may try.
    pub(crate) cli_logins_begun: Brake<IpAddr>,
    pub(crate) codes: Brake<PrincipalId>,
    /// Sign-ins of command lines that wait for somebody in a browser.
    pub(crate) cli_logins: CliLogins,
    /// Passkeys as this server takes them.
    pub(crate) party: Party,
    /// Who has just proven themselves with one.
    pub(crate) fresh: Arc<Freshness>,
    /// Requests with which one principal may ask others for a decision (A12).
    pub(crate) asking: Arc<Brake<PrincipalId>>,
    pub(crate) decoy_hash: Secret,
    /// Grants that are closing although that could not be recorded yet (I13): nothing new goes in.
    pub(crate) barred: Arc<Mutex<BTreeSet<GrantId>>>,
    /// How the files of the folder that is followed differ from what is in force.
    pub(crate) drift: Mutex<Option<Drift>>,
    /// Whether a folder is followed.
    pub(crate) followed: AtomicBool,
    rules: Arc<RwLock<Arc<Bound>>>,
    frontier: Arc<Mutex<Frontier>>,
    hashing: Semaphore,
    /// Numbers that were told last, and how everything was used when that was counted last.
    pub(crate) numbers: crate::insight::Kept,
    pub(crate) usage: crate::catalogue::Kept,
    /// Whoever looks through much, two at a time.
    pub(crate) looking: Turns,
    /// Whom the last events concern.
    pub(crate) audiences: Audiences,
    tasks: Mutex<JoinSet<()>>,
    /// Where tasks run, whoever calls: a gateway's threads come and go.
    runtime: Handle,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// What the log says, folded.
struct Loaded {
    world: World,
    tiles: Tiles,
    people: People,
    notices: Notices,
    certificates: Certificates,
    bound: Arc<Bound>,
    /// When the last event was decided.
    last: Option<Timestamp>,
}

impl Engine {
    /// Reads the log, checks it against its last checkpoint, closes what the last process left open, revokes what is due (T7),
    /// and starts the timers and workers. Only then may anything listen.
    ///
    /// # Errors
    /// When the store can't be read or the log is not the one that was signed.
    pub async fn start(config: Config, parts: Parts) -> Result<Arc<Self>, StartError> {
        let Parts { store, postgres, http, ssh, authority, clock, entropy, keys } = parts;
        let began = clock.mono();
        let loaded = load(&store, &keys.ledger).await?;
        let read = Span::from_millis(clock.mono().0.saturating_sub(began.0) / 1_000_000);
        let ledger = Kept::new(loaded.tiles.clone(), clock.now(), read);
        let people = Arc::new(loaded.people);
        let notices = Arc::new(loaded.notices);
        let certificates = Arc::new(loaded.certificates);
        let orders = Arc::new(Orders::default());
        let spans = Arc::new(Spans::default());
        for open in loaded.world.grants().filter_map(|g| if let Grant::Open(open) = g { Some(open) } else { None }) {
            let claims = &open.signed.claims;
            spans.begin(claims.grant, clock.mono(), claims.ends_at.since(clock.now()), claims.ends_at);
        }
        let rules = Arc::new(RwLock::new(Arc::clone(&loaded.bound)));
        let frontier = Arc::new(Mutex::new(loaded.tiles.frontier().clone()));
        let effects = Arc::new(Notify::new());
        let leases = Arc::new(Leases::default());
        let (party, fresh) = (Party::new(&config.public_url), Arc::new(Freshness::default()));
        if let strange @ 1.. = people.passkeys_elsewhere(party.name().unwrap_or_default()) {
            tracing::warn!(
                passkeys = strange,
                "passkeys were enrolled under another name than public_url has now: nobody can use them. Set it back, or have them forgotten with 'ajar server forget-passkeys'"
            );
        }
        let barred: Arc<Mutex<BTreeSet<GrantId>>> = Arc::default();
        let shut: Shut = {
            let (barred, spans, clock) = (Arc::clone(&barred), Arc::clone(&spans), Arc::clone(&clock));
            let is_barred = move |grant| barred.lock().unwrap_or_else(PoisonError::into_inner).contains(&grant);
            Box::new(move |grant| is_barred(grant) || spans.is_over(grant, clock.mono()))
        };
        let (feed, _) = broadcast::channel(4096);
        let (due, next_due) = watch::channel(loaded.world.next_due());
        let listeners = Listeners {
            orders: Arc::clone(&orders),
            spans: Arc::clone(&spans),
            leases: Arc::clone(&leases),
            certificates: Arc::clone(&certificates),
            fresh: Arc::clone(&fresh),
            clock: Arc::clone(&clock),
            people: Arc::clone(&people),
            notices: Arc::clone(&notices),
            rules: Arc::clone(&rules),
            frontier: Arc::clone(&frontier),
            effects: Arc::clone(&effects),
            due,
        };
        let seat = Seat {
            world: loaded.world,
            rules: loaded.bound,
            frontier: loaded.tiles.frontier().clone(),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            shut,
            on_commit: Box::new(move |committed, disclosures, rules, frontier| listeners.hear(committed, disclosures, rules, frontier)),
            feed: feed.clone(),
        };
        let (sequencer, body) = Sequencer::new(seat);
        let mut tasks = JoinSet::new();
        tasks.spawn(body);
        let mut salt = [0u8; 16];
        entropy.fill(&mut salt);
        let decoy_hash = hash_password(&Secret::new("nobody has this password".into()), &salt).unwrap_or_default();
        let engine = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            config,
            sequencer,
            store,
            postgres,
            http,
            ssh,
            authority,
            files_before: tokio::sync::Mutex::new(None),
            clock,
            entropy,
            signer: Arc::new(keys.grants),
            ledger_key: keys.ledger,
            people,
            notices,
            healths: Arc::default(),
            ledger,
            presence: Arc::default(),
            orders,
            spans,
            leases,
            certificates,
            feed,
            next_due,
            effects,
            entries: Entries::default(),
            sign_ins: Brake::new(20, 20),
            ceremonies_begun: Brake::new(120, 120),
            cli_logins_begun: Brake::new(20, 20),
            codes: Brake::new(30, 30),
            cli_logins: CliLogins::default(),
            party,
            fresh,
            asking: Arc::new(Brake::new(ASKING_BURST, ASKING_A_MINUTE)),
            decoy_hash: Secret::new(decoy_hash),
            barred,
            drift: Mutex::default(),
            followed: AtomicBool::new(false),
            rules,
            frontier,
            hashing: Semaphore::new(2),
            numbers: crate::insight::Kept::default(),
            usage: crate::catalogue::Kept::default(),
            looking: Turns::new(),
            audiences: Audiences::default(),
            tasks: Mutex::new(tasks),
            runtime: Handle::current(),
            stopping: watch::channel(false).0,
        });
        engine.clear_up(loaded.last).await.map_err(|_| StartError::Stopped)?;
        engine.spawn_workers();
        Ok(engine)
    }

    /// What checks permits: for gateways.
    #[must_use]
    pub fn grant_verifier(&self) -> GrantVerifier {
        self.signer.verifier()
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Bound> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// When time alone makes something happen next: a deadline, a beginning, an end.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        *self.next_due.borrow()
    }

    /// The name of a principal.
    #[must_use]
    pub fn name(&self, id: ajar_core::id::PrincipalId) -> String {
        self.people.name(id)
    }

    /// The tree's frontier at the last commit.
    pub(crate) fn frontier(&self) -> Frontier {
        self.frontier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts every live session and stops timers and workers. What is open stays open in the log; its leases are revoked at the next start.
    pub async fn stop(&self) {
        self.orders.cut_all(CutReason::ServerStopping);
        self.stopping.send_replace(true);
    }

    /// Waits until every session has reported its end or `limit` is over, then ends the tasks.
    pub async fn stopped(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }

    /// A future that ends when the engine stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
    }

    /// Runs something that keeps a core busy, two at a time at most. `None` when it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _turn = self.hashing.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// Reads the whole log: hashes every leaf, folds every event, checks the last checkpoint.
async fn load(store: &Arc<dyn Store>, key: &Signer) -> Result<Loaded, StartError> {
    let signed = match store.checkpoint_latest().await? {
        Some(note) => Some(ajar_ledger::checkpoint::open(&note, &key.verifier()).map_err(|e| StartError::NotAsSigned(e.to_string()))?),
        None => None,
    };
    let (mut world, mut tiles, people, mut last) = (World::default(), Tiles::default(), People::default(), None);
    let (notices, certificates) = (Notices::default(), Certificates::default());
    let mut log = Log::read(store);
    loop {
        let page = log.next().await?;
        if page.is_empty() {
            break;
        }
        let mut events = Vec::with_capacity(page.len());
        for (leaf, envelope) in page {
            world.replay(&envelope)?;
            tiles.push(ajar_ledger::tree::leaf_hash(leaf.bytes.as_bytes()));
            if let Some(checkpoint) = signed.as_ref().filter(|c| c.size == tiles.size())
                && tiles.frontier().root() != checkpoint.root
            {
                return Err(StartError::NotAsSigned(format!("the first {} events have another root", checkpoint.size)));
            }
            notices.hear(&envelope);
            certificates.hear(&envelope);
            last = last.max(Some(envelope.at));
            events.push(envelope);
        }
        learn_page(&**store, &people, &events).await?;
    }
    if let Some(checkpoint) = signed.filter(|c| c.size > tiles.size()) {
        return Err(StartError::NotAsSigned(format!("it signed {} events, there are {}", checkpoint.size, tiles.size())));
    }
    let bound = policies::in_force(&**store, &world, &people).await?;
    Ok(Loaded { world, tiles, people, notices, certificates, bound, last })
}

async fn learn_page(store: &dyn Store, people: &People, events: &[Envelope]) -> Result<(), StoreError> {
    let wanted: Vec<_> = events.iter().filter_map(|e| People::wanted(&e.event)).collect();
    if wanted.is_empty() && !events.iter().any(|e| matches!(e.event, Event::Token(_) | Event::Principal(_))) {
        return Ok(());
    }
    let found: BTreeMap<_, _> =
        store.disclosures(&wanted).await?.into_iter().filter(Disclosure::holds).map(|d| (d.commitment, d.value)).collect();
    for envelope in events {
        people.learn(envelope.stream, &envelope.event, &|commitment| found.get(&commitment).cloned());
    }
    Ok(())
}

/// Whoever has to know the moment something is durable, before anybody is answered.
struct Listeners {
    orders: Arc<Orders>,
    spans: Arc<Spans>,
    leases: Arc<Leases>,
    certificates: Arc<Certificates>,
    fresh: Arc<Freshness>,
    clock: Arc<dyn Clock>,
    people: Arc<People>,
    notices: Arc<Notices>,
    rules: Arc<RwLock<Arc<Bound>>>,
    frontier: Arc<Mutex<Frontier>>,
    effects: Arc<Notify>,
    due: watch::Sender<Option<Timestamp>>,
}

impl Listeners {
    fn hear(&self, committed: &Committed, disclosures: &[Disclosure], rules: Option<&Arc<Bound>>, frontier: &Frontier) {
        if let Some(rules) = rules {
            *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(rules);
        }
        *self.frontier.lock().unwrap_or_else(PoisonError::into_inner) = frontier.clone();
        let values: BTreeMap<_, _> = disclosures.iter().map(|d| (d.commitment, d.value.as_str())).collect();
        for envelope in committed.events.iter() {
            match (envelope.stream, &envelope.event) {
                // Its sessions and its login are the other's already.
                (Stream::Grant(id), Event::Grant(GrantEvent::Closing(Closing { reason: CloseReason::Extended { .. }, .. }))) => {
                    self.spans.end(id);
                }
                // INVARIANT I09: sessions are told at once; they cut at their own deadline in any case.
                (Stream::Grant(id), Event::Grant(GrantEvent::Closing(closing))) => {
                    self.orders.cut(id, CutReason::from(&closing.reason));
                    self.spans.end(id);
                    self.leases.forget(id);
                }
                // INVARIANT I09: the same for the one session.
                (Stream::Session(id), Event::Session(SessionEvent::Killed(_))) => self.orders.cut_one(id, CutReason::Killed),
                (Stream::Grant(id), Event::Grant(GrantEvent::Opened(opened))) => self.opened(id, opened),
                (Stream::Token(id), Event::Token(TokenEvent::Revoked(_))) => self.fresh.forget(id),
                (_, Event::Principal(PrincipalEvent::PasskeyRemoved(removed))) => self.fresh.forget_passkey(removed.id),
                (_, Event::Lease(LeaseEvent::Revoking(_) | LeaseEvent::Moved(_))) => self.effects.notify_one(),
                _ => {}
            }
            self.notices.hear(envelope);
            self.certificates.hear(envelope);
            self.people.learn(envelope.stream, &envelope.event, &|commitment| values.get(&commitment).map(|value| (*value).to_owned()));
        }
        self.due.send_if_modified(|due| std::mem::replace(due, committed.next_due) != committed.next_due);
    }
}

impl Listeners {
    fn opened(&self, id: GrantId, opened: &Opened) {
        let claims = &opened.signed.claims;
        let (now, left) = (self.clock.mono(), claims.ends_at.since(claims.starts_at));
        match opened.after.last() {
            None => self.spans.begin(id, now, left, claims.ends_at),
            // INVARIANT I07: live sessions move on to a new grant, here and now, before anybody is answered.
            Some(from) => {
                self.spans.go_on(*from, id, now, left, claims.ends_at);
                self.leases.go_on(*from, id);
                self.orders.go_on(*from, &Arc::new(opened.signed.clone()));
            }
        }
    }
}

/// Who acts when nobody does.
pub(crate) const SYSTEM: Actor = Actor::System;
