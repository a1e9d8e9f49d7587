//! Teams that approve their own: one person for everything, or nobody from outside.

use std::collections::BTreeSet;

use ajar_core::id::PrincipalId;
use ajar_core::name::GroupName;

use super::{Finding, Run, Severity, some};
use crate::rules::{Candidate, Effect, Rule, Terms};

impl Run<'_> {
    pub(super) fn teams(&mut self) {
        let groups: BTreeSet<&GroupName> = self.survey.rules().flat_map(|rule| &rule.who.groups).collect();
        for group in groups {
            if !self.survey.spend(self.survey.bound.group(group).count()) {
                self.lint.cut_short = true;
                return;
            }
            self.team(group);
        }
    }

    fn team(&mut self, group: &GroupName) {
        let members = self.survey.humans(self.survey.bound.group(group));
        let rules: Vec<(&Rule, &Terms)> = self.survey.rules().filter_map(|rule| asks_people(rule, group)).collect();
        let Some((first, _)) = rules.first().filter(|_| members.len() > 1) else { return };
        let spot = self.survey.bound.set().place(&first.name).cloned();
        let what = format!("what group:{group} may ask for ({})", some(rules.iter().map(|(rule, _)| &rule.name)));
        let mut tell = |severity, message, help: &str| {
            self.lint.findings.push(Finding { severity, spot: spot.clone(), rule: None, message, help: help.to_owned() });
        };
        if rules.iter().all(|(rule, terms)| everybody(&self.survey, rule, terms, &members).is_subset(&members)) {
            let message = format!("members of group:{group} approve each other's everything: nobody from outside is ever asked for {what}");
            tell(Severity::Warning, message, "ask somebody from outside: the resource's owners, a manager, another group");
            return;
        }
        let alone = rules.iter().map(|(rule, terms)| alone(&self.survey, rule, terms, &members)).reduce(|all, more| &all & &more);
        let (own, others): (Vec<_>, Vec<_>) = alone.unwrap_or_default().into_iter().partition(|human| members.contains(human));
        // By the account that is in the group, of somebody who has several.
        let accounts: Vec<PrincipalId> = self.survey.bound.group(group).collect();
        let account = |human| accounts.iter().find(|id| self.survey.bound.human(**id) == Some(human)).copied().unwrap_or(human);
        let names = |humans: Vec<PrincipalId>| some(humans.into_iter().map(|id| self.survey.bound.name(account(id))));
        if !own.is_empty() {
            let message = format!("{}, of group:{group}, could alone approve {what} for the rest of it", names(own));
            tell(Severity::Warning, message, "have two people approve, or somebody from outside");
        } else if !others.is_empty() && rules.len() > 1 {
            let message = format!("{} could alone approve {what}", names(others));
            tell(Severity::Info, message, "have two people approve where that is too much for one");
        }
    }
}

/// A rule by which a group asks people.
fn asks_people<'r>(rule: &'r Rule, group: &GroupName) -> Option<(&'r Rule, &'r Terms)> {
    match &rule.effect {
        Effect::Allow(terms) if rule.who.groups.contains(group) && !terms.stages.is_empty() => Some((rule, terms)),
        Effect::Allow(_) | Effect::Deny | Effect::BreakGlass(_) => None,
    }
}

/// The humans whom a rule ever asks when `members` ask.
fn everybody(survey: &super::Survey<'_>, rule: &Rule, terms: &Terms, members: &BTreeSet<PrincipalId>) -> BTreeSet<PrincipalId> {
    let mut all = BTreeSet::new();
    for owners in survey.owners(rule).keys() {
        for stage in &terms.stages {
            all.extend(survey.asked(stage, owners));
            if stage.everyone().any(|c| *c == Candidate::Manager) {
                all.extend(members.iter().filter_map(|member| survey.manager(*member)));
            }
        }
    }
    all
}

/// The humans whose approval is enough for whatever a rule lets the others of `members` ask for.
fn alone(survey: &super::Survey<'_>, rule: &Rule, terms: &Terms, members: &BTreeSet<PrincipalId>) -> BTreeSet<PrincipalId> {
    let [stage] = terms.stages.as_slice() else { return BTreeSet::new() };
    if stage.needed.get() > 1 {
        return BTreeSet::new();
    }
    let managers: BTreeSet<Option<PrincipalId>> = members.iter().map(|member| survey.manager(*member)).collect();
    let manager = match (stage.everyone().any(|c| *c == Candidate::Manager), managers.len()) {
        (true, 1) => managers.into_iter().flatten().next(),
        (true, _) | (false, _) => None,
    };
    let able = survey.owners(rule).into_keys().map(|owners| {
        let mut able = survey.asked(stage, &owners);
        able.extend(manager);
        able
    });
    able.reduce(|all, more| &all & &more).unwrap_or_default()
}
