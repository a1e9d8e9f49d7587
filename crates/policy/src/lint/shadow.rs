//! Rules that change nothing: whatever they ask for, others that always match ask for too.

use std::collections::BTreeSet;

use super::{Run, Severity, some};
use crate::decide::Combined;
use crate::rules::{Effect, Rule};

impl Run<'_> {
    /// Rules without any condition, the `dead` ones apart, that could be removed.
    pub(super) fn shadowed(&mut self, dead: &BTreeSet<usize>) {
        let mut gone = dead.clone();
        for (index, rule) in self.survey.rules().enumerate() {
            if gone.contains(&index) || rule.conditions().next().is_some() {
                continue;
            }
            let (mut by, mut cases, mut needed) = (BTreeSet::new(), 0, false);
            for (people, resource, role) in self.survey.cases(index) {
                cases += 1;
                let others = self.survey.speaking(people, resource, role);
                let others: Vec<&Rule> =
                    others.filter(|(i, r)| *i != index && !gone.contains(i) && r.conditions().next().is_none()).map(|(_, r)| r).collect();
                match self.covered(rule, &others) {
                    Some(covering) => by.extend(covering),
                    None => {
                        needed = true;
                        break;
                    }
                }
            }
            if !self.survey.spend(cases) {
                self.lint.cut_short = true;
                return;
            }
            if !needed && cases > 0 {
                let message = format!("it changes nothing: {} ask at least as much of everybody whom it is for", some(by));
                self.found(Severity::Warning, rule, message, "remove it");
                gone.insert(index);
            }
        }
    }

    /// The rules of `others` that make `rule` change nothing; `None` when it does change something.
    fn covered(&self, rule: &Rule, others: &[&Rule]) -> Option<BTreeSet<String>> {
        let denying: BTreeSet<String> = others.iter().filter(|r| r.effect == Effect::Deny).map(|r| r.name.to_string()).collect();
        if !denying.is_empty() {
            return Some(denying);
        }
        let routine = matches!(rule.effect, Effect::Allow(_));
        let others: Vec<&Rule> = others.iter().copied().filter(|r| matches!(r.effect, Effect::Allow(_)) == routine).collect();
        if others.is_empty() || rule.effect == Effect::Deny {
            return None;
        }
        let mut with = others.clone();
        with.push(rule);
        with.sort_by(|a, b| a.name.cmp(&b.name));
        let same = [false, true].iter().all(|extension| {
            let both = self.combined(&others, *extension).zip(self.combined(&with, *extension));
            both.is_some_and(|(without, with)| without.asks_as_much(&with))
        });
        same.then(|| others.iter().map(|r| r.name.to_string()).collect())
    }

    fn combined<'r>(&self, rules: &[&'r Rule], extension: bool) -> Option<Combined<'r>>
    where
        Self: 'r,
    {
        let terms = rules.iter().filter_map(|rule| match &rule.effect {
            Effect::Deny => None,
            Effect::Allow(terms) => Some(self.survey.bound.unconditional(rule, terms, extension)),
            Effect::BreakGlass(terms) => Some(self.survey.bound.emergency(rule, terms)),
        });
        terms.reduce(Combined::combine)
    }
}
