//! What the rules and files in force say, for people who look: who is who, and a rule in words.

use std::collections::BTreeSet;

use ajar_core::directory::PrincipalKind;
use ajar_core::id::PrincipalId;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RuleName};
use ajar_core::resource::Resource;

use crate::bound::Bound;
use crate::rules::Effect;

/// A principal, as the files have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: PrincipalName,
    /// What kind.
    pub kind: PrincipalKind,
    /// The groups that it is in.
    pub groups: BTreeSet<GroupName>,
    /// Its manager.
    pub manager: Option<PrincipalId>,
    /// Whether the files don't disable it.
    pub enabled: bool,
}

impl Bound {
    /// Every principal of the files that has an id, by name.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        self.ids().values().filter_map(|id| self.member(*id))
    }

    /// One of them.
    #[must_use]
    pub fn member(&self, id: PrincipalId) -> Option<Member> {
        let somebody = self.somebody(id)?;
        let (name, groups) = (somebody.name.clone(), somebody.groups.clone());
        Some(Member { id, name, kind: somebody.kind, groups, manager: self.manager(id), enabled: self.enabled(id) })
    }

    /// Every group, by name, with all who are in it.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupName, &BTreeSet<PrincipalName>)> {
        self.set().groups.iter()
    }

    /// What somebody owns.
    #[must_use]
    pub fn owned(&self, id: PrincipalId) -> Vec<ResourceName> {
        self.resources().filter(|resource| self.owns(id, &resource.name)).map(|resource| resource.name.clone()).collect()
    }

    /// A rule in words, for whom it speaks of: what it takes, and what a request must carry. Neither whom it is for nor its conditions.
    #[must_use]
    pub fn rule_words(&self, name: &RuleName) -> String {
        let Some(rule) = self.set().rules.iter().find(|rule| rule.name == *name) else {
            return format!("{name}: no longer in the files");
        };
        let (terms, most, carries) = match &rule.effect {
            Effect::Deny => return format!("{name}: denies"),
            Effect::Allow(terms) => (self.routine(rule, terms, None), terms.max, &terms.carries),
            Effect::BreakGlass(terms) => (self.emergency(rule, terms), terms.max, &terms.carries),
        };
        let mut words = match &rule.effect {
            Effect::BreakGlass(_) => vec!["opens at once in an emergency, and a review is owed".to_owned()],
            Effect::Allow(_) | Effect::Deny if terms.plan.stages.is_empty() => vec!["nobody needs to approve".to_owned()],
            Effect::Allow(_) | Effect::Deny => vec![format!("{} must approve", self.plan_words(&terms.plan))],
        };
        words.push(format!("for {most} at most"));
        if carries.reason_min > 0 || carries.reason.is_some() {
            words.push("with a reason".to_owned());
        }
        if carries.ticket || carries.ticket_pattern.is_some() {
            words.push("with a ticket".to_owned());
        }
        if carries.scope || carries.scope_pattern.is_some() {
            words.push("with a scope".to_owned());
        }
        format!("{name}: {}", words.join(", "))
    }

    /// Who owns a resource, as the files say it: `group:orders`, `user:peer`.
    #[must_use]
    pub fn owner_words(resource: &Resource) -> Vec<String> {
        let groups = resource.owners.groups.iter().map(|group| format!("group:{group}"));
        groups.chain(resource.owners.people.iter().map(|person| format!("user:{person}"))).collect()
    }
}
