//! Passkeys (<https://www.w3.org/TR/webauthn-3/>): enrolled, used to sign in and to prove oneself again, removed.
//!
//! What a browser answers is checked by `webauthn-rs`: our name and origin, the challenge, that the user was verified, the signature. What
//! follows from it is decided in the sequencer, against what the log knows then.

pub(crate) mod ceremonies;
pub(crate) mod keyring;

use std::net::IpAddr;

use ajar_core::directory::{PrincipalEvent, Scope};
use ajar_core::event::{Actor, Event, Proof, Stream};
use ajar_core::id::{PasskeyId, PrincipalId, TokenId};
use ajar_core::passkey::{PasskeyEnrolled, PasskeyError, Passkeys};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use webauthn_rs::prelude::{
    DiscoverableKey, PublicKeyCredential, RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder, WebauthnError,
};
use webauthn_rs_proto::ResidentKeyRequirement;

use self::ceremonies::{Begun, Ceremonies};
use self::keyring::{Credential, Known};
use crate::brake::place;
use crate::engine::Engine;
use crate::freshness::approves;
use crate::people::{Caller, IssuedToken, TOKEN_LIFE, bad_credential, issue, seal};
use crate::refusal::{bad_input, no_such, of, refusal};
use crate::sequencer::{Desk, Draft};

/// What signing in with a passkey calls its token.
const LABEL: &str = "browser";

/// Passkeys as this server takes them.
#[derive(Debug)]
pub(crate) struct Party {
    /// Our name and what we check; none where the server has no name.
    webauthn: Option<(String, Webauthn)>,
    ceremonies: Ceremonies,
}

/// A passkey of somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyView {
    /// Its id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub label: String,
    /// Since when.
    pub enrolled_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// What a browser is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceremony {
    /// To be given back with the answer.
    pub name: String,
    /// For `navigator.credentials`, in its JSON form.
    pub options: Value,
}

impl From<(PasskeyId, Known)> for PasskeyView {
    fn from((id, known): (PasskeyId, Known)) -> Self {
        Self { id, label: known.credential.label, enrolled_at: known.enrolled_at, used_at: known.used_at }
    }
}

impl Party {
    /// The server's name and origin come from where people reach it. A passkey is bound to a name, so that there are none at an address.
    pub(crate) fn new(public_url: &str) -> Self {
        let built = |url: Url| {
            let name = url.domain()?.to_owned();
            let webauthn = WebauthnBuilder::new(&name, &url).ok()?.rp_name("Ajar").build().ok()?;
            Some((name, webauthn))
        };
        Self { webauthn: Url::parse(public_url).ok().and_then(built), ceremonies: Ceremonies::default() }
    }

    /// The name that passkeys are bound to.
    pub(crate) fn name(&self) -> Option<&str> {
        self.webauthn.as_ref().map(|(name, _)| name.as_str())
    }

    fn webauthn(&self) -> Result<&(String, Webauthn), Refusal> {
        self.webauthn.as_ref().ok_or_else(|| {
            refusal(
                RefusalKind::Denied,
                "there are no passkeys on this server: it is reached by an address, and a passkey is bound to a name",
                None,
                Some("whoever operates Ajar sets public_url in ajar.toml to a name, such as https://ajar.example.org".into()),
            )
        })
    }
}

fn too_many() -> Refusal {
    refusal(RefusalKind::Unavailable, "too many are at it at once", None, Some("wait a minute and try again".into()))
}

fn over() -> Refusal {
    refusal(RefusalKind::Expired, "that took too long, or was answered already", None, Some("begin again".into()))
}

fn failed(why: &WebauthnError) -> Refusal {
    tracing::warn!(error = %why, "a passkey was not accepted");
    metrics::counter!("ajar_passkey_failures_total").increment(1);
    refusal(
        RefusalKind::Denied,
        "the passkey was not accepted",
        Some(why.to_string()),
        Some("begin again, on Ajar's own page, with a passkey that asks for your finger, face or PIN".into()),
    )
}

fn options(made: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(made).map_err(|e| refusal(RefusalKind::Unavailable, "the options can't be written", Some(e.to_string()), None))
}

/// A browser's answer. A user handle that it leaves out is none.
fn answer<T: DeserializeOwned>(mut credential: Value) -> Result<T, Refusal> {
    if let Some(response) = credential.get_mut("response").and_then(Value::as_object_mut) {
        response.entry("userHandle").or_insert(Value::Null);
    }
    let hint = "send what navigator.credentials answers, in its JSON form";
    serde_json::from_value(credential).map_err(|e| bad_input(format!("'credential' can't be read: {e}"), hint))
}

fn refused(error: &PasskeyError) -> Refusal {
    match error {
        PasskeyError::NoSuch(_) => no_such("passkey"),
        PasskeyError::TooMany => bad_input(error.to_string(), "remove one that you don't use"),
        PasskeyError::Copied { .. } => {
            tracing::error!(%error, "a passkey may have been copied: it was refused");
            metrics::counter!("ajar_passkey_copies_total").increment(1);
            let hint = "remove this passkey if you have another; tell whoever operates Ajar";
            refusal(RefusalKind::Denied, error.to_string(), None, Some(hint.into()))
        }
    }
}

fn theirs<'a>(desk: &Desk<'a>, principal: PrincipalId) -> Result<&'a Passkeys, Refusal> {
    let found = desk.world.principal(principal).filter(|_| desk.rules.enabled(principal));
    found.map(|principal| &principal.passkeys).ok_or_else(bad_credential)
}

impl Engine {
    /// The caller's passkeys, the earliest first.
    ///
    /// # Errors
    /// When the caller's token is only for connecting.
    pub fn passkeys(&self, caller: &Caller) -> Result<Vec<PasskeyView>, Refusal> {
        caller.reads()?;
        Ok(self.people.passkeys_of(caller.principal).into_iter().map(PasskeyView::from).collect())
    }

    /// Begins to enrol a passkey: the first on the strength of the password, if there is one, every other on that of one they have.
    ///
    /// # Errors
    /// When that is not proven, or there are no passkeys on this server.
    pub async fn passkey_enrol(&self, caller: &Caller, current: Option<Secret>, client: IpAddr) -> Result<Ceremony, Refusal> {
        caller.writes()?;
        let (_, webauthn) = self.party.webauthn()?;
        let principal = caller.principal;
        let by = self.freshly(caller);
        let link = self.account_link();
        let first = self.sequencer.look(move |desk| {
            let keys = theirs(desk, principal)?;
            approves(desk, by, &link)?;
            Ok::<_, Refusal>(keys.is_empty())
        });
        let first = first.await??;
        if first && self.people.has_password(principal) {
            self.password_proven(principal, current, client).await?;
        }
        let known = self.people.passkeys_of(principal).into_iter().map(|(_, known)| known.credential.passkey.cred_id().clone()).collect();
        let name = caller.name.as_str();
        let started = webauthn.start_passkey_registration(principal.uuid(), name, name, Some(known));
        let (mut made, state) = started.map_err(|e| failed(&e))?;
        if let Some(wanted) = made.public_key.authenticator_selection.as_mut() {
            // To be found again without a name; one that can't do that is still good for proving oneself again.
            wanted.resident_key = Some(ResidentKeyRequirement::Preferred);
        }
        self.begin(caller.token(), Begun::Enrol { state: Box::new(state), by, first }, options(&made)?)
    }

    /// Enrols the passkey with which the browser answered.
    ///
    /// # Errors
    /// When the answer is not to what was asked, it is enrolled already, or it can't be recorded.
    pub async fn passkey_enrolled(&self, caller: &Caller, ceremony: &str, label: &str, credential: Value) -> Result<PasskeyView, Refusal> {
        caller.writes()?;
        let (party, webauthn) = self.party.webauthn()?;
        let Some(Begun::Enrol { state, by, first }) = self.party.ceremonies.take(ceremony, caller.token(), self.clock.mono()) else {
            return Err(over());
        };
        let answer: RegisterPublicKeyCredential = answer(credential)?;
        let passkey = webauthn.finish_passkey_registration(&answer, &state).map_err(|e| failed(&e))?;
        if self.people.knows_credential(passkey.cred_id()) {
            return Err(bad_input("that passkey is enrolled already", "use another one"));
        }
        let label: String = label.chars().filter(|c| !c.is_control()).take(100).collect();
        let label = if label.trim().is_empty() { "passkey".to_owned() } else { label.trim().to_owned() };
        let credential = Credential { label: label.clone(), party: party.clone(), passkey };
        let value = serde_json::to_string(&credential).map_err(|e| bad_input(format!("it can't be kept: {e}"), "use another one"))?;
        let (principal, link) = (caller.principal, self.account_link());
        let done = self.sequencer.run(by, Vec::new(), move |desk| {
            let keys = theirs(desk, principal)?;
            // Somebody else with their password may have been at it at the same time: the first is only the first.
            if first && !keys.is_empty() {
                return Err(over());
            }
            approves(desk, by, &link)?;
            let id = PasskeyId::new(desk.entropy.uuid(desk.now));
            let sealed = seal(desk.entropy, value);
            let enrolled = keys.enrol(PasskeyEnrolled { id, credential: sealed.commitment, at: desk.now }).map_err(|e| refused(&e))?;
            let event = Event::Principal(PrincipalEvent::PasskeyEnrolled(enrolled));
            let draft = Draft { decision: vec![(Stream::Principal(principal), event)], disclosures: vec![sealed], ..Draft::default() };
            Ok::<_, Refusal>((draft, PasskeyView { id, label, enrolled_at: desk.now, used_at: None }))
        });
        done.await.map_err(of)
    }

    /// Takes a passkey of the caller's away.
    ///
    /// # Errors
    /// When it isn't theirs, they have not just proven one of theirs, or it can't be recorded.
    pub async fn passkey_remove(&self, caller: &Caller, id: PasskeyId) -> Result<(), Refusal> {
        caller.writes()?;
        let (principal, link, actor) = (caller.principal, self.account_link(), self.freshly(caller));
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let removed = theirs(desk, principal)?.remove(id, desk.now).map_err(|e| refused(&e))?;
            approves(desk, actor, &link)?;
            let event = Event::Principal(PrincipalEvent::PasskeyRemoved(removed));
            Ok::<_, Refusal>((Draft::from(vec![(Stream::Principal(principal), event)]), ()))
        });
        done.await.map_err(of)
    }

    /// Takes all passkeys of somebody away who has lost them: for whoever has the server's own files.
    ///
    /// # Errors
    /// When there is nobody of that name, or it can't be recorded.
    pub async fn passkeys_forget(&self, name: &str) -> Result<usize, Refusal> {
        let found = name.parse().ok().and_then(|name| self.people.id(&name));
        let principal = found.ok_or_else(|| no_such("principal"))?;
        let done = self.sequencer.run(Actor::System, Vec::new(), move |desk| {
            let keys = desk.world.principal(principal).map(|p| &p.passkeys).ok_or_else(|| no_such("principal"))?;
            let mut decision = Vec::new();
            for (id, _) in keys.iter() {
                let removed = keys.remove(id, desk.now).map_err(|e| refused(&e))?;
                decision.push((Stream::Principal(principal), Event::Principal(PrincipalEvent::PasskeyRemoved(removed))));
            }
            let many = decision.len();
            Ok::<_, Refusal>((Draft::from(decision), many))
        });
        done.await.map_err(of)
    }

    /// Begins to sign somebody in, whoever it is.
    ///
    /// # Errors
    /// When too many begin at once, or there are no passkeys on this server.
    pub fn passkey_sign_in(&self, client: IpAddr) -> Result<Ceremony, Refusal> {
        let (_, webauthn) = self.party.webauthn()?;
        if !self.ceremonies_begun.take(place(client), self.clock.mono()) {
            return Err(too_many());
        }
        let (mut made, state) = webauthn.start_discoverable_authentication().map_err(|e| failed(&e))?;
        // Whether it is offered with the name's field or by a button is for the page to say.
        made.mediation = None;
        self.begin(None, Begun::SignIn(Box::new(state)), options(&made)?)
    }

    /// Signs in who answered. It counts as a step-up for the new token.
    ///
    /// # Errors
    /// The same whatever it is that doesn't fit.
    pub async fn passkey_signed_in(&self, ceremony: &str, credential: Value, client: IpAddr) -> Result<IssuedToken, Refusal> {
        let (_, webauthn) = self.party.webauthn()?;
        self.brake_sign_in(client)?;
        let Some(Begun::SignIn(state)) = self.party.ceremonies.take(ceremony, None, self.clock.mono()) else {
            return Err(over());
        };
        let answer: PublicKeyCredential = answer(credential)?;
        let found = webauthn.identify_discoverable_authentication(&answer).ok().and_then(|(uuid, credential)| {
            let principal = PrincipalId::new(uuid);
            let theirs = self.people.passkeys_of(principal);
            let known = theirs.into_iter().find(|(_, known)| known.credential.passkey.cred_id().as_slice() == credential)?;
            self.rules().enabled(principal).then_some((principal, known))
        });
        let unknown = |why: &dyn std::fmt::Display| {
            tracing::warn!(client.address = %client, error = %why, "a sign-in with a passkey failed");
            metrics::counter!("ajar_sign_in_failures_total").increment(1);
            bad_credential()
        };
        let (principal, (passkey, known)) = found.ok_or_else(|| unknown(&"nobody who is enabled has it"))?;
        let key = DiscoverableKey::from(&known.credential.passkey);
        let proven = webauthn.finish_discoverable_authentication_v2(&answer, *state, &key).map_err(|e| unknown(&e))?;
        if !proven.user_verified() {
            return Err(unknown(&WebauthnError::UserNotVerified));
        }
        let actor = Actor::Principal { id: principal, proof: Proof::Passkey { passkey, token: None } };
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let used = theirs(desk, principal)?.used(passkey, proven.counter(), desk.now).map_err(|e| refused(&e))?;
            let (mut draft, issued) = issue(desk, principal, LABEL.to_owned(), Scope::Full, TOKEN_LIFE);
            draft.decision.insert(0, (Stream::Principal(principal), Event::Principal(PrincipalEvent::PasskeyUsed(used))));
            Ok::<_, Refusal>((draft, issued))
        });
        let issued = done.await.map_err(of)?;
        self.fresh.begin(issued.id, passkey, self.clock.now(), self.clock.mono());
        Ok(issued)
    }

    /// Begins a step-up: the caller proves themselves again, with a passkey.
    ///
    /// # Errors
    /// When they have none, or there are none on this server.
    pub fn step_up(&self, caller: &Caller) -> Result<Ceremony, Refusal> {
        caller.writes()?;
        let (_, webauthn) = self.party.webauthn()?;
        let known: Vec<_> = self.people.passkeys_of(caller.principal).into_iter().map(|(_, known)| known.credential.passkey).collect();
        if known.is_empty() {
            let hint = format!("enrol one at {}", self.account_link());
            return Err(bad_input("you have no passkey", hint));
        }
        let (made, state) = webauthn.start_passkey_authentication(&known).map_err(|e| failed(&e))?;
        self.begin(caller.token(), Begun::StepUp(Box::new(state)), options(&made)?)
    }

    /// Ends a step-up; until when it holds, for the caller's token.
    ///
    /// # Errors
    /// When the answer is not theirs, or not to what was asked, or it can't be recorded.
    pub async fn stepped_up(&self, caller: &Caller, ceremony: &str, credential: Value) -> Result<Timestamp, Refusal> {
        caller.writes()?;
        let (_, webauthn) = self.party.webauthn()?;
        let Some(token) = caller.token() else { return Err(bad_credential()) };
        let Some(Begun::StepUp(state)) = self.party.ceremonies.take(ceremony, Some(token), self.clock.mono()) else {
            return Err(over());
        };
        let answer: PublicKeyCredential = answer(credential)?;
        let principal = caller.principal;
        // Whom the authenticator names must be who asks.
        if answer.get_user_unique_id().is_some_and(|handle| handle != principal.uuid().as_bytes()) {
            return Err(failed(&WebauthnError::InvalidUserUniqueId));
        }
        let proven = webauthn.finish_passkey_authentication(&answer, &state).map_err(|e| failed(&e))?;
        if !proven.user_verified() {
            return Err(failed(&WebauthnError::UserNotVerified));
        }
        let known = self.people.passkeys_of(principal);
        let used = known.into_iter().find(|(_, known)| known.credential.passkey.cred_id() == proven.cred_id());
        let (passkey, _) = used.ok_or_else(|| no_such("passkey"))?;
        let actor = Actor::Principal { id: principal, proof: Proof::Passkey { passkey, token: Some(token) } };
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            desk.world.token(token).ok_or_else(bad_credential)?;
            let used = theirs(desk, principal)?.used(passkey, proven.counter(), desk.now).map_err(|e| refused(&e))?;
            let event = Event::Principal(PrincipalEvent::PasskeyUsed(used));
            Ok::<_, Refusal>((Draft::from(vec![(Stream::Principal(principal), event)]), ()))
        });
        done.await.map_err(of)?;
        Ok(self.fresh.begin(token, passkey, self.clock.now(), self.clock.mono()))
    }

    fn begin(&self, whose: Option<TokenId>, begun: Begun, options: Value) -> Result<Ceremony, Refusal> {
        let name = self.party.ceremonies.begin(whose, begun, &*self.entropy, self.clock.mono()).ok_or_else(too_many)?;
        Ok(Ceremony { name, options })
    }

    /// Where somebody looks after their passkeys and steps up.
    fn account_link(&self) -> String {
        format!("{}/settings", self.config.public_url)
    }
}
