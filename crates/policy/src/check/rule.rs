//! Rules: what they are for, what they take, what they ask for.

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::Arc;

use ajar_core::name::{ResourceName, RoleName, RuleName};
use ajar_core::plan::Opening;
use ajar_core::time::Span;
use toml::Spanned;

use super::choice::Chosen;
use super::{Check, Known, Place, Things};
use crate::problem::near;
use crate::raw::{self, Text};
use crate::rules::{Candidate, Carries, Effect, EmergencyTerms, Extend, OtherwiseByName, Pattern, Rule, StageByName, Terms, Who};

/// What a rule allows at the most unless it says.
const DEFAULT_MAX: Span = Span::from_secs(3600);
/// The longest that an emergency may last.
const BREAK_GLASS_MAX: Span = Span::from_secs(4 * 3600);
/// By when an emergency is reviewed unless its rule says.
const DEFAULT_REVIEW_WITHIN: Span = Span::from_secs(24 * 3600);
/// Characters of reason that an emergency asks for at least.
const EMERGENCY_REASON_MIN: usize = 10;
/// How long a stage may take unless it says.
const DEFAULT_WITHIN: Span = Span::from_secs(30 * 60);
/// How often a grant may be gone on with unless its rule says.
const EXTENDED_ONCE: u8 = 1;

impl Check {
    pub(super) fn rule(&mut self, at: Place<'_>, raw: &raw::Rule, known: &Known, things: &mut Things) -> Option<Rule> {
        let before = self.problems.len();
        let name = self.parsed::<RuleName>(at, &raw.name);
        let mut who = Who::default();
        for text in &raw.who {
            match self.who(at, text, known) {
                Some(Candidate::Group(group)) => drop(who.groups.insert(group)),
                Some(Candidate::Person(person)) => drop(who.people.insert(person)),
                Some(Candidate::Owners | Candidate::Manager | Candidate::OnCall(_)) => {
                    self.problem(at, text, "who asks is a group or a user", Some("\"group:engineers\"".into()))
                }
                None => {}
            }
        }
        let chosen = self.rule_resources(at, &raw.resources, things);
        let roles = self.rule_roles(at, raw, &chosen.roles);
        // INVARIANT I01: an empty list would be a rule for nobody or nothing; it is a mistake, never "everybody".
        for (empty, what) in [(raw.who.is_empty(), "who"), (raw.roles.is_empty(), "roles")] {
            if empty {
                self.problem(at, &raw.name, format!("'{what}' is empty: the rule can never match"), None);
            }
        }
        let when = raw.when.as_ref().and_then(|text| self.condition(at, text, known));
        let effect = self.effect(at, raw, known);
        (self.problems.len() == before).then_some(())?;
        Some(Rule { name: name?, who, resources: Arc::clone(&chosen.names), roles, when, effect: effect? })
    }

    fn rule_resources(&mut self, at: Place<'_>, raw: &Spanned<raw::Resources>, things: &mut Things) -> Arc<Chosen> {
        let chosen = match raw.get_ref() {
            raw::Resources::Names(list) => {
                let names: Vec<ResourceName> = list.iter().filter_map(|text| self.known(at, text, "resource", &things.names)).collect();
                Arc::new(Chosen::of(names.iter().filter_map(|name| self.rules.resources.get(name))))
            }
            raw::Resources::Matching(wanted) => {
                if let Some(kind) = &wanted.kind {
                    self.kind(at, kind);
                }
                things.choices.matching(wanted)
            }
        };
        if chosen.names.is_empty() && self.problems.is_empty() {
            self.problem(at, raw, "no resource fits: the rule can never match", None);
        }
        chosen
    }

    fn rule_roles(&mut self, at: Place<'_>, raw: &raw::Rule, known: &BTreeSet<RoleName>) -> BTreeSet<RoleName> {
        if known.is_empty() {
            return BTreeSet::new();
        }
        raw.roles.iter().filter_map(|role| self.known(at, role, "role on these resources", known)).collect()
    }

    fn effect(&mut self, at: Place<'_>, raw: &raw::Rule, known: &Known) -> Option<Effect> {
        if raw.deny {
            let asks = raw.approve.is_some() || raw.stages.is_some() || raw.auto_when.is_some() || raw.break_glass.is_some();
            let lasts = raw.max.is_some() || raw.clock.is_some() || raw.single_use || raw.extend.is_some();
            if asks || lasts || raw.bundle.is_some() || !raw.on_behalf_by.is_empty() {
                self.problem(at, &raw.name, "a rule that denies has no approval and no duration", None);
            }
            if raw.low_risk {
                self.problem(at, &raw.name, "a rule that denies allows nothing that could be of low risk", None);
            }
            return Some(Effect::Deny);
        }
        let max = match &raw.max {
            Some(text) => self.parsed::<Span>(at, text)?,
            None => DEFAULT_MAX,
        };
        let default = match &raw.default {
            Some(text) => self.parsed::<Span>(at, text)?,
            None => max.min(DEFAULT_MAX),
        };
        if let Some(text) = raw.default.as_ref().filter(|_| default > max) {
            self.problem(at, text, "the default is longer than the maximum", None);
        }
        if let Some(emergency) = &raw.break_glass {
            return self.break_glass(at, raw, emergency, (max, default), known);
        }
        let Some(stages) = self.stages(at, &raw.name, (raw.approve.as_ref(), raw.stages.as_deref()), known)? else {
            let help = Some("approve = { from = [\"owners\"] }, or \"auto\"".into());
            self.problem(at, &raw.name, "the rule doesn't say who approves", help);
            return None;
        };
        let auto_when = raw.auto_when.as_ref().and_then(|text| self.condition(at, text, known));
        if let Some(text) = raw.auto_when.as_ref().filter(|_| stages.is_empty()) {
            self.problem(at, text, "with approve = \"auto\" nobody is ever asked: say who approves what does not fit", None);
        }
        let apart = match raw.bundle.as_ref().map(|b| (b, b.get_ref().as_str())) {
            None | Some((_, "together")) => false,
            Some((_, "apart")) => true,
            Some((text, _)) => {
                self.problem(at, text, "a bundle is decided \"together\" or \"apart\"", None);
                return None;
            }
        };
        let on_behalf_by = self.candidates(at, &raw.on_behalf_by, known);
        let carries = self.carries(at, raw);
        let opening = Opening { on_first_use: self.clock(at, raw)?, single_use: raw.single_use };
        let extend = self.extend(at, raw, known)?;
        let low_risk = raw.low_risk;
        Some(Effect::Allow(Box::new(Terms { max, default, carries, opening, auto_when, stages, apart, on_behalf_by, extend, low_risk })))
    }

    /// The stages that `approve` or `stages` say: none for `"auto"`; nothing inside when neither is there. `None` when they are wrong.
    #[expect(clippy::option_option, reason = "nothing said, and something wrong, are different")]
    fn stages(
        &mut self,
        at: Place<'_>,
        rule: &Text,
        said: (Option<&Spanned<raw::Approve>>, Option<&[raw::Stage]>),
        known: &Known,
    ) -> Option<Option<Vec<StageByName>>> {
        let raw: Vec<&raw::Stage> = match said {
            (Some(approve), None) => match approve.get_ref() {
                raw::Approve::Word(word) if word == "auto" => Vec::new(),
                raw::Approve::Word(word) => {
                    let help = near(word, ["auto"]).or_else(|| Some("\"auto\" or { from = [\"owners\"] }".into()));
                    self.problem(at, approve, format!("there is no approval '{}'", word.escape_debug()), help);
                    return None;
                }
                raw::Approve::Stage(stage) => vec![stage],
            },
            (None, Some(stages)) if !stages.is_empty() => stages.iter().collect(),
            (None, _) => return Some(None),
            (Some(_), Some(_)) => {
                self.problem(at, rule, "'approve' is one stage and 'stages' several: give one of them", None);
                return None;
            }
        };
        raw.into_iter().map(|stage| self.stage(at, rule, stage, known)).collect::<Option<_>>().map(Some)
    }

    fn extend(&mut self, at: Place<'_>, rule: &raw::Rule, known: &Known) -> Option<Extend> {
        let Some(extend) = &rule.extend else { return Some(Extend { times: EXTENDED_ONCE, max: None, stages: None }) };
        if rule.single_use {
            self.problem(at, extend, "what is for one session can't be gone on with", None);
        }
        let raw::Extend { times, max, approve, stages } = extend.get_ref();
        let max = match max {
            Some(text) => Some(self.parsed::<Span>(at, text)?),
            None => None,
        };
        let stages = self.stages(at, &rule.name, (approve.as_ref(), stages.as_deref()), known)?;
        Some(Extend { times: *times, max, stages })
    }

    fn carries(&mut self, at: Place<'_>, raw: &raw::Rule) -> Carries {
        Carries {
            reason_min: raw.reason.as_ref().map_or(0, |r| r.min_length),
            reason: raw.reason.as_ref().and_then(|r| r.pattern.as_ref()).and_then(|p| self.pattern(at, p)),
            ticket: raw.ticket.is_some(),
            scope: raw.scope.is_some(),
            scope_pattern: raw.scope.as_ref().and_then(|s| s.pattern.as_ref()).and_then(|p| self.pattern(at, p)),
            ticket_pattern: raw.ticket.as_ref().and_then(|t| t.pattern.as_ref()).and_then(|p| self.pattern(at, p)),
        }
    }

    fn break_glass(
        &mut self,
        at: Place<'_>,
        raw: &raw::Rule,
        emergency: &Spanned<raw::BreakGlass>,
        (max, default): (Span, Span),
        known: &Known,
    ) -> Option<Effect> {
        let routine = raw.approve.is_some() || raw.stages.is_some() || raw.auto_when.is_some() || raw.bundle.is_some();
        if routine || raw.clock.is_some() || raw.single_use || raw.extend.is_some() || !raw.on_behalf_by.is_empty() {
            let help = "what is routine is another rule";
            self.problem(
                at,
                emergency,
                "an emergency opens at once, for who asks: it has no approval, clock, single use, extension or bundle",
                Some(help.into()),
            );
        }
        if raw.low_risk {
            self.problem(at, emergency, "an emergency is not of low risk", Some("what is routine is another rule".into()));
        }
        if let Some(text) = raw.max.as_ref().filter(|_| max > BREAK_GLASS_MAX) {
            self.problem(at, text, format!("an emergency is short: {BREAK_GLASS_MAX} at the most"), None);
        }
        let raw::BreakGlass { alert, review } = emergency.get_ref();
        for (empty, what, help) in [
            (alert.is_empty(), "an emergency alerts somebody", "alert = [\"owners\", \"manager\"]"),
            (review.from.is_empty(), "an emergency is reviewed by somebody", "review = { from = [\"owners\"], within = \"24h\" }"),
        ] {
            if empty {
                self.problem(at, emergency, what, Some(help.into()));
            }
        }
        let Some(needed) = NonZeroU8::new(review.needed) else {
            self.problem(at, emergency, "an emergency is reviewed by one at least", None);
            return None;
        };
        let within = match &review.within {
            Some(text) => self.parsed(at, text)?,
            None => DEFAULT_REVIEW_WITHIN,
        };
        let from = self.candidates(at, &review.from, known);
        let review = StageByName { from, needed, within, otherwise: OtherwiseByName::Deny, asked_only: false, when: None };
        let mut carries = self.carries(at, raw);
        carries.reason_min = carries.reason_min.max(EMERGENCY_REASON_MIN);
        Some(Effect::BreakGlass(Box::new(EmergencyTerms { max, default, carries, alert: self.candidates(at, alert, known), review })))
    }

    fn pattern(&mut self, at: Place<'_>, text: &Text) -> Option<Pattern> {
        Pattern::parse(text.get_ref()).map_err(|why| self.problem(at, text, format!("not a usable pattern: {why}"), None)).ok()
    }

    /// Within what time the first use must come, if the clock starts with it. `None` when that is wrong.
    #[expect(clippy::option_option, reason = "no clock that waits, and no usable clock, are different")]
    fn clock(&mut self, at: Place<'_>, raw: &raw::Rule) -> Option<Option<Span>> {
        let Some(clock) = &raw.clock else { return Some(None) };
        match clock.get_ref() {
            raw::Clock::Word(word) if word == "on_approval" => Some(None),
            raw::Clock::Word(_) => {
                self.problem(at, clock, "a clock is \"on_approval\", or { on_first_use = \"8h\" }", None);
                None
            }
            raw::Clock::OnFirstUse(first) => self.parsed(at, &first.on_first_use).map(Some),
        }
    }

    fn stage(&mut self, at: Place<'_>, rule: &Text, raw: &raw::Stage, known: &Known) -> Option<StageByName> {
        let Some(needed) = NonZeroU8::new(raw.needed) else {
            self.problem(at, rule, "a stage needs one approval at least", Some("approve = \"auto\" is the way to say none".into()));
            return None;
        };
        let from = self.candidates(at, &raw.from, known);
        if raw.from.is_empty() {
            self.problem(at, rule, "a stage says from whom: 'from' is empty", Some("from = [\"owners\"]".into()));
        }
        let within = match &raw.within {
            Some(text) => self.parsed(at, text)?,
            None => DEFAULT_WITHIN,
        };
        let otherwise = match raw.otherwise.as_ref().map(Spanned::get_ref) {
            None => OtherwiseByName::Deny,
            Some(raw::Otherwise::Word(word)) if word == "deny" => OtherwiseByName::Deny,
            Some(raw::Otherwise::Word(word)) if word == "next" => OtherwiseByName::Next,
            Some(raw::Otherwise::Escalate(more)) => {
                OtherwiseByName::Escalate(self.escalation(at, raw.otherwise.as_ref()?, &more.escalate, known))
            }
            Some(raw::Otherwise::Word(_)) => {
                self.problem(at, raw.otherwise.as_ref()?, "otherwise is \"deny\", \"next\", or { escalate = [\"group:…\"] }", None);
                return None;
            }
        };
        let when = match &raw.when {
            Some(text) => Some(self.condition(at, text, known)?),
            None => None,
        };
        Some(StageByName { from, needed, within, otherwise, asked_only: raw.asked_only, when })
    }

    /// A list of people is one step; a list of lists is one step after the other.
    fn escalation<T>(&mut self, at: Place<'_>, whole: &Spanned<T>, to: &[Spanned<raw::EscalateTo>], known: &Known) -> Vec<Vec<Candidate>> {
        let (mut together, mut steps) = (Vec::new(), Vec::new());
        for entry in to {
            match entry.get_ref() {
                raw::EscalateTo::One(name) => together.push(Spanned::new(entry.span(), name.clone())),
                raw::EscalateTo::Together(list) => {
                    if list.is_empty() {
                        self.problem(at, entry, "this step of the escalation asks nobody", None);
                    }
                    steps.push(self.candidates(at, list, known));
                }
            }
        }
        if to.is_empty() || !(together.is_empty() || steps.is_empty()) {
            let help =
                "escalate = [\"manager\", \"group:heads\"] asks them together; [[\"manager\"], [\"group:heads\"]] one after the other";
            self.problem(at, whole, "an escalation is a list of people, or a list of such lists", Some(help.into()));
        }
        if !together.is_empty() {
            steps.push(self.candidates(at, &together, known));
        }
        steps
    }
}
