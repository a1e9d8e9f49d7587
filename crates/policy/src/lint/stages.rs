//! Stages that nobody can fulfil, for some of those who may ask or for all of them.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::id::PrincipalId;

use super::{Run, Severity, some};
use crate::rules::{Candidate, Effect, OtherwiseByName, Rule, StageByName};

/// Whom a stage does not work for.
#[derive(Default)]
struct Stuck {
    askers: BTreeSet<String>,
    on: BTreeSet<String>,
    cases: usize,
    /// Humans whom it asks, at the most.
    most: usize,
}

impl Run<'_> {
    pub(super) fn stages(&mut self) {
        for (index, rule) in self.survey.rules().enumerate() {
            match &rule.effect {
                Effect::Deny => {}
                Effect::Allow(terms) => {
                    self.fulfil(index, rule, &terms.stages, "stage");
                    self.fulfil(index, rule, terms.extend.stages.as_deref().unwrap_or_default(), "to extend, stage");
                }
                Effect::BreakGlass(terms) => self.fulfil(index, rule, std::slice::from_ref(&terms.review), "review"),
            }
        }
    }

    fn fulfil(&mut self, index: usize, rule: &Rule, stages: &[StageByName], word: &str) {
        let owners = self.survey.owners(rule);
        let askers = self.survey.members(index).clone();
        let mut stuck: BTreeMap<usize, Stuck> = BTreeMap::new();
        for (owners, resource) in &owners {
            let asked: Vec<BTreeSet<PrincipalId>> = stages.iter().map(|stage| self.survey.asked(stage, owners)).collect();
            if !self.survey.spend(askers.len().saturating_mul(stages.len())) {
                self.lint.cut_short = true;
                return;
            }
            // A human counts once in a whole plan. Where one stage alone asks as many as all need, there is nothing to count together.
            let counted = |stage: &StageByName| stage.when.is_none() && stage.otherwise != OtherwiseByName::Next;
            let together = || stages.iter().zip(&asked).filter(|(stage, _)| counted(stage));
            let all_need: usize = together().map(|(stage, _)| usize::from(stage.needed.get())).sum();
            let plenty = together().any(|(_, asked)| asked.len() > all_need);
            for asker in &askers {
                let own = self.survey.bound.human(*asker).unwrap_or(*asker);
                let manager = self.survey.manager(*asker).filter(|manager| *manager != own);
                let (mut all, mut each_can) = (BTreeSet::<PrincipalId>::new(), true);
                for (n, (stage, asked)) in stages.iter().zip(&asked).enumerate() {
                    let manager = manager.filter(|m| stage.everyone().any(|c| *c == Candidate::Manager) && !asked.contains(m));
                    let humans = asked.len() - usize::from(asked.contains(&own)) + usize::from(manager.is_some());
                    let needed = usize::from(stage.needed.get());
                    if humans < needed {
                        stuck.entry(n).or_default().add(self.survey.bound.name(*asker), resource, humans);
                        each_can = false;
                    }
                    if !plenty && counted(stage) {
                        all.extend(asked.iter().chain(&manager).filter(|human| **human != own));
                    }
                }
                if each_can && !plenty && all.len() < all_need {
                    stuck.entry(stages.len()).or_default().add(self.survey.bound.name(*asker), resource, all.len());
                }
            }
        }
        let cases = askers.len() * owners.len();
        for (n, stuck) in stuck {
            self.tell(rule, stages, (n, word), &stuck, stuck.cases == cases);
        }
    }

    fn tell(&mut self, rule: &Rule, stages: &[StageByName], (n, word): (usize, &str), stuck: &Stuck, all: bool) {
        let whom =
            if all { "of anybody whom the rule is for".to_owned() } else { format!("of {} on {}", some(&stuck.askers), some(&stuck.on)) };
        let people = if stuck.most == 1 { "1 person".to_owned() } else { format!("{} people", stuck.most) };
        let (what, comes_to) = match stages.get(n) {
            Some(stage) => {
                let comes_to = match stage.otherwise {
                    _ if word == "review" => "what is owed can never be paid",
                    OtherwiseByName::Next if n + 1 < stages.len() => "it is skipped at once",
                    OtherwiseByName::Deny | OtherwiseByName::Next | OtherwiseByName::Escalate(_) => "they are denied at once",
                };
                (format!("{word} {} needs {} people", n + 1, stage.needed), comes_to)
            }
            None => {
                let needed: u32 = stages.iter().map(|stage| u32::from(stage.needed.get())).sum();
                (format!("its stages together need up to {needed} different people"), "they are denied in the end")
            }
        };
        let what = what.replace(" 1 people", " 1 person");
        let severity = if all && comes_to != "it is skipped at once" { Severity::Error } else { Severity::Warning };
        let message = format!("{what}, and for requests {whom} there are {people} at the most besides who asks: {comes_to}");
        self.found(severity, rule, message, "ask more people, or fewer of them: from, needed, otherwise = { escalate = […] }");
    }
}

impl Stuck {
    fn add(&mut self, asker: String, resource: &impl ToString, humans: usize) {
        self.askers.insert(asker);
        self.on.insert(resource.to_string());
        self.cases += 1;
        self.most = self.most.max(humans);
    }
}
