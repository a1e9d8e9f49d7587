//! Tests: questions to the rules, with the answers that are expected.

use std::collections::BTreeSet;
use std::num::NonZeroU8;

use ajar_core::event::Proof;
use ajar_core::history::Recent;
use ajar_core::id::TokenId;
use ajar_core::name::{PrincipalName, ResourceName, RoleName, RuleName};
use ajar_core::request::Ask;
use ajar_core::time::Timestamp;
use toml::Spanned;
use uuid::Uuid;

use super::{Check, Known, Place};
use crate::condition::Leaf;
use crate::problem::near;
use crate::raw::{self, Text};
use crate::rules::{Candidate, Expect, Takes, Test};

/// When a test asks that does not say, which it need not where nothing depends on it: 2026-01-05T12:00:00Z, in milliseconds.
const ANY_TIME: i64 = 1_767_614_400_000;
const EXPECTATIONS: [&str; 3] = ["auto", "emergency", "refused"];

/// Nothing said is right; what was said must be.
#[expect(clippy::option_option, reason = "nothing said, and something wrong, are different")]
fn flat<T>(said: Option<Option<T>>) -> Option<Option<T>> {
    said.map_or(Some(None), |parsed| parsed.map(Some))
}

impl Check {
    pub(super) fn tests(&mut self, files: &[(Place<'_>, raw::File)], known: &Known, resources: &BTreeSet<ResourceName>) {
        let rules = files.iter().flat_map(|(_, file)| &file.rule).filter_map(|rule| rule.name.get_ref().parse().ok()).collect();
        let mut names = BTreeSet::new();
        for (at, file) in files {
            for raw in &file.test {
                let name = raw.name.get_ref();
                if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
                    self.problem(*at, &raw.name, "a test has a name, of one line", Some("for example \"nobody writes at night\"".into()));
                } else if !names.insert(name.clone()) {
                    self.problem(*at, &raw.name, format!("there is another test '{}'", name.escape_debug()), None);
                }
                if let Some(test) = self.test(*at, raw, known, (resources, &rules)) {
                    self.rules.tests.push(test);
                }
            }
        }
    }

    fn test(
        &mut self,
        at: Place<'_>,
        raw: &raw::Test,
        known: &Known,
        (resources, rules): (&BTreeSet<ResourceName>, &BTreeSet<RuleName>),
    ) -> Option<Test> {
        let mut somebody = |text: &Text| self.known(at, text, "user or workload", &known.people);
        let (who, by) = (somebody(&raw.who), raw.by.as_ref().map(&mut somebody));
        let resource = self.known(at, &raw.resource, "resource", resources);
        let ask = resource.and_then(|resource| Some(Ask { role: self.test_role(at, raw, &resource)?, resource }));
        let when = raw.at.as_ref().map(|text| self.instant(at, text));
        if let Some(ask) = ask.as_ref().filter(|ask| when.is_none() && self.depends_on_time(ask)) {
            let message = format!("what the rules say of {} on {} depends on the time: say when", ask.role, ask.resource);
            self.problem(at, &raw.name, message, Some("at = \"2026-12-24T08:00[Europe/Berlin]\"".into()));
        }
        let duration = raw.duration.as_ref().map(|text| self.parsed(at, text));
        let proof = raw.proof.as_ref().map(|text| self.proof(at, text));
        let expect = self.expect(at, &raw.expect, known, rules);
        let raw::Lately { approved, denied, emergencies } = raw.history;
        Some(Test {
            name: raw.name.get_ref().clone(),
            spot: at.spot(&raw.name),
            who: who?,
            by: flat(by)?,
            ask: ask?,
            at: match when {
                None => Timestamp::from_millis(ANY_TIME),
                Some(when) => when?,
            },
            duration: flat(duration)?,
            reason: raw.reason.clone(),
            ticket: raw.ticket.clone(),
            scope: raw.scope.clone(),
            emergency: raw.emergency,
            proof: flat(proof)?,
            extension: raw.extension,
            recent: Recent { approved, denied, emergencies },
            expect: expect?,
        })
    }

    fn test_role(&mut self, at: Place<'_>, raw: &raw::Test, resource: &ResourceName) -> Option<RoleName> {
        let found = std::sync::Arc::clone(self.rules.resources.get(resource)?);
        let roles: BTreeSet<RoleName> = found.roles().into_iter().cloned().collect();
        match (&raw.role, &found.default_role) {
            (Some(role), _) => self.known(at, role, "role on this resource", &roles),
            (None, Some(role)) => Some(role.clone()),
            (None, None) if roles.len() == 1 => roles.into_iter().next(),
            (None, None) => {
                self.problem(at, &raw.resource, format!("{resource} has several roles: say which"), Some("role = \"read\"".into()));
                None
            }
        }
    }

    /// Whether a rule for it looks at the time, or asks who is on call.
    fn depends_on_time(&self, ask: &Ask) -> bool {
        let timed = |leaf: &Leaf| matches!(leaf, Leaf::Now | Leaf::Hours(_) | Leaf::OnCall(_));
        let mut rules = self.rules.rules.iter().filter(|rule| rule.resources.contains(&ask.resource) && rule.roles.contains(&ask.role));
        rules.any(|rule| {
            let on_call = rule.stages().iter().any(|stage| stage.everyone().any(|c| matches!(c, Candidate::OnCall(_))));
            on_call || rule.conditions().any(|(_, condition)| condition.looks().iter().any(timed))
        })
    }

    fn proof(&mut self, at: Place<'_>, text: &Text) -> Option<Proof> {
        match text.get_ref().as_str() {
            "token" => Some(Proof::Token(TokenId::new(Uuid::nil()))),
            "password" => Some(Proof::Password),
            "certificate" => Some(Proof::Certificate),
            other => {
                let help = near(other, ["token", "password", "certificate"]);
                let help = help.or_else(|| Some("\"token\", \"password\" or \"certificate\"".into()));
                self.problem(at, text, format!("nobody signs in by '{}'", other.escape_debug()), help);
                None
            }
        }
    }

    fn expect(&mut self, at: Place<'_>, raw: &Spanned<raw::Expect>, known: &Known, rules: &BTreeSet<RuleName>) -> Option<Expect> {
        let raw::Takes { needs, max, low_risk, can_approve, cannot_approve } = match raw.get_ref() {
            raw::Expect::Takes(takes) => takes,
            raw::Expect::Word(word) => return self.expect_word(at, raw, word, rules),
        };
        if needs.is_none() && max.is_none() && low_risk.is_none() && can_approve.is_empty() && cannot_approve.is_empty() {
            self.problem(at, raw, "nothing is expected", Some("needs = [\"2 of group:dbas\"]".into()));
        }
        let needs = match needs {
            None => None,
            Some(all) => Some(all.iter().map(|text| self.needs(at, text, known)).collect::<Option<_>>()?),
        };
        let max = match max {
            None => None,
            Some(text) => Some(self.parsed(at, text)?),
        };
        let mut people = |texts: &[Text]| -> Vec<PrincipalName> {
            texts.iter().filter_map(|text| self.known(at, text, "user or workload", &known.people)).collect()
        };
        let (can_approve, cannot_approve) = (people(can_approve), people(cannot_approve));
        Some(Expect::Takes(Takes { needs, max, low_risk: *low_risk, can_approve, cannot_approve }))
    }

    fn expect_word(&mut self, at: Place<'_>, raw: &Spanned<raw::Expect>, word: &str, rules: &BTreeSet<RuleName>) -> Option<Expect> {
        if let Some(rule) = word.strip_prefix("denied by ") {
            let text = Spanned::new(raw.span(), rule.trim().to_owned());
            return self.known(at, &text, "rule", rules).map(Expect::DeniedBy);
        }
        match word {
            "auto" => Some(Expect::Auto),
            "emergency" => Some(Expect::Emergency),
            "refused" => Some(Expect::Refused),
            other => {
                let help = near(other, EXPECTATIONS);
                let all = "\"auto\", \"refused\", \"emergency\", \"denied by RULE\", or { needs = [\"2 of group:dbas\"] }";
                self.problem(at, raw, format!("nothing is expected by '{}'", other.escape_debug()), help.or_else(|| Some(all.into())));
                None
            }
        }
    }

    /// `2 of group:dbas or owners`.
    fn needs(&mut self, at: Place<'_>, text: &Text, known: &Known) -> Option<(NonZeroU8, Vec<Candidate>)> {
        let parts = text.get_ref().split_once(" of ").and_then(|(needed, from)| Some((needed.trim().parse::<NonZeroU8>().ok()?, from)));
        let Some((needed, from)) = parts else {
            self.problem(at, text, "that is not how many of whom", Some("for example \"2 of group:dbas or owners\"".into()));
            return None;
        };
        let from: Vec<Text> = from.split(" or ").map(|one| Spanned::new(text.span(), one.trim().to_owned())).collect();
        let found = self.candidates(at, &from, known);
        (found.len() == from.len()).then_some((needed, found))
    }
}
