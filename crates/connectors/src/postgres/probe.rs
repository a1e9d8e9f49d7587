//! The set-up check (R6): does on the target, with throw-away logins, everything that a grant will need, and says what to
//! mend where it can't. Logins that it makes have our names, so that the reconciler would find one that it left behind.

use std::net::IpAddr;

use ajar_core::id::{GrantId, LeaseId};
use ajar_core::lease::Intended;
use ajar_core::name::RoleName;
use ajar_core::port::{Connector as _, ConnectorError, Finding, LeaseSecret, Severity};
use ajar_core::resource::{PostgresRole, Resource, TargetTls};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::session::{Account, Failure, Session, column, inert};
use super::sql::{Ident, Sql};
use super::{PostgresConnector, Target, mint};

/// The oldest version that is served, as `server_version_num`.
const OLDEST: i32 = 130_000;
/// How far the clocks may be apart, in milliseconds, before somebody should look.
const CLOCKS: u64 = 2_000;
/// How long a throw-away login could be used if the probe broke off.
const VALID: Span = Span::from_secs(120);

pub(super) async fn probe(connector: &PostgresConnector, resource: &Resource) -> Result<Vec<Finding>, ConnectorError> {
    let target = Target::of(resource)?;
    let mut probe = Probe { connector, resource, target, findings: Vec::new() };
    probe.all().await;
    Ok(probe.findings)
}

struct Probe<'a> {
    connector: &'a PostgresConnector,
    resource: &'a Resource,
    target: Target<'a>,
    findings: Vec<Finding>,
}

/// What the target says of itself and of the administrative account.
struct Facts {
    version: i32,
    superuser: bool,
}

impl Probe<'_> {
    fn tell(&mut self, severity: Severity, check: &str, result: impl Into<String>) {
        self.findings.push(Finding { severity, check: check.to_owned(), result: result.into() });
    }

    async fn all(&mut self) {
        self.protected();
        let check = format!("sign in as {}", self.target.pg.admin_user);
        let session = match self.connector.admin(&self.target, &self.target.pg.database).await {
            Ok(session) => session,
            Err(error) => {
                let words = format!(
                    "{error}; see host, port, tls, admin_user and admin_password, and the target's pg_hba.conf. A pooler won't do: name the server itself"
                );
                return self.tell(Severity::Bad, &check, words);
            }
        };
        self.tell(Severity::Good, &check, format!("signed in to database {}", self.target.pg.database));
        let facts = match self.facts(&session).await {
            Ok(facts) => facts,
            Err(failure) => return self.tell(Severity::Bad, "administrative account", failure.to_string()),
        };
        let target = self.target;
        if target.pg.roles.is_empty() {
            self.tell(Severity::Warning, "roles", "the resource has no role: nobody can ask for anything");
        }
        let mut usable = Vec::new();
        for (name, role) in &target.pg.roles {
            if self.role(&session, &facts, name, role).await {
                usable.push((name, role));
            }
        }
        if let Some((name, role)) = usable.first() {
            self.in_and_out(name, role).await;
            self.expiry(name, role).await;
        }
    }

    fn protected(&mut self) {
        let host = &self.target.pg.host;
        let near = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match self.target.pg.tls {
            TargetTls::Verify { .. } | TargetTls::System => self.tell(Severity::Good, "encryption", "TLS, certificate and name verified"),
            TargetTls::Off if near => self.tell(Severity::Good, "encryption", "none, and the target is on this host"),
            TargetTls::Off => {
                let words = format!(
                    "none on the way to {host}: passwords' proofs and data can be read and changed there. Turn TLS on and name a ca_file"
                );
                self.tell(Severity::Warning, "encryption", words);
            }
        }
    }

    async fn facts(&mut self, session: &Session) -> Result<Facts, Failure> {
        let question = "SELECT current_setting('server_version_num')::int4 AS version, current_setting('server_version') AS words, \
                          pg_is_in_recovery() AS standby, r.rolsuper AS super, r.rolcreaterole AS creates, r.rolinherit AS inherits, \
                          floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 AS clock FROM pg_roles r WHERE r.rolname = session_user";
        let row = session.row(question, &[]).await?;
        let here = self.connector.setup.clock.now();
        let facts = Facts { version: column(&row, "version")?, superuser: column(&row, "super")? };
        let words: String = inert(column(&row, "words")?);
        if facts.version < OLDEST {
            self.tell(Severity::Bad, "version", format!("PostgreSQL {words} is too old: 13 or later is needed"));
        } else {
            self.tell(Severity::Good, "version", format!("PostgreSQL {words}"));
        }
        if column(&row, "standby")? {
            self.tell(Severity::Bad, "primary", "it is a standby, on which no login can be made: name the primary");
        }
        let there = Timestamp::from_millis(column(&row, "clock")?);
        let apart = here.since(there).as_millis().max(there.since(here).as_millis());
        if apart > CLOCKS {
            let words =
                format!("the target's is {} away from ours: logins expire by the target's. Let both follow NTP", Span::from_millis(apart));
            self.tell(Severity::Warning, "clock", words);
        } else {
            self.tell(Severity::Good, "clock", "within two seconds of ours");
        }
        let admin = quoted(&self.target.pg.admin_user);
        let check = "administrative account";
        if facts.superuser {
            let words = format!(
                "{admin} is a superuser, which is more than it needs: make it ALTER ROLE {admin} NOSUPERUSER CREATEROLE, and grant it the roles of this resource WITH ADMIN OPTION"
            );
            self.tell(Severity::Warning, check, words);
        } else if !column(&row, "creates")? {
            self.tell(Severity::Bad, check, format!("{admin} can't make logins. As a superuser: ALTER ROLE {admin} CREATEROLE"));
        } else if facts.version < 160_000 && !column(&row, "inherits")? {
            let words = format!(
                "{admin} can't use the rights of logins that it makes, to end and clear up after them. As a superuser: ALTER ROLE {admin} INHERIT"
            );
            self.tell(Severity::Bad, check, words);
        } else {
            self.tell(Severity::Good, check, format!("{admin} can make logins and is no superuser"));
        }
        Ok(facts)
    }

    /// Whether a login with this role can be made and taken away.
    async fn role(&mut self, session: &Session, facts: &Facts, name: &RoleName, role: &PostgresRole) -> bool {
        let check = format!("role {name}");
        let (intent, secret) = self.throw_away(name, self.valid_until());
        let made = self.make(session, role, &intent, &secret).await;
        let gone = self.connector.revoke(self.resource, &intent).await;
        match (made, gone) {
            (Ok(()), Ok(_)) => {
                self.tell(Severity::Good, &check, "a login was made with it, and dropped again");
                true
            }
            (Err(error), _) => {
                let mut words = error.to_string();
                let lacking = if facts.superuser { Ok(Vec::new()) } else { self.lacking(session, facts, role).await };
                for statement in lacking.unwrap_or_default() {
                    words.push_str(". As a superuser: ");
                    words.push_str(&statement);
                }
                self.tell(Severity::Bad, &check, words);
                false
            }
            (Ok(()), Err(error)) => {
                self.tell(Severity::Bad, &check, format!("a login was made with it, but could not be taken away again: {error}"));
                false
            }
        }
    }

    /// The statements that would let the administrative account give the role's memberships.
    async fn lacking(&self, session: &Session, facts: &Facts, role: &PostgresRole) -> Result<Vec<String>, Failure> {
        if facts.version < 160_000 {
            return Ok(Vec::new());
        }
        let question = "SELECT rolname::text AS name FROM pg_roles WHERE rolname::text = ANY ($1) \
                        AND NOT pg_has_role(session_user, oid, 'MEMBER WITH ADMIN OPTION') ORDER BY 1";
        // The failed transaction is over first.
        session.run(&Sql::new("ROLLBACK")).await?;
        let rows = session.rows(question, &[(&role.member_of, Type::TEXT_ARRAY)]).await?;
        let statement = |name: String| format!("GRANT {} TO {} WITH ADMIN OPTION", quoted(&name), quoted(&self.target.pg.admin_user));
        rows.iter().map(|row| Ok(statement(column(row, "name")?))).collect()
    }

    /// Signs in with a throw-away login, and sees that its end cuts the connection.
    async fn in_and_out(&mut self, name: &RoleName, role: &PostgresRole) {
        let (intent, secret) = self.throw_away(name, self.valid_until());
        if let Some(live) = self.made_and_signed_in(role, &intent, &secret).await {
            match self.connector.revoke(self.resource, &intent).await {
                Ok(proof) => {
                    let dead = live.row("SELECT 1 AS one", &[]).await.is_err();
                    if dead && proof.terminated > 0 {
                        self.tell(Severity::Good, "end", "its live connection was cut, it was dropped, and the target shows nothing of it");
                    } else {
                        self.tell(
                            Severity::Bad,
                            "end",
                            "a connection outlives its login: is there a pooler in between? Name the server itself",
                        );
                    }
                }
                Err(error) => self.tell(Severity::Bad, "end", error.to_string()),
            }
        } else if let Err(error) = self.connector.revoke(self.resource, &intent).await {
            self.tell(Severity::Bad, "end", error.to_string());
        }
    }

    async fn made_and_signed_in(&mut self, role: &PostgresRole, intent: &Intended, secret: &LeaseSecret) -> Option<Session> {
        let check = "sign in with a login";
        if let Err(error) = self.make_anew(role, intent, secret).await {
            self.tell(Severity::Bad, check, error.to_string());
            return None;
        }
        // Somebody else's password: the server has to refuse it.
        let (_, other) = self.throw_away(&intent.role, intent.valid_until);
        match self.sign_in(intent, &other).await {
            Ok(_) => {
                let words =
                    "the target takes any password for it: its pg_hba.conf says trust (or the like) for our address. Make it scram-sha-256";
                self.tell(Severity::Bad, check, words);
                return None;
            }
            Err(failure) if failure.is(&SqlState::INVALID_PASSWORD) => {}
            Err(failure) => {
                self.tell(Severity::Bad, check, format!("{failure}. Let its pg_hba.conf take logins from our address by scram-sha-256"));
                return None;
            }
        }
        match self.sign_in(intent, secret).await {
            Ok(session) => {
                self.tell(Severity::Good, check, "by SCRAM, and not with another password");
                Some(session)
            }
            Err(failure) => {
                self.tell(Severity::Bad, check, format!("{failure}. Let its pg_hba.conf take logins from our address by scram-sha-256"));
                None
            }
        }
    }

    /// INVARIANT I12: sees that the target refuses a login past its `VALID UNTIL`. A pooler that keeps passwords may not
    /// (CVE-2025-2291).
    async fn expiry(&mut self, name: &RoleName, role: &PostgresRole) {
        let (intent, secret) = self.throw_away(name, Timestamp::EPOCH);
        match self.make_anew(role, &intent, &secret).await {
            Ok(()) => match self.sign_in(&intent, &secret).await {
                Ok(_) => {
                    let words = "the target lets an expired login in: a pooler in between, or a pg_hba.conf that asks for no password. Access would outlive its grant if Ajar were down";
                    self.tell(Severity::Bad, "expiry", words);
                }
                Err(failure) if failure.is(&SqlState::INVALID_PASSWORD) => {
                    self.tell(Severity::Good, "expiry", "the target itself refuses an expired login");
                }
                Err(failure) => self.tell(Severity::Bad, "expiry", format!("can't be seen: {failure}")),
            },
            Err(error) => self.tell(Severity::Bad, "expiry", error.to_string()),
        }
        if let Err(error) = self.connector.revoke(self.resource, &intent).await {
            self.tell(Severity::Bad, "expiry", format!("the throw-away login could not be taken away: {error}"));
        }
    }

    fn valid_until(&self) -> Timestamp {
        self.connector.setup.clock.now().after(VALID)
    }

    fn throw_away(&self, role: &RoleName, valid_until: Timestamp) -> (Intended, LeaseSecret) {
        let now = self.connector.setup.clock.now();
        let entropy = &self.connector.setup.entropy;
        let id = LeaseId::new(entropy.uuid(now));
        let visible = id.to_string();
        let mut random = [0; 48];
        entropy.fill(&mut random);
        let (salt, key) = random.split_at(16);
        let intent = Intended {
            id,
            grant: GrantId::new(entropy.uuid(now)),
            resource: self.resource.name.clone(),
            role: role.clone(),
            login: format!("ajar_{}", visible.strip_prefix("lease_").unwrap_or(&visible)),
            valid_until,
            files: None,
            serial: None,
            at: now,
        };
        let password = key.iter().map(|byte| format!("{byte:02x}")).collect();
        (intent, LeaseSecret { password: Secret::new(password), salt: salt.try_into().unwrap_or_default() })
    }

    async fn make(&self, session: &Session, role: &PostgresRole, intent: &Intended, secret: &LeaseSecret) -> Result<(), ConnectorError> {
        mint::make(session, self.target, &mint::Wanted::of(self.target, role, intent, secret)?).await
    }

    async fn make_anew(&self, role: &PostgresRole, intent: &Intended, secret: &LeaseSecret) -> Result<(), ConnectorError> {
        let session = self.connector.admin(&self.target, &self.target.pg.database).await?;
        self.make(&session, role, intent, secret).await
    }

    async fn sign_in(&self, intent: &Intended, secret: &LeaseSecret) -> Result<Session, Failure> {
        let account = Account { user: &intent.login, password: &secret.password, database: &self.target.pg.database };
        self.connector.sign_in(&self.target, &account).await
    }
}

/// A name as a statement would write it, for people to copy.
fn quoted(name: &str) -> String {
    Ident::new(name).map_or_else(|_| inert(name), |ident| inert(Sql::default().ident(&ident).text()))
}
