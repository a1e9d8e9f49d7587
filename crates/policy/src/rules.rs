//! A checked set of files. Everything in it refers to something that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::directory::PrincipalKind;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RoleName, RuleName};
use ajar_core::resource::Resource;
use ajar_core::time::Span;

/// A checked set of files, by names. [`RuleSet::bind`] gives it the principals' ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub(crate) hash: String,
    pub(crate) resources: BTreeMap<ResourceName, Arc<Resource>>,
    pub(crate) groups: BTreeMap<GroupName, BTreeSet<PrincipalName>>,
    pub(crate) people: BTreeMap<PrincipalName, Person>,
    pub(crate) rules: Vec<Rule>,
}

/// A principal in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalEntry {
    /// Its name.
    pub name: PrincipalName,
    /// What kind.
    pub kind: PrincipalKind,
    /// Whether the files disable it.
    pub disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) kind: PrincipalKind,
    pub(crate) disabled: bool,
    pub(crate) manager: Option<PrincipalName>,
    pub(crate) same_as: Vec<PrincipalName>,
    pub(crate) audit: bool,
    pub(crate) operate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: RuleName,
    pub(crate) who: Who,
    pub(crate) resources: BTreeSet<ResourceName>,
    pub(crate) roles: BTreeSet<RoleName>,
    pub(crate) effect: Effect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Deny,
    Allow { max: Span, default: Span, reason_min: usize, stages: Vec<StageByName> },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) groups: BTreeSet<GroupName>,
    pub(crate) people: BTreeSet<PrincipalName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageByName {
    pub(crate) from: Vec<Candidate>,
    pub(crate) needed: std::num::NonZeroU8,
    pub(crate) within: Span,
    pub(crate) otherwise: OtherwiseByName,
    pub(crate) asked_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Candidate {
    Group(GroupName),
    Owners,
    Manager,
    Person(PrincipalName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OtherwiseByName {
    Deny,
    Next,
    Escalate(Vec<Vec<Candidate>>),
}

impl RuleSet {
    /// SHA-256 over paths and texts, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Every user and workload.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalEntry> + '_ {
        self.people.iter().map(|(name, p)| PrincipalEntry { name: name.clone(), kind: p.kind, disabled: p.disabled })
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }
}
