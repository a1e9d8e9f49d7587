//! Applying a directory of files: validated first, then in force as one event, or not at all.
//!
//! Reading, binding and comparing them takes long for a large company, and happens beside the sequencer; what is decided inside it is
//! who is new and who is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::directory::{Added, Applied as AppliedEvent, Disabled, Enabled, PolicyEvent, PrincipalEvent};
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::id::PrincipalId;
use ajar_core::lease::Intended;
use ajar_core::port::{Connector, Refusal, RefusalKind, Store, StoreError};
use ajar_core::resource::Resource;
use ajar_core::sealed::Disclosure;
use ajar_core::world::{Decision, InFiles, Sweep, World};
use ajar_policy::{Bound, Change, Files, Problem, RuleSet};

use crate::engine::{Engine, SYSTEM, StartError};
use crate::people::{People, seal};
use crate::plan::{GrantEnd, PolicyPlan, RequestTurn, grant_ends, request_turns};
use crate::refusal::{of, refusal};
use crate::sequencer::{Desk, Draft};

/// Files of so many bytes or fewer are read at once: another thread would take longer.
const AT_ONCE: usize = 32 * 1024;
/// How often an apply begins again because others were applied meanwhile.
const TRIES: usize = 5;
/// Grants and requests that a sweep looks at before others have their turn.
const SWEPT: usize = 16;
/// What stands for the hash when nothing is in force yet.
pub const NOTHING: &str = "none";

/// What came of applying files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// SHA-256 over the files, hexadecimal.
    pub hash: String,
    /// Whether anything changed.
    pub changed: bool,
    /// Principals seen for the first time.
    pub added: usize,
    /// Principals that can't do anything any more.
    pub disabled: usize,
    /// What differed from what was in force, and what came of that.
    pub plan: PolicyPlan,
}

/// Why files were not applied; what was in force stays so.
#[derive(Debug)]
pub enum ApplyError {
    /// The files are wrong.
    Problems(Vec<Problem>),
    /// Something else is in force than was expected.
    MovedOn {
        /// The hash that was expected, or [`NOTHING`].
        expected: String,
        /// The hash of what is in force, or [`NOTHING`].
        found: String,
    },
    /// It could not be recorded.
    Refused(Refusal),
}

impl From<Refusal> for ApplyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The rules that the log says are in force.
pub(crate) async fn in_force(store: &dyn Store, world: &World, people: &People) -> Result<Arc<Bound>, StartError> {
    let Some(applied) = world.policy() else {
        return Ok(Arc::new(RuleSet::default().bind(&BTreeMap::new())));
    };
    let files = read_blob(store, &applied.hash).await?.ok_or_else(|| StartError::Rules("they are not in the store".into()))?;
    let rules = ajar_policy::parse(&files)
        .map_err(|problems| StartError::Rules(problems.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    Ok(Arc::new(rules.bind(&people.ids())))
}

pub(crate) async fn read_blob(store: &dyn Store, hash: &str) -> Result<Option<Files>, StoreError> {
    Ok(store.blob(hash).await?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Files that were read, with what they are to replace.
pub(crate) struct Prepared {
    pub(crate) bound: Arc<Bound>,
    /// What was in force when they were compared.
    pub(crate) before: Arc<Bound>,
    pub(crate) changes: Vec<Change>,
    /// Who is seen for the first time.
    added: Vec<(Added, Disclosure)>,
    /// Everybody who is listed, and whether they are disabled.
    listed: BTreeMap<PrincipalId, bool>,
    blob: String,
}

impl Prepared {
    /// What differs; what comes of that is still to be found out.
    pub(crate) fn plan(&self) -> PolicyPlan {
        let before = self.before.hash();
        PolicyPlan {
            hash: self.bound.hash().to_owned(),
            in_force: (!before.is_empty()).then(|| before.to_owned()),
            changes: self.changes.clone(),
            added: self.added(),
            disabled: Vec::new(),
            grants: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn added(&self) -> usize {
        self.added.len()
    }

    fn bytes(&self) -> usize {
        self.blob.len()
    }
}

/// What the sequencer made of prepared files.
enum Outcome {
    /// Others were put in force since they were prepared.
    Stale,
    /// This is in force, and something else was expected.
    MovedOn { expected: String, found: String },
    /// They are in force; whether that is new, and how many can do nothing any more.
    InForce { changed: bool, disabled: Vec<PrincipalId> },
}

impl Engine {
    /// Validates `files` (path → text) and puts them in force. Running sessions go on, unless their principal or resource is gone.
    ///
    /// # Errors
    /// When a file is wrong, or nothing can be recorded: what was in force stays so.
    pub async fn policy_apply(&self, actor: Actor, files: Files, commit: Option<String>) -> Result<Applied, ApplyError> {
        self.policy_apply_expecting(actor, files, commit, None).await
    }

    /// [`Engine::policy_apply`], only if what is in force has the hash that is expected, or is [`NOTHING`].
    ///
    /// # Errors
    /// As there, and when something else is in force.
    pub async fn policy_apply_expecting(
        &self,
        actor: Actor,
        files: Files,
        commit: Option<String>,
        expect: Option<String>,
    ) -> Result<Applied, ApplyError> {
        let files = Arc::new(files);
        for _ in 0..TRIES {
            let prepared = Arc::new(self.prepare(&files).await?);
            let (inner, commit, expect) = (Arc::clone(&prepared), commit.clone(), expect.clone());
            let done =
                self.sequencer.run(actor, Vec::new(), move |desk| Ok::<_, Refusal>(apply(desk, &inner, expect.as_deref(), commit))).await;
            let (hash, added) = (prepared.bound.hash().to_owned(), prepared.added());
            let mut plan = prepared.plan();
            // The sequencer let go of what was in force before; taking a large set apart is nothing for it to wait for.
            self.beside(prepared.bytes(), move || drop(prepared)).await;
            match done.map_err(|failed| ApplyError::Refused(of(failed)))? {
                Outcome::Stale => {}
                Outcome::MovedOn { expected, found } => return Err(ApplyError::MovedOn { expected, found }),
                Outcome::InForce { changed, disabled } => {
                    if changed {
                        (plan.grants, plan.requests) = self.close_what_is_gone().await;
                    }
                    let (added, gone) = (if changed { added } else { 0 }, disabled.len());
                    plan.disabled = disabled;
                    return Ok(Applied { hash, changed, added, disabled: gone, plan });
                }
            }
        }
        Err(refusal(RefusalKind::Unavailable, "others are putting files in force at the same time", None, Some("try again".into())).into())
    }

    /// Reads files, binds them and compares them with what is in force, beside everything else.
    pub(crate) async fn prepare(&self, files: &Arc<Files>) -> Result<Prepared, ApplyError> {
        let people = Arc::clone(&self.people);
        // What is in force may not be durable yet: its own ids are, or will be, those of its people.
        let looked = self.sequencer.look(move |desk| {
            let mut ids = people.ids();
            ids.extend(desk.rules.ids().iter().map(|(name, id)| (name.clone(), *id)));
            (Arc::clone(desk.rules), ids)
        });
        let (before, mut ids) = looked.await.map_err(Refusal::from)?;
        let (files, entropy, now) = (Arc::clone(files), Arc::clone(&self.entropy), self.clock.now());
        let bytes = files.values().map(String::len).sum();
        let work = move || {
            let rules = ajar_policy::parse(&files)?;
            let (mut added, mut listed) = (Vec::new(), BTreeMap::new());
            for entry in rules.principals() {
                let id = *ids.entry(entry.name.clone()).or_insert_with(|| {
                    let id = PrincipalId::new(entropy.uuid(now));
                    let name = seal(&*entropy, entry.name.to_string());
                    added.push((Added { id, name: name.commitment, kind: entry.kind }, name));
                    id
                });
                listed.insert(id, entry.disabled);
            }
            let changes = ajar_policy::diff(before.set(), &rules);
            let blob = serde_json::to_string(&*files).unwrap_or_default();
            Ok(Prepared { bound: Arc::new(rules.bind(&ids)), before, changes, added, listed, blob })
        };
        let done = self.beside(bytes, work).await;
        let done = done.ok_or_else(|| refusal(RefusalKind::Unavailable, "the files could not be read", None, Some("try again".into())))?;
        done.map_err(ApplyError::Problems)
    }

    /// Runs what takes long for much on another thread, and what is short at once.
    async fn beside<T: Send + 'static>(&self, bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if bytes <= AT_ONCE { Some(work()) } else { self.blocking(work).await }
    }

    /// Closes what disabled principals and removed resources leave behind, and looks at every pending request again; a part at a time, so
    /// that others have their turn. Run after each change of rules, at start, and now and then. What came of it.
    pub(crate) async fn close_what_is_gone(&self) -> (Vec<GrantEnd>, Vec<RequestTurn>) {
        let (mut grants, mut requests) = (Vec::new(), Vec::new());
        let mut next = Some(Sweep::default());
        while let Some(from) = next {
            let done = self.sequencer.run(SYSTEM, Vec::new(), move |desk| {
                let (decision, next) = sweep(desk, from);
                let turns = (grant_ends(desk.world, &decision), request_turns(desk.world, &decision));
                Ok::<_, Refusal>((Draft::from(decision), (turns, next)))
            });
            next = match done.await {
                Ok(((ends, turns), next)) => {
                    grants.extend(ends);
                    requests.extend(turns);
                    next
                }
                Err(failed) => {
                    let error = of(failed);
                    tracing::error!(%error, "what disabled principals have could not be closed yet; it is tried again within a minute");
                    None
                }
            };
        }
        (grants, requests)
    }

    /// The resource that a lease was made on, and what made it, even when the files no longer have it, or have something else by its name: it must be
    /// revocable, and a proof from elsewhere is none (I11). `own` is as this process knows it. What is still in the same place is taken as the files
    /// describe it now.
    pub(crate) async fn made_on(&self, lease: &Intended, own: Option<Arc<Resource>>) -> Option<(&dyn Connector, Arc<Resource>)> {
        let rules = self.rules();
        let now = rules.resource(&lease.resource).cloned();
        let then = match (own, &lease.files) {
            (Some(own), _) => Some(own),
            (None, Some(hash)) if *hash != rules.hash() => Some(self.resource_in(hash, lease).await?),
            (None, Some(_) | None) => None,
        };
        let found = match (then, now) {
            (Some(then), Some(now)) if then.is_where(&now) => now,
            (Some(then), _) => then,
            (None, Some(now)) if self.connector(&now).is_some() => now,
            (None, _) => self.last_known(lease).await?,
        };
        Some((self.connector(&found)?, found))
    }

    /// The resource of a lease as files said that were in force once.
    async fn resource_in(&self, hash: &str, lease: &Intended) -> Option<Arc<Resource>> {
        let mut kept = self.files_before.lock().await;
        if let Some(rules) = kept.as_ref().filter(|rules| rules.hash() == hash) {
            return rules.resources().find(|r| r.name == lease.resource).cloned();
        }
        let files = read_blob(&*self.store, hash).await.ok()??;
        let bytes = files.values().map(String::len).sum();
        let rules = self.beside(bytes, move || ajar_policy::parse(&files).ok()).await.flatten()?;
        let found = rules.resources().find(|r| r.name == lease.resource).cloned();
        // Many leases end after the same change.
        *kept = Some(rules);
        found
    }

    /// The resource of a lease as the last files said that had it: for leases that don't say more.
    async fn last_known(&self, lease: &Intended) -> Option<Arc<Resource>> {
        for leaf in self.store.stream(Stream::Policy).await.ok()?.iter().rev() {
            let Ok(Envelope { event: Event::Policy(PolicyEvent::Applied(applied)), .. }) = Envelope::from_leaf(&leaf.bytes) else {
                continue;
            };
            let found = self.resource_in(&applied.hash, lease).await;
            if let Some(resource) = found.filter(|resource| self.connector(resource).is_some()) {
                return Some(resource);
            }
        }
        None
    }
}

/// The next part of what the rules on a desk mean for what is open and pending.
pub(crate) fn sweep(desk: &Desk<'_>, from: Sweep) -> (Decision, Option<Sweep>) {
    let rules = desk.rules;
    let files = InFiles {
        enabled: &|id| rules.enabled(id),
        there: &|resource, role| rules.resource(resource).is_some_and(|r| r.roles().contains(&role)),
        in_force: &|filed| desk.at.in_force(filed),
    };
    desk.world.sweep(from, SWEPT, files, &desk.present())
}

/// Decides what comes of prepared files. INVARIANT I15: who is new, who is gone and what is in force are one transaction.
fn apply(desk: &Desk<'_>, prepared: &Prepared, expect: Option<&str>, commit: Option<String>) -> (Draft, Outcome) {
    let previous = desk.world.policy().map(|p| p.hash.clone());
    let found = previous.as_deref().unwrap_or(NOTHING);
    if let Some(expected) = expect.filter(|expected| *expected != found) {
        return (Draft::default(), Outcome::MovedOn { expected: expected.to_owned(), found: found.to_owned() });
    }
    let hash = prepared.bound.hash().to_owned();
    if previous.as_deref() == Some(hash.as_str()) {
        return (Draft::default(), Outcome::InForce { changed: false, disabled: Vec::new() });
    }
    if !Arc::ptr_eq(desk.rules, &prepared.before) {
        return (Draft::default(), Outcome::Stale);
    }
    let mut draft = Draft::default();
    let on = |id, event| (Stream::Principal(id), Event::Principal(event));
    for (added, name) in &prepared.added {
        draft.decision.push(on(added.id, PrincipalEvent::Added(added.clone())));
        draft.disclosures.push(name.clone());
    }
    let mut disabled = Vec::new();
    for (id, off) in &prepared.listed {
        let enabled = desk.world.principal(*id).is_none_or(|p| p.enabled);
        if *off && enabled {
            draft.decision.push(on(*id, PrincipalEvent::Disabled(Disabled { at: desk.now })));
            disabled.push(*id);
        } else if !off && !enabled {
            draft.decision.push(on(*id, PrincipalEvent::Enabled(Enabled { at: desk.now })));
        }
    }
    for gone in desk.world.principals().filter(|p| p.enabled && !prepared.listed.contains_key(&p.id)) {
        draft.decision.push(on(gone.id, PrincipalEvent::Disabled(Disabled { at: desk.now })));
        disabled.push(gone.id);
    }
    disabled.sort_unstable();
    let applied = AppliedEvent { hash: hash.clone(), previous, commit, at: desk.now };
    draft.decision.push((Stream::Policy, Event::Policy(PolicyEvent::Applied(applied))));
    draft.blobs.push((hash, prepared.blob.clone()));
    draft.rules = Some(Arc::clone(&prepared.bound));
    (draft, Outcome::InForce { changed: true, disabled })
}
