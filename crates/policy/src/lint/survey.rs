//! Who is in which rule. People, and resources, of whom just the same rules speak, are one kind: to the rules they are alike.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::id::PrincipalId;
use ajar_core::name::{PrincipalName, ResourceName, RoleName};
use ajar_core::time::Timestamp;

use crate::bound::Bound;
use crate::rules::{Candidate, Rule, StageByName};

/// Comparisons that each part of a run may take.
const BUDGET: usize = 4_000_000;

pub(super) struct Survey<'a> {
    pub(super) bound: &'a Bound,
    pub(super) now: Timestamp,
    /// By rule: whom it is for, of those who are enabled.
    members: Vec<BTreeSet<PrincipalId>>,
    people: Vec<Alike>,
    resources: Vec<Alike>,
    /// By rule: the kinds of people, and of resources, that it speaks of.
    kinds: Vec<(Vec<usize>, Vec<usize>)>,
    left: usize,
}

/// What the same rules speak of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    /// Those rules, as indexes.
    pub(super) rules: Vec<usize>,
    /// Roles that a resource has.
    pub(super) roles: BTreeSet<RoleName>,
}

impl<'a> Survey<'a> {
    pub(super) fn of(bound: &'a Bound, now: Timestamp) -> Self {
        let set = bound.set();
        let members: Vec<BTreeSet<PrincipalId>> = set.rules.iter().map(|rule| members(bound, rule)).collect();
        let mut of_people: BTreeMap<PrincipalId, Vec<usize>> = BTreeMap::new();
        for (index, members) in members.iter().enumerate() {
            members.iter().for_each(|member| of_people.entry(*member).or_default().push(index));
        }
        let mut of_resources: BTreeMap<&ResourceName, Vec<usize>> = BTreeMap::new();
        for (index, rule) in set.rules.iter().enumerate() {
            rule.resources.iter().for_each(|resource| of_resources.entry(resource).or_default().push(index));
        }
        let people = alike(of_people.into_values().map(|rules| Alike { rules, roles: BTreeSet::new() }));
        let roles = |name: &ResourceName| bound.resource(name).map(|r| r.roles().into_iter().cloned().collect()).unwrap_or_default();
        let resources = alike(of_resources.into_iter().map(|(name, rules)| Alike { rules, roles: roles(name) }));
        let mut kinds = vec![(Vec::new(), Vec::new()); set.rules.len()];
        for (kind, alike) in people.iter().enumerate() {
            alike.rules.iter().for_each(|rule| kinds.get_mut(*rule).into_iter().for_each(|kinds| kinds.0.push(kind)));
        }
        for (kind, alike) in resources.iter().enumerate() {
            alike.rules.iter().for_each(|rule| kinds.get_mut(*rule).into_iter().for_each(|kinds| kinds.1.push(kind)));
        }
        Self { bound, now, members, people, resources, kinds, left: BUDGET }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &'a Rule> + use<'a> {
        self.bound.set().rules.iter()
    }

    pub(super) fn members(&self, rule: usize) -> &BTreeSet<PrincipalId> {
        static NOBODY: BTreeSet<PrincipalId> = BTreeSet::new();
        self.members.get(rule).unwrap_or(&NOBODY)
    }

    /// Everything that a rule speaks of: a kind of people, a kind of resource, a role.
    pub(super) fn cases(&self, rule: usize) -> impl Iterator<Item = (&Alike, &Alike, &'a RoleName)> {
        let found = self.bound.set().rules.get(rule).zip(self.kinds.get(rule));
        found.into_iter().flat_map(move |(of, (people, resources))| {
            let resources = move || resources.iter().filter_map(|r| self.resources.get(*r));
            people.iter().filter_map(|p| self.people.get(*p)).flat_map(move |people| {
                resources().flat_map(move |resource| {
                    of.roles.iter().filter(|role| resource.roles.contains(*role)).map(move |role| (people, resource, role))
                })
            })
        })
    }

    /// The rules that speak of a case, by name.
    pub(super) fn speaking(&self, people: &Alike, resource: &Alike, role: &RoleName) -> impl Iterator<Item = (usize, &'a Rule)> {
        let both = resource.rules.iter().copied().filter(|rule| people.rules.binary_search(rule).is_ok());
        both.filter_map(|rule| Some((rule, self.bound.set().rules.get(rule)?))).filter(|(_, rule)| rule.roles.contains(role))
    }

    /// The next part of the run begins.
    pub(super) fn refill(&mut self) {
        self.left = BUDGET;
    }

    /// Takes from the budget; `false` when it is used up.
    pub(super) fn spend(&mut self, cost: usize) -> bool {
        self.left = self.left.saturating_sub(cost);
        self.left > 0
    }

    /// Of a rule's resources, one for each different set of owners, with its owners' humans.
    pub(super) fn owners(&self, rule: &Rule) -> BTreeMap<BTreeSet<PrincipalId>, ResourceName> {
        let mut said = BTreeMap::new();
        for resource in rule.resources.iter().filter_map(|name| self.bound.resource(name)) {
            said.entry((&resource.owners.groups, &resource.owners.people)).or_insert(&resource.name);
        }
        let mut found = BTreeMap::new();
        for name in said.into_values() {
            found.entry(self.humans(self.bound.owners(name))).or_insert_with(|| name.clone());
        }
        found
    }

    /// The humans whom a stage ever asks, but for managers.
    pub(super) fn asked(&self, stage: &StageByName, owners: &BTreeSet<PrincipalId>) -> BTreeSet<PrincipalId> {
        let mut asked = BTreeSet::new();
        for candidate in stage.everyone() {
            match candidate {
                Candidate::Owners => asked.extend(owners.iter().copied()),
                Candidate::Manager => {}
                Candidate::Group(group) => asked.extend(self.humans(self.bound.group(group))),
                Candidate::OnCall(schedule) => {
                    let schedule = self.bound.set().schedules.get(schedule);
                    asked.extend(self.named(schedule.into_iter().flat_map(|s| s.everybody())));
                }
                Candidate::Person(person) => asked.extend(self.named([person])),
            }
        }
        asked
    }

    fn named<'n>(&self, names: impl IntoIterator<Item = &'n PrincipalName>) -> BTreeSet<PrincipalId> {
        self.humans(names.into_iter().filter_map(|name| self.bound.id(name)))
    }

    pub(super) fn humans(&self, ids: impl IntoIterator<Item = PrincipalId>) -> BTreeSet<PrincipalId> {
        ids.into_iter().filter_map(|id| self.bound.human(id)).collect()
    }

    /// The human behind somebody's manager.
    pub(super) fn manager(&self, of: PrincipalId) -> Option<PrincipalId> {
        self.bound.manager(of).and_then(|manager| self.bound.human(manager))
    }
}

fn members(bound: &Bound, rule: &Rule) -> BTreeSet<PrincipalId> {
    let groups = rule.who.groups.iter().flat_map(|group| bound.group(group));
    let people = rule.who.people.iter().filter_map(|name| bound.id(name));
    groups.chain(people).filter(|id| bound.enabled(*id)).collect()
}

fn alike(all: impl Iterator<Item = Alike>) -> Vec<Alike> {
    all.collect::<BTreeSet<Alike>>().into_iter().collect()
}
