//! Taking a login away, in steps that may each be repeated and after each of which the work may break off: disable →
//! terminate → roll back what it prepared → compare → hand over → drop → ask again.
//!
//! INVARIANT I11: a proof is made only from the target's own answers after the last step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::lease::RevocationProof;
use ajar_core::port::ConnectorError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::login::Login;
use super::session::{Failure, Session, column};
use super::sql::{Ident, Literal, Sql};
use super::{PostgresConnector, Target, estate, jobs};

/// How long to wait between two looks at connections that are being terminated.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The most findings that one proof tells.
const MAX_FINDINGS: usize = 200;

/// The steps of a revocation, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// No new sign-in: `NOLOGIN`, no password, expired.
    Disable,
    /// The administrative account becomes a member of the login, to be allowed the rest.
    Reach,
    /// Its connections are cut, and none is left.
    Terminate,
    /// Transactions that it prepared are rolled back: they hold locks and outlive connections.
    RollBackPrepared,
    /// What it left behind against the rules is looked for (R5).
    Compare,
    /// What it owns is handed over, in every database.
    HandOver,
    /// The login is dropped.
    Drop,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Disable, Self::Reach, Self::Terminate, Self::RollBackPrepared, Self::Compare, Self::HandOver, Self::Drop];
}

/// What a [`StepHook`] wants after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Go on.
    Go,
    /// Do the step again.
    Again,
    /// Break off, as if the connection were lost.
    Fail,
}

/// Asked after each step.
pub type StepHook = Arc<dyn Fn(Step) -> Then + Send + Sync>;

/// What a revocation has done so far, over all its tries.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried {
    pub(super) terminated: BTreeSet<i32>,
    pub(super) owned: u32,
    findings: Vec<String>,
}

impl Carried {
    pub(super) fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS && !self.findings.contains(&finding) {
            self.findings.push(finding);
        } else if self.findings.len() == MAX_FINDINGS {
            self.findings.push("and more".to_owned());
        }
    }
}

/// Removes the login, or proves that it isn't there.
pub(super) async fn revoke(connector: &PostgresConnector, target: Target<'_>, login: &Login) -> Result<RevocationProof, ConnectorError> {
    let key = (target.resource.to_owned(), login.name().to_owned());
    let carried = connector.unfinished().get(&key).cloned().unwrap_or_default();
    let session = connector.admin(&target, &target.pg.database).await?;
    let mut work = Work { connector, target, login, session, oid: None, version: 0, superuser: false, admin: None, carried };
    let done = work.all().await;
    // Told at the end by whichever try gets there.
    match done {
        Ok(_) => connector.unfinished().remove(&key),
        Err(_) => connector.unfinished().insert(key, work.carried),
    };
    done
}

/// One try.
pub(super) struct Work<'a> {
    pub(super) connector: &'a PostgresConnector,
    pub(super) target: Target<'a>,
    pub(super) login: &'a Login,
    pub(super) session: Session,
    /// The login's oid, where it is there.
    pub(super) oid: Option<u32>,
    pub(super) version: i32,
    /// Whether the administrative account is a superuser.
    pub(super) superuser: bool,
    /// The administrative account.
    admin: Option<Ident>,
    pub(super) carried: Carried,
}

impl Work<'_> {
    async fn all(&mut self) -> Result<RevocationProof, ConnectorError> {
        self.look().await?;
        if self.oid.is_some() {
            let mut hindered = None;
            for step in Step::ALL {
                match (step, self.step(step).await) {
                    (_, Ok(())) => {}
                    // Cutting helps even where the login can't be disabled.
                    (Step::Disable | Step::Reach, Err(error @ ConnectorError::Refused { .. })) => hindered = hindered.or(Some(error)),
                    (_, Err(error)) => return Err(hindered.unwrap_or(error)),
                }
                if step == Step::Terminate && hindered.is_some() {
                    break;
                }
            }
            if let Some(error) = hindered {
                return Err(error);
            }
        }
        self.read_back().await
    }

    async fn step(&mut self, step: Step) -> Result<(), ConnectorError> {
        loop {
            match step {
                Step::Disable => self.disable().await?,
                Step::Reach => self.reach().await?,
                Step::Terminate => self.terminate().await?,
                Step::RollBackPrepared => self.roll_back_prepared().await?,
                Step::Compare => {
                    estate::compare(self).await?;
                    jobs::unschedule(self).await?;
                }
                Step::HandOver => estate::hand_over(self).await?,
                Step::Drop => self.drop_login().await?,
            }
            match self.connector.hook.as_ref().map_or(Then::Go, |hook| hook(step)) {
                Then::Go => return Ok(()),
                Then::Again => {}
                Then::Fail => {
                    return Err(ConnectorError::Unreachable {
                        resource: self.target.resource.to_owned(),
                        why: format!("broken off after {step:?}"),
                    });
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), ConnectorError> {
        let at = self.target.at("look for the login");
        let question = "SELECT current_setting('server_version_num')::int4 AS version, r.oid AS login, \
                          coalesce(r.rolsuper, false) AS login_super, me.rolsuper AS super, me.rolname::text AS admin \
                        FROM pg_roles me LEFT JOIN pg_roles r ON r.rolname = $1::text WHERE me.rolname = session_user";
        let row = self.session.row(question, &[(&self.login.name(), Type::TEXT)]).await.map_err(&at)?;
        self.oid = column(&row, "login").map_err(&at)?;
        self.version = column(&row, "version").map_err(&at)?;
        self.superuser = column(&row, "super").map_err(&at)?;
        let admin: String = column(&row, "admin").map_err(&at)?;
        self.admin = Some(Ident::new(&admin).map_err(|why| self.target.misconfigured(format!("the admin's name {why}")))?);
        if column(&row, "login_super").map_err(&at)? {
            self.carried.find("the login had become a superuser: whatever happened on this server meanwhile can't be told".to_owned());
        }
        Ok(())
    }

    /// Statements that end well too when the login vanished meanwhile: another one of us was faster.
    async fn run_unless_gone(&self, sql: &Sql, step: &'static str) -> Result<(), ConnectorError> {
        match self.session.run(sql).await {
            Ok(()) => Ok(()),
            Err(failure) if failure.is(&SqlState::UNDEFINED_OBJECT) => Ok(()),
            Err(failure) => Err(failure.at(self.target.resource, step)),
        }
    }

    async fn disable(&mut self) -> Result<(), ConnectorError> {
        let sql = Sql::new("ALTER ROLE ").ident(self.login.ident());
        self.run_unless_gone(&sql.words(" NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL VALID UNTIL '-infinity'"), "disable the login").await
    }

    /// Terminating, handing over and dropping need the login's own rights.
    async fn reach(&mut self) -> Result<(), ConnectorError> {
        match &self.admin {
            Some(admin) if !self.superuser => {
                let grant = Sql::new("GRANT ").ident(self.login.ident()).words(" TO ").ident(admin);
                let grant = if self.version >= 160_000 { grant.words(" WITH INHERIT TRUE, SET TRUE") } else { grant };
                self.run_unless_gone(&grant, "reach the login").await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn terminate(&mut self) -> Result<(), ConnectorError> {
        let Some(oid) = self.oid else { return Ok(()) };
        let left = cut(&self.session, oid, self.connector.setup.timeouts.terminate, &mut self.carried.terminated).await;
        match left.map_err(self.target.at("terminate its connections"))? {
            0 => Ok(()),
            left => Err(self.still_there(format!("{left} connections outlive their termination"))),
        }
    }

    async fn roll_back_prepared(&mut self) -> Result<(), ConnectorError> {
        const STEP: &str = "roll back what it prepared";
        let at = self.target.at(STEP);
        let question = "SELECT gid, database::text AS database FROM pg_prepared_xacts WHERE owner = $1::text ORDER BY prepared";
        let rows = self.session.rows(question, &[(&self.login.name(), Type::TEXT)]).await.map_err(&at)?;
        for row in rows {
            let (gid, database): (String, String) = (column(&row, "gid").map_err(&at)?, column(&row, "database").map_err(&at)?);
            let name = Literal::new(&gid).map_err(|why| self.target.refused(STEP, format!("a transaction's name {why}")))?;
            let session = self.connector.admin(&self.target, &database).await?;
            // Only whoever prepared it or a superuser may; it runs none of its code.
            if !self.superuser {
                session.run(&Sql::new("SET ROLE ").ident(self.login.ident())).await.map_err(&at)?;
            }
            match session.run(&Sql::new("ROLLBACK PREPARED ").literal(&name)).await {
                Ok(()) => {}
                Err(failure) if failure.is(&SqlState::UNDEFINED_OBJECT) => continue,
                Err(failure) => return Err(at(failure)),
            }
            self.carried.find(super::session::inert(&format!("prepared transaction {gid} in database {database}: rolled back")));
        }
        Ok(())
    }

    async fn drop_login(&mut self) -> Result<(), ConnectorError> {
        // It may have signed in a moment before it was disabled and shown only now.
        self.terminate().await?;
        let sql = Sql::new("DROP ROLE IF EXISTS ").ident(self.login.ident());
        self.session.run(&sql).await.map_err(self.target.at("drop the login"))
    }

    async fn read_back(&mut self) -> Result<RevocationProof, ConnectorError> {
        let at = self.target.at("ask whether the login is gone");
        // The oid outlives the name: a connection of a dropped role still carries it.
        let oid = self.oid.unwrap_or(0);
        let question = "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = $1::text OR oid = $2) AS roles, \
                          (SELECT count(*) FROM pg_auth_members WHERE roleid = $2 OR member = $2) AS memberships, \
                          (SELECT count(*) FROM pg_stat_activity WHERE usesysid = $2 OR usename = $1::text) AS connections, \
                          clock_timestamp()::text AS at";
        let row = self.session.row(question, &[(&self.login.name(), Type::TEXT), (&oid, Type::OID)]).await.map_err(&at)?;
        let count = |what: &'static str| column::<i64>(&row, what).map_err(&at);
        let (roles, memberships, connections) = (count("roles")?, count("memberships")?, count("connections")?);
        // INVARIANT I11: not the success of DROP ROLE, but what is seen afterwards, proves it.
        if roles + memberships + connections != 0 {
            return Err(self.still_there(format!("it shows {roles} roles, {memberships} memberships, {connections} connections of it")));
        }
        let at_target: String = column(&row, "at").map_err(&at)?;
        let found = if self.oid.is_some() { "dropped" } else { "not there when asked" };
        Ok(RevocationProof {
            terminated: u32::try_from(self.carried.terminated.len()).unwrap_or(u32::MAX),
            owned: self.carried.owned,
            findings: self.carried.findings.clone(),
            asked: format!("pg_roles, pg_auth_members and pg_stat_activity for {} (oid {oid})", self.login.name()),
            answer: super::session::inert(&format!("{found}: 0 roles, 0 memberships, 0 connections at {at_target}")),
        })
    }

    fn still_there(&self, why: String) -> ConnectorError {
        ConnectorError::StillThere { resource: self.target.resource.to_owned(), login: self.login.name().to_owned(), why }
    }
}

/// Terminates every connection of a role and waits until none shows. Gives how many are left when patience ends.
pub(super) async fn cut(session: &Session, role: u32, patience: Duration, terminated: &mut BTreeSet<i32>) -> Result<usize, Failure> {
    let mut left = 0;
    let looking = async {
        loop {
            // Not in WHERE: PostgreSQL may ask it before the comparison there, and then of everybody.
            let question = "SELECT pid, pg_terminate_backend(pid) AS sent FROM pg_stat_activity WHERE usesysid = $1";
            for row in session.rows(question, &[(&role, Type::OID)]).await? {
                if column(&row, "sent")? {
                    terminated.insert(column(&row, "pid")?);
                }
            }
            let row = session.row("SELECT count(*) AS left FROM pg_stat_activity WHERE usesysid = $1", &[(&role, Type::OID)]).await?;
            left = usize::try_from(column::<i64>(&row, "left")?).unwrap_or(usize::MAX);
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(patience, looking).await {
        Ok(Ok(())) => Ok(0),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Ok(left),
    }
}
