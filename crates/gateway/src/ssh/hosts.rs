//! What hosts show: whether they let in as the files say, and that certificates which went past the gateway are refused (I11).
//!
//! Nobody's private key is here, and none is needed: a host says whether it would take a certificate (RFC 4252, 7) before anything is signed.
//! What asks so is over a key that is thrown away, and never signs in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::port::{
    Clock, Connector, ConnectorError, Entropy, Finding, Found, LeaseSecret, Mono, Probe, SshAuthority, SshCertify, SshForwarding,
    SshSubject,
};
use ajar_core::resource::{Kind, Resource};
use ajar_core::ssh::SshTarget;
use ajar_core::time::{Span, Timestamp};
use async_trait::async_trait;
use russh::client::{AuthResult, Handle, Handler};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::{Certificate, HashAlg, PublicKey};
use russh::{Disconnect, MethodKind};

use super::gate::Valve;
use super::identity::{Known, Proven};
use super::reach::{DialError, HostError, SHOWN, Towards, new_key};
use crate::config::SecretResolver;

mod checks;

/// For everything that is asked on one connection.
const ASKING: Duration = Duration::from_secs(10);
/// So long is waited until the host has closed.
const LEAVING: Duration = Duration::from_secs(1);
/// A certificate counts as gone without being asked for so long after its end: a host's clock may be behind. For so long the list has it too.
const BEHIND: Span = Span::from_secs(3_600);
/// OpenSSH, from 9.8 on, holds five seconds against an address for each connection from it that ends without a sign-in, and turns away whoever
/// comes from there, sessions of the gateway included, while there are fifteen: so we keep count, and below.
const HELD_AGAINST: Duration = Duration::from_secs(6);
/// So much may be held against us before one more connection.
const BEFORE_ONE_MORE: Duration = Duration::from_secs(6);
/// Hosts whose count is kept.
const KEPT: usize = 10_000;

/// What a connector for SSH hosts works with.
pub struct SshHostsSetup {
    /// Signs what is shown to hosts, and what they are asked about.
    pub authority: Arc<dyn SshAuthority>,
    /// Finds what resources name.
    pub secrets: SecretResolver,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where keys and numbers come from.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for SshHostsSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SshHostsSetup")
    }
}

/// Asks SSH hosts. Makes nothing on them.
pub struct SshHosts {
    towards: Towards,
    setup: SshHostsSetup,
    /// Until when a host holds something against us, by where it is.
    held: Mutex<HashMap<(String, u16), Mono>>,
}

impl std::fmt::Debug for SshHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SshHosts")
    }
}

/// What a host is asked about.
struct Question<'a> {
    login: &'a str,
    serial: u64,
    from: Timestamp,
    until: Timestamp,
}

/// What a host says of a certificate with a lease's number.
enum Answer {
    /// It would take it.
    Taken,
    /// It refuses it, and takes one that differs in nothing else, before and after.
    Refused,
    /// It takes neither, so that it shows nothing.
    Neither,
}

impl SshHosts {
    /// With a key of its own.
    ///
    /// # Errors
    /// In words, when the authority's keys can't be used.
    pub fn new(setup: SshHostsSetup) -> Result<Self, String> {
        let towards = Towards::new(Arc::clone(&setup.authority), &*setup.entropy)?;
        Ok(Self { towards, setup, held: Mutex::default() })
    }

    /// Goes to a host, and knows it.
    async fn visit(&self, resource: &Resource, target: &SshTarget) -> Result<Visit, DialError> {
        let known = self.towards.known(resource, target)?;
        let by_certificate = known.by_certificate();
        let proven = Arc::new(OnceLock::new());
        let asker = Asker { known, now: self.setup.clock.now(), proven: Arc::clone(&proven) };
        let valve = Valve::new();
        let host = self.towards.reach(target, by_certificate, &valve, asker).await?;
        Ok(Visit { host, proven, valve })
    }

    /// Takes one of the connections that a host may hold against us, or says how long to wait for it.
    fn take_turn(&self, target: &SshTarget) -> Result<(), Duration> {
        let now = self.setup.clock.mono();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= KEPT {
            held.retain(|_, until| now < *until);
        }
        let until = held.entry((target.host.clone(), target.port)).or_insert(now);
        let left = Duration::from_nanos(until.0.saturating_sub(now.0));
        if left > BEFORE_ONE_MORE {
            return Err(left.saturating_sub(BEFORE_ONE_MORE));
        }
        *until = Mono(until.0.max(now.0).saturating_add(nanos(HELD_AGAINST)));
        Ok(())
    }

    /// It was not used: the host was not reached.
    fn give_turn_back(&self, target: &SshTarget) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = held.get_mut(&(target.host.clone(), target.port)) {
            *until = Mono(until.0.saturating_sub(nanos(HELD_AGAINST)));
        }
    }

    /// A number that no lease has: theirs begin with a bit that is set (RFC 9562, 4.1).
    fn fresh(&self) -> u64 {
        (self.setup.entropy.number() >> 1).max(ajar_core::ssh::CANARY + 1)
    }

    /// A certificate over a key that nobody has, as soon as this returns: it can be shown, and never used.
    fn to_be_shown(&self, question: &Question<'_>) -> Result<Certificate, DialError> {
        let (_, public_key) = new_key(&*self.setup.entropy).map_err(DialError::Misconfigured)?;
        self.towards.certificate(&SshCertify {
            public_key,
            subject: SshSubject::Login { login: question.login.to_owned(), source: None, forwarding: SshForwarding::default() },
            key_id: "ajar asks".to_owned(),
            serial: question.serial,
            valid_from: question.from,
            valid_until: question.until,
        })
    }

    /// Asks about one number, between two questions about numbers that are not revoked: what lies between them in time, and in everything but
    /// the number, is the same.
    async fn ask(&self, resource: &Resource, target: &SshTarget, question: &Question<'_>) -> Result<Answer, DialError> {
        let now = self.setup.clock.now();
        // What has ended is compared with what has not: the host's clock may be the one that says so.
        let until = if now < question.until { question.until } else { now.after(SHOWN) };
        let control = Question { serial: self.fresh(), until, ..*question };
        let (control, twin) = (self.to_be_shown(&control)?, self.to_be_shown(question)?);
        let asked = async {
            let mut visit = self.visit(resource, target).await.inspect_err(|_| self.give_turn_back(target))?;
            let answer = if !visit.would_take(question.login, &control).await? {
                Answer::Neither
            } else if visit.would_take(question.login, &twin).await? {
                Answer::Taken
            } else if visit.would_take(question.login, &control).await? {
                Answer::Refused
            } else {
                Answer::Neither
            };
            visit.leave().await;
            Ok(answer)
        };
        tokio::time::timeout(ASKING, asked).await.unwrap_or(Err(DialError::Slow))
    }
}

fn nanos(of: Duration) -> u64 {
    u64::try_from(of.as_nanos()).unwrap_or(u64::MAX)
}

/// The host that a resource is.
fn host_of(resource: &Resource) -> Result<&SshTarget, ConnectorError> {
    match &resource.kind {
        Kind::Ssh(target) => Ok(target),
        Kind::Postgres(_) | Kind::Http(_) => {
            Err(ConnectorError::Misconfigured { resource: resource.name.to_string(), why: "it is no SSH host".into() })
        }
    }
}

/// Being with a host.
struct Visit {
    host: Handle<Asker>,
    proven: Arc<OnceLock<Proven>>,
    valve: Arc<Valve>,
}

impl Visit {
    /// Whether the host would take this certificate, if its holder signed.
    async fn would_take(&mut self, login: &str, certificate: &Certificate) -> Result<bool, DialError> {
        said(self.host.authenticate_certificate_with(login, certificate.clone(), None, &mut NeverSigns).await)
    }

    /// Whether the host would take this key, if its holder signed.
    async fn would_take_key(&mut self, login: &str, key: PublicKey) -> Result<bool, DialError> {
        let hash = self.host.best_supported_rsa_hash().await.map_err(DialError::Protocol)?.flatten();
        said(self.host.authenticate_publickey_with(login, key, hash, &mut NeverSigns).await)
    }

    async fn leave(mut self) {
        let gone = async {
            drop(self.host.disconnect(Disconnect::ByApplication, "", "").await);
            drop((&mut self.host).await);
        };
        drop(tokio::time::timeout(LEAVING, gone).await);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.valve.shut();
    }
}

/// What the host has said to an offer. Only a refusal in the protocol's words is one: a connection that ends says nothing.
fn said(answer: Result<AuthResult, NotSigned>) -> Result<bool, DialError> {
    match answer {
        Err(NotSigned::Asked) => Ok(true),
        Ok(AuthResult::Failure { remaining_methods, .. }) if remaining_methods.contains(&MethodKind::PublicKey) => Ok(false),
        Ok(AuthResult::Failure { .. }) | Err(NotSigned::Ended) => {
            Err(DialError::Unreachable("it ended the connection, or takes no keys, instead of answering".into()))
        }
        Ok(AuthResult::Success) => Err(DialError::Unreachable("it lets in without asking for a signature".into())),
    }
}

/// Has no key.
struct NeverSigns;

/// Why nothing was signed.
enum NotSigned {
    /// The host would have taken it.
    Asked,
    Ended,
}

impl From<russh::SendError> for NotSigned {
    fn from(_: russh::SendError) -> Self {
        Self::Ended
    }
}

impl russh::Signer for NeverSigns {
    type Error = NotSigned;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, NotSigned> {
        Err(NotSigned::Asked)
    }
}

/// Knows the host, and wants nothing of it.
struct Asker {
    known: Known,
    now: Timestamp,
    proven: Arc<OnceLock<Proven>>,
}

impl Handler for Asker {
    type Error = HostError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, HostError> {
        let proven = self.known.is(shown, self.now).map_err(HostError::NotTheHost)?;
        drop(self.proven.set(proven));
        Ok(true)
    }
}

#[async_trait]
impl Probe for SshHosts {
    async fn probe(&self, resource: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        Ok(self.checks(resource, host_of(resource)?).await)
    }
}

#[async_trait]
impl Connector for SshHosts {
    /// Nothing is made on a host: a certificate is signed by the authority.
    async fn mint(&self, resource: &Resource, _: &Intended, _: &LeaseSecret) -> Result<(), ConnectorError> {
        Err(ConnectorError::Misconfigured { resource: resource.name.to_string(), why: "no logins are made on SSH hosts".into() })
    }

    /// A certificate's end can't be moved. Whoever goes on gets another one.
    async fn prolong(&self, _: &Resource, _: &Intended) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn revoke(&self, resource: &Resource, intent: &Intended) -> Result<RevocationProof, ConnectorError> {
        let target = host_of(resource)?;
        let name = || resource.name.to_string();
        let login = &intent.login;
        let still = |why: &str| {
            let why = format!("{why}; the host may accept its certificate until {}", intent.valid_until);
            ConnectorError::StillThere { resource: name(), login: login.clone(), why }
        };
        let proof = |asked: String, answer: String| RevocationProof {
            terminated: 0,
            owned: 0,
            findings: vec![format!(
                "hosts look at certificates when somebody signs in: a connection that was open as {login} goes on until its client or the host ends it"
            )],
            asked,
            answer,
        };
        if self.setup.clock.now() >= intent.valid_until.after(BEHIND) {
            let asked = "whether the certificate's own end has passed, and an hour for clocks that differ; the host was not asked";
            return Ok(proof(asked.into(), format!("it expired at {}", intent.valid_until)));
        }
        let Some(serial) = intent.serial else { return Err(still("it has no number that could be asked about")) };
        if self.take_turn(target).is_err() {
            return Err(still("the host was asked a moment ago, and is asked again in a few seconds: hosts turn away who comes too often"));
        }
        let question = Question { login, serial, from: intent.at, until: intent.valid_until };
        match self.ask(resource, target, &question).await {
            Ok(Answer::Refused) => Ok(proof(
                format!(
                    "whether {} would take, for {login}, a certificate with the lease's number {serial} (over another key), and one with a number \
                     that is not revoked, before and after; nothing was signed",
                    target.host
                ),
                format!("it refuses the one with {serial}, and takes the other"),
            )),
            Ok(Answer::Taken) => Err(still("the host has not fetched the list of revoked certificates yet (docs/ssh.md)")),
            Ok(Answer::Neither) => Err(still(&format!(
                "the host shows nothing, for it takes no certificate of our authority for {login}: run 'ajar doctor {}'",
                resource.name
            ))),
            Err(DialError::Misconfigured(why)) => Err(ConnectorError::Misconfigured { resource: name(), why }),
            Err(DialError::NotTheHost(why)) => {
                Err(ConnectorError::Refused { resource: name(), step: "prove which host it is", why: why.to_string() })
            }
            Err(
                why @ (DialError::Unreachable(_) | DialError::Slow | DialError::NotStrict | DialError::Refused(_) | DialError::Protocol(_)),
            ) => Err(ConnectorError::Unreachable { resource: name(), why: why.to_string() }),
        }
    }

    /// Nothing of ours is on a host.
    async fn inspect(&self, _: &Resource) -> Result<Vec<Found>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn remove_unknown(&self, resource: &Resource, login: &str) -> Result<RevocationProof, ConnectorError> {
        Err(ConnectorError::Misconfigured { resource: resource.name.to_string(), why: format!("{login} is none of our logins") })
    }
}
