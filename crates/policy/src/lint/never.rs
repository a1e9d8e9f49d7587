//! Rules that never match, and conditions that never hold.

use std::collections::BTreeSet;

use ajar_core::id::PrincipalId;
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::time::{Span, Timestamp};

use super::{Run, Severity, some};
use crate::condition::{Condition, Leaf};
use crate::decide::{Asking, Question};
use crate::rules::{Effect, Key, Rule};

/// How far ahead it is looked for a time at which a condition holds, and in which steps.
const AHEAD: Span = Span::from_secs(366 * 24 * 3600);
const STEP: Span = Span::from_secs(30 * 60);
/// Circumstances in which one condition is tried.
const TRIES: usize = 60_000;

impl Run<'_> {
    /// Tells of rules that never match; their indexes.
    pub(super) fn never(&mut self) -> BTreeSet<usize> {
        let mut dead = BTreeSet::new();
        for (index, rule) in self.survey.rules().enumerate() {
            if self.survey.members(index).is_empty() {
                let message = format!("nobody can match it: there is nobody in {} who is enabled", rule.who);
                self.found(Severity::Warning, rule, message, "add people to it, or remove the rule");
                dead.insert(index);
                continue;
            }
            if self.conditions(index, rule) {
                dead.insert(index);
                continue;
            }
            if let Some(by) = self.denied(index, rule) {
                let message = format!("it never lets anybody in: whatever it allows is denied by {}", some(by));
                self.found(Severity::Error, rule, message, "a deny beats everything: narrow it, or remove this rule");
                dead.insert(index);
            }
        }
        dead
    }

    /// Whether its own condition can't hold.
    fn conditions(&mut self, index: usize, rule: &Rule) -> bool {
        let mut never = false;
        for (key, condition) in rule.conditions() {
            if self.can_hold(index, rule, condition) {
                continue;
            }
            let text = condition.as_str();
            let (severity, comes_to) = match key {
                Key::When => {
                    never = true;
                    (Severity::Error, "the rule never matches")
                }
                Key::AutoWhen => (Severity::Warning, "nothing is ever approved automatically"),
                Key::Stage(_) | Key::ExtensionStage(_) => (Severity::Warning, "the stage is never needed"),
            };
            let message =
                format!("{comes_to}: {key} can't hold for anybody and anything that the rule is for, within a year from now: {text}");
            self.found(severity, rule, message, "mend the condition, or leave out what it is for");
        }
        never
    }

    /// Whether a condition holds in some circumstances, or depends on what can't be known beforehand.
    fn can_hold(&mut self, index: usize, rule: &Rule, condition: &Condition) -> bool {
        let Some(circumstances) = self.circumstances(index, rule, condition) else { return true };
        let Circumstances { people, resources, roles, instants } = circumstances;
        let deny = rule.effect == Effect::Deny;
        let pairs = resources.iter().flat_map(|resource| roles.iter().map(|role| (*resource, *role))).collect::<Vec<_>>();
        let (mut tries, mut seen) = (0, BTreeSet::new());
        for at in instants {
            for (who, (resource, role)) in people.iter().flat_map(|who| pairs.iter().map(|pair| (*who, *pair))) {
                tries += 1;
                if tries > TRIES {
                    self.lint.cut_short = true;
                    return true;
                }
                let question = Question {
                    duration: Some(Span::ZERO),
                    emergency: matches!(rule.effect, Effect::BreakGlass(_)),
                    ..Question::new(who, resource.clone(), role.clone(), at)
                };
                let asking = Asking::of(self.survey.bound, &question, vec![rule]);
                // What looks the same comes to the same.
                let values: Vec<_> = condition.looks().iter().map(|leaf| asking.value(leaf)).collect();
                if seen.insert(values) && asking.holds(condition).unwrap_or(deny) {
                    return true;
                }
            }
        }
        false
    }

    /// In which circumstances a condition is to be tried; `None` when it looks at what can't be known beforehand.
    fn circumstances<'r>(&self, index: usize, rule: &'r Rule, condition: &Condition) -> Option<Circumstances<'r>> {
        let (mut people, mut resources, mut roles, mut timed) = (false, false, false, false);
        for leaf in condition.looks() {
            match leaf {
                Leaf::Name | Leaf::Kind | Leaf::Groups | Leaf::Attribute(_) => people = true,
                Leaf::Resource | Leaf::ResourceKind | Leaf::Label(_) => resources = true,
                Leaf::Role => roles = true,
                Leaf::Now | Leaf::Hours(_) => timed = true,
                Leaf::OnCall(_) => (people, timed) = (true, true),
                Leaf::Emergency if rule.effect != Effect::Deny => {}
                Leaf::Emergency
                | Leaf::Minutes
                | Leaf::Ticket
                | Leaf::OnBehalf
                | Leaf::Proof
                | Leaf::Approved
                | Leaf::Denied
                | Leaf::Emergencies => return None,
            }
        }
        let few = |all: bool| if all { usize::MAX } else { 1 };
        Some(Circumstances {
            people: self.survey.members(index).iter().take(few(people)).copied().collect(),
            resources: rule.resources.iter().take(few(resources)).collect(),
            roles: rule.roles.iter().take(few(roles)).collect(),
            instants: if timed { self.instants() } else { vec![self.survey.now] },
        })
    }

    /// Every half hour of a year, and when hours begin and end.
    fn instants(&self) -> Vec<Timestamp> {
        let now = self.survey.now;
        let steps = (0..AHEAD.as_millis() / STEP.as_millis()).map(|n| now.after(Span::from_millis(n * STEP.as_millis())));
        let bounds = self.survey.bound.set().hours.values().flat_map(|hours| hours.bounds(now, AHEAD));
        steps.chain(bounds).collect()
    }

    /// The rules without conditions that deny whatever `rule` allows.
    fn denied(&self, index: usize, rule: &Rule) -> Option<BTreeSet<String>> {
        if rule.effect == Effect::Deny {
            return None;
        }
        let mut by = BTreeSet::new();
        for (people, resource, role) in self.survey.cases(index) {
            let deny = self.survey.speaking(people, resource, role).find(|(_, r)| r.effect == Effect::Deny && r.when.is_none());
            by.insert(deny?.1.name.to_string());
        }
        (!by.is_empty()).then_some(by)
    }
}

struct Circumstances<'r> {
    people: Vec<PrincipalId>,
    resources: Vec<&'r ResourceName>,
    roles: Vec<&'r RoleName>,
    instants: Vec<Timestamp>,
}
