//! A database of its own for each test, with what a team would have set up, and the connector on it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ajar_connectors::{PostgresConnector, Setup, StepHook, Timeouts};
use ajar_core::id::{GrantId, LeaseId};
use ajar_core::lease::Intended;
use ajar_core::port::{Clock, Entropy, LeaseSecret, Mono};
use ajar_core::resource::{Kind, Owners, PostgresRole, PostgresTarget, Resource, SecretSource, TargetTls};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use tokio::sync::OnceCell;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::server::{PASSWORD, Server};

static NEXT: AtomicU32 = AtomicU32::new(1);
static V15: OnceCell<Server> = OnceCell::const_new();
static V18: OnceCell<Server> = OnceCell::const_new();

/// The machine's own clock and randomness.
pub(crate) struct Real;

impl Clock for Real {
    #[expect(clippy::disallowed_methods, reason = "this is the test's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    fn mono(&self) -> Mono {
        Mono(0)
    }
}

impl Entropy for Real {
    fn fill(&self, out: &mut [u8]) {
        std::fs::File::open("/dev/urandom").unwrap().read_exact(out).unwrap();
    }

    fn uuid(&self, _: Timestamp) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Uuid::from_bytes(bytes)
    }
}

/// One test's world.
pub(crate) struct World<'s> {
    pub(crate) server: &'s Server,
    /// The database, and a number that its groups' names end with.
    pub(crate) database: String,
    pub(crate) number: u32,
    pub(crate) resource: Resource,
    pub(crate) connector: PostgresConnector,
    /// A superuser in the database.
    pub(crate) boss: Client,
}

impl World<'static> {
    /// A world on the server of this version that the tests share.
    pub(crate) async fn on(major: u32) -> Self {
        let cell = if major == 15 { &V15 } else { &V18 };
        let server = cell.get_or_init(|| async { Server::start(major, "scram-sha-256").await.forget_at_the_end() }).await;
        World::in_server(server).await
    }
}

impl<'s> World<'s> {
    pub(crate) async fn in_server(server: &'s Server) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("orders {number}");
        let boss = server.connect("postgres", PASSWORD, "postgres").await.unwrap();
        boss.batch_execute(&format!("CREATE DATABASE \"{database}\"")).await.unwrap();
        let boss = server.connect("postgres", PASSWORD, &database).await.unwrap();
        boss.batch_execute(&format!(
            "CREATE TABLE orders (id int PRIMARY KEY, what text); INSERT INTO orders VALUES (1, 'a'), (2, 'b');
             CREATE ROLE read_{number}; GRANT SELECT ON orders TO read_{number};
             CREATE ROLE write_{number}; GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON orders TO write_{number};
             GRANT CREATE, USAGE ON SCHEMA public TO write_{number}; GRANT CREATE, TEMPORARY ON DATABASE \"{database}\" TO write_{number};
             GRANT read_{number}, write_{number} TO ajar_admin WITH ADMIN OPTION"
        ))
        .await
        .unwrap();
        let role = |group: &str| PostgresRole { member_of: vec![format!("{group}_{number}")], ..PostgresRole::default() };
        let resource = Resource {
            name: "orders-db".parse().unwrap(),
            description: String::new(),
            labels: BTreeMap::new(),
            owners: Owners::default(),
            default_role: None,
            role_descriptions: BTreeMap::new(),
            kind: Kind::Postgres(PostgresTarget {
                host: "127.0.0.1".to_owned(),
                port: server.port,
                database: database.clone(),
                tls: TargetTls::Verify { ca_file: "ca.pem".to_owned() },
                admin_user: "ajar_admin".to_owned(),
                admin_password: SecretSource::Env("ADMIN".to_owned()),
                roles: [("read".parse().unwrap(), role("read")), ("write".parse().unwrap(), role("write"))].into(),
            }),
        };
        Self { server, database, number, resource, connector: connector(server), boss }
    }

    /// A connector whose revocations ask `hook` after each step.
    pub(crate) fn hooked(&self, hook: StepHook) -> PostgresConnector {
        connector(self.server).with_step_hook(hook)
    }

    pub(crate) fn target(&mut self) -> &mut PostgresTarget {
        match &mut self.resource.kind {
            Kind::Postgres(target) => target,
            Kind::Http(_) | Kind::Ssh(_) => panic!("a PostgreSQL database"),
        }
    }

    /// Adds a role to the resource.
    pub(crate) fn add_role(&mut self, name: &str, role: PostgresRole) {
        self.target().roles.insert(name.parse().unwrap(), role);
    }

    /// An intent for a role of the resource, for ten minutes.
    pub(crate) fn intent(&self, role: &str) -> Intended {
        let id = LeaseId::new(Real.uuid(Real.now()));
        Intended {
            id,
            grant: GrantId::new(Real.uuid(Real.now())),
            resource: self.resource.name.clone(),
            role: role.parse().unwrap(),
            login: format!("ajar_{}", id.to_string().strip_prefix("lease_").unwrap()),
            valid_until: Real.now().after(Span::from_secs(600)),
            files: None,
            serial: None,
            at: Real.now(),
        }
    }

    /// Mints a login for a role.
    pub(crate) async fn minted(&self, role: &str) -> (Intended, LeaseSecret) {
        use ajar_core::port::Connector as _;
        let (intent, secret) = (self.intent(role), secret());
        self.connector.mint(&self.resource, &intent, &secret).await.unwrap();
        (intent, secret)
    }

    /// Signs in with a minted login.
    pub(crate) async fn sign_in(&self, minted: &(Intended, LeaseSecret)) -> Result<Client, tokio_postgres::Error> {
        self.server.connect(&minted.0.login, minted.1.password.expose(), &self.database).await
    }

    /// One number from the database, as the superuser.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.boss.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Whether a role is there.
    pub(crate) async fn there(&self, role: &str) -> bool {
        self.count(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'")).await == 1
    }
}

/// The connector, with the server's directory for its policy directory.
pub(crate) fn connector(server: &Server) -> PostgresConnector {
    connector_with(server, |_| ())
}

/// The same, more or less patient.
pub(crate) fn connector_with(server: &Server, change: impl FnOnce(&mut Timeouts)) -> PostgresConnector {
    let mut timeouts = Timeouts { lock: Duration::from_millis(500), ..Timeouts::default() };
    change(&mut timeouts);
    PostgresConnector::new(Setup {
        secrets: Arc::new(|_| Ok(Secret::new(PASSWORD.to_owned()))),
        directory: server.dir.path().to_owned(),
        clock: Arc::new(Real),
        entropy: Arc::new(Real),
        timeouts,
    })
}

/// A random password and salt, as the engine makes them.
pub(crate) fn secret() -> LeaseSecret {
    let mut salt = [0; 16];
    Real.fill(&mut salt);
    LeaseSecret { password: Secret::new(Real.uuid(Real.now()).to_string()), salt }
}

/// The SQLSTATE of a refusal.
pub(crate) fn code<T>(result: Result<T, tokio_postgres::Error>) -> String {
    match result {
        Ok(_) => "it worked".to_owned(),
        Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    }
}

/// Each test on PostgreSQL 15 and on 18.
#[macro_export]
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($($world:tt)+) $body:block)*) => {
        $(
            $(#[$doc])*
            mod $name {
                #[allow(unused_imports, clippy::allow_attributes, reason = "not every test needs all of them")]
                use super::*;

                async fn test($($world)+: $crate::world::World<'static>) $body

                #[tokio::test]
                async fn on_15() {
                    test($crate::world::World::on(15).await).await;
                }

                #[tokio::test]
                async fn on_18() {
                    test($crate::world::World::on(18).await).await;
                }
            }
        )*
    };
}
