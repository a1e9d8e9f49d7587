//! Names, passwords and tokens: who somebody is.
//!
//! The log carries ids and commitments; the values are read from beside it at start and kept here.
//! A token is `ajar_`, the 26 characters of its id and 64 hexadecimal digits of secret; only a SHA-256 of the secret is kept.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ajar_core::directory::{Issued, PasswordSet, PrincipalEvent, Scope, Token, TokenEvent, TokenRevoked};
use ajar_core::event::{Actor, Event, Proof, Stream};
use ajar_core::id::{PasskeyId, PrincipalId, TokenId};
use ajar_core::name::PrincipalName;
use ajar_core::port::{Entropy, Identified, Refusal, RefusalKind};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::brake::place;
use crate::engine::Engine;
use crate::freshness::approves;
use crate::passkeys::keyring::{self, Keyring};
use crate::refusal::{bad_input, no_such, of, refusal};
use crate::sequencer::{Desk, Draft};

/// How long a token lives unless its owner says otherwise.
pub(crate) const TOKEN_LIFE: Span = Span::from_secs(12 * 3600);
/// The longest a token may live.
const TOKEN_LIFE_MAX: Span = Span::from_secs(90 * 24 * 3600);
/// What a token begins with.
const TOKEN_PREFIX: &str = "ajar_";
/// Hexadecimal digits of a token's secret.
const SECRET_DIGITS: usize = 64;
/// The longest password that is looked at.
const PASSWORD_MAX: usize = 1024;

/// Somebody who has proven who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Which principal.
    pub principal: PrincipalId,
    /// Its name.
    pub name: PrincipalName,
    /// For the ledger.
    pub actor: Actor,
    /// What their proof is good for.
    pub scope: Scope,
}

/// A token, shown once.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// Its id.
    pub id: TokenId,
    /// The token itself.
    pub token: Secret,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone)]
struct Known {
    token: Token,
    hash: [u8; 32],
}

impl Known {
    fn good_at(&self, now: Timestamp, names: &BTreeMap<PrincipalId, PrincipalName>) -> Option<(Issued, PrincipalName)> {
        let issued = &self.token.issued;
        if now >= issued.expires_at { None } else { Some((issued.clone(), names.get(&issued.principal)?.clone())) }
    }
}

/// What is read from beside the ledger.
#[derive(Debug, Default)]
struct Book {
    ids: BTreeMap<PrincipalName, PrincipalId>,
    names: BTreeMap<PrincipalId, PrincipalName>,
    passwords: BTreeMap<PrincipalId, Secret>,
    tokens: BTreeMap<TokenId, Known>,
    passkeys: Keyring,
}

/// Names, passwords and tokens in memory.
#[derive(Debug, Default)]
pub(crate) struct People(RwLock<Book>);

impl People {
    fn read(&self) -> RwLockReadGuard<'_, Book> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has this name.
    pub(crate) fn id(&self, name: &PrincipalName) -> Option<PrincipalId> {
        self.read().ids.get(name).copied()
    }

    /// All names, for binding rules.
    pub(crate) fn ids(&self) -> BTreeMap<PrincipalName, PrincipalId> {
        self.read().ids.clone()
    }

    /// The name of a principal; one whose name was erased is shown by id.
    pub(crate) fn name(&self, id: PrincipalId) -> String {
        self.read().names.get(&id).map_or_else(|| id.to_string(), ToString::to_string)
    }

    /// A committed event changes what is known; `value` is what its commitment stands for.
    pub(crate) fn learn(&self, stream: Stream, event: &Event, value: &dyn Fn(Commitment) -> Option<String>) {
        let mut book = self.write();
        match (stream, event) {
            (Stream::Principal(id), Event::Principal(PrincipalEvent::Added(added))) => {
                if let Some(name) = value(added.name).and_then(|name| name.parse::<PrincipalName>().ok()) {
                    book.ids.insert(name.clone(), id);
                    book.names.insert(id, name);
                }
            }
            (Stream::Principal(id), Event::Principal(PrincipalEvent::PasswordSet(set))) => {
                if let Some(hash) = value(set.hash) {
                    book.passwords.insert(id, Secret::new(hash));
                }
            }
            (Stream::Principal(id), Event::Principal(event)) => book.passkeys.learn(id, event, value),
            (Stream::Token(id), Event::Token(TokenEvent::Issued(issued))) => {
                let mut hash = [0u8; 32];
                if value(issued.hash).is_some_and(|text| hex::decode_to_slice(text, &mut hash).is_ok()) {
                    book.tokens.insert(id, Known { token: Token { issued: issued.clone(), revoked: false }, hash });
                }
            }
            (Stream::Token(id), Event::Token(TokenEvent::Revoked(_))) => drop(book.tokens.remove(&id)),
            (
                Stream::Principal(_)
                | Stream::Token(_)
                | Stream::Request(_)
                | Stream::Grant(_)
                | Stream::Lease(_)
                | Stream::Session(_)
                | Stream::Lock(_)
                | Stream::Delegation(_)
                | Stream::Preapproval(_)
                | Stream::Debt(_)
                | Stream::Policy,
                _,
            ) => {}
        }
    }

    /// The commitments whose values [`People::learn`] will ask for.
    pub(crate) fn wanted(event: &Event) -> Option<Commitment> {
        match event {
            Event::Principal(PrincipalEvent::Added(added)) => Some(added.name),
            Event::Principal(PrincipalEvent::PasswordSet(set)) => Some(set.hash),
            Event::Principal(PrincipalEvent::PasskeyEnrolled(enrolled)) => Some(enrolled.credential),
            Event::Token(TokenEvent::Issued(issued)) => Some(issued.hash),
            Event::Principal(
                PrincipalEvent::Disabled(_)
                | PrincipalEvent::Enabled(_)
                | PrincipalEvent::PasskeyUsed(_)
                | PrincipalEvent::PasskeyRemoved(_),
            )
            | Event::Token(TokenEvent::Revoked(_))
            | Event::Request(_)
            | Event::Grant(_)
            | Event::Lease(_)
            | Event::Session(_)
            | Event::Lock(_)
            | Event::Delegation(_)
            | Event::Preapproval(_)
            | Event::Debt(_)
            | Event::Policy(_) => None,
        }
    }

    /// Whose token this is, if it is one and good at `now`.
    fn token(&self, text: &str, now: Timestamp) -> Option<(Issued, PrincipalName)> {
        let body = text.strip_prefix(TOKEN_PREFIX).filter(|b| b.is_ascii() && b.len() == 26 + SECRET_DIGITS)?;
        let (id, secret) = body.split_at(26);
        let id: TokenId = format!("{}_{id}", TokenId::PREFIX).parse().ok()?;
        let book = self.read();
        let known = book.tokens.get(&id)?;
        let same: bool = digest(secret).ct_eq(&known.hash).into();
        if same { known.good_at(now, &book.names) } else { None }
    }

    /// What was issued to somebody and is good at `now`, the latest first.
    pub(crate) fn tokens_of(&self, principal: PrincipalId, now: Timestamp) -> Vec<Issued> {
        let book = self.read();
        let theirs = |known: &&Known| known.token.issued.principal == principal && now < known.token.issued.expires_at;
        book.tokens.values().rev().filter(theirs).map(|known| known.token.issued.clone()).collect()
    }

    /// Whether somebody can sign in with a password.
    pub(crate) fn has_password(&self, principal: PrincipalId) -> bool {
        self.read().passwords.contains_key(&principal)
    }

    /// Somebody's passkeys, the earliest first.
    pub(crate) fn passkeys_of(&self, principal: PrincipalId) -> Vec<(PasskeyId, keyring::Known)> {
        self.read().passkeys.of(principal)
    }

    /// Whether anybody has enrolled this credential.
    pub(crate) fn knows_credential(&self, credential: &[u8]) -> bool {
        self.read().passkeys.has(credential)
    }

    /// How many passkeys are for servers of another name than this.
    pub(crate) fn passkeys_elsewhere(&self, name: &str) -> usize {
        self.read().passkeys.strange(name)
    }

    /// Whose token has this id, if it is good at `now`.
    pub(crate) fn token_known(&self, id: TokenId, now: Timestamp) -> Option<(Issued, PrincipalName)> {
        let book = self.read();
        book.tokens.get(&id)?.good_at(now, &book.names)
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Seals a value with a fresh salt.
pub(crate) fn seal(entropy: &dyn Entropy, value: String) -> Disclosure {
    let mut salt = [0u8; 32];
    entropy.fill(&mut salt);
    Disclosure::seal(salt, value)
}

pub(crate) fn bad_credential() -> Refusal {
    refusal(
        RefusalKind::BadCredential,
        "that is not a valid token or password",
        None,
        Some("sign in again with 'ajar login'; a token may have expired".into()),
    )
}

impl Engine {
    /// Who a token belongs to.
    ///
    /// # Errors
    /// When it isn't one, is expired or revoked, or its owner is disabled.
    pub fn authenticate(&self, token: &Secret) -> Result<Caller, Refusal> {
        self.holder(self.people.token(token.expose(), self.clock.now()))
    }

    /// Who comes with a token that is good.
    pub(crate) fn holder(&self, found: Option<(Issued, PrincipalName)>) -> Result<Caller, Refusal> {
        let enabled = |(issued, _): &(Issued, PrincipalName)| self.rules().enabled(issued.principal);
        let (issued, name) = found.filter(enabled).ok_or_else(bad_credential)?;
        let actor = Actor::Principal { id: issued.principal, proof: Proof::Token(issued.id) };
        Ok(Caller { principal: issued.principal, name, actor, scope: issued.scope })
    }

    /// A brake on guessing passwords.
    pub(crate) fn brake_sign_in(&self, client: IpAddr) -> Result<(), Refusal> {
        if self.sign_ins.take(place(client), self.clock.mono()) {
            return Ok(());
        }
        Err(refusal(RefusalKind::BadCredential, "too many sign-ins from this address", None, Some("wait a minute and try again".into())))
    }

    /// Who a verified client certificate belongs to.
    ///
    /// # Errors
    /// When nobody enabled has that name.
    pub(crate) fn certified(&self, common_name: &str) -> Result<Caller, Refusal> {
        let name: PrincipalName = common_name.parse().map_err(|_| bad_credential())?;
        let principal = self.people.id(&name).filter(|id| self.rules().enabled(*id)).ok_or_else(bad_credential)?;
        let actor = Actor::Principal { id: principal, proof: Proof::Certificate };
        Ok(Caller { principal, name, actor, scope: Scope::Connect })
    }

    /// Who holds a token, whose certified key somebody has proven to hold: only to get in with.
    ///
    /// # Errors
    /// When it is expired or revoked, or its owner is disabled.
    pub(crate) fn keyed(&self, token: TokenId) -> Result<Caller, Refusal> {
        Ok(Caller { scope: Scope::Connect, ..self.holder(self.people.token_known(token, self.clock.now()))? })
    }

    /// Signs in with a password (argon2id) and issues a token.
    ///
    /// # Errors
    /// When name and password don't fit; the same answer, after the same work, for a name that doesn't exist.
    pub async fn sign_in(&self, name: &str, password: Secret, label: &str, client: IpAddr) -> Result<(Caller, IssuedToken), Refusal> {
        self.brake_sign_in(client)?;
        let known = name.parse::<PrincipalName>().ok().and_then(|name| Some((self.people.id(&name)?, name)));
        let stored = known.as_ref().and_then(|(id, _)| self.people.read().passwords.get(id).cloned());
        let hash = stored.clone().unwrap_or_else(|| self.decoy_hash.clone());
        let fits = self.blocking(move || verify(&password, &hash)).await.unwrap_or(false);
        let Some((principal, name)) = known.filter(|(id, _)| fits && stored.is_some() && self.rules().enabled(*id)) else {
            tracing::warn!(client.address = %client, "a sign-in failed");
            metrics::counter!("ajar_sign_in_failures_total").increment(1);
            return Err(bad_credential());
        };
        let actor = Actor::Principal { id: principal, proof: Proof::Password };
        let caller = Caller { principal, name, actor, scope: Scope::Full };
        let issued = self.token_made(&caller, label, Scope::Full, None, false).await?;
        Ok((caller, issued))
    }

    /// Issues a token for the caller.
    ///
    /// # Errors
    /// When its life is too long, the caller's own proof is a narrower one, it is a full one and they have a passkey that they haven't just
    /// used, or nothing can be recorded.
    pub async fn token_issue(&self, caller: &Caller, label: &str, scope: Scope, life: Option<Span>) -> Result<IssuedToken, Refusal> {
        // INVARIANT A6: a session that was stolen does not make itself last.
        self.token_made(caller, label, scope, life, scope == Scope::Full).await
    }

    /// `afresh`: who has a passkey has to have proven it just now.
    async fn token_made(
        &self,
        caller: &Caller,
        label: &str,
        scope: Scope,
        life: Option<Span>,
        afresh: bool,
    ) -> Result<IssuedToken, Refusal> {
        // A token for connecting that leaked must not make itself another one when its time is over.
        caller.writes()?;
        let life = life.unwrap_or(TOKEN_LIFE);
        if life > TOKEN_LIFE_MAX {
            return Err(bad_input(format!("a token lives for {TOKEN_LIFE_MAX} at most"), "give a shorter life"));
        }
        let label: String = label.chars().filter(|c| !c.is_control()).take(100).collect();
        let principal = caller.principal;
        let (actor, link) = (self.freshly(caller), format!("{}/settings", self.config.public_url));
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            if afresh {
                approves(desk, actor, &link)?;
            }
            let (draft, issued) = issue(desk, principal, label, scope, life);
            Ok::<_, Refusal>((draft, issued))
        });
        done.await.map_err(of)
    }

    /// Takes a token of the caller's back.
    ///
    /// # Errors
    /// When it isn't theirs, or nothing can be recorded.
    pub async fn token_revoke(&self, caller: &Caller, id: TokenId) -> Result<(), Refusal> {
        caller.writes()?;
        let principal = caller.principal;
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let token = desk.world.token(id).filter(|t| t.issued.principal == principal).ok_or_else(|| no_such("token"))?;
            let event = Event::Token(TokenEvent::Revoked(TokenRevoked { at: desk.now }));
            Ok::<_, Refusal>((Draft::from(vec![(Stream::Token(token.issued.id), event)]), ()))
        });
        done.await.map_err(of)
    }

    /// Whether somebody knows their own password.
    ///
    /// # Errors
    /// When they don't, or have none.
    pub(crate) async fn password_proven(&self, principal: PrincipalId, current: Option<Secret>, client: IpAddr) -> Result<(), Refusal> {
        self.brake_sign_in(client)?;
        let stored = self.people.read().passwords.get(&principal).cloned();
        let hash = stored.ok_or_else(bad_credential)?;
        let current = current.ok_or_else(bad_credential)?;
        if self.blocking(move || verify(&current, &hash)).await.unwrap_or(false) { Ok(()) } else { Err(bad_credential()) }
    }

    /// Changes the caller's password, proven by the current one; or somebody else's, for operators.
    ///
    /// # Errors
    /// When the proof is wrong, the caller may not, or it can't be recorded.
    pub async fn password_change(
        &self,
        caller: &Caller,
        name: Option<&str>,
        current: Option<Secret>,
        new: Secret,
        client: IpAddr,
    ) -> Result<(), Refusal> {
        caller.writes()?;
        let name = match name {
            Some(name) if name != caller.name.as_str() => {
                if !self.operates(caller).await {
                    return Err(refusal(RefusalKind::Denied, "setting somebody else's password is for operators", None, None));
                }
                name.parse().map_err(|_| no_such("principal"))?
            }
            Some(_) | None => {
                self.password_proven(caller.principal, current, client).await?;
                caller.name.clone()
            }
        };
        self.password_set(caller.actor, &name, new).await
    }

    /// Sets a principal's password: at set-up, or by its owner.
    ///
    /// # Errors
    /// When it is too short or too long, there is no such principal, or nothing can be recorded.
    pub async fn password_set(&self, actor: Actor, name: &PrincipalName, password: Secret) -> Result<(), Refusal> {
        let length = password.expose().chars().count();
        if length < 8 || password.expose().len() > PASSWORD_MAX {
            return Err(bad_input("a password has 8 characters or more", "choose a longer one"));
        }
        let principal = self.people.id(name).ok_or_else(|| no_such("principal"))?;
        let mut salt = [0u8; 16];
        self.entropy.fill(&mut salt);
        let hash = self.blocking(move || hash_password(&password, &salt)).await.flatten();
        let hash = hash.ok_or_else(|| refusal(RefusalKind::Unavailable, "the password could not be hashed", None, None))?;
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let sealed = seal(desk.entropy, hash);
            let event = Event::Principal(PrincipalEvent::PasswordSet(PasswordSet { hash: sealed.commitment }));
            let draft = Draft { decision: vec![(Stream::Principal(principal), event)], disclosures: vec![sealed], ..Draft::default() };
            Ok::<_, Refusal>((draft, ()))
        });
        done.await.map_err(of)
    }

    /// For a gateway: who somebody is whose name and token (or certificate) it was given.
    pub(crate) fn identified(&self, caller: Caller, claimed: Option<&str>) -> Result<Identified, Refusal> {
        // The name that the client gave must be the one that it proved: a GUI's saved "postgres" must not pass silently as somebody.
        if claimed.is_some_and(|claimed| caller.name.as_str() != claimed) {
            return Err(refusal(
                RefusalKind::BadCredential,
                "the credential is not that user's",
                None,
                Some("connect with your own name as user: 'ajar whoami' shows it".into()),
            ));
        }
        if caller.scope == Scope::Read {
            return Err(refusal(
                RefusalKind::BadCredential,
                "this token is only for reading the API",
                None,
                Some("issue one to connect with: ajar login".into()),
            ));
        }
        Ok(Identified { principal: caller.principal, name: caller.name, actor: caller.actor })
    }
}

/// What issues a token.
pub(crate) fn issue(desk: &Desk<'_>, principal: PrincipalId, label: String, scope: Scope, life: Span) -> (Draft, IssuedToken) {
    let mut bytes = [0u8; SECRET_DIGITS / 2];
    desk.entropy.fill(&mut bytes);
    let secret = hex::encode(bytes);
    let sealed = seal(desk.entropy, hex::encode(digest(&secret)));
    let id = TokenId::new(desk.entropy.uuid(desk.now));
    let expires_at = desk.now.after(life);
    let visible = id.to_string();
    let visible = visible.strip_prefix("tok_").unwrap_or(&visible);
    let token = Secret::new(format!("{TOKEN_PREFIX}{visible}{secret}"));
    let issued = Issued { id, principal, hash: sealed.commitment, label, scope, at: desk.now, expires_at };
    let draft = Draft {
        decision: vec![(Stream::Token(id), Event::Token(TokenEvent::Issued(issued)))],
        disclosures: vec![sealed],
        ..Draft::default()
    };
    (draft, IssuedToken { id, token, expires_at })
}

fn verify(password: &Secret, hash: &Secret) -> bool {
    // W6: argon2id counts every byte; only absurd lengths are refused.
    password.expose().len() <= PASSWORD_MAX && Argon2::default().verify_password(password.expose().as_bytes(), hash.expose()).is_ok()
}

/// The argon2id hash of a password in PHC form.
pub(crate) fn hash_password(password: &Secret, salt: &[u8]) -> Option<String> {
    Argon2::default().hash_password_with_salt(password.expose().as_bytes(), salt).ok().map(|hash| hash.to_string())
}
