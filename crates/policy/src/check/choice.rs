//! Which resources a rule is for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::name::{ResourceName, RoleName};
use ajar_core::resource::Resource;

use crate::raw::Matching;

/// Resources that a rule is for, and the roles that any of them has.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) names: Arc<BTreeSet<ResourceName>>,
    pub(super) roles: BTreeSet<RoleName>,
}

/// What there is to choose from. Rules that choose alike share what they have chosen.
pub(super) struct Choices {
    all: Vec<Arc<Resource>>,
    by_label: BTreeMap<(String, String), Vec<Arc<Resource>>>,
    chosen: BTreeMap<Matching, Arc<Chosen>>,
}

impl Chosen {
    pub(super) fn of<'a>(resources: impl IntoIterator<Item = &'a Arc<Resource>>) -> Self {
        let (mut names, mut roles) = (BTreeSet::new(), BTreeSet::new());
        for resource in resources {
            names.insert(resource.name.clone());
            roles.extend(resource.roles().into_iter().cloned());
        }
        Self { names: Arc::new(names), roles }
    }
}

impl Choices {
    pub(super) fn of(resources: &BTreeMap<ResourceName, Arc<Resource>>) -> Self {
        let mut by_label: BTreeMap<(String, String), Vec<Arc<Resource>>> = BTreeMap::new();
        for resource in resources.values() {
            for (label, value) in &resource.labels {
                by_label.entry((label.clone(), value.clone())).or_default().push(Arc::clone(resource));
            }
        }
        Self { all: resources.values().cloned().collect(), by_label, chosen: BTreeMap::new() }
    }

    /// All that match: nothing, when it is not said what.
    pub(super) fn matching(&mut self, wanted: &Matching) -> Arc<Chosen> {
        if let Some(chosen) = self.chosen.get(wanted) {
            return Arc::clone(chosen);
        }
        let labels = wanted.labels.iter().map(|(label, value)| (label.clone(), value.clone()));
        let labelled = labels.map(|label| self.by_label.get(&label).map(Vec::as_slice).unwrap_or_default());
        let among = match labelled.min_by_key(|found| found.len()) {
            Some(fewest) => fewest,
            None if wanted.kind.is_some() => &self.all,
            None => &[],
        };
        let fits = |r: &&Arc<Resource>| {
            wanted.kind.as_ref().is_none_or(|kind| kind.get_ref() == r.kind.word())
                && wanted.labels.iter().all(|(label, value)| r.labels.get(label) == Some(value))
        };
        let chosen = Arc::new(Chosen::of(among.iter().filter(fits)));
        self.chosen.insert(wanted.clone(), Arc::clone(&chosen));
        chosen
    }
}
