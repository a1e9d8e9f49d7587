//! A checked set of files. Everything in it refers to something that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::directory::PrincipalKind;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RoleName, RuleName, ScheduleName};
use ajar_core::plan::Opening;
use ajar_core::resource::Resource;
use ajar_core::time::Span;
use regex::Regex;

use crate::calendar::{Hours, Schedule};
use crate::condition::Condition;

/// Bytes that a compiled pattern may take.
const PATTERN_SIZE_MAX: usize = 256 * 1024;

/// A checked set of files, by names. [`RuleSet::bind`] gives it the principals' ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub(crate) hash: String,
    pub(crate) resources: BTreeMap<ResourceName, Arc<Resource>>,
    pub(crate) groups: BTreeMap<GroupName, BTreeSet<PrincipalName>>,
    pub(crate) people: BTreeMap<PrincipalName, Person>,
    pub(crate) hours: BTreeMap<String, Hours>,
    pub(crate) schedules: BTreeMap<ScheduleName, Schedule>,
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
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: RuleName,
    pub(crate) who: Who,
    pub(crate) resources: BTreeSet<ResourceName>,
    pub(crate) roles: BTreeSet<RoleName>,
    /// It speaks only of what fits.
    pub(crate) when: Option<Condition>,
    pub(crate) effect: Effect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Deny,
    Allow(Box<Terms>),
    BreakGlass(Box<EmergencyTerms>),
}

/// What a rule that allows lets be asked for, and what that takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) max: Span,
    pub(crate) default: Span,
    pub(crate) carries: Carries,
    pub(crate) opening: Opening,
    /// Nobody needs to approve what fits.
    pub(crate) auto_when: Option<Condition>,
    pub(crate) stages: Vec<StageByName>,
    /// What is asked for together with other things is decided apart from them.
    pub(crate) apart: bool,
    /// Who may ask for somebody whom the rule is for.
    pub(crate) on_behalf_by: Vec<Candidate>,
    pub(crate) extend: Extend,
}

/// How a grant may be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extend {
    /// So often.
    pub(crate) times: u8,
    /// For so long each time; as long as the rule allows unless said.
    pub(crate) max: Option<Span>,
    /// Its own stages; those of the rule unless said.
    pub(crate) stages: Option<Vec<StageByName>>,
}

/// What a rule lets be opened at once in an emergency, and what is owed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmergencyTerms {
    pub(crate) max: Span,
    pub(crate) default: Span,
    pub(crate) carries: Carries,
    pub(crate) alert: Vec<Candidate>,
    pub(crate) review: StageByName,
}

/// What a request must carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Carries {
    pub(crate) reason_min: usize,
    pub(crate) reason: Option<Pattern>,
    pub(crate) ticket: bool,
    pub(crate) ticket_pattern: Option<Pattern>,
    pub(crate) scope: bool,
    pub(crate) scope_pattern: Option<Pattern>,
}

/// A regular expression, compared by its text. Matching takes time linear in what is matched.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let built = regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).dfa_size_limit(PATTERN_SIZE_MAX).nest_limit(32).build();
        built.map(Self).map_err(|error| error.to_string().lines().last().unwrap_or("not a regular expression").trim().to_owned())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) groups: BTreeSet<GroupName>,
    pub(crate) people: BTreeSet<PrincipalName>,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.groups.iter().map(|g| format!("group:{g}")).chain(self.people.iter().map(|p| format!("user:{p}")));
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageByName {
    pub(crate) from: Vec<Candidate>,
    pub(crate) needed: std::num::NonZeroU8,
    pub(crate) within: Span,
    pub(crate) otherwise: OtherwiseByName,
    pub(crate) asked_only: bool,
    /// Only what fits needs it.
    pub(crate) when: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Candidate {
    Group(GroupName),
    Owners,
    Manager,
    OnCall(ScheduleName),
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
