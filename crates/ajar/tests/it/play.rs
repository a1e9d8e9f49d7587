//! The control plane on a clock that stands still until the test moves it: the real engine, store, API and command line; only the target
//! and time are made here. What is due on the way to an instant happens at its own instant, not at the end of the way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajar_api::Api;
use ajar_api::model::Doors;
use ajar_core::event::Actor;
use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::permit::GrantSigner;
use ajar_core::port::{
    Admission, Clock, Connector, ConnectorError, Credential, CutReason, Door, Entropy, Finding, Found, Knock, LeaseSecret, Mono, Opening,
    Order, Otherwise, Probe, SessionReport, Wishes,
};
use ajar_core::resource::Resource;
use ajar_core::secret::Secret;
use ajar_core::session::EndReason;
use ajar_core::time::{Span, Timestamp};
use ajar_engine::{Config, Engine, Keys, Parts};
use ajar_ledger::note::Signer;
use ajar_store::{OpenOptions, SqliteStore};
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusBuilder;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::stage::{SOON, password, text};

/// Who sees to the rules in every play; the files name them.
pub(crate) const OPERATOR: &str = "ops";
/// Somebody signs in again when their token is good for less than this.
const FRESH: Span = Span::from_secs(60);

/// An instant as people write it: `2026-03-29T03:30[Europe/Berlin]`.
pub(crate) fn instant(text: &str) -> Timestamp {
    let zoned: jiff::Zoned = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

/// Both clocks, which move together.
struct Hands {
    began: Timestamp,
    now: Mutex<Timestamp>,
}

impl Hands {
    fn set(&self, to: Timestamp) {
        let now = self.now();
        assert!(to >= now, "time goes on from {now} to {to}, never back");
        *self.now.lock().unwrap() = to;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn mono(&self) -> Mono {
        Mono(self.now().since(self.began).as_millis() * 1_000_000)
    }
}

/// Randomness by a seed.
struct Dice(Mutex<StdRng>);

impl Entropy for Dice {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(out);
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.as_millis()).unwrap(), &random).into_uuid()
    }
}

/// A target that remembers its logins.
#[derive(Default)]
struct Logins(Mutex<BTreeSet<String>>);

impl Logins {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop(&self, login: &str) -> RevocationProof {
        self.names().remove(login);
        let (asked, answer) = ("the list of logins".into(), "not in it".into());
        RevocationProof { terminated: 0, owned: 0, findings: Vec::new(), asked, answer }
    }
}

#[async_trait]
impl Connector for Logins {
    async fn mint(&self, _: &Resource, intent: &Intended, _: &LeaseSecret) -> Result<(), ConnectorError> {
        self.names().insert(intent.login.clone());
        Ok(())
    }

    async fn prolong(&self, _: &Resource, _: &Intended) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn revoke(&self, _: &Resource, intent: &Intended) -> Result<RevocationProof, ConnectorError> {
        Ok(self.drop(&intent.login))
    }

    async fn inspect(&self, _: &Resource) -> Result<Vec<Found>, ConnectorError> {
        Ok(self.names().iter().map(|login| Found { login: login.clone(), connections: 0 }).collect())
    }

    async fn remove_unknown(&self, _: &Resource, login: &str) -> Result<RevocationProof, ConnectorError> {
        Ok(self.drop(login))
    }
}

#[async_trait]
impl Probe for Logins {
    async fn probe(&self, _: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

/// What was said and done, for the next line to refer to.
#[derive(Default)]
struct Memory {
    /// Until when each person's token is good.
    signed_in: BTreeMap<String, Timestamp>,
    /// Tokens that somebody uses instead of signing in.
    carried: BTreeMap<String, String>,
    /// The last id of each kind that anybody was told, by its prefix: what `req_…` in a line means.
    last: BTreeMap<&'static str, String>,
    /// Every line that was typed.
    typed: Vec<String>,
}

/// Kinds of ids that a line may refer to.
const KINDS: [&str; 4] = ["req_", "grant_", "debt_", "deleg_"];

/// See the module.
pub(crate) struct Play {
    engine: Arc<Engine>,
    hands: Arc<Hands>,
    target: Arc<Logins>,
    dir: TempDir,
    url: String,
    memory: Mutex<Memory>,
    /// Last: everything above ends in it.
    runtime: Runtime,
}

impl Play {
    /// Begins at an instant, with files in force; [`Play::files`] wants them to name an operator called `ops`.
    pub(crate) fn begins(at: &str, files: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let dir = tempfile::Builder::new().prefix("ajar-play").tempdir().unwrap();
        let began = instant(at);
        let hands = Arc::new(Hands { began, now: Mutex::new(began) });
        let target = Arc::new(Logins::default());
        let (engine, url) = runtime.block_on(start(dir.path().join("ajar.db"), Arc::clone(&hands), Arc::clone(&target), &runtime));
        let play = Self { engine, hands, target, dir, url, memory: Mutex::default(), runtime };
        let files = [("rules.toml".to_owned(), files.to_owned())].into();
        play.runtime
            .block_on(play.engine.policy_apply(Actor::System, files, None))
            .unwrap_or_else(|e| panic!("the files are wrong: {e:?}"));
        play
    }

    /// Puts other files in force, as the operator does.
    pub(crate) fn files(&self, files: &str) {
        self.write("policy/rules.toml", files);
        self.ajar(OPERATOR, &["policy", "apply", "policy"]).ok();
    }

    /// Somebody writes a file in the folder where everybody types.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass until an instant.
    pub(crate) fn go_to(&self, to: &str) {
        self.pass_until(instant(to));
    }

    /// Lets a length of time pass: `30m`.
    pub(crate) fn wait(&self, time: &str) {
        self.pass_until(self.hands.now().after(time.parse().unwrap()));
    }

    fn pass_until(&self, to: Timestamp) {
        while let Some(due) = self.engine.next_due().filter(|due| *due <= to) {
            self.hands.set(due.max(self.hands.now()));
            self.until("what is due happens", || self.engine.next_due() != Some(due));
        }
        self.hands.set(to);
    }

    /// Waits, in real time, for something that the server is about to do.
    pub(crate) fn until(&self, what: &str, mut happened: impl FnMut() -> bool) {
        let start = Instant::now();
        while !happened() {
            assert!(start.elapsed() < SOON, "{what}: not in {SOON:?}, at {}", self.hands.now());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Somebody types a line: `dev$ ajar request orders-db --reason "why"`. In it `req_…`, `grant_…` and the like are the last ones that
    /// anybody was told of.
    pub(crate) fn types(&self, line: &str) -> Done {
        let (who, command) = line.split_once("$ ajar ").unwrap_or_else(|| panic!("not a line to type: {line}"));
        self.memory().typed.push(line.to_owned());
        let (command, file) = command.split_once(" > ").map_or((command, None), |(command, file)| (command, Some(file)));
        let args: Vec<String> = words(command).into_iter().map(|word| self.meant(word)).collect();
        let done = self.ajar(who, &args.iter().map(String::as_str).collect::<Vec<_>>());
        if let Some(file) = file {
            std::fs::write(self.dir.path().join(file), &done.out).unwrap();
        }
        done
    }

    /// What somebody reads on the screen who types a line.
    pub(crate) fn reads(&self, line: &str) -> String {
        let (who, command) = line.split_once("$ ajar ").unwrap_or_else(|| panic!("not a line to type: {line}"));
        self.memory().typed.push(line.to_owned());
        self.sign_in(who);
        let args = words(command);
        let out = self.command(who, &args.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
        text(&out.stdout) + &text(&out.stderr)
    }

    /// Every line that was typed.
    pub(crate) fn typed(&self) -> Vec<String> {
        self.memory().typed.clone()
    }

    /// The last id of a kind that anybody was told of.
    pub(crate) fn last(&self, kind: &str) -> String {
        self.memory().last.get(kind).cloned().unwrap_or_else(|| panic!("nobody was told of a {kind}…"))
    }

    fn meant(&self, word: String) -> String {
        KINDS.iter().find(|kind| word == format!("{kind}…")).map_or(word, |kind| self.last(kind))
    }

    /// Calls `ajar` as somebody who is signed in, and reads what it writes.
    pub(crate) fn ajar(&self, who: &str, args: &[&str]) -> Done {
        self.sign_in(who);
        let out = self.command(who, &[args, &["-o", "json"]].concat()).output().unwrap();
        let done = Done::of(format!("{who}$ ajar {}", args.join(" ")), &out);
        let mut memory = self.memory();
        for kind in KINDS {
            let id = done.out.find(kind).and_then(|at| done.out.get(at..at + kind.len() + 26));
            memory.last.extend(id.map(|id| (kind, id.to_owned())));
        }
        done
    }

    fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ajar"));
        command.args(args).stdin(Stdio::null()).env("AJAR_URL", &self.url).env("XDG_CONFIG_HOME", self.dir.path().join(who));
        match self.memory().carried.get(who) {
            Some(token) => command.env("AJAR_TOKEN", token),
            None => command.env_remove("AJAR_TOKEN"),
        };
        command.current_dir(self.dir.path());
        command
    }

    /// From now on somebody has a token in `AJAR_TOKEN` and no longer signs in.
    pub(crate) fn carries(&self, who: &str, token: &str) {
        self.memory().carried.insert(who.to_owned(), token.to_owned());
    }

    /// Signs somebody in with their password, unless their token is still good.
    fn sign_in(&self, who: &str) {
        use std::io::Write;
        let now = self.hands.now();
        let known = self.memory().signed_in.get(who).copied();
        if self.memory().carried.contains_key(who) || known.is_some_and(|until| now.after(FRESH) < until) {
            return;
        }
        if known.is_none() {
            let (name, secret) = (who.parse().unwrap(), Secret::new(password(who).trim_end().to_owned()));
            let set = self.engine.password_set(Actor::System, &name, secret);
            self.runtime.block_on(set).unwrap_or_else(|e| panic!("{who}: {e}"));
        }
        let mut login = self.command(who, &["login", who, "--password-stdin"]);
        let mut login = login.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        login.stdin.take().unwrap().write_all(password(who).as_bytes()).unwrap();
        let out = login.wait_with_output().unwrap();
        assert!(out.status.success(), "{who} can't sign in: {}", text(&out.stderr));
        self.memory().signed_in.insert(who.to_owned(), now.after(Span::from_secs(12 * 3600)));
    }

    /// Somebody changes a file in the folder where everybody types.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} says nothing of {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// A grant in detail, as its holder sees it.
    pub(crate) fn grant(&self, holder: &str, id: &str) -> Value {
        self.ajar(holder, &["grants", id]).ok()
    }

    /// Waits until a grant is closed and its login proven gone; why it closed.
    pub(crate) fn closed(&self, holder: &str, id: &str) -> String {
        self.until("the grant is closed with proof", || self.grant(holder, id)["state"] == "closed");
        assert!(self.target.names().is_empty(), "no login is left: {:?}", self.target.names());
        self.grant(holder, id)["closed_because"].as_str().unwrap().to_owned()
    }

    /// Somebody's psql at the gateway, by the line that starts it: `dev$ ajar psql orders-db --role read`.
    pub(crate) fn knocks(&self, line: &str) -> Entry {
        let (who, command) = line.split_once("$ ajar psql ").unwrap_or_else(|| panic!("not a line that connects: {line}"));
        self.memory().typed.push(line.to_owned());
        let words = words(command);
        let said = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).cloned();
        let wishes = Wishes {
            role: said("--role"),
            reason: said("--reason"),
            duration: said("--for"),
            ticket: said("--ticket"),
            scope: said("--scope"),
        };
        let token = self.ajar(who, &["token"]).ok();
        let token = Credential::Token(Secret::new(token["token"].as_str().unwrap().to_owned()));
        let client = [127, 0, 0, 1].into();
        let knock = Knock { resource: words[0].clone(), protocol: "postgres", wishes, client, otherwise: Otherwise::Hold };
        self.runtime.block_on(async {
            let admission = match self.engine.identify(&token, Some(who), client).await {
                Ok(identified) => self.engine.knock(&identified, knock).await,
                Err(refusal) => Err(refusal),
            };
            match admission {
                Ok(Admission::Open(opening)) => Entry::In(Session(opening)),
                Ok(Admission::Held(held)) => Entry::Held(held.request.to_string()),
                Ok(Admission::Asked(request)) => Entry::Held(request.to_string()),
                Ok(Admission::Unasked { resource, .. }) => Entry::Refused(format!("{resource} is neither open nor asked for")),
                Err(refusal) => Entry::Refused(format!("{refusal}: {}", refusal.detail.as_deref().unwrap_or_default())),
            }
        })
    }

    /// A psql that is let in at once.
    pub(crate) fn enters(&self, line: &str) -> Session {
        match self.knocks(line) {
            Entry::In(session) => session,
            Entry::Held(request) => panic!("{line}\nis held for {request}"),
            Entry::Refused(why) => panic!("{line}\nis refused: {why}"),
        }
    }

    /// Whether a session must be cut by now, whatever its gateway hears.
    pub(crate) fn is_live(&self, session: &Session) -> bool {
        match session.0.orders.current() {
            Order::Until(until) => self.hands.now() < until,
            Order::GoOn(signed) => self.hands.now() < signed.claims.ends_at,
            Order::Cut(_) => false,
        }
    }

    /// A session ends, cut by an order that it has; why.
    pub(crate) fn cut(&self, session: Session) -> CutReason {
        let Order::Cut(reason) = session.0.orders.current() else { panic!("it was not cut by {}", self.hands.now()) };
        self.leaves(session);
        reason
    }

    /// A session is over.
    pub(crate) fn leaves(&self, session: Session) {
        let report = SessionReport {
            session: session.0.session,
            reason: EndReason::ClientLeft,
            recording: None,
            bytes_in: 1,
            bytes_out: 1,
            late_ms: None,
        };
        self.runtime.block_on(self.engine.ended(report));
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.runtime.block_on(async {
            self.engine.stop().await;
            self.engine.stopped().await;
        });
    }
}

async fn start(store: PathBuf, hands: Arc<Hands>, target: Arc<Logins>, runtime: &Runtime) -> (Arc<Engine>, String) {
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", tcp.local_addr().unwrap());
    let keys = Keys { grants: GrantSigner::new(&[7; 32]), ledger: Signer::from_seed("ajar-ledger", &[9; 32]).unwrap() };
    let parts = Parts {
        store: Arc::new(SqliteStore::open(store, OpenOptions::default()).await.unwrap()),
        postgres: Arc::clone(&target) as _,
        http: Arc::clone(&target) as _,
        ssh: target,
        authority: None,
        clock: hands,
        entropy: Arc::new(Dice(Mutex::new(StdRng::seed_from_u64(1)))),
        keys,
    };
    let engine = Engine::start(Config { public_url: url.clone(), recordings: "/nowhere".into() }, parts).await.unwrap();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let router = Api::new(Arc::clone(&engine), metrics, &url, Doors { postgres: None, http: None, ssh: None }).router();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(tcp, service).await.unwrap() });
    (engine, url)
}

/// A line's words; double quotes keep several together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    assert!(!quoted, "a quote is not closed: {line}");
    words
}

/// What came of a client that knocked.
pub(crate) enum Entry {
    /// It is in.
    In(Session),
    /// It waits for this request.
    Held(String),
    /// It is not let in, and told why.
    Refused(String),
}

/// A live session.
pub(crate) struct Session(Box<Opening>);

/// What a command did.
pub(crate) struct Done {
    line: String,
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn of(line: String, out: &std::process::Output) -> Self {
        Self { line, code: out.status.code().unwrap_or(-1), out: text(&out.stdout), err: text(&out.stderr) }
    }

    /// What it wrote, once it has succeeded.
    pub(crate) fn ok(self) -> Value {
        let Self { line, code, out, err } = self;
        assert_eq!(code, 0, "{line}\n{err}{out}");
        serde_json::from_str(&out).unwrap_or(Value::String(out))
    }

    /// It has succeeded, and the request is in this state.
    pub(crate) fn is(self, state: &str) -> Value {
        let line = self.line.clone();
        let request = self.ok();
        assert_eq!(request["state"], state, "{line}\n{request:#}");
        request
    }

    /// It has failed with this code, and its words say so.
    pub(crate) fn fails(self, code: i32, says: &str) {
        let Self { line, code: was, out, err } = self;
        assert!(was == code && err.contains(says), "{line}\nexpected {code}, {says:?}; it was {was}: {err}{out}");
    }
}
