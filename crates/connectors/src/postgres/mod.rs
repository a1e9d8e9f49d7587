//! The PostgreSQL connector: a login per lease, with what its role maps to and nothing else, which the server itself lets
//! expire; and its removal, proven by asking again. For PostgreSQL 13 and later, with an administrative account that need
//! not be a superuser.
//!
//! Never runs code that a user of the target could have written, and never writes a statement but through [`sql`].

mod estate;
mod jobs;
mod login;
mod mint;
mod probe;
mod prolong;
mod revoke;
mod session;
mod sql;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::port::{Clock, Connector, ConnectorError, Entropy, Finding, Found, LeaseSecret, Probe};
use ajar_core::resource::{Kind, PostgresTarget, Resource, SecretSource};
use ajar_core::secret::Secret;
use async_trait::async_trait;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tracing::instrument;

use login::Login;
use revoke::Carried;
pub use revoke::{Step, StepHook, Then};
pub use session::Timeouts;
use session::{Account, Failure, Session, column};

/// Gets the secret that a file refers to; in words, without the secret, when it can't.
pub type SecretResolver = Arc<dyn Fn(&SecretSource) -> Result<Secret, String> + Send + Sync>;

/// What a [`PostgresConnector`] is made of.
pub struct Setup {
    /// Gets administrative passwords, each time one is used.
    pub secrets: SecretResolver,
    /// The policy directory, which relative paths in files are relative to.
    pub directory: PathBuf,
    /// For the comparison with the target's clock.
    pub clock: Arc<dyn Clock>,
    /// For the throw-away logins of [`Connector::probe`].
    pub entropy: Arc<dyn Entropy>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("directory", &self.directory).field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

/// Mints and revokes logins on PostgreSQL servers. Holds no connection between operations.
pub struct PostgresConnector {
    setup: Setup,
    hook: Option<StepHook>,
    /// What earlier, unfinished tries of a revocation did: the proof at the end tells all of it.
    unfinished: Mutex<HashMap<(String, String), Carried>>,
}

impl fmt::Debug for PostgresConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnector").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl PostgresConnector {
    /// A connector; it connects when it is used.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { setup, hook: None, unfinished: Mutex::default() }
    }

    /// Fault injection for tests: the hook is asked after each step of a revocation.
    #[doc(hidden)]
    #[must_use]
    pub fn with_step_hook(mut self, hook: StepHook) -> Self {
        self.hook = Some(hook);
        self
    }

    fn unfinished(&self) -> MutexGuard<'_, HashMap<(String, String), Carried>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects as the administrative account, to the resource's own database or another on its server.
    async fn admin(&self, target: &Target<'_>, database: &str) -> Result<Session, ConnectorError> {
        let misconfigured = |why| ConnectorError::Misconfigured { resource: target.resource.to_owned(), why };
        let password =
            (self.setup.secrets)(&target.pg.admin_password).map_err(|why| misconfigured(format!("its admin_password: {why}")))?;
        let account = Account { user: &target.pg.admin_user, password: &password, database };
        let tls = tls::of(&target.pg.tls, &self.setup.directory).await.map_err(misconfigured)?;
        Session::open(target.pg, &account, tls, &self.setup.timeouts).await.map_err(|failure| {
            let certain = [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_CATALOG_NAME,
                SqlState::INSUFFICIENT_PRIVILEGE,
            ];
            if certain.iter().any(|code| failure.is(code)) {
                misconfigured(format!("{} can't sign in to database {database}: {failure}", target.pg.admin_user))
            } else {
                failure.at(target.resource, "sign in")
            }
        })
    }

    /// Connects as a minted login, to see whether that works.
    async fn sign_in(&self, target: &Target<'_>, account: &Account<'_>) -> Result<Session, Failure> {
        let tls = tls::of(&target.pg.tls, &self.setup.directory).await.map_err(Failure::Broken)?;
        Session::open(target.pg, account, tls, &self.setup.timeouts).await
    }
}

/// A resource's name and its PostgreSQL part.
#[derive(Clone, Copy)]
struct Target<'a> {
    resource: &'a str,
    pg: &'a PostgresTarget,
}

impl<'a> Target<'a> {
    fn of(resource: &'a Resource) -> Result<Self, ConnectorError> {
        match &resource.kind {
            Kind::Postgres(pg) => Ok(Self { resource: resource.name.as_str(), pg }),
            Kind::Http(_) | Kind::Ssh(_) => {
                Err(ConnectorError::Misconfigured { resource: resource.name.to_string(), why: "it is no PostgreSQL database".into() })
            }
        }
    }

    fn misconfigured(&self, why: impl Into<String>) -> ConnectorError {
        ConnectorError::Misconfigured { resource: self.resource.to_owned(), why: why.into() }
    }

    fn refused(&self, step: &'static str, why: impl Into<String>) -> ConnectorError {
        ConnectorError::Refused { resource: self.resource.to_owned(), step, why: why.into() }
    }

    /// For `map_err`: tells a failure which step it was.
    fn at(self, step: &'static str) -> impl Fn(Failure) -> ConnectorError + use<'a> {
        move |failure| failure.at(self.resource, step)
    }
}

impl PostgresConnector {
    async fn remove(&self, resource: &Resource, login: &str) -> Result<RevocationProof, ConnectorError> {
        let target = Target::of(resource)?;
        revoke::revoke(self, target, &Login::parse(target.resource, login)?).await
    }
}

#[async_trait]
impl Connector for PostgresConnector {
    #[instrument(name = "mint", skip_all, fields(resource.name = %resource.name, lease.id = %intent.id))]
    async fn mint(&self, resource: &Resource, intent: &Intended, secret: &LeaseSecret) -> Result<(), ConnectorError> {
        mint::mint(self, Target::of(resource)?, intent, secret).await
    }

    #[instrument(name = "prolong", skip_all, fields(resource.name = %resource.name, lease.id = %intent.id))]
    async fn prolong(&self, resource: &Resource, intent: &Intended) -> Result<(), ConnectorError> {
        prolong::prolong(self, Target::of(resource)?, intent).await
    }

    #[instrument(name = "revoke on the target", skip_all, fields(resource.name = %resource.name, lease.id = %intent.id))]
    async fn revoke(&self, resource: &Resource, intent: &Intended) -> Result<RevocationProof, ConnectorError> {
        self.remove(resource, &intent.login).await
    }

    #[instrument(name = "inspect the target", skip_all, fields(resource.name = %resource.name))]
    async fn inspect(&self, resource: &Resource) -> Result<Vec<Found>, ConnectorError> {
        let target = Target::of(resource)?;
        let session = self.admin(&target, &target.pg.database).await?;
        let question = "SELECT r.rolname::text AS login, count(a.pid) AS connections FROM pg_roles r \
                        LEFT JOIN pg_stat_activity a ON a.usesysid = r.oid WHERE r.rolname ~ $1 GROUP BY 1 ORDER BY 1";
        let rows = session.rows(question, &[(&login::PATTERN, Type::TEXT)]).await.map_err(target.at("list logins"))?;
        rows.iter()
            .map(|row| {
                let connections: i64 = column(row, "connections")?;
                Ok(Found { login: column(row, "login")?, connections: u32::try_from(connections).unwrap_or(u32::MAX) })
            })
            .collect::<Result<_, Failure>>()
            .map_err(target.at("list logins"))
    }

    #[instrument(name = "remove an unknown login", skip_all, fields(resource.name = %resource.name))]
    async fn remove_unknown(&self, resource: &Resource, login: &str) -> Result<RevocationProof, ConnectorError> {
        self.remove(resource, login).await
    }
}

#[async_trait]
impl Probe for PostgresConnector {
    #[instrument(name = "probe the target", skip_all, fields(resource.name = %resource.name))]
    async fn probe(&self, resource: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        probe::probe(self, resource).await
    }
}
