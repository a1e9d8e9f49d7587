//! Applying a directory of files: validated first, then in force as one event, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::directory::{Added, Applied as AppliedEvent, Disabled, Enabled, PolicyEvent, PrincipalEvent};
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::id::PrincipalId;
use ajar_core::lease::Intended;
use ajar_core::port::{Refusal, Store, StoreError};
use ajar_core::resource::Resource;
use ajar_core::world::{Decision, World};
use ajar_policy::{Bound, Files, Problem, RuleSet};

use crate::engine::{Engine, SYSTEM, StartError};
use crate::people::{People, seal};
use crate::refusal::of;
use crate::sequencer::{Desk, Draft};

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
}

/// Why files were not applied; what was in force stays so.
#[derive(Debug)]
pub enum ApplyError {
    /// The files are wrong.
    Problems(Vec<Problem>),
    /// It could not be recorded.
    Refused(Refusal),
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

async fn read_blob(store: &dyn Store, hash: &str) -> Result<Option<Files>, StoreError> {
    Ok(store.blob(hash).await?.and_then(|text| serde_json::from_str(&text).ok()))
}

impl Engine {
    /// Validates `files` (path → text) and puts them in force. Running sessions go on, unless their principal or resource is gone.
    ///
    /// # Errors
    /// When a file is wrong, or nothing can be recorded: what was in force stays so.
    pub async fn policy_apply(&self, actor: Actor, files: Files, commit: Option<String>) -> Result<Applied, ApplyError> {
        let rules = ajar_policy::parse(&files).map_err(ApplyError::Problems)?;
        let blob = serde_json::to_string(&files).unwrap_or_default();
        let people = Arc::clone(&self.people);
        let done = self.sequencer.run(actor, Vec::new(), move |desk| Ok::<_, Refusal>(apply(desk, &people, rules, blob, commit)));
        let applied = done.await.map_err(|failed| ApplyError::Refused(of(failed)))?;
        if applied.changed {
            self.close_what_is_gone().await;
        }
        Ok(applied)
    }

    /// Closes what disabled principals and removed resources leave behind, and looks at every pending request again. Run after each change of rules and at start.
    pub(crate) async fn close_what_is_gone(&self) {
        let done = self.sequencer.run(SYSTEM, Vec::new(), |desk| {
            let mut decision = Decision::new();
            let mut touched = BTreeSet::new();
            let gone =
                desk.world.principals().filter(|p| !desk.rules.enabled(p.id)).flat_map(|p| desk.world.principal_stop(p.id, desk.now));
            let rules = desk.rules;
            let orphans =
                desk.world.grants_orphaned(&|resource, role| rules.resource(resource).is_some_and(|r| r.roles().contains(&role)), desk.now);
            let reassessed = desk.world.requests_reassess(&|filed| desk.at.in_force(filed), &desk.present(), desk.now);
            for part in [gone.collect::<Vec<_>>(), orphans, reassessed] {
                let new: Vec<_> = part.into_iter().filter(|(stream, _)| !touched.contains(stream)).collect();
                touched.extend(new.iter().map(|(stream, _)| *stream));
                decision.extend(new);
            }
            Ok::<_, Refusal>((Draft::from(decision), ()))
        });
        if let Err(failed) = done.await {
            tracing::error!(error = %of(failed), "what disabled principals have could not be closed yet; it is tried again within a minute");
        }
    }

    /// The resource that a lease is on, even when the files no longer have it: it must still be revocable.
    pub(crate) async fn resource_of(&self, lease: &Intended) -> Option<Arc<Resource>> {
        if let Some(resource) = self.rules().resource(&lease.resource) {
            return Some(Arc::clone(resource));
        }
        let mut hashes: Vec<String> = Vec::new();
        for leaf in self.store.stream(Stream::Policy).await.ok()?.iter().rev() {
            if let Ok(Envelope { event: Event::Policy(PolicyEvent::Applied(applied)), .. }) = Envelope::from_leaf(&leaf.bytes) {
                hashes.push(applied.hash);
            }
        }
        for hash in hashes {
            let Ok(Some(files)) = read_blob(&*self.store, &hash).await else { continue };
            let Ok(rules) = ajar_policy::parse(&files) else { continue };
            if let Some(resource) = rules.bind(&BTreeMap::new()).resource(&lease.resource) {
                return Some(Arc::clone(resource));
            }
        }
        None
    }
}

fn apply(desk: &Desk<'_>, people: &People, rules: RuleSet, blob: String, commit: Option<String>) -> (Draft, Applied) {
    let hash = rules.hash().to_owned();
    let previous = desk.world.policy().map(|p| p.hash.clone());
    if previous.as_deref() == Some(hash.as_str()) {
        return (Draft::default(), Applied { hash, changed: false, added: 0, disabled: 0 });
    }
    let mut draft = Draft::default();
    let mut ids = people.ids();
    let mut listed: BTreeSet<PrincipalId> = BTreeSet::new();
    let (mut added, mut disabled) = (0, 0);
    let event = |id, event| (Stream::Principal(id), Event::Principal(event));
    for entry in rules.principals() {
        let id = *ids.entry(entry.name.clone()).or_insert_with(|| {
            let id = PrincipalId::new(desk.entropy.uuid(desk.now));
            let name = seal(desk.entropy, entry.name.to_string());
            draft.decision.push(event(id, PrincipalEvent::Added(Added { id, name: name.commitment, kind: entry.kind })));
            draft.disclosures.push(name);
            added += 1;
            id
        });
        listed.insert(id);
        let enabled = desk.world.principal(id).is_none_or(|p| p.enabled);
        if entry.disabled && enabled {
            draft.decision.push(event(id, PrincipalEvent::Disabled(Disabled { at: desk.now })));
            disabled += 1;
        } else if !entry.disabled && !enabled {
            draft.decision.push(event(id, PrincipalEvent::Enabled(Enabled { at: desk.now })));
        }
    }
    for principal in desk.world.principals().filter(|p| p.enabled && !listed.contains(&p.id)) {
        draft.decision.push(event(principal.id, PrincipalEvent::Disabled(Disabled { at: desk.now })));
        disabled += 1;
    }
    let applied = AppliedEvent { hash: hash.clone(), previous, commit, at: desk.now };
    draft.decision.push((Stream::Policy, Event::Policy(PolicyEvent::Applied(applied))));
    draft.blobs.push((hash.clone(), blob));
    draft.rules = Some(Arc::new(rules.bind(&ids)));
    (draft, Applied { hash, changed: true, added, disabled })
}
