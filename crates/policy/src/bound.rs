//! The rules, bound to principals' ids: who is who, and what there is to ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ajar_core::directory::PrincipalKind;
use ajar_core::grant::Scheduled;
use ajar_core::history::History;
use ajar_core::id::PrincipalId;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RoleName, ScheduleName};
use ajar_core::plan::{Candidates, Facts};
use ajar_core::resource::Resource;
use ajar_core::time::Timestamp;
use uuid::Uuid;

use crate::decide::could;
use crate::rules::{Rule, RuleSet, Who};

/// A rule set with the ids of its principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    set: RuleSet,
    people: HashMap<PrincipalId, Somebody>,
    /// Whoever is in a group and not disabled.
    groups: BTreeMap<GroupName, BTreeSet<PrincipalId>>,
    ids: BTreeMap<PrincipalName, PrincipalId>,
    /// Rules by resource, as indexes: a decision looks at those that could match, not at all.
    by_resource: BTreeMap<ResourceName, Vec<usize>>,
    /// Resources by the host names that they have of their own.
    by_host: BTreeMap<String, ResourceName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Somebody {
    pub(crate) name: PrincipalName,
    pub(crate) kind: PrincipalKind,
    disabled: bool,
    /// The same for every account of one person.
    human: PrincipalId,
    manager: Option<PrincipalId>,
    pub(crate) groups: BTreeSet<GroupName>,
}

impl Somebody {
    fn is_among(&self, who: &Who) -> bool {
        who.people.contains(&self.name) || who.groups.iter().any(|group| self.groups.contains(group))
    }
}

/// The rules at an instant, with what lately became of requests: who is who then.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    pub(crate) bound: &'a Bound,
    pub(crate) history: &'a History,
    pub(crate) now: Timestamp,
}

/// A resource that somebody may ask for, with the roles that they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Roles, in order.
    pub roles: Vec<RoleName>,
}

impl RuleSet {
    /// Binds names to ids, and those that have none yet to ids of no consequence: for rules that are only tried out.
    #[must_use]
    pub fn bind_draft(&self, known: &BTreeMap<PrincipalName, PrincipalId>) -> Bound {
        let made_up = self.people.keys().zip(0..).map(|(name, n)| (name.clone(), PrincipalId::new(Uuid::from_u128(u128::MAX - n))));
        let mut ids: BTreeMap<PrincipalName, PrincipalId> = made_up.collect();
        ids.extend(known.iter().map(|(name, id)| (name.clone(), *id)));
        self.bind(&ids)
    }

    /// Binds names to ids. A name without an id is nobody.
    #[must_use]
    pub fn bind(&self, ids: &BTreeMap<PrincipalName, PrincipalId>) -> Bound {
        let ids: BTreeMap<_, _> = self.people.keys().filter_map(|name| Some((name.clone(), *ids.get(name)?))).collect();
        let humans = humans(self, &ids);
        let mut groups: BTreeMap<GroupName, BTreeSet<PrincipalId>> = BTreeMap::new();
        let mut memberships: BTreeMap<PrincipalId, BTreeSet<GroupName>> = BTreeMap::new();
        for (group, members) in &self.groups {
            let (mut found, is_enabled) = (BTreeSet::new(), |name| self.people.get(name).is_some_and(|person| !person.disabled));
            for (name, id) in members.iter().filter_map(|name| Some((name, *ids.get(name)?))) {
                memberships.entry(id).or_default().insert(group.clone());
                if is_enabled(name) {
                    found.insert(id);
                }
            }
            groups.insert(group.clone(), found);
        }
        let people = self.people.iter().filter_map(|(name, person)| {
            let id = *ids.get(name)?;
            let somebody = Somebody {
                name: name.clone(),
                kind: person.kind,
                disabled: person.disabled,
                human: humans.get(&id).copied().unwrap_or(id),
                manager: person.manager.as_ref().and_then(|m| ids.get(m).copied()),
                groups: memberships.remove(&id).unwrap_or_default(),
            };
            Some((id, somebody))
        });
        let people = people.collect();
        let hosts = self.resources.values().flat_map(|resource| resource.hosts().iter().map(|host| (host.clone(), resource.name.clone())));
        Bound { people, groups, ids, by_resource: by_resource(&self.rules), by_host: hosts.collect(), set: self.clone() }
    }
}

/// Rules by the resources that they are for, with something of each; those that share their resources, once.
fn alike<'r, T>(rules: impl Iterator<Item = (&'r Rule, T)>) -> Vec<(&'r BTreeSet<ResourceName>, Vec<T>)> {
    let mut choices: BTreeMap<*const BTreeSet<ResourceName>, (&BTreeSet<ResourceName>, Vec<T>)> = BTreeMap::new();
    for (rule, of) in rules {
        choices.entry(Arc::as_ptr(&rule.resources)).or_insert_with(|| (&rule.resources, Vec::new())).1.push(of);
    }
    choices.into_values().collect()
}

/// The rules for each resource, as indexes.
fn by_resource(rules: &[Rule]) -> BTreeMap<ResourceName, Vec<usize>> {
    let mut found: BTreeMap<ResourceName, Vec<usize>> = BTreeMap::new();
    for (resources, rules) in alike(rules.iter().zip(0..)) {
        for resource in resources {
            found.entry(resource.clone()).or_default().extend(&rules);
        }
    }
    found.values_mut().for_each(|rules| rules.sort_unstable());
    found
}

/// One id for each human: accounts linked by `same_person_as`, in whichever direction and over however many links.
fn humans(set: &RuleSet, ids: &BTreeMap<PrincipalName, PrincipalId>) -> BTreeMap<PrincipalId, PrincipalId> {
    let mut humans: BTreeMap<PrincipalId, PrincipalId> = ids.values().map(|id| (*id, *id)).collect();
    for (name, person) in &set.people {
        for other in &person.same_as {
            let (Some(a), Some(b)) =
                (ids.get(name).and_then(|i| humans.get(i)).copied(), ids.get(other).and_then(|i| humans.get(i)).copied())
            else {
                continue;
            };
            let (keep, merge) = (a.min(b), a.max(b));
            for human in humans.values_mut().filter(|h| **h == merge) {
                *human = keep;
            }
        }
    }
    humans
}

impl Bound {
    /// SHA-256 over the files, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.set.hash
    }

    /// The files.
    #[must_use]
    pub fn set(&self) -> &RuleSet {
        &self.set
    }

    /// The ids of the principals in the files.
    #[must_use]
    pub fn ids(&self) -> &BTreeMap<PrincipalName, PrincipalId> {
        &self.ids
    }

    /// A resource.
    #[must_use]
    pub fn resource(&self, name: &ResourceName) -> Option<&Arc<Resource>> {
        self.set.resources.get(name)
    }

    /// The resource that has a host name of its own.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Option<&ResourceName> {
        self.by_host.get(host)
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.set.resources.values()
    }

    /// Whether a principal is in the files and not disabled there.
    #[must_use]
    pub fn enabled(&self, id: PrincipalId) -> bool {
        self.people.get(&id).is_some_and(|s| !s.disabled)
    }

    /// Whether they may see everything.
    #[must_use]
    pub fn may_audit(&self, id: PrincipalId) -> bool {
        self.person(id).is_some_and(|p| p.audit)
    }

    /// Whether they may revoke anything and apply rules. It never exempts from approval (I03).
    #[must_use]
    pub fn may_operate(&self, id: PrincipalId) -> bool {
        self.person(id).is_some_and(|p| p.operate)
    }

    fn person(&self, id: PrincipalId) -> Option<&crate::rules::Person> {
        let somebody = self.people.get(&id).filter(|s| !s.disabled)?;
        self.set.people.get(&somebody.name)
    }

    /// Whether they own a resource.
    #[must_use]
    pub fn owns(&self, id: PrincipalId, resource: &ResourceName) -> bool {
        let Some(found) = self.set.resources.get(resource) else { return false };
        let among = |group: &GroupName| self.groups.get(group).is_some_and(|members| members.contains(&id));
        let named = || self.people.get(&id).is_some_and(|somebody| !somebody.disabled && found.owners.people.contains(&somebody.name));
        found.owners.groups.iter().any(among) || named()
    }

    /// The owners of a resource who are not disabled.
    pub(crate) fn owners(&self, resource: &ResourceName) -> BTreeSet<PrincipalId> {
        let Some(found) = self.set.resources.get(resource) else { return BTreeSet::new() };
        let groups = found.owners.groups.iter().filter_map(|g| self.groups.get(g)).flatten();
        let people = found.owners.people.iter().filter_map(|p| self.ids.get(p)).filter(|id| self.enabled(**id));
        groups.chain(people).copied().collect()
    }

    /// The rules as they are at `now`.
    #[must_use]
    pub fn at<'a>(&'a self, history: &'a History, now: Timestamp) -> At<'a> {
        At { bound: self, history, now }
    }

    /// Who has this name in the files.
    #[must_use]
    pub fn id_of(&self, name: &PrincipalName) -> Option<PrincipalId> {
        self.id(name)
    }

    pub(crate) fn somebody(&self, id: PrincipalId) -> Option<&Somebody> {
        self.people.get(&id)
    }

    pub(crate) fn id(&self, name: &PrincipalName) -> Option<PrincipalId> {
        self.ids.get(name).copied()
    }

    /// Whoever is in a group and not disabled.
    pub(crate) fn group(&self, name: &GroupName) -> impl Iterator<Item = PrincipalId> + use<'_> {
        self.groups.get(name).into_iter().flatten().copied()
    }

    pub(crate) fn manager(&self, of: PrincipalId) -> Option<PrincipalId> {
        self.people.get(&of)?.manager
    }

    pub(crate) fn attribute(&self, id: PrincipalId, name: &str) -> Option<&str> {
        let somebody = self.people.get(&id)?;
        self.set.people.get(&somebody.name)?.attributes.get(name).map(String::as_str)
    }

    pub(crate) fn in_hours(&self, name: &str, at: Timestamp) -> bool {
        self.set.hours.get(name).is_some_and(|hours| hours.hold(at))
    }

    pub(crate) fn is_on_call(&self, schedule: &str, id: PrincipalId, at: Timestamp) -> bool {
        let schedule = schedule.parse().ok().and_then(|name: ScheduleName| self.set.schedules.get(&name));
        schedule.zip(self.people.get(&id)).is_some_and(|(schedule, somebody)| schedule.on_call(at).contains(&somebody.name))
    }

    /// Whether there is such a role on such a resource.
    pub(crate) fn has(&self, resource: &ResourceName, role: &RoleName) -> bool {
        self.set.resources.get(resource).is_some_and(|r| r.roles().contains(&role))
    }

    /// What they may ask for, at some time or other.
    #[must_use]
    pub fn visible(&self, id: PrincipalId) -> Vec<Offered> {
        let Some(somebody) = self.people.get(&id).filter(|somebody| !somebody.disabled) else { return Vec::new() };
        let mine = self.set.rules.iter().filter(|rule| somebody.is_among(&rule.who));
        let choices = alike(mine.map(|rule| (rule, rule)));
        let mut speaking: BTreeMap<&ResourceName, Vec<&[&Rule]>> = BTreeMap::new();
        for (resources, rules) in &choices {
            resources.iter().for_each(|resource| speaking.entry(resource).or_default().push(rules));
        }
        let offered = speaking.into_iter().filter_map(|(name, rules)| {
            let rules = rules.into_iter().flatten().copied();
            self.offer(name, |role| could(rules.clone().filter(|rule| rule.roles.contains(role))))
        });
        offered.collect()
    }

    /// What they may ask for on a resource, at some time or other; `None` when that is nothing, or there is no such resource.
    #[must_use]
    pub fn offered(&self, id: PrincipalId, resource: &ResourceName) -> Option<Offered> {
        self.enabled(id).then(|| self.offer(resource, |role| self.could_ask(id, resource, role))).flatten()
    }

    fn offer(&self, resource: &ResourceName, could: impl Fn(&RoleName) -> bool) -> Option<Offered> {
        let found = self.set.resources.get(resource)?;
        let roles: Vec<RoleName> = found.roles().into_iter().filter(|role| could(role)).cloned().collect();
        (!roles.is_empty()).then(|| Offered { resource: Arc::clone(found), roles })
    }

    pub(crate) fn is_for(&self, rule: &Rule, id: PrincipalId) -> bool {
        self.people.get(&id).is_some_and(|somebody| somebody.is_among(&rule.who))
    }

    /// The rules that speak of a role on a resource to somebody, by name.
    pub(crate) fn rules_for<'a, 'b>(
        &'a self,
        id: PrincipalId,
        resource: &ResourceName,
        role: &'b RoleName,
    ) -> impl Iterator<Item = &'a Rule> + use<'a, 'b> {
        let somebody = self.people.get(&id);
        let rules = somebody.map(|somebody| self.rules_on(resource, role).filter(|rule| somebody.is_among(&rule.who)));
        rules.into_iter().flatten()
    }

    /// The rules that speak of a role on a resource, by name.
    pub(crate) fn rules_on<'a, 'b>(&'a self, resource: &ResourceName, role: &'b RoleName) -> impl Iterator<Item = &'a Rule> + use<'a, 'b> {
        self.rules_of(resource).filter(move |rule| rule.roles.contains(role))
    }

    /// The rules that speak of a resource, by name.
    pub(crate) fn rules_of<'a>(&'a self, resource: &ResourceName) -> impl Iterator<Item = &'a Rule> + use<'a> {
        self.by_resource.get(resource).into_iter().flatten().filter_map(|i| self.set.rules.get(*i))
    }

    /// Everyone whom `candidates` names at `now`, for a request of `requester` for `resources`.
    pub(crate) fn candidates_at(
        &self,
        candidates: &[Candidates],
        requester: PrincipalId,
        resources: &[ResourceName],
        now: Timestamp,
    ) -> BTreeSet<PrincipalId> {
        let mut found = BTreeSet::new();
        for candidate in candidates {
            match candidate {
                Candidates::Group(group) => found.extend(self.group(group)),
                // Who owns one of several things decides on none of the others.
                Candidates::Owners => {
                    found.extend(resources.iter().map(|r| self.owners(r)).reduce(|all, more| &all & &more).unwrap_or_default())
                }
                Candidates::Manager => found.extend(self.manager(requester).filter(|id| self.enabled(*id))),
                Candidates::OnCall(schedule) => {
                    let on_call = self.set.schedules.get(schedule).into_iter().flat_map(|schedule| schedule.on_call(now));
                    found.extend(on_call.filter_map(|name| self.id(name)).filter(|id| self.enabled(*id)));
                }
                Candidates::Person(id) => found.extend(Some(*id).filter(|id| self.enabled(*id))),
            }
        }
        found
    }

    /// The human behind a principal, as [`Facts::human`].
    #[must_use]
    pub fn human(&self, principal: PrincipalId) -> Option<PrincipalId> {
        let somebody = self.people.get(&principal)?;
        (somebody.kind == PrincipalKind::User && !somebody.disabled).then_some(somebody.human)
    }
}

impl Facts for At<'_> {
    fn human(&self, principal: PrincipalId) -> Option<PrincipalId> {
        self.bound.human(principal)
    }

    fn may_open(&self, scheduled: &Scheduled) -> bool {
        self.lets_open(scheduled)
    }

    fn candidates(&self, candidates: &[Candidates], requester: PrincipalId, resources: &[ResourceName]) -> BTreeSet<PrincipalId> {
        self.bound.candidates_at(candidates, requester, resources, self.now)
    }
}
