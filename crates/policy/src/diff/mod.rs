//! What differs between two sets of files, in what they mean: comments, order and spelling make no difference.

mod resource;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ajar_core::directory::PrincipalKind;
use ajar_core::name::RuleName;
use ajar_core::plan::Opening;

use crate::calendar::{Cover, Hours, Schedule, Shift};
use crate::condition::Condition;
use crate::rules::{Candidate, Carries, Effect, EmergencyTerms, Extend, OtherwiseByName, Person, Rule, RuleSet, StageByName, Terms};

/// Names of a list that one line shows.
const SHOWN: usize = 6;
/// Characters of a text that one line shows.
const TEXT_SHOWN: usize = 120;

/// What kinds of thing files name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// Something that people get into.
    Resource,
    /// A rule.
    Rule,
    /// Hours of the week.
    Hours,
    /// Who is on call when.
    Schedule,
    /// A group.
    Group,
    /// A person.
    User,
    /// A CI job or an agent.
    Workload,
}

impl Thing {
    /// The word that files use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Rule => "rule",
            Self::Hours => "hours",
            Self::Schedule => "schedule",
            Self::Group => "group",
            Self::User => "user",
            Self::Workload => "workload",
        }
    }
}

/// Something that is there in one set and not in the other, or differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of thing.
    pub thing: Thing,
    /// Its name.
    pub name: String,
    /// How it differs.
    pub how: How,
}

/// See [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// These keys of it differ.
    Changed(Vec<KeyChange>),
}

/// A key of a thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The key, as files write it; a group has but one.
    pub key: String,
    /// What it was and is.
    pub differs: Differs,
}

/// See [`KeyChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differs {
    /// A single value.
    One {
        /// What it was, if it was said.
        from: Option<String>,
        /// What it is, if it is said.
        to: Option<String>,
    },
    /// A list whose order means nothing.
    Many {
        /// What is new in it.
        added: Vec<String>,
        /// What is gone from it.
        removed: Vec<String>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, name) = (self.thing.word(), &self.name);
        match &self.how {
            How::Added => write!(f, "+ {word} {name}"),
            How::Removed => write!(f, "- {word} {name}"),
            How::Changed(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| key.text(self.thing)).collect();
                write!(f, "~ {word} {name}: {}", keys.join("; "))
            }
        }
    }
}

impl KeyChange {
    fn text(&self, thing: Thing) -> String {
        let values = match &self.differs {
            Differs::One { from: Some(from), to: Some(to) } => format!("{} → {}", short(from), short(to)),
            Differs::One { from: Some(from), to: None } => format!("- {}", short(from)),
            Differs::One { from: None, to } => format!("+ {}", short(to.as_deref().unwrap_or_default())),
            Differs::Many { added, removed } => {
                [listed('+', added), listed('-', removed)].into_iter().filter(|list| !list.is_empty()).collect::<Vec<_>>().join(", ")
            }
        };
        if thing == Thing::Group { values } else { format!("{} {values}", self.key) }
    }
}

fn listed(sign: char, names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{sign} {}", short(name))).collect();
    if names.len() > SHOWN {
        shown.push(format!("{sign} {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(TEXT_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A value of a key, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fact {
    One(String),
    Many(BTreeSet<String>),
}

type Facts = BTreeMap<String, Fact>;

/// What differs between what was and what is, in the order of kinds and names.
#[must_use]
pub fn diff(was: &RuleSet, is: &RuleSet) -> Vec<Change> {
    // Every list of the set stands here, so that a new one is not forgotten.
    // Where rules stand, and what tests expect of them, makes no difference to anybody.
    let RuleSet { hash: _, resources, groups, people, hours, schedules, rules, places: _, tests: _ } = was;
    let mut changes = Vec::new();
    compare(&mut changes, (resources, &is.resources), |_| Thing::Resource, |resource| resource::facts(resource));
    compare(&mut changes, (&by_name(rules), &by_name(&is.rules)), |_| Thing::Rule, |rule| rule_facts(rule));
    compare(&mut changes, (hours, &is.hours), |_| Thing::Hours, hours_facts);
    compare(&mut changes, (schedules, &is.schedules), |_| Thing::Schedule, schedule_facts);
    compare(&mut changes, (groups, &is.groups), |_| Thing::Group, |members| [many("members", members)].into());
    compare(&mut changes, (people, &is.people), |person| thing_of(person.kind), person_facts);
    changes.sort_by(|a, b| (a.thing, &a.name).cmp(&(b.thing, &b.name)));
    changes
}

fn by_name(rules: &[Rule]) -> BTreeMap<&RuleName, &Rule> {
    rules.iter().map(|rule| (&rule.name, rule)).collect()
}

fn thing_of(kind: PrincipalKind) -> Thing {
    match kind {
        PrincipalKind::User => Thing::User,
        PrincipalKind::Workload => Thing::Workload,
    }
}

fn compare<K: Ord + ToString, V: PartialEq>(
    changes: &mut Vec<Change>,
    (was, is): (&BTreeMap<K, V>, &BTreeMap<K, V>),
    thing: impl Fn(&V) -> Thing,
    facts: impl Fn(&V) -> Facts,
) {
    let mut found = |thing, name: &K, how| changes.push(Change { thing, name: name.to_string(), how });
    for (name, value) in is {
        match was.get(name) {
            None => found(thing(value), name, How::Added),
            Some(before) if before == value => {}
            Some(before) => {
                let keys = keys(&facts(before), &facts(value));
                if !keys.is_empty() {
                    found(thing(value), name, How::Changed(keys));
                }
            }
        }
    }
    for (name, value) in was.iter().filter(|(name, _)| !is.contains_key(name)) {
        found(thing(value), name, How::Removed);
    }
}

fn keys(was: &Facts, is: &Facts) -> Vec<KeyChange> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let none = BTreeSet::new();
    let differing = names.into_iter().filter_map(|key| {
        let differs = match (was.get(key), is.get(key)) {
            (one, another) if one == another => return None,
            (Some(Fact::Many(_)) | None, Some(Fact::Many(_)) | None) => {
                let list = |fact: Option<&'_ Fact>| match fact {
                    Some(Fact::Many(list)) => list.clone(),
                    Some(Fact::One(_)) | None => none.clone(),
                };
                let (was, is) = (list(was.get(key)), list(is.get(key)));
                if was == is {
                    return None;
                }
                Differs::Many { added: is.difference(&was).cloned().collect(), removed: was.difference(&is).cloned().collect() }
            }
            (from, to) => Differs::One { from: from.map(whole), to: to.map(whole) },
        };
        Some(KeyChange { key: key.clone(), differs })
    });
    differing.collect()
}

fn whole(fact: &Fact) -> String {
    match fact {
        Fact::One(text) => text.clone(),
        Fact::Many(list) => list.iter().cloned().collect::<Vec<_>>().join(", "),
    }
}

fn one(key: &str, value: impl ToString) -> (String, Fact) {
    (key.to_owned(), Fact::One(value.to_string()))
}

fn some(key: &str, value: Option<impl ToString>) -> Option<(String, Fact)> {
    value.map(|value| one(key, value))
}

fn set(key: &str, value: bool) -> Option<(String, Fact)> {
    value.then(|| one(key, "true"))
}

fn many<T: ToString>(key: &str, values: impl IntoIterator<Item = T>) -> (String, Fact) {
    (key.to_owned(), Fact::Many(values.into_iter().map(|value| value.to_string()).collect()))
}

fn person_facts(person: &Person) -> Facts {
    let Person { kind, disabled, manager, same_as, audit, operate, attributes } = person;
    let may = [("audit", *audit), ("operate", *operate)].into_iter().filter_map(|(word, may)| may.then_some(word));
    let said = [set("disabled", *disabled), some("manager", manager.as_ref())];
    let mut facts: Facts = said.into_iter().flatten().collect();
    facts.extend([
        one("kind", thing_of(*kind).word()),
        many("same_person_as", same_as),
        many("may", may),
        many("attributes", pairs(attributes)),
    ]);
    facts
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    map.iter().map(|(key, value)| format!("{key}={value}"))
}

fn hours_facts(hours: &Hours) -> Facts {
    let Hours { zone, days, from, to, except } = hours;
    [
        one("zone", zone.iana_name().unwrap_or_default()),
        many("days", days.iter().map(|day| day.name())),
        one("from", clock(*from)),
        one("to", clock(*to)),
        many("except", except),
    ]
    .into()
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn schedule_facts(schedule: &Schedule) -> Facts {
    let Schedule { shifts, cover } = schedule;
    let shifts = shifts.iter().zip(1..).map(|(shift, n): (_, usize)| one(&format!("shift {n}"), shift_text(shift)));
    let cover = cover.iter().map(|Cover { person, from, until }| format!("{person} from {from} until {until}"));
    shifts.chain([many("cover", cover)]).collect()
}

fn shift_text(shift: &Shift) -> String {
    let Shift { hours, people, since, every } = shift;
    let Hours { zone, days, from, to, except } = hours;
    let list = |names: Vec<String>| names.join(", ");
    let except =
        if except.is_empty() { String::new() } else { format!(" except {}", list(except.iter().map(ToString::to_string).collect())) };
    format!(
        "{} in turns of {every} days since {since}, {} from {} to {} {}{except}",
        list(people.iter().map(ToString::to_string).collect()),
        list(days.iter().map(|day| day.name().to_owned()).collect()),
        clock(*from),
        clock(*to),
        zone.iana_name().unwrap_or_default()
    )
}

fn rule_facts(rule: &Rule) -> Facts {
    let Rule { name: _, who, resources, roles, when, effect } = rule;
    let names = who.groups.iter().map(|g| format!("group:{g}")).chain(who.people.iter().map(|p| format!("user:{p}")));
    let mut facts: Facts = [many("who", names), many("resources", resources.iter()), many("roles", roles)].into();
    facts.extend(some("when", when.as_ref().map(Condition::as_str)));
    facts.extend(match effect {
        Effect::Deny => [one("effect", "deny")].into(),
        Effect::Allow(terms) => terms_facts(terms),
        Effect::BreakGlass(terms) => emergency_facts(terms),
    });
    facts
}

fn terms_facts(terms: &Terms) -> Facts {
    let Terms { max, default, carries, opening, auto_when, stages, apart, on_behalf_by, extend, low_risk } = terms;
    let Opening { on_first_use, single_use } = opening;
    let mut facts = carries_facts(carries);
    facts.extend([one("effect", "allow"), one("max", max), one("default", default)]);
    facts.extend(some("clock", on_first_use.map(|within| format!("on first use within {within}"))));
    facts.extend(set("single_use", *single_use));
    facts.extend(set("low_risk", *low_risk));
    facts.extend(some("auto_when", auto_when.as_ref().map(Condition::as_str)));
    facts.extend([one("bundle", if *apart { "apart" } else { "together" }), many("on_behalf_by", on_behalf_by.iter().map(candidate_text))]);
    facts.extend(stages_facts("", stages));
    let Extend { times, max, stages } = extend;
    facts.extend([one("extend times", times)]);
    facts.extend(some("extend max", *max));
    facts.extend(stages.iter().flat_map(|stages| stages_facts("extend ", stages)));
    facts
}

fn stages_facts(prefix: &str, stages: &[StageByName]) -> Facts {
    match stages {
        [] => [one(&format!("{prefix}approve"), "auto")].into(),
        [alone] => [one(&format!("{prefix}approve"), stage_text(alone))].into(),
        several => several.iter().zip(1..).map(|(stage, n): (_, usize)| one(&format!("{prefix}stage {n}"), stage_text(stage))).collect(),
    }
}

fn emergency_facts(terms: &EmergencyTerms) -> Facts {
    let EmergencyTerms { max, default, carries, alert, review } = terms;
    let mut facts = carries_facts(carries);
    facts.extend([one("effect", "break glass"), one("max", max), one("default", default)]);
    facts.extend([many("alert", alert.iter().map(candidate_text)), one("review", stage_text(review))]);
    facts
}

fn carries_facts(carries: &Carries) -> Facts {
    let Carries { reason_min, reason, ticket, ticket_pattern, scope, scope_pattern } = carries;
    let said = [
        (*reason_min > 0).then(|| one("reason min_length", reason_min)),
        some("reason pattern", reason.as_ref().map(|p| p.as_str())),
        set("ticket", *ticket),
        some("ticket pattern", ticket_pattern.as_ref().map(|p| p.as_str())),
        set("scope", *scope),
        some("scope pattern", scope_pattern.as_ref().map(|p| p.as_str())),
    ];
    said.into_iter().flatten().collect()
}

fn stage_text(stage: &StageByName) -> String {
    let StageByName { from, needed, within, otherwise, asked_only, when } = stage;
    let together = |list: &[Candidate]| list.iter().map(candidate_text).collect::<Vec<_>>().join(" or ");
    let otherwise = match otherwise {
        OtherwiseByName::Deny => "deny".to_owned(),
        OtherwiseByName::Next => "next".to_owned(),
        OtherwiseByName::Escalate(steps) => {
            format!("also {}", steps.iter().map(|step| together(step)).collect::<Vec<_>>().join(", then "))
        }
    };
    let asked = if *asked_only { ", only who was asked" } else { "" };
    let when = when.as_ref().map(|when| format!(" when {}", when.as_str())).unwrap_or_default();
    format!("{needed} of {} within {within}, otherwise {otherwise}{asked}{when}", together(from))
}

fn candidate_text(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Group(group) => format!("group:{group}"),
        Candidate::Owners => "owners".to_owned(),
        Candidate::Manager => "manager".to_owned(),
        Candidate::OnCall(schedule) => format!("on-call:{schedule}"),
        Candidate::Person(name) => format!("user:{name}"),
    }
}
