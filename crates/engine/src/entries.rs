//! Browsers on their way into HTTP APIs: a code that says who somebody is to the door, once, and what the door gives for it from then on.
//!
//! Both are in memory only: after a restart, a browser that is signed in is sent through again and notices nothing. Both are good as
//! long as the token of the browser's own session is, whose holder they stand for, and at one host for one resource.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::directory::Scope;
use ajar_core::event::{Actor, Proof};
use ajar_core::http::{ENTER, Place, encode};
use ajar_core::id::TokenId;
use ajar_core::name::ResourceName;
use ajar_core::port::{Entry, Mono, Refusal, RefusalKind};
use ajar_core::resource::{Kind, Resource};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::engine::Engine;
use crate::people::{Caller, bad_credential};
use crate::refusal::{bad_input, no_such, of, refusal};
use crate::sequencer::Draft;

/// How long a code is good.
const CODE_LIFE: Span = Span::from_secs(30);
/// How long what is given for it is good at the most.
const PASS_LIFE: Span = Span::from_secs(12 * 3600);
/// Of each kind: in all, and for one token; beyond that, its oldest goes.
const MOST: usize = 20_000;
const MOST_EACH: usize = 64;
/// What a door says of how it began is so long at the most.
const BEGUN_MAX: usize = 128;

type Hash = [u8; 32];

/// What both are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct For {
    token: TokenId,
    host: String,
    resource: ResourceName,
}

#[derive(Debug)]
struct Given {
    what: For,
    /// Where it is taken: a code at the authority that it was made for, a pass at that one's host.
    at: String,
    /// What the door said when it sent the browser: only that browser brings the code back.
    begun: Hash,
    until: Mono,
    expires_at: Timestamp,
}

#[derive(Debug, Default)]
struct Book {
    codes: BTreeMap<Hash, Given>,
    passes: BTreeMap<Hash, Given>,
}

/// Codes, and what was given for them.
#[derive(Debug, Default)]
pub(crate) struct Entries(Mutex<Book>);

impl Entries {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// Keeps one more, for as long as there is room for everybody's.
fn keep(all: &mut BTreeMap<Hash, Given>, secret: &Secret, given: Given, now: Mono) -> Result<(), Refusal> {
    all.retain(|_, given| now < given.until);
    let mut own: Vec<(Mono, Hash)> =
        all.iter().filter(|(_, g)| g.what.token == given.what.token).map(|(hash, g)| (g.until, *hash)).collect();
    if own.len() >= MOST_EACH {
        own.sort_unstable();
        own.first().map(|(_, oldest)| all.remove(oldest));
    }
    if all.len() >= MOST {
        let hint = Some("try again in a minute".into());
        return Err(refusal(RefusalKind::Unavailable, "too many browsers come in at once", None, hint));
    }
    all.insert(hash(secret.expose()), given);
    Ok(())
}

fn after(now: Mono, length: Duration) -> Mono {
    Mono(now.0.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
}

impl Engine {
    fn fresh_secret(&self) -> Secret {
        let mut bytes = [0u8; 32];
        self.entropy.fill(&mut bytes);
        Secret::new(hex::encode(bytes))
    }

    /// Where a browser goes that was sent here by the door of an HTTP API, to `to` there: back, with a code for who is signed in here. A
    /// `to` that the door didn't make leads to the API's own host name, where the door begins.
    ///
    /// # Errors
    /// When there is no such API, as far as the caller may know, or browsers can't get into it.
    pub async fn http_entry(&self, caller: &Caller, to: &str) -> Result<String, Refusal> {
        caller.writes()?;
        let Actor::Principal { proof: Proof::Token(token), .. } = caller.actor else { return Err(bad_credential()) };
        let to: Place = to
            .parse()
            .map_err(|why| bad_input(format!("'to' is not a place at the door for HTTP: {why}"), "open the API's own address"))?;
        let rules = self.rules();
        let named = || to.local.path.as_str().split('/').nth(1).and_then(|name| name.parse::<ResourceName>().ok());
        let at_host = rules.at_host(to.host()).cloned();
        let name = at_host.clone().or_else(named).ok_or_else(|| no_such("such resource"))?;
        let resource = rules.resource(&name).cloned().filter(|resource| matches!(resource.kind, Kind::Http(_)));
        let resource = resource.ok_or_else(|| no_such("such resource"))?;
        if rules.offered(caller.principal, &name).is_none() && !self.is_open_to(caller, &name).await? {
            return Err(no_such("such resource"));
        }
        if at_host.is_none() {
            return own_place(&resource, &to);
        }
        let own = self.config.public_url.split_once("://").map(|(_, own)| format!("https://{own}"));
        if own.is_some_and(|own| own.parse::<Place>().is_ok_and(|own| own.host() == to.host())) {
            return Err(bad_input(
                format!("{name} and Ajar itself have the same host name, so a browser would take the one for the other"),
                "have whoever keeps its file give it a host name of its own",
            ));
        }
        let begun = to.local.value("state").filter(|begun| !begun.is_empty() && begun.len() <= BEGUN_MAX);
        let Some(begun) = begun.filter(|_| to.local.path.as_str() == ENTER) else { return Ok(to.to_string()) };
        let (code, now) = (self.fresh_secret(), self.clock.mono());
        let what = For { token, host: to.host().to_owned(), resource: name };
        let expires_at = self.clock.now().after(CODE_LIFE);
        let given = Given { what, at: to.authority.clone(), begun: hash(&begun), until: after(now, CODE_LIFE.into()), expires_at };
        keep(&mut self.entries.book().codes, &code, given, now)?;
        let back = to.local.value("to").unwrap_or_else(|| "/".into());
        Ok(format!("https://{}{ENTER}?code={}&to={}", to.authority, code.expose(), encode(&back)))
    }

    async fn is_open_to(&self, caller: &Caller, resource: &ResourceName) -> Result<bool, Refusal> {
        let (principal, resource) = (caller.principal, resource.clone());
        let looked = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            Ok::<_, Refusal>((Draft::default(), crate::door::open_grant(desk, principal, resource.as_str(), None).is_some()))
        });
        looked.await.map_err(of)
    }

    /// Takes a code, which is gone whatever comes of it, and gives what is good from then on.
    pub(crate) fn enter_with(&self, code: &Secret, begun: &str, authority: &str) -> Result<Entry, Refusal> {
        let (now, wall) = (self.clock.mono(), self.clock.now());
        // INVARIANT W8: a code that was handed to another port of the host counts at none.
        let at = authority.to_ascii_lowercase();
        let taken = self.entries.book().codes.remove(&hash(code.expose()));
        let same = |given: &Given| bool::from(given.begun.ct_eq(&hash(begun)));
        let good = |given: &Given| same(given) && now < given.until && wall < given.expires_at && given.at == at;
        let Given { what, begun, .. } = taken.filter(good).ok_or_else(stale)?;
        let (who, ends) = self.stands_for(&what)?;
        let expires_at = wall.after(PASS_LIFE).min(ends);
        let secret = self.fresh_secret();
        let given = Given { at: what.host.clone(), what, begun, until: after(now, expires_at.since(wall).into()), expires_at };
        keep(&mut self.entries.book().passes, &secret, given, now)?;
        Ok(Entry { secret, expires_at, who: self.identified(who, None)? })
    }

    /// Who comes with what was given at the door.
    pub(crate) fn entered(&self, secret: &Secret, host: &str) -> Result<Caller, Refusal> {
        let (now, wall) = (self.clock.mono(), self.clock.now());
        let host = host.to_ascii_lowercase();
        let what = {
            let book = self.entries.book();
            let given = book.passes.get(&hash(secret.expose()));
            given.filter(|given| now < given.until && wall < given.expires_at && given.at == host).map(|given| given.what.clone())
        };
        self.stands_for(&what.ok_or_else(bad_credential)?).map(|(caller, _)| caller)
    }

    /// Whom it stands for, as long as they are signed in where they got it, and until when that is at the latest.
    fn stands_for(&self, what: &For) -> Result<(Caller, Timestamp), Refusal> {
        let found = self.people.token_known(what.token, self.clock.now()).ok_or_else(bad_credential)?;
        let ends = found.0.expires_at;
        if self.rules().at_host(&what.host) != Some(&what.resource) {
            return Err(bad_credential());
        }
        Ok((Caller { scope: Scope::Connect, ..self.holder(Some(found))? }, ends))
    }
}

/// The same place at the resource's own host name. By the door's, pages of all APIs would be of one origin, and each could act in the
/// others.
fn own_place(resource: &Resource, to: &Place) -> Result<String, Refusal> {
    let Some(host) = resource.hosts().first() else {
        return Err(bad_input(
            format!("{} has no host name of its own, and browsers get in only by one", resource.name),
            format!("have whoever keeps its file add hosts = ['…'], or use a program: ajar run --with {} -- COMMAND", resource.name),
        ));
    };
    let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = to.local.path.as_str().strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(_, rest)| rest);
    let query = to.local.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("https://{host}{port}/{path}{query}"))
}

fn stale() -> Refusal {
    let hint = "open the address that you wanted again; your browser has to take cookies";
    refusal(RefusalKind::BadCredential, "that way in was used already, took too long, or was another browser's", None, Some(hint.into()))
}
