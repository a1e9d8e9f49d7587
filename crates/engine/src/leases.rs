//! Leases: one login on the target for each open grant, minted at the first knock, revoked until the target confirms.
//!
//! The secret of a login lives here and nowhere else. Making and removing one are serialised for each grant, so that a
//! revocation can't overtake the mint that it is to undo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::event::Actor;
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::{GrantId, LeaseId};
use ajar_core::lease::{Held, Intended, Lease, RevocationProof};
use ajar_core::port::{Connector, ConnectorError, LeaseSecret, PendingEffect, Probe, Refusal, RefusalKind};
use ajar_core::resource::{Kind, Resource};
use ajar_core::secret::Secret;
use ajar_core::time::Span;
use ajar_core::world::{Decision, WorldError};

use tracing::instrument;

use crate::desk::seconds;
use crate::engine::{Engine, SYSTEM};
use crate::refusal::{no_such, of, refusal};
use crate::sequencer::{Desk, Draft, Failed};

/// Wait before the second try of a revocation.
const RETRY_FIRST: Span = Span::from_millis(500);
/// Wait between tries at the most.
const RETRY_MOST: Span = Span::from_secs(30);

/// A login that exists.
#[derive(Debug, Clone)]
pub(crate) struct Minted {
    pub(crate) lease: LeaseId,
    pub(crate) login: String,
    pub(crate) secret: LeaseSecret,
    /// Where it was made.
    pub(crate) resource: Arc<Resource>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Minted>>>;

/// The logins in use, by grant.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    of: BTreeMap<GrantId, Slot>,
    /// Grants that were extended, and what each goes on as: whoever still names the old one comes to the same slot.
    moved: BTreeMap<GrantId, GrantId>,
    /// The other way round.
    before: BTreeMap<GrantId, Vec<GrantId>>,
}

impl Slots {
    fn now(&self, grant: GrantId) -> GrantId {
        self.moved.get(&grant).copied().unwrap_or(grant)
    }
}

impl Leases {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, grant: GrantId) -> Slot {
        let mut slots = self.slots();
        let grant = slots.now(grant);
        Arc::clone(slots.of.entry(grant).or_default())
    }

    fn drop_slot(&self, grant: GrantId) {
        let mut slots = self.slots();
        let grant = slots.now(grant);
        slots.of.remove(&grant);
    }

    /// What is in the slot of `from`, or under way in it, is in that of `to` from now on.
    pub(crate) fn go_on(&self, from: GrantId, to: GrantId) {
        let mut slots = self.slots();
        let slot = slots.of.remove(&from).unwrap_or_default();
        slots.of.insert(to, slot);
        let mut before = slots.before.remove(&from).unwrap_or_default();
        before.push(from);
        slots.moved.extend(before.iter().map(|earlier| (*earlier, to)));
        slots.before.insert(to, before);
    }

    /// A grant is closing: nothing is made for it any more, by whatever name.
    pub(crate) fn forget(&self, grant: GrantId) {
        let mut slots = self.slots();
        for earlier in slots.before.remove(&grant).unwrap_or_default() {
            slots.moved.remove(&earlier);
        }
    }
}

impl Engine {
    /// The login for an open grant: the one that exists, or a new one.
    ///
    /// # Errors
    /// When the target can't make it, the grant is not open, or nothing can be recorded.
    #[instrument(name = "lease", skip_all, fields(grant.id = %grant))]
    pub(crate) async fn lease_for(&self, actor: Actor, grant: GrantId, resource: &Arc<Resource>) -> Result<Minted, Refusal> {
        let slot = self.leases.slot(grant);
        let mut slot = slot.lock().await;
        if let Some(minted) = &*slot {
            return Ok(minted.clone());
        }
        let started = self.clock.mono();
        self.redeem(actor, grant).await?;
        // INVARIANT I10: the intent is durable before anything is made.
        let intended = self.lease_intend(actor, grant).await?;
        let mut secret = [0u8; 24];
        let mut salt = [0u8; 16];
        self.entropy.fill(&mut secret);
        self.entropy.fill(&mut salt);
        let secret = LeaseSecret { password: Secret::new(hex::encode(secret)), salt };
        let id = intended.id;
        let connector = self.connector(resource).ok_or_else(|| no_such("such resource"))?;
        let made = connector.mint(resource, &intended, &secret).await;
        self.healths.worked(&resource.name, &made, self.clock.now());
        if let Err(error) = made {
            tracing::error!(lease.id = %id, resource.name = %resource.name, error = %error, "a login could not be made");
            self.lease_give_up(id).await;
            return Err(refusal(
                RefusalKind::Unavailable,
                format!("{} can't be opened now", resource.name),
                Some(public_words(&error)),
                Some(format!("your grant {grant} is still open: try again, or have an operator run 'ajar doctor {}'", resource.name)),
            ));
        }
        let done = self
            .sequencer
            .run(actor, Vec::new(), move |desk| Ok::<_, WorldError>((Draft::from(desk.world.lease_minted(id, desk.now)?), ())));
        if let Err(failed) = done.await {
            self.lease_give_up(id).await;
            return Err(of(failed));
        }
        metrics::histogram!("ajar_time_to_mint_seconds").record(self.since(started));
        let minted = Minted { lease: id, login: intended.login, secret, resource: Arc::clone(resource) };
        *slot = Some(minted.clone());
        Ok(minted)
    }

    /// The first use of a grant whose clock starts with it; nothing for any other.
    pub(crate) async fn redeem(&self, actor: Actor, grant: GrantId) -> Result<(), Refusal> {
        let signer = self.signer.clone();
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let grant = desk.world.standing_grant(grant);
            Ok::<_, WorldError>((Draft::from(desk.world.grant_redeem(grant, &desk.present(), &signer)?), ()))
        });
        done.await.map_err(of)
    }

    async fn lease_intend(&self, actor: Actor, grant: GrantId) -> Result<Intended, Refusal> {
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let id = LeaseId::new(desk.entropy.uuid(desk.now));
            let grant = desk.world.standing_grant(grant);
            let claims = match desk.world.grant(grant) {
                Some(Grant::Open(open)) => &open.signed.claims,
                Some(_) | None => return Err(WorldError::NoSuch(ajar_core::event::Stream::Grant(grant))),
            };
            let visible = id.to_string();
            let intended = Intended {
                id,
                grant,
                resource: claims.resource.clone(),
                role: claims.role.clone(),
                login: format!("ajar_{}", visible.strip_prefix("lease_").unwrap_or(&visible)),
                valid_until: claims.ends_at,
                files: Some(desk.rules.hash().to_owned()),
                serial: None,
                at: desk.now,
            };
            Ok((Draft::from(desk.world.lease_intend(intended.clone())?), intended))
        });
        done.await.map_err(of)
    }

    /// A lease that could not be made or recorded is removed, whatever is there of it.
    pub(crate) async fn lease_give_up(&self, id: LeaseId) {
        let done = self
            .sequencer
            .run(SYSTEM, Vec::new(), move |desk| Ok::<_, WorldError>((Draft::from(desk.world.lease_revoke(id, desk.now)?), ())));
        if done.await.is_err() {
            tracing::error!(lease.id = %id, "a lease could not be given up in the ledger; the next start does");
        }
    }

    /// What mints on a target, where anything is minted.
    pub(crate) fn connector(&self, resource: &Resource) -> Option<&dyn Connector> {
        match &resource.kind {
            Kind::Postgres(_) => Some(&*self.postgres),
            Kind::Ssh(_) => Some(&*self.ssh),
            Kind::Http(_) => None,
        }
    }

    pub(crate) fn prober(&self, resource: &Resource) -> &dyn Probe {
        match &resource.kind {
            Kind::Postgres(_) => &*self.postgres,
            Kind::Http(_) => &*self.http,
            Kind::Ssh(_) => &*self.ssh,
        }
    }

    /// One try at revoking a lease, as the outbox asks for it.
    #[instrument(name = "revoke", skip_all, fields(lease.id = %pending.effect.payload, attempts = pending.attempts))]
    async fn revoke_effect(&self, id: LeaseId, pending: PendingEffect) {
        let key = pending.effect.key.clone();
        let lease = self.sequencer.look(move |desk| desk.world.lease(id).filter(|l| l.may_exist()).cloned()).await;
        let lease = match lease {
            Ok(Some(lease)) => lease,
            Ok(None) => return drop(self.store.effect_done(&key).await),
            Err(_) => return,
        };
        let outcome = self.revoke_on_target(lease.intended()).await;
        let recorded = match &outcome {
            Ok(proof) => self.record_revoked(id, proof.clone()).await,
            Err(error) => self.record_unconfirmed(id, error.to_string()).await,
        };
        if outcome.is_err() || recorded.is_err() {
            let why = outcome.err().map_or_else(|| "it could not be recorded".to_owned(), |e| e.to_string());
            let wait = backoff(pending.attempts);
            tracing::error!(lease.id = %id, attempts = pending.attempts + 1, retry = %wait, error = %why, "a revocation is not confirmed");
            metrics::counter!("ajar_revoke_failures_total").increment(1);
            drop(self.store.effect_retry(&key, self.clock.now().after(wait), &why).await);
        }
    }

    /// One try at moving the expiry of a login whose grant was extended, as the outbox asks for it (I12). Serialised with the mint and the
    /// revocation of the same login: it comes after the one, and never after the other.
    #[instrument(name = "prolong", skip_all, fields(lease.id = %pending.effect.payload, attempts = pending.attempts))]
    async fn prolong_effect(&self, id: LeaseId, pending: &PendingEffect) {
        let key = &pending.effect.key;
        let lease = move |desk: &Desk<'_>| match desk.world.lease(id) {
            Some(Lease::Intended(intended) | Lease::Minted(Held { intended, .. })) => Some(intended.clone()),
            Some(Lease::Revoking(_) | Lease::RevokeUnconfirmed(_) | Lease::Revoked(_)) | None => None,
        };
        let Ok(found) = self.sequencer.look(lease).await else { return };
        let Some(found) = found else { return drop(self.store.effect_done(key).await) };
        let slot = self.leases.slot(found.grant);
        let turn = slot.lock().await;
        // It may be being removed by now, or be prolonged further.
        let Ok(found) = self.sequencer.look(lease).await else { return };
        let Some(intended) = found else { return drop(self.store.effect_done(key).await) };
        let own = turn.as_ref().filter(|m| m.lease == id).map(|m| Arc::clone(&m.resource));
        let done = match &self.made_on(&intended, own).await {
            Some((connector, resource)) => connector.prolong(resource, &intended).await,
            // Without the resource its grant closes, and the lease goes.
            None => Ok(()),
        };
        match done {
            Ok(()) => drop(self.store.effect_done(key).await),
            Err(error) => {
                let wait = backoff(pending.attempts);
                tracing::error!(lease.id = %id, attempts = pending.attempts + 1, retry = %wait, error = %error, "a login's expiry could not be moved yet: new connections may be refused by the target");
                drop(self.store.effect_retry(key, self.clock.now().after(wait), &error.to_string()).await);
            }
        }
    }

    /// Does what an effect of the outbox asks for.
    pub(crate) async fn perform(&self, pending: PendingEffect) {
        let what = pending.effect.key.split_once(':').map(|(what, _)| what);
        match (what, pending.effect.payload.parse::<LeaseId>()) {
            (Some("revoke"), Ok(id)) => self.revoke_effect(id, pending).await,
            (Some("prolong"), Ok(id)) => self.prolong_effect(id, &pending).await,
            (Some(_) | None, _) => {
                tracing::error!(effect.key = %pending.effect.key, "an effect of the outbox can't be read");
                drop(self.store.effect_done(&pending.effect.key).await);
            }
        }
    }

    /// Removes a login from its target. Waits for a mint of the same grant that is under way.
    async fn revoke_on_target(&self, intended: &Intended) -> Result<RevocationProof, ConnectorError> {
        let slot = self.leases.slot(intended.grant);
        let mut slot = slot.lock().await;
        let own = slot.as_ref().filter(|m| m.lease == intended.id).map(|m| Arc::clone(&m.resource));
        let (connector, resource) = self.made_on(intended, own).await.ok_or_else(|| ConnectorError::Misconfigured {
            resource: intended.resource.to_string(),
            why: "no version of the files has it: put it back so that its lease can be revoked".into(),
        })?;
        let gone = connector.revoke(&resource, intended).await;
        // What the files said before tells nothing of what they say now.
        if self.rules().resource(&resource.name) == Some(&resource) {
            self.healths.worked(&resource.name, &gone, self.clock.now());
        }
        let proof = gone?;
        if slot.as_ref().is_some_and(|m| m.lease == intended.id) {
            *slot = None;
            self.leases.drop_slot(intended.grant);
        }
        Ok(proof)
    }

    async fn record_revoked(&self, id: LeaseId, proof: RevocationProof) -> Result<(), Failed<WorldError>> {
        for finding in &proof.findings {
            tracing::warn!(lease.id = %id, finding = %finding, "a revoked login had left something behind");
        }
        self.sequencer
            .run(SYSTEM, Vec::new(), move |desk| {
                if let Some(lease) = desk.world.lease(id)
                    && let Some(Grant::Closing(ending)) = desk.world.grant(lease.intended().grant)
                {
                    metrics::histogram!("ajar_time_to_revoke_seconds").record(seconds(desk.now.since(ending.closing.at)));
                }
                Ok((Draft::from(desk.world.lease_revoked(id, proof, desk.now)?), ()))
            })
            .await
    }

    async fn record_unconfirmed(&self, id: LeaseId, why: String) -> Result<(), Failed<WorldError>> {
        self.sequencer.run(SYSTEM, Vec::new(), move |desk| Ok((Draft::from(desk.world.lease_unconfirmed(id, why, desk.now)?), ()))).await
    }

    /// INVARIANT I13: closes a grant whose end can't be recorded: the target first, the ledger when it is back.
    pub(crate) fn close_unrecorded(&self, actor: Actor, grant: GrantId, reason: CloseReason) {
        if !self.barred.lock().unwrap_or_else(PoisonError::into_inner).insert(grant) {
            return;
        }
        let Some(engine) = self.me.upgrade() else { return };
        self.spawn(async move {
            let mut attempts = 0;
            let leases = engine
                .sequencer
                .look(move |desk| desk.world.leases_of(grant).into_iter().map(|l| l.intended().clone()).collect::<Vec<_>>())
                .await;
            let mut open: Vec<Intended> = leases.unwrap_or_default();
            loop {
                for intended in std::mem::take(&mut open) {
                    if let Err(error) = engine.revoke_on_target(&intended).await {
                        tracing::error!(lease.id = %intended.id, error = %error, "a revocation is not confirmed, nor can that be recorded");
                        open.push(intended);
                    }
                }
                let reason = reason.clone();
                let done = engine.sequencer.run(actor, Vec::new(), move |desk| {
                    Ok::<_, WorldError>((Draft::from(desk.world.grant_close(grant, reason, desk.now)?), ()))
                });
                if !matches!(done.await, Err(Failed::Unavailable(_))) {
                    break;
                }
                attempts += 1;
                tokio::time::sleep(backoff(attempts).into()).await;
            }
            // From here on the outbox carries it; what is proven already is proven again, which costs one question.
            engine.barred.lock().unwrap_or_else(PoisonError::into_inner).remove(&grant);
        });
    }

    /// At start: no process that knew these secrets lives, so every lease goes; grants that are open get new ones when somebody knocks.
    /// A certificate has no secret of ours: its holder goes on with it, for as long as its grant is open.
    pub(crate) async fn leases_of_the_last_process(&self) -> Result<(), Failed<WorldError>> {
        self.sequencer
            .run(SYSTEM, Vec::new(), |desk| {
                let decision: Decision = desk
                    .world
                    .leases()
                    .filter(|l| match l {
                        Lease::Intended(_) => true,
                        Lease::Minted(held) => held.intended.serial.is_none(),
                        Lease::Revoking(_) | Lease::RevokeUnconfirmed(_) | Lease::Revoked(_) => false,
                    })
                    .flat_map(|l| desk.world.lease_revoke(l.intended().id, desk.now).unwrap_or_default())
                    .collect();
                Ok((Draft::from(decision), ()))
            })
            .await
    }
}

/// Doubling from half a second to half a minute.
fn backoff(attempts: u32) -> Span {
    let millis = RETRY_FIRST.as_millis().saturating_mul(1 << attempts.min(10));
    Span::from_millis(millis.min(RETRY_MOST.as_millis()))
}

/// What somebody without a part in operating Ajar may know of a connector's failure.
fn public_words(error: &ConnectorError) -> String {
    match error {
        ConnectorError::Unreachable { .. } => "the target can't be reached".into(),
        ConnectorError::Refused { step, .. } => format!("the target refused to {step}"),
        ConnectorError::StillThere { .. } => "the target still has an old login".into(),
        ConnectorError::Misconfigured { .. } => "the resource is not set up right".into(),
    }
}
