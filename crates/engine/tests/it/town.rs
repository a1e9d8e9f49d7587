//! A small company and its control plane, started again and again on the same store and target.

use std::sync::Arc;
use std::time::Duration;

use ajar_core::directory::{PrincipalEvent, Scope};
use ajar_core::event::{Actor, Event, Proof};
use ajar_core::id::GrantId;
use ajar_core::permit::GrantSigner;
use ajar_core::port::{
    Access, Admission, Clock, CutReason, Door, HeldNotice, Identified, Knock, Opening, Order, Otherwise, Refusal, SessionReport, Wishes,
};
use ajar_core::session::EndReason;
use ajar_engine::{Caller, Config, Engine, Keys, NewRequest, Parts, StartError};
use ajar_ledger::note::Signer;
use ajar_policy::Files;

use crate::memory::Memory;
use crate::target::Target;
use crate::weather::Weather;

/// Two developers (one with a second account), two owners, an operator. `read` needs one owner, `write` both, `status` nobody.
pub(crate) const FILES: &str = r#"
[[resource]]
name = "orders-db"
kind = "postgres"
owners = ["group:orders"]
host = "127.0.0.1"
database = "orders"
tls = "off"
admin = { user = "admin", password = { env = "NONE" } }
[resource.roles.read]
member_of = ["r"]
[resource.roles.write]
member_of = ["w"]
[resource.roles.status]
member_of = ["s"]

[[group]]
name = "engineers"
members = ["dev", "dev2", "peer"]
[[group]]
name = "orders"
members = ["peer", "other", "dev2"]

[[user]]
name = "dev"
[[user]]
name = "dev2"
same_person_as = ["dev"]
[[user]]
name = "peer"
[[user]]
name = "other"
[[user]]
name = "guest"
[[user]]
name = "boss"
may = ["operate"]

[[rule]]
name = "read"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read"]
max = "30m"
default = "5m"
approve = { from = ["owners"], within = "10m" }
[[rule]]
name = "write"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
max = "10m"
approve = { from = ["owners"], needed = 2, within = "10m" }
[[rule]]
name = "status"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["status"]
max = "10m"
default = "1m"
approve = "auto"
extend = { times = 3 }
"#;

/// Everything that outlives a process.
pub(crate) struct Town {
    pub(crate) weather: Arc<Weather>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) target: Arc<Target>,
}

impl Town {
    pub(crate) fn new(seed: u64) -> Self {
        let weather = Arc::new(Weather::of(seed));
        let target = Arc::new(Target::new(&weather));
        Self { memory: Arc::new(Memory::beside(&weather, &target)), weather, target }
    }

    /// A process's whole life, in its own runtime with its own time; `None` when it was killed.
    pub(crate) fn live<T>(&self, life: impl AsyncFnOnce(Arc<Engine>) -> T) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let lived = runtime.block_on(async {
            self.weather.begin();
            let whole = async {
                let engine = self.start().await.unwrap_or_else(|e| panic!("it must start whatever happened before: {e}"));
                let value = life(Arc::clone(&engine)).await;
                engine.stop().await;
                value
            };
            tokio::select! {
                biased;
                () = self.weather.crashed() => None,
                value = whole => Some(value),
            }
        });
        self.weather.end();
        self.weather.state().crashed = true;
        drop(runtime);
        self.target.hang_up();
        lived
    }

    async fn start(&self) -> Result<Arc<Engine>, StartError> {
        let keys = Keys { grants: GrantSigner::new(&[7; 32]), ledger: Signer::from_seed("ajar/ledger", &[9; 32]).unwrap() };
        let config = Config { public_url: "https://ajar.test".into(), recordings: "/nowhere".into() };
        let parts = Parts {
            store: Arc::clone(&self.memory) as _,
            postgres: Arc::clone(&self.target) as _,
            http: Arc::clone(&self.target) as _,
            ssh: Arc::clone(&self.target) as _,
            authority: None,
            clock: Arc::clone(&self.weather) as _,
            entropy: Arc::clone(&self.weather) as _,
            keys,
        };
        Engine::start(config, parts).await
    }

    pub(crate) fn caller(&self, name: &str) -> Caller {
        let disk = self.memory.disk();
        let mut added =
            disk.events().into_iter().filter_map(|e| if let Event::Principal(PrincipalEvent::Added(a)) = e.event { Some(a) } else { None });
        let id = added.find(|a| disk.value(a.name) == Some(name)).expect("the files name them").id;
        Caller { principal: id, name: name.parse().unwrap(), actor: Actor::Principal { id, proof: Proof::Password }, scope: Scope::Full }
    }

    pub(crate) fn identified(&self, name: &str) -> Identified {
        let caller = self.caller(name);
        Identified { principal: caller.principal, name: caller.name, actor: caller.actor }
    }

    /// A connection from the knock to its end, as a gateway would carry it.
    pub(crate) async fn session(&self, engine: &Arc<Engine>, who: &str, role: &str, stay: Duration) -> Result<GrantId, Refusal> {
        let wishes = Wishes { role: Some(role.into()), reason: Some("why not".into()), duration: None, ticket: None, scope: None };
        let knock =
            Knock { resource: "orders-db".into(), protocol: "postgres", wishes, client: [127, 0, 0, 1].into(), otherwise: Otherwise::Hold };
        let opening = match engine.knock(&self.identified(who), knock).await? {
            Admission::Open(opening) => *opening,
            told @ (Admission::Asked(_) | Admission::Unasked { .. }) => unreachable!("who waits is held, and not only told of {told:?}"),
            Admission::Held(mut held) => loop {
                match held.waiting.next().await {
                    HeldNotice::Say(_) => {}
                    HeldNotice::Open(opening) => break *opening,
                    HeldNotice::Refused(refusal) => {
                        let reason = EndReason::Refused;
                        engine.ended(report(held.session, reason)).await;
                        return Err(refusal);
                    }
                }
            },
        };
        let (session, grant) = (opening.session, opening.grant.claims.grant);
        let reason = self.carry(engine, opening, stay).await;
        engine.ended(report(session, reason)).await;
        Ok(grant)
    }

    async fn carry(&self, engine: &Arc<Engine>, mut opening: Opening, stay: Duration) -> EndReason {
        let (now, mono) = (self.weather.now(), self.weather.mono());
        let Access::Login { login, secret, .. } = opening.access.clone() else { return EndReason::FailedToOpen };
        if engine.grant_verifier().permit(&opening.grant, now).is_err() || !self.target.connect(&login, secret.password.expose()) {
            return EndReason::FailedToOpen;
        }
        let nanos = |span: ajar_core::time::Span| u64::try_from(Duration::from(span).as_nanos()).unwrap();
        let mut held = opening.grant.claims.clone();
        let mut over = mono.0.saturating_add(nanos(held.ends_at.since(now)));
        let leaves = tokio::time::Instant::now() + stay;
        let reason = loop {
            let order = opening.orders.current();
            if let Order::Cut(reason) = order {
                break match reason {
                    CutReason::ServerStopping => EndReason::ServerStopped,
                    CutReason::Killed => EndReason::Killed,
                    CutReason::Expired
                    | CutReason::Returned
                    | CutReason::Revoked
                    | CutReason::Locked
                    | CutReason::PrincipalDisabled
                    | CutReason::ResourceRemoved => EndReason::Cut,
                };
            }
            let (now, mono) = (self.weather.now(), self.weather.mono().0);
            if now >= held.ends_at || mono >= over {
                break EndReason::Cut;
            }
            if let Order::GoOn(signed) = order
                && signed.claims.grant != held.grant
                && engine.grant_verifier().permit(&signed, now).is_ok()
            {
                let to = &signed.claims;
                if (to.principal, &to.resource, &to.role) != (held.principal, &held.resource, &held.role) {
                    self.weather.blame(format!("I07: {} is moved on to {to:?}", opening.session));
                }
                over = over.saturating_add(nanos(to.ends_at.since(held.ends_at))).min(mono.saturating_add(nanos(to.ends_at.since(now))));
                held = to.clone();
                self.weather.tell(format!("{} goes on under {}", opening.session, held.grant));
            }
            let grant = held.grant;
            if tokio::time::Instant::now() >= leaves {
                break EndReason::ClientLeft;
            }
            let (passed, end) = (self.weather.passed(), self.weather.state().ends[&grant]);
            // A session that came in after the clock had stepped back is cut by the engine, within its own few milliseconds.
            if passed > end + Duration::from_millis(200) {
                self.weather.blame(format!("I09: {} lives {:?} after the end of {grant}", opening.session, passed - end));
            }
            let wait = Duration::from_nanos(over.saturating_sub(self.weather.mono().0)).min(Duration::from_millis(100));
            tokio::select! {
                biased;
                _ = opening.orders.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        };
        self.target.disconnect(&login);
        reason
    }
}

fn report(session: ajar_core::id::SessionId, reason: EndReason) -> SessionReport {
    SessionReport { session, reason, recording: None, bytes_in: 1, bytes_out: 2, late_ms: None }
}

pub(crate) fn files() -> Files {
    [("all.toml".to_owned(), FILES.to_owned())].into()
}

/// The files without somebody: whoever is not listed can do nothing any more.
pub(crate) fn files_without(name: &str) -> Files {
    let text = FILES.replace(&format!("[[user]]\nname = \"{name}\"\n"), &format!("[[user]]\nname = \"{name}\"\ndisabled = true\n"));
    assert_ne!(text, FILES);
    [("all.toml".to_owned(), text)].into()
}

pub(crate) fn ask(role: &str, duration: Option<&str>) -> NewRequest {
    NewRequest {
        resource: "orders-db".into(),
        role: Some(role.into()),
        duration: duration.map(str::to_owned),
        reason: "why not".into(),
        ..NewRequest::default()
    }
}
