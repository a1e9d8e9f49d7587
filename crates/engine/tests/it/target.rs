//! A target with logins, that goes down, hangs and fails between any two of its steps. What it holds outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::id::LeaseId;
use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::port::{Clock, Connector, ConnectorError, Finding, Found, LeaseSecret, Probe};
use ajar_core::resource::Resource;
use ajar_core::time::Timestamp;
use async_trait::async_trait;

use crate::weather::Weather;

struct Login {
    /// On which server.
    host: String,
    password: String,
    valid_until: Timestamp,
    enabled: bool,
    connections: u32,
}

#[derive(Default)]
struct Inside {
    logins: BTreeMap<String, Login>,
    /// Logins whose intent is durable.
    intents: BTreeMap<LeaseId, String>,
}

/// See the module.
pub(crate) struct Target {
    inside: Mutex<Inside>,
    weather: Arc<Weather>,
}

impl Target {
    pub(crate) fn new(weather: &Arc<Weather>) -> Self {
        Self { inside: Mutex::default(), weather: Arc::clone(weather) }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An intent has become durable.
    pub(crate) fn expect(&self, lease: LeaseId, login: &str) {
        self.inside().intents.insert(lease, login.to_owned());
    }

    /// Whether a lease's login is there.
    pub(crate) fn has(&self, lease: LeaseId) -> bool {
        let inside = self.inside();
        inside.intents.get(&lease).is_some_and(|login| inside.logins.contains_key(login))
    }

    /// Every login that is there.
    pub(crate) fn logins(&self) -> Vec<String> {
        self.inside().logins.keys().cloned().collect()
    }

    /// Connections that live.
    pub(crate) fn connected(&self) -> u32 {
        self.inside().logins.values().map(|l| l.connections).sum()
    }

    /// The logins of no intent.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let inside = self.inside();
        inside.logins.keys().filter(|login| !inside.intents.values().any(|i| i == *login)).cloned().collect()
    }

    /// When each login expires by itself.
    pub(crate) fn expiries(&self) -> Vec<Timestamp> {
        self.inside().logins.values().map(|l| l.valid_until).collect()
    }

    /// A login that nobody of ours made.
    pub(crate) fn plant(&self, login: &str) {
        let planted = Login {
            host: "127.0.0.1".into(),
            password: String::new(),
            valid_until: Timestamp::from_millis(i64::MAX),
            enabled: true,
            connections: 1,
        };
        self.inside().logins.insert(login.to_owned(), planted);
    }

    /// Somebody signs in.
    pub(crate) fn connect(&self, login: &str, password: &str) -> bool {
        if self.weather.state().target_down {
            return false;
        }
        let now = self.weather.now();
        let mut inside = self.inside();
        let Some(found) = inside.logins.get_mut(login) else { return false };
        let in_order = found.enabled && found.password == password && now < found.valid_until;
        found.connections += u32::from(in_order);
        in_order
    }

    /// A connection is closed.
    pub(crate) fn disconnect(&self, login: &str) {
        if let Some(found) = self.inside().logins.get_mut(login) {
            found.connections = found.connections.saturating_sub(1);
        }
    }

    /// The process is gone, and with it its connections.
    pub(crate) fn hang_up(&self) {
        for login in self.inside().logins.values_mut() {
            login.connections = 0;
        }
    }

    async fn step(&self, what: &'static str) -> Result<(), ConnectorError> {
        self.weather.step(what).await;
        let unreachable = |why: &str| ConnectorError::Unreachable { resource: "orders-db".into(), why: why.into() };
        if self.weather.state().target_down {
            return Err(unreachable("it is down"));
        }
        if self.weather.fails() { Err(unreachable("the connection broke")) } else { Ok(()) }
    }

    /// On one server: what another has stays.
    async fn remove(&self, host: &str, login: &str) -> Result<RevocationProof, ConnectorError> {
        self.step("disabling a login").await?;
        if let Some(found) = self.inside().logins.get_mut(login).filter(|l| l.host == host) {
            found.enabled = false;
        }
        self.step("terminating connections").await?;
        let mut terminated = 0;
        if let Some(found) = self.inside().logins.get_mut(login).filter(|l| l.host == host) {
            terminated = std::mem::take(&mut found.connections);
        }
        self.step("dropping a login").await?;
        let here = |inside: &Inside| inside.logins.get(login).is_some_and(|l| l.host == host);
        self.inside().logins.retain(|name, l| name != login || l.host != host);
        self.step("reading back").await?;
        if here(&self.inside()) {
            let why = "it is listed".into();
            return Err(ConnectorError::StillThere { resource: "orders-db".into(), login: login.into(), why });
        }
        let (asked, answer) = ("the list of logins".into(), "not in it".into());
        Ok(RevocationProof { terminated, owned: 0, findings: Vec::new(), asked, answer })
    }
}

#[async_trait]
impl Connector for Target {
    async fn mint(&self, resource: &Resource, intent: &Intended, secret: &LeaseSecret) -> Result<(), ConnectorError> {
        self.step("making a login").await?;
        if !self.inside().intents.contains_key(&intent.id) {
            self.weather.blame(format!("I10: {} is made before its intent is durable", intent.login));
        }
        let host = resource.address().0.to_owned();
        let login =
            Login { host, password: secret.password.expose().to_owned(), valid_until: intent.valid_until, enabled: true, connections: 0 };
        self.inside().logins.insert(intent.login.clone(), login);
        self.step("a login that was made").await
    }

    async fn prolong(&self, _: &Resource, intent: &Intended) -> Result<(), ConnectorError> {
        self.step("moving a login's expiry").await?;
        if let Some(found) = self.inside().logins.get_mut(&intent.login).filter(|l| l.enabled) {
            found.valid_until = intent.valid_until;
        }
        self.step("an expiry that was moved").await
    }

    async fn revoke(&self, resource: &Resource, intent: &Intended) -> Result<RevocationProof, ConnectorError> {
        self.remove(resource.address().0, &intent.login).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Vec<Found>, ConnectorError> {
        self.step("listing logins").await?;
        let host = resource.address().0;
        Ok(self
            .inside()
            .logins
            .iter()
            .filter(|(_, l)| l.host == host)
            .map(|(login, l)| Found { login: login.clone(), connections: l.connections })
            .collect())
    }

    async fn remove_unknown(&self, resource: &Resource, login: &str) -> Result<RevocationProof, ConnectorError> {
        self.remove(resource.address().0, login).await
    }
}

#[async_trait]
impl Probe for Target {
    async fn probe(&self, _: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}
