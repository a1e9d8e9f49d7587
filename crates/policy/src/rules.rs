//! A checked set of files. Everything in it refers to something that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::directory::PrincipalKind;
use ajar_core::event::Proof;
use ajar_core::history::Recent;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RoleName, RuleName, ScheduleName};
use ajar_core::plan::Opening;
use ajar_core::request::Ask;
use ajar_core::resource::Resource;
use ajar_core::time::{Span, Timestamp};
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
    /// Where each rule stands.
    pub(crate) places: BTreeMap<RuleName, Spot>,
    pub(crate) tests: Vec<Test>,
}

/// Where something stands: the file's path inside the directory, and the line, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Path inside the directory.
    pub file: String,
    /// Line.
    pub line: usize,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A question, and what the rules are to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) spot: Spot,
    pub(crate) who: PrincipalName,
    /// Who asks, if somebody else does.
    pub(crate) by: Option<PrincipalName>,
    pub(crate) ask: Ask,
    pub(crate) at: Timestamp,
    pub(crate) duration: Option<Span>,
    pub(crate) reason: String,
    pub(crate) ticket: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) emergency: bool,
    pub(crate) proof: Option<Proof>,
    pub(crate) extension: Option<u8>,
    pub(crate) recent: Recent,
    pub(crate) expect: Expect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    Auto,
    Emergency,
    Refused,
    DeniedBy(RuleName),
    Takes(Takes),
}

/// What a request is to take, in the respects that are said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Takes {
    /// How many of whom, stage by stage.
    pub(crate) needs: Option<Vec<(std::num::NonZeroU8, Vec<Candidate>)>>,
    pub(crate) max: Option<Span>,
    pub(crate) low_risk: Option<bool>,
    pub(crate) can_approve: Vec<PrincipalName>,
    pub(crate) cannot_approve: Vec<PrincipalName>,
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
    /// Rules that choose alike share them.
    pub(crate) resources: Arc<BTreeSet<ResourceName>>,
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
    /// What it allows may be approved together with others like it.
    pub(crate) low_risk: bool,
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

/// What a condition stands behind. Stages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    When,
    AutoWhen,
    Stage(usize),
    ExtensionStage(usize),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::When => f.write_str("when"),
            Self::AutoWhen => f.write_str("auto_when"),
            Self::Stage(n) => write!(f, "stage {n}"),
            Self::ExtensionStage(n) => write!(f, "extend, stage {n}"),
        }
    }
}

impl Rule {
    /// Its conditions, each with the key that it stands behind.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (Key, &Condition)> {
        let terms = match &self.effect {
            Effect::Allow(terms) => Some(terms),
            Effect::Deny | Effect::BreakGlass(_) => None,
        };
        let auto_when = terms.and_then(|terms| terms.auto_when.as_ref());
        let stages = terms.into_iter().flat_map(|terms| terms.stages.iter().zip(1..).map(|(stage, n)| (Key::Stage(n), stage)));
        let own = terms.into_iter().flat_map(|terms| terms.extend.stages.iter().flatten());
        let own = own.zip(1..).map(|(stage, n)| (Key::ExtensionStage(n), stage));
        let stages = stages.chain(own).filter_map(|(key, stage)| Some((key, stage.when.as_ref()?)));
        let when = self.when.iter().map(|when| (Key::When, when));
        when.chain(auto_when.map(|when| (Key::AutoWhen, when))).chain(stages)
    }

    /// Every stage that it may ask for: of the way in, and of going on.
    pub(crate) fn stages(&self) -> Vec<&StageByName> {
        match &self.effect {
            Effect::Deny => Vec::new(),
            Effect::Allow(terms) => terms.stages.iter().chain(terms.extend.stages.iter().flatten()).collect(),
            Effect::BreakGlass(terms) => vec![&terms.review],
        }
    }
}

impl StageByName {
    /// Everybody whom it may ever ask.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Candidate> {
        let more: &[Vec<Candidate>] = match &self.otherwise {
            OtherwiseByName::Escalate(chain) => chain,
            OtherwiseByName::Deny | OtherwiseByName::Next => &[],
        };
        self.from.iter().chain(more.iter().flatten())
    }
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Owners => f.write_str("owners"),
            Self::Manager => f.write_str("manager"),
            Self::OnCall(schedule) => write!(f, "on-call:{schedule}"),
            Self::Person(person) => write!(f, "user:{person}"),
        }
    }
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

    /// Where a rule stands.
    #[must_use]
    pub fn place(&self, rule: &RuleName) -> Option<&Spot> {
        self.places.get(rule)
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }
}
